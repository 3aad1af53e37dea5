/* SPDX-License-Identifier: MIT */

/*
 * Where the next sample lies.  Samples are points of a Poisson process on the bytes
 * that a thread allocates, so the way to the next one has an exponential
 * distribution, wherever it is counted from.  No library for mathematics, and no
 * memory but eight bytes.
 */
#ifndef TR_DICE_H
#define TR_DICE_H

#include <stdint.h>

/* 64 random bits: splitmix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t tr_dice_roll(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

#define TR_DICE_BITS 32

/*
 * -log2(X / 2^64), with TR_DICE_BITS bits behind the point.  Squaring a number
 * between 1 and 2 doubles its logarithm, whose next bit says whether it is 2 or more.
 */
static inline uint64_t tr_dice_log2(uint64_t x)
{
	unsigned zeros = (unsigned)__builtin_clzll(x | 1);
	uint64_t m = (x | 1) << zeros, log = 0; /* m / 2^63 is between 1 and 2 */
	for (unsigned i = 0; i < TR_DICE_BITS; i++) {
		unsigned __int128 square = (unsigned __int128)m * m;
		unsigned bit = (unsigned)(square >> 127);
		m = (uint64_t)(square >> (63 + bit));
		log = log << 1 | bit;
	}
	return ((uint64_t)(zeros + 1) << TR_DICE_BITS) - log;
}

/*
 * So many bytes go before the next sample: the whole part of a number of
 * exponential distribution with MEAN, which is at most 2^40.
 */
static inline uint64_t tr_dice_way(uint64_t *state, uint64_t mean)
{
	const uint64_t ln2 = 2977044472u; /* times 2^32 */
	uint64_t log = tr_dice_log2(tr_dice_roll(state));
	return (uint64_t)((unsigned __int128)log * mean * ln2 >> (TR_DICE_BITS + 32));
}

#endif /* TR_DICE_H */
