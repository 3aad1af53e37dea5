/* SPDX-License-Identifier: MIT */

/*
 * Whole stacks that a thread saw twice, with their ids.  An entry is what a
 * trail is for one stack, and holds for the same reason (trail.h): it has every
 * word that a walk from its frame reads.  Where a thread goes through a few
 * stacks in turn, this finds each without a walk, a hash or the table.
 *
 * Stacks with guessed frames are not kept: a guess depends on more than memory.
 */
#ifndef TR_MEMO_H
#define TR_MEMO_H

#include "src/tracker/trail.h"

#define TR_MEMO_ENTRIES 256u
#define TR_MEMO_READS   80u /* a multiple of TR_BATCH; stacks with more are not kept */

struct tr_memo_entry {
	uint64_t addr, key, fp; /* of the innermost frame */
	uint64_t high;          /* end of the highest word */
	uint64_t hash;
	uint32_t epoch;
	uint32_t id; /* 0: empty */
	/* Hash of the stack that was here the last time, and that the entry is not of. */
	uint32_t candidate;
	uint16_t n; /* words; the last are repeated to a multiple of TR_BATCH */
	bool needs_fp;
	uint32_t offset[TR_MEMO_READS]; /* from TR_BELOW_SP below sp */
	uint64_t value[TR_MEMO_READS];
};

struct tr_memo {
	struct tr_memo_entry entries[TR_MEMO_ENTRIES];
};

static inline struct tr_memo_entry *tr_memo_at(struct tr_memo *memo, uint64_t addr,
					       uint64_t key)
{
	uint64_t h = ((addr >> 3) * 0x9e3779b97f4a7c15u) ^ (key * 0xd6e8feb86659fd93u);
	return &memo->entries[h >> 32 & (TR_MEMO_ENTRIES - 1)];
}

/* Is the stack above the call at SLOT the one of E? */
static inline bool tr_memo_holds(const struct tr_memo_entry *e, uint32_t epoch,
				 const uint64_t *slot, uint64_t key, uint64_t fp)
{
	uint64_t addr = (uintptr_t)slot, bottom = addr + 8 - TR_BELOW_SP;
	if (e->addr != addr || e->key != key || e->epoch != epoch || !e->id ||
	    (e->needs_fp && e->fp != fp) || e->high > tr_stretch_end(bottom))
		return false;
	const uint8_t *from = (const uint8_t *)(uintptr_t)bottom;
	for (uint32_t i = 0; i < e->n; i += TR_BATCH) {
		uint64_t changes = 0;
		for (uint32_t k = i; k < i + TR_BATCH; k++) {
			uint64_t word;
			memcpy(&word, from + e->offset[k], sizeof(word));
			changes |= word ^ e->value[k];
		}
		if (changes)
			return false;
	}
	return true;
}

/* T leads to the stack ID, which E does not hold: keep it there if it comes again. */
void tr_memo_offer(struct tr_memo_entry *e, const struct tr_trail *t, uint32_t id);

#endif /* TR_MEMO_H */
