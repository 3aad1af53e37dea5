/* SPDX-License-Identifier: MIT */

/*
 * The trail: every word of memory that the last walk read, so that the next
 * one need not be made.  A stack hardly changes between two allocations, and to
 * see that a frame is still there takes one comparison, not a table.
 *
 * A walk is a function of its frame (return address, sp, fp) and of the words
 * that it reads from there to the outermost frame, in an order which these
 * words decide.  So if it comes to a frame that is on the trail, and all words
 * that the trail has from there on are the same now, then walking on would read
 * just these words and find just these frames.  Nothing is assumed about what
 * happened in between: returns, jumps, other stacks, other threads' stacks at
 * the same place.  What is assumed:
 *
 *      rules do not change       a trail belongs to an epoch, and ends with it
 *      code has no object        frames that were guessed because of that are
 *                                looked at again (`unsettled`)
 *      memory is readable        all of the trail lies below `high`, and is only
 *                                compared where the stretch around sp (peek.h)
 *                                reaches up to there
 *      sp                        is part of the frame, and follows from where the
 *                                return address lies if TR_SP_FOLLOWS_RA says so
 *      fp                        matters only if a frame further out is found
 *                                through it before it is loaded anew (`needs_fp`);
 *                                the words that it is loaded from are on the trail
 *                                in just this case
 *      the thread                guesses know where its stack ends: a trail is
 *                                for one thread
 *
 * Whatever needs more than this (signal frames, odd registers, stacks that are
 * cut) is not remembered, and walked in full each time.
 */
#ifndef TR_TRAIL_H
#define TR_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/tracker/frame.h"

#define TR_TRAIL_FRAMES 4096u /* a longer stack would be cut by tr_unwind */
#define TR_TRAIL_READS  (TR_TRAIL_FRAMES + TR_TRAIL_FRAMES / 2)

/* Words are compared so many at a time; as many that always match lie below the first. */
#define TR_BATCH 4u

/* No two return addresses share 16 bytes, so this tells those within 16 KiB apart. */
#define TR_TRAIL_INDEX 1024u

struct tr_read {
	uint64_t addr, value;
};

/* What is known of the frame whose return address is the read of the same number. */
struct tr_mark {
	uint64_t fp;
#if !TR_SP_FOLLOWS_RA
	uint64_t sp; /* else it is the address behind that read */
#endif
	uint64_t hash; /* of this frame and all further out */
	uint32_t id;   /* of the stack that begins here; 0: not asked for yet */
	uint16_t rule;
	uint16_t depth; /* frames from here to the outermost; 0: the read is no frame */
	/* Of this frame or any further out: */
	uint8_t flags; /* HS_WIRE_STACK_GUESSED */
	bool needs_fp;
	bool unsettled;
};

struct tr_trail {
	uint32_t top; /* the innermost frame; TR_BATCH - 1: none */
	uint32_t epoch;
	uint64_t high;   /* end of the highest word */
	int32_t balance; /* frames that remembering has saved lately, less its cost */
	/* While it does not pay: walks until the next attempt; of the last such pause. */
	uint32_t skip, skipped;
	uint16_t index[TR_TRAIL_INDEX]; /* of a frame, by the place of its address */
	/* Outermost first.  Behind the top, room for a walk's new frames. */
	struct tr_read reads[TR_TRAIL_READS];
	struct tr_mark marks[TR_TRAIL_READS];
};

/* Begin an empty trail in zeroed memory, or forget what is on T. */
void tr_trail_start(struct tr_trail *t);

/*
 * Do what tr_unwind does, by the trail T.  If that is possible the frames
 * are then T's, to be read by tr_trail_top and tr_trail_pcs.  False: T
 * is as useful as before, and the caller has to walk.
 */
bool tr_trail_follow(struct tr_trail *t, uint32_t epoch, const uint64_t *slot,
		     uint64_t fp);

/* The stack that T leads to now. */
static inline struct tr_mark *tr_trail_top(struct tr_trail *t)
{
	return &t->marks[t->top];
}

/* Its return addresses, innermost first: as many as its depth says. */
void tr_trail_pcs(const struct tr_trail *t, uint64_t *pcs);

/* One multiplication per frame, as in wyhash: folds the 128-bit product. */
static inline uint64_t tr_hash_mix(uint64_t h, uint64_t v)
{
	v ^= 0x9e3779b97f4a7c15u;
	__asm__("" : "+r"(v)); /* before H is known: H's way is the long one */
	unsigned __int128 m = (unsigned __int128)(h ^ v) * 0xd6e8feb86659fd93u;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The hash of no frame; each frame, from the outermost on, is mixed in. */
#define TR_HASH_START 0u

/*
 * The innermost of READS up to number I that has changed, less than TR_BATCH if
 * none has.  All may be read, so they are in no particular order.
 */
static inline uint32_t tr_reads_changed(const struct tr_read *reads, uint32_t i)
{
	for (; i >= TR_BATCH; i -= TR_BATCH) {
		const struct tr_read *r = &reads[i];
		uint64_t changes = (tr_word_at(r[0].addr) ^ r[0].value) |
				   (tr_word_at(r[-1].addr) ^ r[-1].value) |
				   (tr_word_at(r[-2].addr) ^ r[-2].value) |
				   (tr_word_at(r[-3].addr) ^ r[-3].value);
		if (__builtin_expect(changes != 0, 0)) {
			const struct tr_read *last = r - TR_BATCH + 1;
			while (r > last && tr_word_at(r->addr) == r->value)
				r--;
			return (uint32_t)(r - reads);
		}
	}
	return TR_BATCH - 1;
}

/*
 * Is the stack above the call at SLOT, from its innermost frame on, the one
 * that T leads to?  The same as tr_trail_follow where nothing has changed.
 */
static inline bool tr_trail_holds(const struct tr_trail *t, uint32_t epoch,
				  const uint64_t *slot, uint64_t fp)
{
	uint32_t top = t->top;
	const struct tr_mark *m = &t->marks[top];
	uint64_t addr = (uintptr_t)slot;
	return t->reads[top].addr == addr && t->reads[top].value == *slot &&
	       t->epoch == epoch && (!m->needs_fp || m->fp == fp) && !m->unsettled &&
	       t->high <= tr_stretch_end(addr + 8 - TR_BELOW_SP) &&
	       tr_reads_changed(t->reads, top - 1) < TR_BATCH;
}

#endif /* TR_TRAIL_H */
