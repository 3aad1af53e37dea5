/* SPDX-License-Identifier: MIT */

/*
 * Zeroed memory for tables that are probed at random and double: large ones lie in
 * huge pages, where the kernel has some, and grow without a copy.  To zero a page
 * costs more than to fill it, so no page is taken that is given back soon.
 */
#ifndef HS_HUGE_H
#define HS_HUGE_H

#include "src/base.h"

/* P's SIZE bytes (NULL and 0: none yet) become TO, more than before; the new are 0. */
void *hs_huge_grow(void *p, size_t size, size_t to);
void hs_huge_free(void *p, size_t size);

#endif /* HS_HUGE_H */
