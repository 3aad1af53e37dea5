/* SPDX-License-Identifier: MIT */

/* The rare halves of emitting: a chunk is full, a record, a stack. */
#include "src/tracker/emit.h"

#include "src/tracker/state.h"

#define FIRST_CHUNK_PAGES  1u /* many threads allocate a handful of times */
#define SECOND_CHUNK_PAGES 4u
#define CHUNK_PAGES        16u   /* 64 KiB: one publication per 10,000 events or so */
#define RETRY_AFTER        4096u /* events lost before room is asked for again */

/* A record's length before it is known: three bytes of LEB128, see tr_put_length. */
#define LENGTH_SIZE 3u

static void forget_encoding(struct tr_stream *s, uint64_t base_stamp)
{
	s->last_addr = 0;
	s->last_size = 0;
	s->last_stack = 0;
	s->last_stamp = base_stamp;
	s->n_last_pcs = 0;
}

static uint32_t ring_size(const struct tr_stream *s)
{
	return s->many ? TR_MANY_CHUNKS : TR_FEW_CHUNKS;
}

/* Place number I of the ring, counted from the oldest chunk. */
static struct hs_wire_chunk **ring_at(struct tr_stream *s, uint32_t i)
{
	i = (s->first_chunk + i) % ring_size(s);
	return s->many ? &s->many[i] : &s->few[i];
}

static void drop_oldest(struct tr_stream *s)
{
	s->first_chunk = (s->first_chunk + 1) % ring_size(s);
	s->n_chunks--;
}

/* False: no memory, or it is large already. */
static bool grow_ring(struct tr_stream *s)
{
	struct hs_wire_chunk **many =
		s->many ? NULL
			: sys_map_memory(TR_MANY_CHUNKS * sizeof(*many), false, NULL);
	if (!many)
		return false;
	for (uint32_t i = 0; i < s->n_chunks; i++)
		many[i] = *ring_at(s, i);
	s->first_chunk = 0;
	s->many = many;
	return true;
}

void tr_chunk_close(struct tr_stream *s)
{
	struct hs_wire_chunk *c = s->chunk;
	if (!c)
		return;
	__atomic_store_n(&c->state, HS_WIRE_CHUNK_CLOSED, __ATOMIC_RELEASE);
	s->chunk = NULL;
	s->pos = s->limit = NULL;
	/* When nobody takes chunks away the ring is full of old ones: forget the oldest.
	 */
	if (s->n_chunks == ring_size(s) && !(tr_capture_drained() && grow_ring(s)))
		drop_oldest(s);
	*ring_at(s, s->n_chunks) = c;
	s->n_chunks++;
}

static size_t capacity(const struct hs_wire_chunk *c)
{
	return (size_t)c->section.pages * HS_WIRE_PAGE - sizeof(*c);
}

/* The oldest closed chunk, if the recorder has copied it and it is large enough. */
static struct hs_wire_chunk *take_drained(struct tr_stream *s, size_t size)
{
	while (s->n_chunks) {
		struct hs_wire_chunk *c = *ring_at(s, 0);
		if (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) != HS_WIRE_CHUNK_FREE)
			return NULL;
		drop_oldest(s);
		/* A busy thread leaves its small first chunks behind. */
		if (c->section.pages >= CHUNK_PAGES && capacity(c) >= size)
			return c;
	}
	return NULL;
}

static void describe(struct tr_stream *s, struct hs_wire_chunk *c)
{
	c->stream = s->id;
	c->sequence = s->sequence;
	c->tid = s->tid;
	c->base_stamp = s->last_stamp = tr_stamp();
}

static struct hs_wire_chunk *new_chunk(struct tr_stream *s, size_t size)
{
	uint32_t pages = s->sequence == 0   ? FIRST_CHUNK_PAGES
			 : s->sequence == 1 ? SECOND_CHUNK_PAGES
					    : CHUNK_PAGES;
	if (size > HS_WIRE_PAGE - sizeof(struct hs_wire_chunk))
		pages = CHUNK_PAGES;
	struct hs_wire_chunk *c = tr_capture_carve(pages);
	if (!c)
		return NULL;
	describe(s, c);
	c->state = HS_WIRE_CHUNK_OPEN;
	tr_capture_publish(c);
	return c;
}

static void reuse_chunk(struct tr_stream *s, struct hs_wire_chunk *c)
{
	/*
	 * Nobody may see the old length with the new sequence: a reader of a
	 * killed process's file would take old events for new ones.
	 */
	__atomic_store_n(&c->section.length, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* before what describe() stores */
	describe(s, c);
	__atomic_store_n(&c->state, HS_WIRE_CHUNK_OPEN, __ATOMIC_RELEASE);
}

static bool chunk_next(struct tr_stream *s, size_t size)
{
	if (s->cut_off && ++s->lost_since < RETRY_AFTER) {
		tr_count_lost();
		return false;
	}
	if (size > CHUNK_PAGES * HS_WIRE_PAGE - sizeof(struct hs_wire_chunk)) {
		tr_count_lost();
		return false;
	}
	tr_chunk_close(s);
	struct hs_wire_chunk *c = tr_capture_drained() ? take_drained(s, size) : NULL;
	if (c)
		reuse_chunk(s, c);
	else
		c = new_chunk(s, size);
	/*
	 * A fault's handler that interrupted the growth of the file fails for that
	 * reason and may well succeed the next time.
	 */
	s->cut_off = !c && !s->level;
	s->lost_since = 0;
	if (!c) {
		tr_count_lost();
		return false;
	}
	s->sequence++;
	s->chunk = c;
	s->pos = (uint8_t *)c + sizeof(*c);
	s->limit = s->pos + capacity(c) - TR_EVENT_ROOM;
	forget_encoding(s, c->base_stamp);
	return true;
}

bool tr_chunk_next(struct tr_stream *s, size_t size)
{
	/*
	 * Nothing may jump out of here: the lock on the file would stay locked,
	 * and a chunk would be neither the thread's nor the recorder's.
	 */
	uint64_t mask = sys_signals_block();
	bool ok = s->alive && chunk_next(s, size);
	sys_signals_restore(mask);
	return ok;
}

bool tr_stamp_due_slow(struct tr_stream *s)
{
	if (s->tick != TR_ALWAYS_STAMP)
		s->tick = __atomic_load_n(&tr_header->tick, __ATOMIC_ACQUIRE);
	if (tr_many_streams)
		s->tick = TR_ALWAYS_STAMP;
	return true;
}

/* V in three bytes of LEB128 that need not be minimal. */
static void tr_put_length(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v | 128);
	at[1] = (uint8_t)(v >> 7 | 128);
	at[2] = (uint8_t)(v >> 14);
}

#define RECORD_HEADER (2 + 1 + LENGTH_SIZE)

/* Begin a record of at most SIZE payload bytes; -> its payload, or NULL: no room. */
static uint8_t *begin_record(struct tr_stream *s, uint32_t tag, size_t size)
{
	/* See stream.h: what is loaded once cannot change under us. */
	struct hs_wire_chunk *c = s->chunk;
	uint8_t *at = s->pos;
	size += RECORD_HEADER + TR_EVENT_ROOM;
	uint8_t *end = c ? (uint8_t *)c + (size_t)c->section.pages * HS_WIRE_PAGE : NULL;
	if (!c || !at || size > (size_t)(end - at))
		at = tr_chunk_next(s, size) ? s->pos : NULL;
	if (!at)
		return NULL;
	uint8_t *p = tr_put(at, HS_WIRE_RECORD, 2);
	*p++ = (uint8_t)tag; /* our tags are below 128: one byte of LEB128 */
	return p + LENGTH_SIZE;
}

static bool end_record(struct tr_stream *s, uint8_t *payload, uint8_t *p)
{
	tr_put_length(payload - LENGTH_SIZE, (size_t)(p - payload));
	return tr_commit(s, payload - RECORD_HEADER, p);
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t size)
{
	p = tr_put_uleb(p, size);
	memcpy(p, bytes, size);
	return p + size;
}

bool tr_emit_text(struct tr_stream *s, uint32_t tag, const uint64_t *numbers,
		  size_t n_numbers, const void *bytes1, size_t size1, const void *bytes2,
		  size_t size2)
{
	uint8_t *payload = begin_record(s, tag, n_numbers * 10 + size1 + size2 + 10);
	uint8_t *p = payload;
	if (!p)
		return false;
	for (size_t i = 0; i < n_numbers; i++)
		p = tr_put_uleb(p, numbers[i]);
	if (bytes1)
		p = put_bytes(p, bytes1, size1);
	if (bytes2)
		p = put_bytes(p, bytes2, size2);
	return end_record(s, payload, p);
}

static uint8_t *put_zigzag(uint8_t *p, uint64_t v)
{
	return tr_put_uleb(p, v << 1 ^ (uint64_t)((int64_t)v >> 63));
}

/*
 * Stacks that follow each other share most of their outer frames, so only the
 * frames that differ are written: outermost first, each as a difference.
 */
bool tr_emit_stack(struct tr_stream *s, uint32_t id, uint32_t flags, size_t n)
{
	const uint64_t *pcs = s->pcs;
	uint64_t *last_pcs = s->last_pcs;
	uint32_t epoch = __atomic_load_n(&tr_epoch, __ATOMIC_RELAXED);
	/* Ten bytes are the most that a frame can take. */
	uint8_t *payload = begin_record(s, HS_WIRE_STACK, 40 + n * 10);
	uint8_t *p = payload;
	if (!p || !pcs || !last_pcs)
		return false;
	/*
	 * begin_record may have opened a chunk, in which nothing is shared yet; nor
	 * are frames of two epochs the same, even where their addresses are.
	 */
	size_t shared = 0, n_last = s->last_epoch == epoch ? s->n_last_pcs : 0;
	while (shared < n && shared < n_last && last_pcs[shared] == pcs[n - 1 - shared])
		shared++;
	p = tr_put_uleb(p, id);
	p = tr_put_uleb(p, epoch);
	p = tr_put_uleb(p, flags);
	p = tr_put_uleb(p, shared);
	p = tr_put_uleb(p, n - shared);
	uint64_t last = shared ? last_pcs[shared - 1] : 0;
	for (size_t i = shared; i < n; i++) {
		uint64_t pc = pcs[n - 1 - i];
		p = put_zigzag(p, pc - last);
		last_pcs[i] = last = pc;
	}
	if (!end_record(s, payload, p))
		return false;
	s->n_last_pcs = (uint32_t)n;
	s->last_epoch = epoch;
	tr_want_stamp(s); /* the first block of this place has a time of its own */
	return true;
}
