/* SPDX-License-Identifier: MIT */

/* Putting a capture's tables into the order in which they can be searched. */
#ifndef HS_CAPTURE_FIND_H
#define HS_CAPTURE_FIND_H

#include "src/capture.h"

/* Sort N rows at AT and drop what was told again.  Return how many are left. */
size_t hs_capture_order_modules(struct hs_capture_module *at, size_t n);
size_t hs_capture_order_stacks(struct hs_capture_stack *at, size_t n);

#endif /* HS_CAPTURE_FIND_H */
