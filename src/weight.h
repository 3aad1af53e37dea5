/* SPDX-License-Identifier: MIT */

/*
 * Weights of sampled blocks.  Allocations are sampled as by points that are
 * strewn over the allocated bytes, on average one in every MEAN of them: a block
 * of S bytes is hit with probability p = 1 - exp(-S / MEAN), whatever happens to
 * the others.  One that was hit stands for 1 / p blocks and S / p bytes; the sums
 * of these weights are right on average (Horvitz and Thompson, 1952), and what
 * else they may be is told by the sums of the variances.
 */
#ifndef HS_WEIGHT_H
#define HS_WEIGHT_H

#include "src/base.h"

/* A mean beyond this samples nothing; so no figure can overflow. */
#define HS_SAMPLE_MOST ((uint64_t)1 << 40)

struct hs_weight {
	uint64_t blocks, bytes;
	double blocks_variance, bytes_variance; /* what this block adds to the sums' */
};

/*
 * The weights of a block of SIZE bytes, of which an empty one is as likely to be
 * hit as one of one byte.  They are whole numbers: rounded up or down, so that the
 * mean is right, by what NOISE says, which is any number that goes with the block.
 */
struct hs_weight hs_weight_of(uint64_t mean, uint64_t size, uint64_t noise);

/*
 * Half of the interval around an estimate in which at least about 95 of 100 truths lie.
 * One sample more than there were is counted in: so few and even no samples have an
 * interval, which the variance alone would make too narrow, or nothing.
 */
uint64_t hs_margin_of_bytes(double variance, uint64_t mean);

/* Likewise, of BLOCKS that have BYTES together; neither is 0. */
uint64_t hs_margin_of_blocks(double variance, uint64_t mean, uint64_t blocks,
			     uint64_t bytes);

#endif /* HS_WEIGHT_H */
