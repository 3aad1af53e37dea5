/* SPDX-License-Identifier: MIT */

/*
 * Shapes of whole stacks: at which places, seen from its innermost frame, a walk
 * found the words that it read.  A stack that has the same words at the same places
 * is the same stack, for the reason that a trail is (trail.h); one that has others
 * there may still be of that shape, since most functions have a frame of one size.
 * So an entry keeps no words.  They are fetched from its places, which do not depend
 * on each other, and hashed together with them; the table of all stacks (intern.h)
 * tells whether a walk once led through just these places and words, and to which id.
 * Thus one entry serves every stack of a shape, without a rule, a walk or a list
 * of words.  Equal hashes are taken as equal words, as they are for stacks there.
 *
 * An entry is found by the innermost frame and the return address of its caller.
 *
 * Stacks with guessed frames are not kept: a guess depends on more than memory.
 */
#ifndef TR_MEMO_H
#define TR_MEMO_H

#include "src/tracker/trail.h"

#define TR_MEMO_ENTRIES 2048u
#define TR_MEMO_WORDS   96u /* stacks with more are not kept */
#define TR_MEMO_BATCH   8u  /* words are hashed so many at a time */

struct tr_memo_entry {
	uint64_t addr, key; /* of the innermost frame; addr 0: empty */
	uint64_t next;      /* the return address of its caller, or 0 */
	uint64_t high;      /* end of the highest word */
	uint64_t salt;      /* hash of all that a stack has in common with the entry */
	uint32_t epoch;
	uint16_t n; /* words; the last is repeated to a multiple of TR_MEMO_BATCH */
	bool needs_fp;
	uint8_t misfits; /* stacks of another shape that came here in a row */
	/* The last stack of this shape: one in two comes again, and this line is here. */
	uint32_t last_id;
	uint64_t last_hash;
	uint16_t place[TR_MEMO_WORDS]; /* in words from TR_BELOW_SP below sp */
};

/*
 * A memo that knows too little rests: where stacks are of many shapes, or hardly any
 * comes again, to ask it costs more than it saves.  Each stack that it knew makes up
 * for some that it did not.
 */
#define TR_MEMO_CREDIT 16384
#define TR_MEMO_KNEW   4
#define TR_MEMO_REST   (8u * TR_MEMO_CREDIT)

struct tr_memo {
	int32_t credit;
	uint32_t rest; /* stacks for which it is not to be asked */
	struct tr_memo_entry entries[TR_MEMO_ENTRIES] __attribute__((aligned(64)));
};

static inline bool tr_memo_rests(struct tr_memo *m)
{
	if (__builtin_expect(!m->rest, 1))
		return false;
	if (!--m->rest)
		m->credit = TR_MEMO_CREDIT;
	return true;
}

static inline void tr_memo_knew(struct tr_memo *m)
{
	if (m->credit < TR_MEMO_CREDIT)
		m->credit += TR_MEMO_KNEW;
}

static inline void tr_memo_failed(struct tr_memo *m)
{
	if (--m->credit < 0)
		m->rest = TR_MEMO_REST;
}

static inline uint64_t tr_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The return address of the caller of the frame at SLOT; 0: not found that easily. */
static inline uint64_t tr_memo_next(const uint64_t *slot)
{
	uint64_t addr = (uintptr_t)slot;
	uint32_t rule = tr_rows_get(*slot), offset = tr_rule_offset(rule);
	if (rule & TR_RULE_FP || offset >= TR_RULE_SPECIAL ||
	    addr + offset + 8 > tr_stretch_end(addr + 8 - TR_BELOW_SP))
		return 0;
	return tr_word_at(addr + offset);
}

static inline struct tr_memo_entry *tr_memo_at(struct tr_memo *memo, const uint64_t *slot,
					       uint64_t next)
{
	uint64_t h = ((uintptr_t)slot >> 3) * 0x9e3779b97f4a7c15u +
		     *slot * 0xd6e8feb86659fd93u + next * 0xa0761d6478bd642fu;
	return &memo->entries[h >> 32 & (TR_MEMO_ENTRIES - 1)];
}

/* May the stack above the call at SLOT be of E's shape?  If so, its words can be read. */
static inline bool tr_memo_suits(const struct tr_memo_entry *e, uint32_t epoch,
				 const uint64_t *slot, uint64_t next)
{
	uint64_t addr = (uintptr_t)slot;
	return e->addr == addr && e->key == *slot && e->next == next &&
	       e->epoch == epoch && e->high <= tr_stretch_end(addr + 8 - TR_BELOW_SP);
}

/*
 * The hash of the stack above the call at SLOT, if it is of E's shape, which suits it:
 * the name under which the table of all stacks may know it.  Never 0.
 */
static inline uint64_t tr_memo_hash(const struct tr_memo_entry *e, const uint64_t *slot,
				    uint64_t fp)
{
	/*
	 * Two words to a multiplication, as in wyhash, whose constants these are: what
	 * meets in a product must have nothing to do with each other.
	 */
	const uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu,
		       k2 = 0x8ebc6af09c88c6e3u, k3 = 0x589965cc75374cc3u;
	uint64_t from = (uintptr_t)(slot + 1) - TR_BELOW_SP;
	uint64_t a = e->salt, b = 0x1d8e4e27c47d124fu, c = 0xeb44accab455d165u,
		 d = 0xe220a8397b1dcdafu;
	if (e->needs_fp)
		a = tr_fold(a ^ k1, fp ^ k0);
	for (const uint16_t *at = e->place; at < e->place + e->n; at += TR_MEMO_BATCH) {
		a = tr_fold(tr_word_at(from + 8u * at[0]) ^ k0,
			    tr_word_at(from + 8u * at[1]) ^ a);
		b = tr_fold(tr_word_at(from + 8u * at[2]) ^ k1,
			    tr_word_at(from + 8u * at[3]) ^ b);
		c = tr_fold(tr_word_at(from + 8u * at[4]) ^ k2,
			    tr_word_at(from + 8u * at[5]) ^ c);
		d = tr_fold(tr_word_at(from + 8u * at[6]) ^ k3,
			    tr_word_at(from + 8u * at[7]) ^ d);
	}
	uint64_t h = tr_fold(tr_fold(a ^ k2, b ^ k0) ^ k1, tr_fold(c ^ k0, d ^ k3) ^ k2);
	return h ? h : 1;
}

/*
 * T leads to the stack for which E was looked up with NEXT.  True: it is of E's shape,
 * so its tr_memo_hash is its own.  False: it is not, but it may be the next time.
 */
bool tr_memo_offer(struct tr_memo_entry *e, const struct tr_trail *t, uint64_t next);

#endif /* TR_MEMO_H */
