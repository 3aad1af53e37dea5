/* SPDX-License-Identifier: MIT */

/* Birth, nesting and re-use of streams. */
#include "src/tracker/stream.h"

#include <pthread.h>
#include <string.h>

#include "src/tracker/emit.h"
#include "src/tracker/life.h"
#include "src/tracker/mode.h"
#include "src/tracker/recall.h"
#include "src/tracker/state.h"

#define SLAB_STREAMS 32u
#define MAX_LEVEL    8u /* handlers that interrupt handlers inside the tracker */
#define LOOK_AT_DEAD 8u

__thread struct tr_tls tr_tls;

/* Of a thread whose stream is being made: never ready. */
static struct tr_stream unborn = {.alive = true};

bool tr_many_streams;

/* All in memory that a fork wipes, so a child starts with none of the parent's. */
static struct pool {
	bool alive; /* false: zeroed by a fork */
	struct tr_lock lock;
	uint32_t n_streams; /* ids handed out */
	struct slab {
		struct tr_stream streams[SLAB_STREAMS];
	} * slab;
	uint32_t n_in_slab;
	struct tr_stream *dead, **dead_end;
} * pool;

bool tr_streams_start(bool *wiped_ret)
{
	if (!pool) /* a forked child has it: the same memory, zeroed */
		pool = sys_map_memory(sizeof(*pool), true, wiped_ret);
	if (pool)
		pool->alive = true;
	return pool != NULL;
}

bool tr_streams_alive(void)
{
	return pool && pool->alive;
}

static bool get_buffers(struct tr_stream *s)
{
	/*
	 * One mapping for both, touched only as deep as stacks are.  Private and
	 * not wiped: a forked child finds `pcs` NULL in its stream and maps anew.
	 */
	uint64_t *p = sys_map_memory(2 * TR_MAX_FRAMES * sizeof(*p), false, NULL);
	if (!p)
		return false;
	s->pcs = p;
	s->last_pcs = p + TR_MAX_FRAMES;
	return true;
}

/* Memory for a stream; called with the pool locked. */
static struct tr_stream *fresh(void)
{
	if (!pool->slab || pool->n_in_slab == SLAB_STREAMS) {
		bool wiped;
		pool->slab = sys_map_memory(sizeof(*pool->slab), true, &wiped);
		pool->n_in_slab = 0;
		if (!pool->slab)
			return NULL;
	}
	return &pool->slab->streams[pool->n_in_slab++];
}

/* A retired stream whose thread is gone; called with the pool locked. */
static struct tr_stream *reusable(void)
{
	struct tr_stream **at = &pool->dead;
	for (unsigned i = 0; *at && i < LOOK_AT_DEAD; i++, at = &(*at)->next_dead) {
		struct tr_stream *s = *at;
		if (!sys_thread_gone(tr_pid, s->tid))
			continue;
		*at = s->next_dead;
		if (pool->dead_end == &s->next_dead)
			pool->dead_end = at;
		return s;
	}
	return NULL;
}

/* No two streams, processes or runs have the same. */
static uint64_t seed(uint32_t id)
{
	uint64_t random;
	memcpy(&random, tr_header->id, sizeof(random));
	return random ^ (uint64_t)id << 32 ^ tr_stamp();
}

static void begin(struct tr_stream *s, uint32_t id, unsigned level)
{
	struct tr_stream *nested = s->nested;
	s->id = id;
	s->sequence = 0;
	s->level = (uint8_t)level;
	s->tid = sys_gettid();
	s->cut_off = false;
	s->next_dead = NULL;
	s->nested = nested;
	tr_recall_change_thread(s);
	sys_thread_name(s->name);
	if (id > 1) {
		tr_many_streams = true;
		/* Others look at their stamps again when the tick changes. */
		__atomic_fetch_add(&tr_header->tick, 1, __ATOMIC_SEQ_CST);
	}
	s->tick = id > 1 ? TR_ALWAYS_STAMP : tr_header->tick;
	if (tr_mode & TR_MODE_SAMPLED && !level)
		tr_sample_begin(s, seed(id));
	s->alive = true;
}

static void tell_thread(struct tr_stream *s)
{
	const uint64_t numbers[] = {s->id, s->tid, s->level};
	tr_emit_text(s, HS_WIRE_THREAD, numbers, 3, s->name, strlen(s->name), NULL, 0);
}

/*
 * A stream for the calling thread, entered (not ready); NULL: not now.  Called
 * with signals blocked: nothing may jump out with the pool locked.
 */
static struct tr_stream *new_stream(unsigned level)
{
	if (!tr_lock_acquire(&pool->lock))
		return NULL;
	struct tr_stream *s = level ? NULL : reusable();
	if (!s)
		s = fresh();
	uint32_t id = s ? ++pool->n_streams : 0;
	tr_lock_release(&pool->lock);
	if (!s || (!s->pcs && !get_buffers(s)))
		return NULL;
	tr_chunk_close(s); /* of the thread that had it before */
	begin(s, id, level);
	return s;
}

void tr_stream_name(struct tr_stream *s)
{
	char name[16];
	sys_thread_name(name);
	if (!memcmp(name, s->name, sizeof(name)))
		return;
	memcpy(s->name, name, sizeof(name));
	tell_thread(s);
}

void tr_stream_retire(void *stream)
{
	struct tr_stream *s = stream;
	if (!s->alive || s->level) /* zeroed by a fork in the meantime */
		return;
	if (s->ready) {
		s->ready = false;
		tr_stream_name(s);
		s->ready = true;
	}
	/* The thread may go on allocating: it is reused when the kernel knows it no more.
	 */
	uint64_t mask = sys_signals_block();
	if (tr_lock_acquire(&pool->lock)) {
		if (!pool->dead)
			pool->dead_end = &pool->dead;
		*pool->dead_end = s;
		pool->dead_end = &s->next_dead;
		tr_lock_release(&pool->lock);
	}
	sys_signals_restore(mask);
}

struct tr_stream *tr_current_stream(void)
{
	struct tr_stream *s = tr_tls.stream == &unborn ? NULL : tr_tls.stream;
	while (s && s->nested && s->nested->alive && !s->nested->ready)
		s = s->nested;
	return s;
}

/*
 * Is the entry at GUARD over, although nobody left?  So it is when a handler
 * jumped out of it (longjmp): then we are called from the same or an older frame
 * of the same stack, or were on the alternate stack and are no more.  A call from
 * a newer frame looks like a handler's; see take_over.
 */
static bool is_stale(uintptr_t guard, uintptr_t sp)
{
	bool on, was_on;
	sys_alternate_stack(guard, &on, &was_on);
	return was_on ? !on || sp >= guard : !on && sp >= guard;
}

/*
 * Enter S although somebody is inside who will not come back.  The event that
 * was being written is lost, and with it the encoding's state.
 */
static void abandon(struct tr_stream *s, uintptr_t sp)
{
	uint64_t mask = sys_signals_block();
	s->guard = sp;
	tr_recall_leave(s);
	tr_chunk_close(s);
	tr_count_lost();
	sys_signals_restore(mask);
}

/*
 * All levels are taken: by handlers that jumped out, since hardly anybody nests
 * eight of them.  Begin anew; an entry that does come back finds that its stream
 * went on without it.
 */
static struct tr_stream *take_over(struct tr_stream *s, uintptr_t sp)
{
	for (struct tr_stream *n = s->nested; n; n = n->nested) {
		abandon(n, sp);
		n->ready = true;
	}
	abandon(s, sp);
	return s;
}

static struct tr_stream *first_stream(void)
{
	struct tr_stream *s = new_stream(0);
	if (!s) {
		tr_count_lost();
		return NULL;
	}
	tr_tls.stream = s;
	tell_thread(s);
	tr_life_watch_thread(s);
	return s;
}

static struct tr_stream *first_nested(struct tr_stream *s, unsigned level, uintptr_t sp)
{
	uint64_t mask = sys_signals_block();
	struct tr_stream *n = new_stream(level);
	if (n) {
		n->guard = sp;
		s->nested = n;
		tell_thread(n);
	}
	sys_signals_restore(mask);
	return n;
}

static struct tr_stream *nested_stream(struct tr_stream *outer, uintptr_t sp)
{
	struct tr_stream *s = outer;
	for (unsigned level = 1; level <= MAX_LEVEL; level++) {
		if (!s->nested) {
			struct tr_stream *n = first_nested(s, level, sp);
			if (!n)
				tr_count_lost();
			return n;
		}
		s = s->nested;
		if (s->ready) {
			s->ready = false;
			s->guard = sp;
			return s;
		}
		if (is_stale(s->guard, sp)) {
			abandon(s, sp);
			return s;
		}
	}
	return take_over(outer, sp);
}

/* The calling thread's first entry, with signals blocked. */
static struct tr_stream *be_born(void)
{
	struct tr_stream *s = NULL;
	tr_tls.stream = &unborn;
	bool forked = tr_state == TR_ON && !tr_streams_alive();
	if (forked ? tr_start_forked() : tr_start())
		s = first_stream();
	tr_tls.stream = s;
	return s;
}

struct tr_stream *tr_enter_slow(uintptr_t sp)
{
	struct tr_stream *s = tr_tls.stream;
	if (TR_UNLIKELY(s == &unborn)) {
		/* A fault's handler that interrupts the birth goes unrecorded. */
		tr_count_lost();
		return NULL;
	}
	if (s && !s->alive) /* a forked child, or its parent died while forking */
		tr_tls.stream = s = NULL;
	if (!s) {
		if (!tr_may_start())
			return NULL;
		uint64_t mask = sys_signals_block();
		s = be_born();
		if (s)
			s->guard = sp;
		sys_signals_restore(mask);
		return s;
	}
	if (is_stale(s->guard, sp)) {
		abandon(s, sp);
		return s;
	}
	return nested_stream(s, sp);
}
