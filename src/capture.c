/* SPDX-License-Identifier: MIT */

/*
 * Opening a capture: the header, the walk over its sections, and what their
 * records say.  The file may be cut, damaged, hostile, or still be growing;
 * every length is checked against the bytes that are there, once, and what is
 * kept is bounded by them.
 */
#include "src/capture.h"

#include <string.h>

#include "src/capture_find.h"
#include "src/capture_reading.h"
#include "src/cursor.h"

/* Let the public table pointers follow the arrays. */
static void publish(struct hs_reading *c)
{
#define TABLE(name) (c->pub.name = c->name.at, c->pub.n_##name = c->name.n)
	TABLE(threads);
	TABLE(modules);
	TABLE(nodes);
	TABLE(stacks);
	TABLE(snapshots);
	TABLE(pieces);
	TABLE(records);
	TABLE(mappings);
	TABLE(clock);
	TABLE(positions);
	TABLE(lasts);
#undef TABLE
}

static void read_record_among_events(void *context, struct hs_path *path,
				     struct hs_cursor *in, bool again)
{
	if (hs_reading_record(context, path, in, again) == HS_WIRE_END_OF_RECORDS)
		hs_cur_fail(in);
}

static void read_records(struct hs_reading *c, struct hs_cursor in)
{
	struct hs_path path = {0};
	while (hs_cur_left(&in))
		if (hs_reading_record(c, &path, &in, false) == HS_WIRE_END_OF_RECORDS)
			break;
	if (hs_cur_failed(&in))
		c->pub.loss.damaged_records++;
	free(path.nodes);
}

/* A section that lies in the file as far as `length` says. */
struct section {
	struct hs_wire_section head;
	const uint8_t *at;
	struct hs_cursor payload;
	uint64_t pages;
	uint32_t number; /* of struct hs_wire_records */
};

struct section_list {
	struct section *at;
	size_t n, room;
};

/* The section at byte POS, or false where none begins. */
static bool section_at(struct hs_reading *c, size_t pos, struct section *s)
{
	size_t left = c->size - pos;
	if (left < sizeof(s->head))
		return false;
	s->at = c->data + pos;
	memcpy(&s->head, s->at, sizeof(s->head));
	/* What was committed before `length` was stored is to be seen, too. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	const struct hs_wire_section *h = &s->head;
	uint64_t room = (uint64_t)h->pages * HS_WIRE_PAGE;
	if (h->magic != HS_WIRE_SECTION_MAGIC || !h->pages ||
	    h->header_size < sizeof(*h) || h->header_size > room ||
	    h->length > room - h->header_size)
		return false;
	s->pages = h->pages;
	if (room > left)
		c->pub.loss.cut = true;
	size_t begin = HS_MIN((size_t)h->header_size, left);
	s->payload =
		hs_cursor(s->at + begin, HS_MIN((size_t)h->length, left - begin), NULL);
	return true;
}

/* Does a recorder work on the file, so that parts of it are used again? */
static bool is_recorded(const struct hs_reading *c)
{
	return c->pub.header.state == HS_WIRE_LIVE && c->pub.header.recorder_pid;
}

static const uint8_t *keep_copy(struct hs_reading *c, const uint8_t *at, size_t n)
{
	uint8_t *copy = hs_xmalloc(n);
	if (n)
		memcpy(copy, at, n);
	hs_array_push(&c->copies, copy);
	return copy;
}

/*
 * While a recorder drains a live file, a chunk may be emptied and used again
 * at any moment: keep a copy, made only if the chunk stayed the same.  One
 * that did not is by now a PIECE, and those are read after the chunks.
 */
static bool copy_chunk(struct hs_reading *c, const struct section *s,
		       const struct hs_wire_chunk *chunk, struct hs_capture_piece *p)
{
	struct hs_wire_chunk now;
	if (!is_recorded(c))
		return true;
	p->events.at = keep_copy(c, p->events.at, p->events.n);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(&now, s->at, sizeof(now));
	return now.sequence == chunk->sequence && now.stream == chunk->stream &&
	       now.state != HS_WIRE_CHUNK_FREE;
}

static void read_chunk(struct hs_reading *c, const struct section *s)
{
	struct hs_wire_chunk chunk;
	if (s->head.header_size < sizeof(chunk) ||
	    (size_t)(s->payload.pos - s->at) < sizeof(chunk)) {
		c->pub.loss.damaged_pieces++;
		return;
	}
	memcpy(&chunk, s->at, sizeof(chunk));
	if (chunk.state == HS_WIRE_CHUNK_FREE)
		return; /* a PIECE has it */
	struct hs_capture_piece p = {
		.stream = chunk.stream,
		.sequence = chunk.sequence,
		.tid = chunk.tid,
		.thread = hs_reading_thread(c, chunk.tid),
		.base_stamp = chunk.base_stamp,
		.events = {s->payload.pos, hs_cur_left(&s->payload)}};
	if (copy_chunk(c, s, &chunk, &p))
		hs_array_push(&c->pieces, p);
}

static void count(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

static void read_counters(struct hs_reading *c, const struct section *s)
{
	struct hs_cursor in = s->payload;
	struct hs_wire_counters *sum = &c->pub.counts;
	for (struct hs_wire_counters n; hs_cur_left(&in) >= sizeof(n);) {
		memcpy(&n, hs_cur_bytes(&in, sizeof(n)), sizeof(n));
		count(&sum->allocations, n.allocations);
		count(&sum->bytes, n.bytes);
		count(&sum->frees, n.frees);
		c->pub.has_counts = true;
	}
}

/* Does what lies in S count?  Fills in its generation and number. */
static bool counts(const struct hs_reading *c, struct section *s)
{
	struct hs_wire_records head = {0};
	if ((size_t)(s->payload.pos - s->at) >= sizeof(head) &&
	    s->head.header_size >= sizeof(head))
		memcpy(&head, s->at, sizeof(head));
	s->number = head.number;
	uint32_t generation = c->pub.header.generation;
	if (s->head.tag == HS_WIRE_CHECKPOINT)
		return generation && head.generation == generation;
	return s->head.tag == HS_WIRE_RECORDS && head.generation >= generation &&
	       head.generation <= c->last_generation;
}

/* So many holes in a row, where nobody has reserved pages, are the end. */
#define MOST_HOLES 4096u

/* Read all chunks and counters, or (without) add the sections of records that count to
 * LIST. */
static void walk_sections(struct hs_reading *c, struct section_list *list)
{
	size_t holes = 0;
	for (size_t pos = HS_WIRE_PAGE; pos < c->size && holes < MOST_HOLES;) {
		struct section s = {.pages = 1};
		bool found = section_at(c, pos, &s);
		holes = found || pos / HS_WIRE_PAGE < c->pub.header.end_page ? 0
									     : holes + 1;
		if (found && !list && s.head.tag == HS_WIRE_EVENTS)
			read_chunk(c, &s);
		if (found && !list && s.head.tag == HS_WIRE_COUNTERS)
			read_counters(c, &s);
		if (found && list && counts(c, &s))
			hs_array_push(list, s);
		if (s.pages > (c->size - pos) / HS_WIRE_PAGE)
			break;
		pos += (size_t)s.pages * HS_WIRE_PAGE;
	}
}

/* The checkpoint first; then as they were written. */
static int by_number(const void *a, const void *b)
{
	const struct section *x = a, *y = b;
	if (x->head.tag != y->head.tag)
		return x->head.tag == HS_WIRE_CHECKPOINT ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static void read_sections(struct hs_reading *c)
{
	struct section_list list = {0};
	walk_sections(c, &list);
	if (list.n)
		qsort(list.at, list.n, sizeof(*list.at), by_number);
	for (size_t i = 0; i < list.n; i++) {
		struct hs_cursor in = list.at[i].payload;
		size_t n = hs_cur_left(&in);
		if (is_recorded(c))
			in = hs_cursor(keep_copy(c, in.pos, n), n, NULL);
		read_records(c, in);
	}
	if (c->pub.header.generation && !c->pub.folded)
		c->pub.loss.cut = true; /* before its checkpoint */
	hs_array_free(&list);
}

static int by_stream(const void *a, const void *b)
{
	const struct hs_capture_piece *x = a, *y = b;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	/* The fuller one first: a copy may have been cut off. */
	return (x->events.n < y->events.n) - (x->events.n > y->events.n);
}

static int by_position(const void *a, const void *b)
{
	const struct hs_capture_position *x = a, *y = b;
	return (x->stream > y->stream) - (x->stream < y->stream);
}

/*
 * Up to where STREAM was folded, or NULL.  *I runs over the positions as the
 * caller runs over the streams.
 */
static const struct hs_capture_position *folded_part(const struct hs_reading *c,
						     uint32_t stream, size_t *i)
{
	while (*i < c->positions.n && c->positions.at[*i].stream < stream)
		++*i;
	return *i < c->positions.n && c->positions.at[*i].stream == stream
		       ? &c->positions.at[*i]
		       : NULL;
}

/*
 * Sort the pieces, keep one of each that was not folded, count those that are
 * missing between.
 */
static void order_pieces(struct hs_reading *c)
{
	size_t kept = 0, i_folded = 0;
	if (c->pieces.n)
		qsort(c->pieces.at, c->pieces.n, sizeof(*c->pieces.at), by_stream);
	if (c->positions.n)
		qsort(c->positions.at, c->positions.n, sizeof(*c->positions.at),
		      by_position);
	for (size_t i = 0; i < c->pieces.n; i++) {
		struct hs_capture_piece *p = &c->pieces.at[i];
		const struct hs_capture_piece *last =
			kept ? &c->pieces.at[kept - 1] : NULL;
		const struct hs_capture_position *folded =
			folded_part(c, p->stream, &i_folded);
		bool same_stream = last && last->stream == p->stream;
		if ((same_stream && last->sequence == p->sequence) ||
		    (folded && p->sequence < folded->sequence))
			continue;
		uint64_t expected = same_stream ? (uint64_t)last->sequence + 1 : 0;
		if (!same_stream && folded)
			expected = folded->sequence + (p->sequence > folded->sequence);
		c->pub.loss.missing_pieces += p->sequence - expected;
		if (folded && p->sequence == folded->sequence)
			p->folded = folded->bytes;
		c->pieces.at[kept++] = *p;
	}
	c->pieces.n = kept;
}

static void add_moment(struct hs_reading *c, uint64_t stamp, uint64_t time_ns)
{
	const struct hs_capture_moment *last =
		c->clock.n ? &c->clock.at[c->clock.n - 1] : NULL;
	/* A clock that was set back would make time run backwards. */
	if (last && (stamp <= last->stamp || time_ns <= last->time_ns))
		return;
	hs_array_push(&c->clock, ((struct hs_capture_moment){stamp, time_ns}));
}

static void tie_clock(struct hs_reading *c)
{
	add_moment(c, c->pub.header.start_stamp, c->pub.header.start_ns);
	for (size_t i = 0; i < c->snapshots.n; i++)
		add_moment(c, c->snapshots.at[i].stamp, c->snapshots.at[i].time_ns);
	if (c->pub.ended)
		add_moment(c, c->pub.end_stamp, c->pub.end_ns);
}

static int by_stamp(const void *a, const void *b)
{
	const struct hs_capture_snapshot *x = a, *y = b;
	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? -1 : 1;
	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

bool hs_capture_probe(const uint8_t *data, size_t size)
{
	const size_t n = sizeof(((struct hs_wire_header *)NULL)->magic);
	return size >= n && !memcmp(data, HS_WIRE_MAGIC, n);
}

static struct hs_error *read_header(struct hs_reading *c, const struct hs_cursor *in)
{
	struct hs_wire_header *h = &c->pub.header;
	if (c->size == 0)
		return hs_error("the file is empty: nothing was recorded");
	if (!hs_capture_probe(c->data, c->size))
		return hs_error("this is no heapsnap capture");
	memcpy(h, c->data, HS_MIN(c->size, sizeof(*h)));
	if (c->size < __builtin_offsetof(struct hs_wire_header, state))
		return hs_error("the file ends within its header, after %zu bytes",
				hs_cur_left(in));
	if (h->version > HS_WIRE_VERSION)
		return hs_error("the capture has version %u, and this heapsnap knows "
				"version %u: use a newer heapsnap",
				h->version, HS_WIRE_VERSION);
	if (h->version == 0)
		return hs_error("the capture has version 0, which never was: the file is "
				"damaged");
	if (h->word_size != 8)
		return hs_error("the capture is of a %u-bit process; only 64-bit ones "
				"can be read",
				h->word_size * 8u);
	if (h->header_size < sizeof(*h) || h->header_size > HS_WIRE_PAGE)
		return hs_error(
			"the header says that it has %u bytes: the file is damaged",
			h->header_size);
	return NULL;
}

/*
 * Is the file shorter than its header says?  In a live file pages may have been
 * reserved that the disk had no room for; then the tracker has counted losses.
 */
static bool ends_early(const struct hs_reading *c)
{
	const struct hs_wire_header *h = &c->pub.header;
	uint64_t pages = c->size / HS_WIRE_PAGE;
	if (pages == 0 || (h->newest_chunk && h->newest_chunk >= pages))
		return true;
	return pages < h->end_page && (h->state == HS_WIRE_FINAL || !h->lost_events);
}

static void read_header_page(struct hs_reading *c)
{
	size_t end = HS_MIN(c->size, (size_t)HS_WIRE_PAGE);
	size_t begin = HS_MIN((size_t)c->pub.header.header_size, end);
	read_records(c, hs_cursor(c->data + begin, end - begin, NULL));
	if (ends_early(c))
		c->pub.loss.cut = true;
}

static struct hs_reading *new_reading(const struct hs_cursor *in)
{
	struct hs_reading *c = hs_xcalloc(1, sizeof(*c));
	c->data = in->pos;
	c->size = hs_cur_left(in);
	c->last_generation = UINT32_MAX;
	c->horizon = UINT64_MAX;
	return c;
}

static void read_all(struct hs_reading *c)
{
	(void)hs_array_add(&c->nodes); /* the root */
	read_header_page(c);
	if (!c->without_chunks)
		walk_sections(c, NULL);
	read_sections(c);
	order_pieces(c);
	if (c->snapshots.n)
		qsort(c->snapshots.at, c->snapshots.n, sizeof(*c->snapshots.at),
		      by_stamp);
	tie_clock(c);
	c->opened = true;
}

/*
 * Did the recorder put another checkpoint in place while we read?  It may lie
 * behind what was the file's end when it was mapped.
 */
static bool has_changed(const struct hs_reading *c)
{
	const struct hs_wire_header *h = (const void *)c->data;
	uint32_t generation = c->pub.header.generation;
	if (!is_recorded(c))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return (generation && !c->pub.folded) ||
	       __atomic_load_n(&h->generation, __ATOMIC_ACQUIRE) != generation;
}

/* Finish opening C, or free it. */
static struct hs_error *finish(struct hs_reading *c, struct hs_cursor *in,
			       struct hs_capture **ret)
{
	struct hs_error *err = read_header(c, in);
	if (err) {
		hs_capture_free(&c->pub);
		return err;
	}
	c->pub.loss.cut = in->truncated;
	read_all(c);
	publish(c);
	*ret = &c->pub;
	return NULL;
}

struct hs_error *hs_capture_open(struct hs_cursor *in, struct hs_capture **ret)
{
	struct hs_reading *c = new_reading(in);
	struct hs_error *err = finish(c, in, ret);
	if (err)
		return err;
	if (!in->as_is && has_changed(c)) {
		in->changed = true;
		hs_capture_free(&c->pub);
		return hs_error(
			"its recorder has changed it while it was read: try again");
	}
	hs_cur_skip(in, hs_cur_left(in));
	return NULL;
}

struct hs_error *hs_capture_open_until(struct hs_cursor *in, uint32_t last_generation,
				       uint64_t horizon, struct hs_capture **ret)
{
	struct hs_reading *c = new_reading(in);
	c->without_chunks = true;
	c->last_generation = last_generation;
	c->horizon = horizon;
	return finish(c, in, ret);
}

void hs_capture_free(struct hs_capture *pub)
{
	struct hs_reading *c = (struct hs_reading *)pub;
	if (!c)
		return;
	hs_streams_free(c->streams);
	for (size_t i = 0; i < c->copies.n; i++)
		free(c->copies.at[i]);
	hs_array_free(&c->copies);
	hs_array_free(&c->threads);
	hs_array_free(&c->modules);
	hs_array_free(&c->nodes);
	hs_array_free(&c->stacks);
	hs_array_free(&c->snapshots);
	hs_array_free(&c->pieces);
	hs_array_free(&c->records);
	hs_array_free(&c->mappings);
	hs_array_free(&c->clock);
	hs_array_free(&c->positions);
	hs_array_free(&c->lasts);
	hs_map_deinit(&c->thread_of);
	free(c);
}

static struct hs_streams *merge(struct hs_reading *c)
{
	const struct hs_streams_input input = {
		.pieces = c->pieces.at,
		.n_pieces = c->pieces.n,
		.snapshots = c->snapshots.at,
		.n_snapshots = c->snapshots.n,
		.folded = c->pub.folded_stamp,
		.horizon = c->horizon,
		.record = read_record_among_events,
		.context = c,
		.loss = &c->pub.loss,
	};
	return hs_streams_new(&input);
}

/* Streams of which nothing came since the checkpoint stay where they were. */
static void update_positions(struct hs_reading *c)
{
	struct hs_capture_position now;
	size_t n = c->positions.n, i_folded = 0;
	for (size_t i = 0; hs_streams_position(c->streams, i, &now); i++) {
		while (i_folded < n && c->positions.at[i_folded].stream < now.stream)
			i_folded++;
		if (i_folded < n && c->positions.at[i_folded].stream == now.stream)
			c->positions.at[i_folded] = now;
		else
			hs_array_push(&c->positions, now);
	}
	if (c->positions.n)
		qsort(c->positions.at, c->positions.n, sizeof(*c->positions.at),
		      by_position);
}

/* Each is read where its stream is, which may be before or behind another's. */
static int by_mapping_stamp(const void *a, const void *b)
{
	const struct hs_capture_mapping *x = a, *y = b;
	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void complete(struct hs_reading *c)
{
	c->complete = true;
	c->modules.n = hs_capture_order_modules(c->modules.at, c->modules.n);
	c->stacks.n = hs_capture_order_stacks(c->stacks.at, c->stacks.n);
	if (c->mappings.n)
		qsort(c->mappings.at, c->mappings.n, sizeof(*c->mappings.at),
		      by_mapping_stamp);
	update_positions(c);
}

size_t hs_capture_next(struct hs_capture *pub, const struct hs_capture_event **ret)
{
	struct hs_reading *c = (struct hs_reading *)pub;
	if (!c->streams)
		c->streams = merge(c);
	size_t n = hs_streams_next(c->streams, ret);
	if (!n && !c->complete)
		complete(c);
	publish(c);
	return n;
}
