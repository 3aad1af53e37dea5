/* SPDX-License-Identifier: MIT */

/* Sums of spreads. */
#include "src/spread.h"

static void add_classes(uint32_t *sum, const uint32_t *more, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum[i] = more[i] > UINT32_MAX - sum[i] ? UINT32_MAX : sum[i] + more[i];
}

void hs_spread_add(struct hs_spread *sum, const struct hs_spread *more)
{
	sum->oldest = HS_MAX(sum->oldest, more->oldest);
	add_classes(sum->sizes, more->sizes, HS_SPREAD_SIZES);
	add_classes(sum->ages, more->ages, HS_SPREAD_AGES);
}
