/* SPDX-License-Identifier: MIT */

/* Sorting many numbers in linear time. */
#ifndef HS_RADIX_H
#define HS_RADIX_H

#include "src/base.h"

struct hs_radix_key {
	uint64_t key;
	size_t index; /* the caller's */
};

/* By key; what has the same key keeps its order. */
void hs_radix_sort(struct hs_radix_key *keys, size_t n);

#endif /* HS_RADIX_H */
