/* SPDX-License-Identifier: MIT */

/*
 * Spreads: how large a site's blocks were, and how long those lived that were freed.
 * Values are counted by classes: class C has those of 2 * C or 2 * C + 1 binary
 * digits, the last class all greater ones, too.  A lifetime is the difference of two
 * times in whatever they count.
 */
#ifndef HS_SPREAD_H
#define HS_SPREAD_H

#include "src/base.h"

#define HS_SPREAD_SIZES 16u
#define HS_SPREAD_AGES  32u

/* A count that would overflow stays at its maximum. */
struct hs_spread {
	uint64_t oldest; /* the longest lifetime */
	uint32_t sizes[HS_SPREAD_SIZES];
	uint32_t ages[HS_SPREAD_AGES];
};

/* VALUE is TIMES more in its class, of N. */
static inline void hs_spread_count(uint32_t *classes, uint32_t n, uint64_t value,
				   uint64_t times)
{
	uint32_t digits = value ? 64 - (uint32_t)__builtin_clzll(value) : 0;
	uint32_t *class = &classes[HS_MIN(digits / 2, n - 1)];
	uint64_t sum = *class + times;
	*class = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

/* The smallest value that is beyond class C, which is not the last one. */
static inline uint64_t hs_spread_end(uint32_t c)
{
	return (uint64_t)2 << (2 * c);
}

void hs_spread_add(struct hs_spread *sum, const struct hs_spread *more);

#endif /* HS_SPREAD_H */
