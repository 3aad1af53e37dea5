/* SPDX-License-Identifier: MIT */

/* Appending events and records to a stream, as doc/capture-format.md lays them out. */
#ifndef TR_EMIT_H
#define TR_EMIT_H

#include <string.h>

#include "src/tracker/capture.h"
#include "src/tracker/stream.h"

/* Stored little-endian words may write up to 8 bytes from any field's start. */
#define TR_EVENT_ROOM (HS_WIRE_EVENT_MAX + 8u)

/*
 * Open a chunk with room for SIZE bytes: close the present one, use a drained
 * one again, or carve a new one.  False: no room; the event is counted as lost.
 */
TR_HIDDEN bool tr_chunk_next(struct tr_stream *s, size_t size);

/* Close the open chunk, if any; the next event opens another. */
TR_HIDDEN void tr_chunk_close(struct tr_stream *s);

/* Compare S's tick with the header's and decide whether to stamp. */
TR_HIDDEN bool tr_stamp_due_slow(struct tr_stream *s);

/* Append a record: TAG, LENGTH and the payload that FILL writes at its argument. */
TR_HIDDEN bool tr_emit_text(struct tr_stream *s, uint32_t tag, const uint64_t *numbers,
			    size_t n_numbers, const void *bytes1, size_t size1,
			    const void *bytes2, size_t size2);

/* Append a STACK record for the N return addresses at S->pcs. */
TR_HIDDEN bool tr_emit_stack(struct tr_stream *s, uint32_t id, uint32_t flags, size_t n);

static inline uint8_t *tr_put(uint8_t *p, uint64_t v, size_t size)
{
	memcpy(p, &v,
	       sizeof(v)); /* little-endian; the bytes behind are overwritten next */
	return p + size;
}

static inline uint8_t *tr_put_uleb(uint8_t *p, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		*p++ = (uint8_t)(v | 128);
	*p++ = (uint8_t)v;
	return p;
}

/* Make what was written from AT up to P count.  False: the stream is no longer there. */
static inline bool tr_commit(struct tr_stream *s, const uint8_t *at, uint8_t *p)
{
	struct hs_wire_chunk *c = s->chunk;
	if (TR_UNLIKELY(s->pos != at || !c))
		return false;
	s->pos = p;
	__atomic_store_n(&c->section.length, (uint32_t)(p - (uint8_t *)(c + 1)),
			 __ATOMIC_RELEASE);
	return true;
}

static inline bool tr_stamp_due(struct tr_stream *s)
{
	if (s->tick == TR_ALWAYS_STAMP) /* for good */
		return true;
	uint32_t tick = __atomic_load_n(&tr_header->tick, __ATOMIC_ACQUIRE);
	return TR_UNLIKELY(s->tick != tick) && tr_stamp_due_slow(s);
}

static inline uint8_t *tr_put_address(uint8_t *p, unsigned *tag, uint64_t addr,
				      uint64_t last)
{
	if (addr == last)
		return p;
	int64_t units = (int64_t)(addr - last) >> 4;
	if (TR_LIKELY(!((addr | last) & 15) && units == (int16_t)units)) {
		*tag |= 1u << HS_WIRE_ADDRESS_SHIFT;
		return tr_put(p, (uint64_t)units, 2);
	}
	if (!((addr | last) & 15) && units == (int32_t)units) {
		*tag |= 2u << HS_WIRE_ADDRESS_SHIFT;
		return tr_put(p, (uint64_t)units, 4);
	}
	*tag |= 3u << HS_WIRE_ADDRESS_SHIFT;
	return tr_put(p, addr, 8);
}

static inline uint8_t *tr_put_stamp(uint8_t *p, unsigned *tag, uint64_t delta)
{
	unsigned code = delta >> 16 == 0 ? 1 : delta >> 32 == 0 ? 2 : 3;
	*tag |= code << HS_WIRE_STAMP_SHIFT;
	return tr_put(p, delta, (size_t)1 << code);
}

/* Where the next event goes, in the open chunk or a new one, or NULL. */
static inline uint8_t *tr_room(struct tr_stream *s)
{
	uint8_t *at = s->pos;
	if (TR_LIKELY(at < s->limit))
		return at;
	return tr_chunk_next(s, TR_EVENT_ROOM) ? s->pos : NULL;
}

/* From this size on a block is worth the time stamp counter's ten nanoseconds. */
#define TR_LARGE 4096u

/*
 * Have the next event stamped.  A process with one thread stamps little else
 * than ticks, yet a peak and the first block of a place should have their time:
 * so large blocks and new stacks get one.
 */
static inline void tr_want_stamp(struct tr_stream *s)
{
	if (s->tick != TR_ALWAYS_STAMP)
		s->tick = __atomic_load_n(&tr_header->tick, __ATOMIC_RELAXED) + 1;
}

/*
 * The fields that all events end with: the event which began at AT and has TAG
 * so far goes on at P.  False: it does not count; see tr_commit.
 */
static inline bool tr_finish_event(struct tr_stream *s, uint8_t *at, uint8_t *p,
				   unsigned tag, uint64_t addr)
{
	uint64_t stamp = s->last_stamp;
	p = tr_put_address(p, &tag, addr, s->last_addr);
	if (tr_stamp_due(s)) {
		stamp = tr_stamp();
		p = tr_put_stamp(p, &tag, stamp - s->last_stamp);
	}
	memcpy(at, &(uint16_t){(uint16_t)tag}, 2);
	if (!tr_commit(s, at, p))
		return false;
	s->last_addr = addr;
	s->last_stamp = stamp;
	return true;
}

/* An event that names an address and no more: FREE, RELEASE. */
static inline void tr_emit_address(struct tr_stream *s, unsigned kind, uint64_t addr)
{
	uint8_t *at = tr_room(s);
	if (!at)
		return;
	tr_finish_event(s, at, at + 2, kind, addr);
}

/* A block was obtained.  STACK 0: unknown. */
static inline void tr_emit_block(struct tr_stream *s, unsigned kind, uint64_t addr,
				 uint64_t size, uint32_t stack)
{
	uint8_t *at = tr_room(s);
	if (!at)
		return;
	unsigned tag = kind;
	uint8_t *p = at + 2;
	if (stack != s->last_stack) {
		unsigned code = stack >> 16 == 0 ? 1 : stack >> 24 == 0 ? 2 : 3;
		tag |= code << HS_WIRE_STACK_SHIFT;
		p = tr_put(p, stack, code + 1);
	}
	if (TR_UNLIKELY(size >= TR_LARGE))
		tr_want_stamp(s);
	if (size != s->last_size) {
		unsigned code = size >> 8 == 0 ? 1 : size >> 16 == 0 ? 2 : 3;
		tag |= code << HS_WIRE_SIZE_SHIFT;
		p = tr_put(p, size, code == 3 ? 8 : code);
	}
	if (!tr_finish_event(s, at, p, tag, addr))
		return;
	s->last_stack = stack;
	s->last_size = size;
}

#endif /* TR_EMIT_H */
