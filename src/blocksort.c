/* SPDX-License-Identifier: MIT */

/*
 * Most significant digit first, each by cycles of exchanges ("American flag",
 * McIlroy, Bostic and McIlroy, 1993): nothing is needed beside the blocks but
 * counters.  A digit begins at the highest bit in which addresses differ.
 */
#include "src/blocksort.h"

#define MOST_BITS  11u
#define LESS_BITS  6u
#define MANY       ((size_t)8192) /* from here on the longer digit */
#define FEW        ((size_t)24)   /* up to here by insertion */
#define AHEAD      3              /* of a tile's blocks, while others have their turn */
#define MOST_TILES ((size_t)1 << MOST_BITS)

/* A digit's blocks: those not yet in place begin at `at`. */
struct tile {
	size_t at, end;
};

struct digit {
	unsigned shift;
	size_t mask;
};

static inline size_t digit_of(const struct digit *d, const struct hs_fold_block *b)
{
	return (size_t)(b->addr >> d->shift) & d->mask;
}

static void insert_all(struct hs_fold_block *blocks, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct hs_fold_block moving = blocks[i];
		size_t k = i;
		for (; k && blocks[k - 1].addr > moving.addr; k--)
			blocks[k] = blocks[k - 1];
		blocks[k] = moving;
	}
}

static void lay_tiles(const struct hs_fold_block *blocks, size_t n, const struct digit *d,
		      struct tile *tiles)
{
	size_t sum = 0;
	for (size_t t = 0; t <= d->mask; t++)
		tiles[t] = (struct tile){0, 0};
	for (size_t i = 0; i < n; i++)
		tiles[digit_of(d, &blocks[i])].end++;
	for (size_t t = 0; t <= d->mask; t++) {
		tiles[t].at = sum;
		tiles[t].end = sum += tiles[t].end;
	}
}

static void exchange(struct hs_fold_block *blocks, const struct digit *d,
		     struct tile *tiles)
{
	for (size_t t = 0; t <= d->mask; t++)
		while (tiles[t].at < tiles[t].end) {
			struct hs_fold_block moving = blocks[tiles[t].at];
			for (size_t k; (k = digit_of(d, &moving)) != t;) {
				struct hs_fold_block *there = &blocks[tiles[k].at++];
				/* Each exchange waits for the one before. */
				__builtin_prefetch(there + AHEAD, 1);
				struct hs_fold_block next = *there;
				*there = moving;
				moving = next;
			}
			blocks[tiles[t].at++] = moving;
		}
}

/* Each level takes 6 bits or more of 64: ten levels at most. */
void hs_sort_blocks(struct hs_fold_block *blocks, size_t n)
{
	if (n <= FEW) {
		insert_all(blocks, n);
		return;
	}
	uint64_t varying = 0;
	for (size_t i = 1; i < n; i++)
		varying |= blocks[i].addr ^ blocks[0].addr;
	if (!varying)
		return;
	unsigned top = 64 - (unsigned)__builtin_clzll(varying);
	unsigned bits = HS_MIN(n < MANY ? LESS_BITS : MOST_BITS, top);
	const struct digit d = {top - bits, ((size_t)1 << bits) - 1};
	struct tile tiles[MOST_TILES];
	lay_tiles(blocks, n, &d, tiles);
	exchange(blocks, &d, tiles);
	for (size_t t = 0, from = 0; t <= d.mask; from = tiles[t++].end)
		if (d.shift)
			hs_sort_blocks(blocks + from, tiles[t].end - from);
}
