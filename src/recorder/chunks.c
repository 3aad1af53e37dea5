/* SPDX-License-Identifier: MIT */

/*
 * Draining.  The tracker publishes a chunk once, by putting it in front of
 * the list at header.newest_chunk; from then on it goes round: OPEN, CLOSED
 * (ours), FREE (its thread's), OPEN with a new sequence.  So the list is only
 * walked where it grew, and the chunks met are looked at again and again.
 */
#include "src/recorder/chunks.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "src/recorder/io.h"
#include "src/recorder/store.h"
#include "src/recorder/target.h"
#include "src/wire.h"

/* The tracker's chunks have 16 pages; more than this is a damaged file. */
#define MOST_PAGES 4096u

static bool is_chunk(const struct hs_wire_section *s)
{
	return s->magic == HS_WIRE_SECTION_MAGIC && s->tag == HS_WIRE_EVENTS &&
	       s->header_size >= sizeof(struct hs_wire_chunk) &&
	       s->header_size < HS_WIRE_PAGE && s->pages > 0 && s->pages <= MOST_PAGES;
}

/*
 * Add the chunks which were published since the last call.  The list may be
 * hostile, a ring for example: no more steps than the file has pages.
 */
static struct hs_error *find_new(struct rc_target *t)
{
	uint64_t newest = __atomic_load_n(&t->header->newest_chunk, __ATOMIC_ACQUIRE);
	if (newest == t->newest_chunk)
		return NULL;
	struct stat st;
	if (fstat(t->fd, &st))
		return hs_error("cannot look at the capture: %s", strerror(errno));
	uint64_t steps = (uint64_t)st.st_size / HS_WIRE_PAGE;
	for (uint64_t page = newest; page && page != t->newest_chunk; steps--) {
		const struct hs_wire_chunk *there = rc_target_at(t, page, 1);
		struct hs_wire_chunk chunk = {0};
		/* A copy: a hostile process may change it after the look. */
		if (there)
			memcpy(&chunk, there, sizeof(chunk));
		if (!steps || !is_chunk(&chunk.section) ||
		    !rc_target_at(t, page, chunk.section.pages))
			return hs_error("the list of chunks is damaged at page %llu",
					(unsigned long long)page);
		struct rc_chunk_ref ref = {.page = page, .pages = chunk.section.pages};
		hs_array_push(&t->chunks, ref);
		page = chunk.previous;
	}
	t->newest_chunk = newest;
	return NULL;
}

static struct hs_error *append_piece(struct rc_target *t,
				     const struct hs_wire_chunk *chunk, void *events,
				     size_t size)
{
	uint8_t head[40], *p = head;
	p = rc_uleb(p, chunk->stream);
	p = rc_uleb(p, chunk->sequence);
	p = rc_uleb(p, chunk->tid);
	p = rc_uleb(p, chunk->base_stamp);
	const struct iovec parts[] = {{.iov_base = head, .iov_len = (size_t)(p - head)},
				      {.iov_base = events, .iov_len = size}};
	return rc_store_append(&t->store, HS_WIRE_PIECE, parts, 2);
}

/*
 * Copy one closed chunk.  The bytes go through a buffer of ours, so that a
 * file that gets shorter meanwhile is a short read.
 */
static struct hs_error *copy(struct rc_target *t, const struct rc_chunk_ref *ref)
{
	size_t room = (size_t)ref->pages * HS_WIRE_PAGE;
	HS_CLEANUP(hs_freep) char *buffer = hs_xmalloc(room);
	ssize_t got = rc_read(t->fd, buffer, room, ref->page * HS_WIRE_PAGE);
	if (got < (ssize_t)sizeof(struct hs_wire_chunk))
		return hs_error("a chunk is cut off at page %llu",
				(unsigned long long)ref->page);
	struct hs_wire_chunk chunk;
	memcpy(&chunk, buffer, sizeof(chunk));
	size_t start = chunk.section.header_size, size = chunk.section.length;
	if (!is_chunk(&chunk.section) || start > (size_t)got ||
	    size > (size_t)got - start)
		return hs_error("the chunk at page %llu is damaged",
				(unsigned long long)ref->page);
	return append_piece(t, &chunk, buffer + start, size);
}

struct hs_error *rc_drain(struct rc_target *t, size_t *copied)
{
	struct hs_error *err = find_new(t);
	for (size_t i = 0; i < t->chunks.n && !err; i++) {
		const struct rc_chunk_ref *ref = &t->chunks.at[i];
		struct hs_wire_chunk *chunk = rc_target_at(t, ref->page, 1);
		uint32_t state = __atomic_load_n(&chunk->state, __ATOMIC_ACQUIRE);
		if (state != HS_WIRE_CHUNK_CLOSED)
			continue;
		err = copy(t, ref);
		if (err)
			break;
		/* The piece is in the file: now, and not before, it may be reused. */
		__atomic_store_n(&chunk->state, HS_WIRE_CHUNK_FREE, __ATOMIC_RELEASE);
		++*copied;
	}
	return err;
}

/* The highest sequence of each stream of which something is not copied yet. */
static void note_highest(struct rc_target *t, struct hs_map *highest)
{
	for (size_t i = 0; i < t->chunks.n; i++) {
		const struct hs_wire_chunk *c = rc_target_at(t, t->chunks.at[i].page, 1);
		if (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == HS_WIRE_CHUNK_FREE)
			continue;
		uint32_t *sequence = hs_map_put(highest, c->stream, NULL);
		*sequence = HS_MAX(*sequence, c->sequence);
	}
}

static void note_reaches(struct rc_target *t, const struct hs_map *highest,
			 struct rc_reaches *ret)
{
	for (size_t i = 0; i < t->chunks.n; i++) {
		const struct rc_chunk_ref *ref = &t->chunks.at[i];
		const struct hs_wire_chunk *c = rc_target_at(t, ref->page, 1);
		uint32_t state = __atomic_load_n(&c->state, __ATOMIC_ACQUIRE);
		if (state == HS_WIRE_CHUNK_FREE)
			continue;
		const uint32_t *sequence = hs_map_get(highest, c->stream);
		if (!sequence || c->sequence > *sequence)
			continue;
		uint32_t length = __atomic_load_n(&c->section.length, __ATOMIC_ACQUIRE);
		hs_array_push(&ret->at,
			      ((struct rc_reach){
				      .page = ref->page,
				      .pages = ref->pages,
				      .length = HS_MIN(length, ref->pages * HS_WIRE_PAGE),
				      .stream = c->stream,
				      .sequence = c->sequence,
				      .closed = state == HS_WIRE_CHUNK_CLOSED}));
	}
}

/*
 * Two looks: in one alone a chunk may be free when it is met, and be filled, and
 * its successor be met as open later.  Of what the first look has seen, all but
 * the last chunk of a stream is closed, and its predecessors are published.
 */
struct hs_error *rc_barrier(struct rc_target *t, struct rc_reaches *ret)
{
	struct hs_map highest = {0};
	struct hs_error *err = find_new(t);
	if (!err) {
		note_highest(t, &highest);
		err = find_new(t);
	}
	if (!err)
		note_reaches(t, &highest, ret);
	hs_map_deinit(&highest);
	return err;
}

void rc_give_back(struct rc_target *t, const struct rc_reaches *reaches)
{
	for (size_t i = 0; i < reaches->at.n; i++) {
		const struct rc_reach *r = &reaches->at.at[i];
		struct hs_wire_chunk *c = rc_target_at(t, r->page, 1);
		/* It may have been drained and used again meanwhile. */
		if (r->closed && c->stream == r->stream && c->sequence == r->sequence &&
		    __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == HS_WIRE_CHUNK_CLOSED)
			__atomic_store_n(&c->state, HS_WIRE_CHUNK_FREE, __ATOMIC_RELEASE);
	}
}
