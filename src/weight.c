/* SPDX-License-Identifier: MIT */

/* Weights of sampled blocks, and how sure their sums are. */
#include "src/weight.h"

#include <math.h>

#include "src/hash.h"

/* 97.5 of 100 values of a normal distribution are less than so many deviations. */
#define DEVIATIONS 1.959963984540054

/* A block of so many means is missed once in 10^27 times. */
#define CERTAIN 64.0

/* V up or down: up in as many cases as its fraction says. */
static uint64_t rounded(double v, uint64_t noise, double *variance)
{
	double whole = floor(v), part = v - whole;
	*variance += part * (1 - part);
	/* 53 bits, as many as a double tells apart in [0, 1). */
	return (uint64_t)whole + ((double)(noise >> 11) * 0x1p-53 < part);
}

struct hs_weight hs_weight_of(uint64_t mean, uint64_t size, uint64_t noise)
{
	double x = (double)HS_MAX(size, (uint64_t)1) / (double)mean;
	if (x > CERTAIN)
		return (struct hs_weight){.blocks = 1, .bytes = size};
	double p = -expm1(-x);
	/* Of the sum: exp(-x) = 1 - p, without the loss of digits. */
	double variance = exp(-x) / (p * p);
	struct hs_weight w = {.blocks_variance = variance,
			      .bytes_variance = variance * (double)size * (double)size};
	noise = hs_hash_u64(noise);
	w.blocks = rounded(1 / p, noise, &w.blocks_variance);
	w.bytes = rounded((double)size / p, hs_hash_u64(noise), &w.bytes_variance);
	return w;
}

static uint64_t margin(double variance, double sample)
{
	/* Sums that were added to and taken from may end just below 0. */
	double v = (variance > 0 ? variance : 0) + sample * sample;
	double m = ceil(DEVIATIONS * sqrt(v));
	return m < 0x1p63 ? (uint64_t)m : (uint64_t)1 << 63;
}

uint64_t hs_margin_of_bytes(double variance, uint64_t mean)
{
	return margin(variance, (double)mean);
}

uint64_t hs_margin_of_blocks(double variance, uint64_t mean, uint64_t blocks,
			     uint64_t bytes)
{
	return margin(variance, (double)mean * (double)blocks / (double)bytes);
}
