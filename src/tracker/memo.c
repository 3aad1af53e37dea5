/* SPDX-License-Identifier: MIT */

/* What goes into a memo. */
#include "src/tracker/memo.h"

/* Copy the words, innermost first: those most likely to differ. */
static void keep(struct tr_memo_entry *e, const struct tr_trail *t, uint32_t id)
{
	const struct tr_mark *m = &t->marks[t->top];
	const struct tr_read *top = &t->reads[t->top];
	uint64_t bottom = top->addr + 8 - TR_BELOW_SP;
	uint32_t n = 0;
	for (uint32_t i = t->top - 1; i >= TR_BATCH; i--, n++) {
		e->offset[n] = (uint32_t)(t->reads[i].addr - bottom);
		e->value[n] = t->reads[i].value;
	}
	for (; n % TR_BATCH; n++) {
		e->offset[n] = e->offset[n - 1];
		e->value[n] = e->value[n - 1];
	}
	e->addr = top->addr;
	e->key = top->value;
	e->fp = m->fp;
	e->high = t->high;
	e->hash = m->hash;
	e->epoch = t->epoch;
	e->id = id;
	e->n = (uint16_t)n;
	e->needs_fp = m->needs_fp;
}

void tr_memo_offer(struct tr_memo_entry *e, const struct tr_trail *t, uint32_t id)
{
	const struct tr_mark *m = &t->marks[t->top];
	uint32_t candidate = (uint32_t)m->hash;
	if (e->id && e->candidate != candidate) {
		e->candidate = candidate;
		return;
	}
	/* Frames that are not of one stack, a signal's, are not on a trail. */
	if (m->flags || m->unsettled || t->top - TR_BATCH > TR_MEMO_READS ||
	    t->high - t->reads[t->top].addr > UINT32_MAX / 2)
		return;
	keep(e, t, id);
}
