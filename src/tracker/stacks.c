/* SPDX-License-Identifier: MIT */

/*
 * From a call to the id of its stack: by what the thread remembers (recall.h),
 * else by a walk and the table of all stacks (intern.h).
 */
#include "src/tracker/stacks.h"

#include "src/tracker/emit.h"
#include "src/tracker/intern.h"
#include "src/tracker/recall.h"
#include "src/tracker/state.h"
#include "src/tracker/unwind.h"
#include "src/tracker/verify.h"

static uint64_t hash_stack(const uint64_t *pcs, size_t n)
{
	uint64_t h = TR_HASH_START;
	for (size_t i = n; i-- > 0;)
		h = tr_hash_mix(h, pcs[i]);
	return h;
}

/* Frames of two epochs are not the same, even where their addresses are. */
static uint64_t table_hash(uint64_t frames, uint32_t epoch, uint32_t flags)
{
	uint64_t h = tr_hash_mix(frames, (uint64_t)epoch << 8 | flags);
	return h ? h : 1;
}

/*
 * Give the N return addresses at S->pcs an id, and tell of them.  They are ours
 * as long as S was not entered from elsewhere: from GUARD.
 */
static uint32_t new_id(struct tr_stream *s, uint64_t hash, uint32_t flags, size_t n,
		       uintptr_t guard)
{
	uint32_t id =
		(uint32_t)__atomic_add_fetch(&tr_header->stacks, 1, __ATOMIC_RELAXED);
	if (!tr_emit_stack(s, id, flags, n) || s->guard != guard)
		return 0;
	tr_verify_id(id, s->pcs, n);
	tr_intern_put(hash, id);
	return id;
}

/*
 * Most stacks have few frames and are known from another thread: the pages of S->pcs
 * stay untouched as long as that is so.
 */
#define FEW_FRAMES 64u

/* The id of a stack that has to be walked in full. */
static uint32_t walk(struct tr_stream *s, const uint64_t *slot, uint64_t fp,
		     uintptr_t guard)
{
	uint32_t flags = 0, epoch = __atomic_load_n(&tr_epoch, __ATOMIC_ACQUIRE);
	uint64_t few[FEW_FRAMES], *pcs = s->pcs, *walked = few;
	if (TR_UNLIKELY(!pcs)) /* zeroed by a fork just now */
		return 0;
	size_t n = tr_unwind_alike(slot, fp, &s->shape, few, FEW_FRAMES, &flags);
	if (TR_UNLIKELY(n == FEW_FRAMES)) {
		flags = 0;
		walked = pcs;
		n = tr_unwind_alike(slot, fp, &s->shape, pcs, TR_MAX_FRAMES, &flags);
	}
	uint64_t hash = table_hash(hash_stack(walked, n), epoch, flags);
	uint32_t id = tr_intern_find(hash);
	if (TR_LIKELY(id))
		return id;
	if (walked == few)
		memcpy(pcs, few, n * sizeof(*pcs));
	return new_id(s, hash, flags, n, guard);
}

/* The id of the stack that T leads to, which is not known to it. */
static uint32_t trail_id(struct tr_stream *s, struct tr_trail *t)
{
	struct tr_mark *m = tr_trail_top(t);
	uint64_t hash = table_hash(m->hash, t->epoch, m->flags);
	uint32_t id = tr_intern_find(hash);
	if (TR_UNLIKELY(!id)) {
		uintptr_t guard = s->guard;
		if (!s->pcs)
			return 0;
		tr_trail_pcs(t, s->pcs);
		id = new_id(s, hash, m->flags, m->depth, guard);
	}
	m->id = id;
	return id;
}

/*
 * What was asked of the memo, in vain: its entry, NULL if it was not asked at all.  A
 * handler may have taken the memo from the stream in the meantime.
 */
struct question {
	struct tr_memo *memo;
	struct tr_memo_entry *e;
	uint64_t next;
	uint64_t hash; /* 0: the entry was not of the place */
};

/* T leads to the stack ID, for which Q was asked: let it be known the next time. */
static void answer(const struct question *q, const struct tr_trail *t, uint32_t id)
{
	if (tr_memo_offer(q->e, t, q->next) && q->hash)
		tr_intern_put(q->hash, id);
}

/* The same by what the thread remembers, which was not this stack itself. */
static __attribute__((__noinline__)) uint32_t follow(struct tr_stream *s,
						     const uint64_t *slot, uint64_t fp,
						     const struct question *q)
{
	uintptr_t guard = s->guard;
	if (TR_UNLIKELY(!s->memo))
		tr_recall_grow(s);
	struct tr_trail *t = s->trail;
	uint32_t epoch = __atomic_load_n(&tr_epoch, __ATOMIC_ACQUIRE);
	if (q->e)
		tr_memo_failed(q->memo);
	if (q->e && t)
		t->skip = 0; /* the memo learns from the trail */
	if (!t || !tr_trail_follow(t, epoch, slot, fp))
		return walk(s, slot, fp, guard);
	tr_verify_trail(t, slot, fp);
	uint32_t id = tr_trail_top(t)->id;
	if (!id)
		id = trail_id(s, t);
	if (q->e && id && s->guard == guard)
		answer(q, t, id);
	return id;
}

/* The id of a stack that is not the last one. */
static __attribute__((__noinline__)) uint32_t recall(struct tr_stream *s,
						     const uint64_t *slot, uint64_t fp,
						     uint32_t epoch)
{
	struct tr_memo *memo = s->memo;
	struct question q = {.memo = memo};
	if (!memo || tr_memo_rests(memo))
		return follow(s, slot, fp, &q);
	q.next = tr_memo_next(slot);
	q.e = tr_memo_at(memo, slot, q.next);
	if (TR_UNLIKELY(!tr_memo_suits(q.e, epoch, slot, q.next)))
		return follow(s, slot, fp, &q);
	q.hash = tr_memo_hash(q.e, slot, fp);
	if (q.hash != q.e->last_hash) {
		uint32_t id = tr_intern_recent(q.hash);
		if (TR_UNLIKELY(!id))
			return follow(s, slot, fp, &q);
		q.e->last_hash = q.hash;
		q.e->last_id = id;
	}
	tr_verify_memo(q.e->last_id, slot, fp);
	tr_memo_knew(memo);
	return q.e->last_id;
}

uint32_t tr_stack_id(struct tr_stream *s, const uint64_t *slot, uint64_t fp)
{
	struct tr_trail *t = s->trail;
	uint32_t epoch = __atomic_load_n(&tr_epoch, __ATOMIC_ACQUIRE);
	if (TR_UNLIKELY(!t) || !tr_trail_holds(t, epoch, slot, fp))
		return recall(s, slot, fp, epoch);
	tr_verify_trail(t, slot, fp);
	uint32_t id = tr_trail_top(t)->id;
	return TR_LIKELY(id) ? id : trail_id(s, t);
}

void tr_stacks_restart(void)
{
	tr_intern_restart();
	tr_recall_restart();
}
