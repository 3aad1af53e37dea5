/* SPDX-License-Identifier: MIT */

/* Who gets a trail, and who a memo. */
#include "src/tracker/recall.h"

#define WALKS_FOR_TRAIL 512u
#define WALKS_FOR_MEMO  2048u

/* 6 MiB: the tracker's tables, with these, stay below 16. */
#define MEMOS 12u

/* Each was left behind by a handler that jumped out of the tracker. */
#define TRAILS_MAX 8u

static uint32_t n_memos;

static void give_trail(struct tr_stream *s)
{
	struct tr_trail *t = sys_map_memory(sizeof(*t), false, NULL);
	s->n_given++;
	if (!t)
		return;
	tr_trail_start(t);
	s->trail = t;
}

static void give_memo(struct tr_stream *s)
{
	if (__atomic_fetch_add(&n_memos, 1, __ATOMIC_RELAXED) >= MEMOS) {
		__atomic_fetch_sub(&n_memos, 1, __ATOMIC_RELAXED);
		return;
	}
	struct tr_memo *m = sys_map_memory(sizeof(*m), false, NULL);
	if (m)
		m->credit = TR_MEMO_CREDIT;
	s->memo = m;
}

void tr_recall_grow(struct tr_stream *s)
{
	uint32_t n = ++s->n_walks;
	if (n < WALKS_FOR_TRAIL || s->n_given >= TRAILS_MAX)
		return;
	if (!s->trail)
		give_trail(s);
	else if (n % WALKS_FOR_MEMO == 0)
		give_memo(s);
}

void tr_recall_leave(struct tr_stream *s)
{
	s->trail = NULL;
	s->memo = NULL;
	s->n_walks = 0;
}

void tr_recall_change_thread(struct tr_stream *s)
{
	if (s->trail)
		tr_trail_start(s->trail);
}

void tr_recall_restart(void)
{
	n_memos = 0;
}
