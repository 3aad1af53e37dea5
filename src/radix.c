/* SPDX-License-Identifier: MIT */

/*
 * Least significant digit first, each digit by counting.  Digits in which all
 * keys agree are passed over: addresses of a heap differ in three or four.
 */
#include "src/radix.h"

#include <string.h>

#define DIGIT_BITS 11
#define DIGITS     ((size_t)1 << DIGIT_BITS)

static size_t digit(const struct hs_radix_key *k, unsigned shift)
{
	return (size_t)(k->key >> shift) & (DIGITS - 1);
}

static void sort_by_digit(const struct hs_radix_key *from, struct hs_radix_key *to,
			  size_t n, unsigned shift)
{
	size_t begin[DIGITS] = {0}, sum = 0;
	for (size_t i = 0; i < n; i++)
		begin[digit(&from[i], shift)]++;
	for (size_t i = 0; i < DIGITS; i++) {
		size_t count = begin[i];
		begin[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[begin[digit(&from[i], shift)]++] = from[i];
}

void hs_radix_sort(struct hs_radix_key *keys, size_t n)
{
	uint64_t varying = 0;
	for (size_t i = 1; i < n; i++)
		varying |= keys[i].key ^ keys[0].key;
	struct hs_radix_key *spare = hs_xmalloc(n * sizeof(*spare));
	struct hs_radix_key *from = keys, *to = spare;
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		if (!(varying >> shift & (DIGITS - 1)))
			continue;
		sort_by_digit(from, to, n, shift);
		struct hs_radix_key *sorted = to;
		to = from;
		from = sorted;
	}
	if (from != keys && n)
		memcpy(keys, from, n * sizeof(*keys));
	free(spare);
}
