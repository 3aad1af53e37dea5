/* SPDX-License-Identifier: MIT */

/* What shapes the entries of a memo have. */
#include "src/tracker/memo.h"

/* An entry gives way to another shape when this many came in a row. */
#define MISFITS_MAX 2u

static inline uint64_t bottom_of(const struct tr_trail *t)
{
	return t->reads[t->top].addr + 8 - TR_BELOW_SP;
}

/* Is the stack that T leads to, but for what its words are, E's? */
static bool fits(const struct tr_memo_entry *e, const struct tr_trail *t, uint64_t next)
{
	const struct tr_read *top = &t->reads[t->top];
	uint64_t bottom = bottom_of(t), changes;
	uint32_t n = t->top - TR_BATCH;
	changes = (e->addr ^ top->addr) | (e->key ^ top->value) | (e->next ^ next) |
		  (e->high ^ t->high) | (e->epoch ^ t->epoch) |
		  (uint64_t)(e->needs_fp != t->marks[t->top].needs_fp) |
		  (uint64_t)(e->n !=
			     (n + TR_MEMO_BATCH - 1) / TR_MEMO_BATCH * TR_MEMO_BATCH);
	if (changes)
		return false;
	for (uint32_t i = 0; i < n; i++)
		changes |= (t->reads[t->top - 1 - i].addr - bottom) ^
			   (uint64_t)e->place[i] * 8;
	for (uint32_t i = n; i < e->n; i++)
		changes |= e->place[i] ^ e->place[n - 1];
	return !changes;
}

static uint64_t salt_of(const struct tr_memo_entry *e)
{
	uint64_t h = tr_hash_mix(TR_HASH_START, e->addr);
	h = tr_hash_mix(h, e->key);
	h = tr_hash_mix(h, (uint64_t)e->epoch << 32 | e->n << 1 | e->needs_fp);
	for (uint32_t i = 0; i < e->n; i += 4)
		h = tr_hash_mix(h, (uint64_t)e->place[i] |
					   (uint64_t)e->place[i + 1] << 16 |
					   (uint64_t)e->place[i + 2] << 32 |
					   (uint64_t)e->place[i + 3] << 48);
	return h;
}

/* Innermost first.  False: a place cannot be said. */
static bool keep_places(struct tr_memo_entry *e, const struct tr_trail *t)
{
	uint64_t bottom = bottom_of(t);
	uint32_t n = 0;
	for (uint32_t i = t->top - 1; i >= TR_BATCH; i--, n++) {
		uint64_t place = t->reads[i].addr - bottom;
		if (place % 8 || place / 8 > UINT16_MAX)
			return false;
		e->place[n] = (uint16_t)(place / 8);
	}
	for (; n % TR_MEMO_BATCH; n++)
		e->place[n] = e->place[n - 1];
	e->n = (uint16_t)n;
	return true;
}

static void keep(struct tr_memo_entry *e, const struct tr_trail *t, uint64_t next)
{
	const struct tr_mark *m = &t->marks[t->top];
	const struct tr_read *top = &t->reads[t->top];
	e->addr = 0;
	if (!keep_places(e, t))
		return;
	e->addr = top->addr;
	e->key = top->value;
	e->next = next;
	e->high = t->high;
	e->epoch = t->epoch;
	e->needs_fp = m->needs_fp;
	e->misfits = 0;
	e->last_hash = 0;
	e->salt = salt_of(e);
}

bool tr_memo_offer(struct tr_memo_entry *e, const struct tr_trail *t, uint64_t next)
{
	const struct tr_mark *m = &t->marks[t->top];
	/* Frames that are not of one stack, a signal's, are not on a trail. */
	if (m->flags || m->unsettled || t->top - TR_BATCH > TR_MEMO_WORDS)
		return false;
	if (fits(e, t, next)) {
		e->misfits = 0;
		return true;
	}
	if (e->addr && ++e->misfits < MISFITS_MAX)
		return false;
	keep(e, t, next);
	return false;
}
