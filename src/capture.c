/* SPDX-License-Identifier: MIT */

/*
 * Opening a capture: the header, the walk over its sections, and what their
 * records say.  The file may be cut, damaged, hostile, or still be growing;
 * every length is checked against the bytes that are there, once, and what is
 * kept is bounded by them.
 */
#include "src/capture.h"

#include <string.h>

#include "src/array.h"
#include "src/capture_find.h"
#include "src/cursor.h"
#include "src/hash.h"
#include "src/streams.h"

struct capture {
	struct hs_capture pub; /* first: the two are cast into each other */
	const uint8_t *data;
	size_t size;

	HS_ARRAY(struct hs_capture_thread) threads;
	HS_ARRAY(struct hs_capture_module) modules;
	HS_ARRAY(struct hs_capture_node) nodes;
	HS_ARRAY(struct hs_capture_stack) stacks;
	HS_ARRAY(struct hs_capture_snapshot) snapshots;
	HS_ARRAY(struct hs_capture_piece) pieces;
	HS_ARRAY(struct hs_capture_record) records;
	HS_ARRAY(struct hs_capture_mapping) mappings;
	HS_ARRAY(struct hs_capture_moment) clock;
	HS_ARRAY(uint8_t *) copies; /* of chunks that may be used again meanwhile */
	struct hs_map thread_of;    /* tid -> index */

	struct hs_streams *streams;
	bool opened;   /* pieces and snapshots are what they are */
	bool complete; /* all events were read; tables are sorted */
};

/* Let the public table pointers follow the arrays. */
static void publish(struct capture *c)
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
#undef TABLE
}

static uint32_t thread_at(struct capture *c, uint32_t tid)
{
	bool fresh;
	uint32_t *index = hs_map_put(&c->thread_of, tid, &fresh);
	if (fresh) {
		*index = (uint32_t)c->threads.n;
		hs_array_add(&c->threads)->tid = tid;
	}
	return *index;
}

static struct hs_capture_text take_text(struct hs_cursor *in, size_t n)
{
	const uint8_t *at = hs_cur_bytes(in, n);
	return (struct hs_capture_text){at, at ? n : 0};
}

static struct hs_capture_text take_bytes(struct hs_cursor *in)
{
	return take_text(in, hs_cur_count(in, 1));
}

static struct hs_capture_text rest(struct hs_cursor *in)
{
	return take_text(in, hs_cur_left(in));
}

/* A uleb that has to fit into 32 bits. */
static uint32_t take_u32(struct hs_cursor *in)
{
	uint64_t v = hs_cur_uleb(in);
	if (v > UINT32_MAX)
		hs_cur_fail(in);
	return (uint32_t)v;
}

static void path_push(struct hs_path *path, uint32_t node)
{
	if (path->n == path->room)
		path->nodes =
			hs_array_grow_(path->nodes, &path->room, sizeof(*path->nodes));
	path->nodes[path->n++] = node;
}

static void read_stack(struct capture *c, struct hs_path *path, struct hs_cursor *in)
{
	uint32_t id = take_u32(in);
	uint32_t epoch = take_u32(in);
	uint32_t flags = take_u32(in);
	uint64_t n_shared = hs_cur_uleb(in);
	size_t n_new = hs_cur_count(in, 1);
	if (n_shared > path->n || (n_shared && epoch != path->epoch))
		hs_cur_fail(in);
	if (hs_cur_failed(in))
		return;
	path->n = (size_t)n_shared;
	path->epoch = epoch;
	for (size_t i = 0; i < n_new; i++) {
		uint32_t parent = path->n ? path->nodes[path->n - 1] : 0;
		uint64_t pc = path->n ? c->nodes.at[parent].pc : 0;
		pc += (uint64_t)hs_cur_zigzag(in);
		if (hs_cur_failed(in))
			return;
		path_push(path, (uint32_t)c->nodes.n);
		hs_array_push(&c->nodes, ((struct hs_capture_node){parent, epoch, pc}));
	}
	uint32_t node = path->n ? path->nodes[path->n - 1] : 0;
	hs_array_push(&c->stacks, ((struct hs_capture_stack){id, node, flags}));
}

static void read_module(struct capture *c, struct hs_cursor *in)
{
	struct hs_capture_module m = {.epoch = take_u32(in)};
	m.start = hs_cur_uleb(in);
	m.end = hs_cur_uleb(in);
	m.bias = hs_cur_uleb(in);
	m.build_id = take_bytes(in);
	m.path = take_bytes(in);
	if (m.start > m.end)
		hs_cur_fail(in);
	if (!hs_cur_failed(in))
		hs_array_push(&c->modules, m);
}

static void read_thread(struct capture *c, struct hs_cursor *in)
{
	(void)take_u32(in); /* stream: its chunks tell the tid, too */
	uint32_t tid = take_u32(in);
	(void)take_u32(in); /* nesting level */
	struct hs_capture_text name = take_bytes(in);
	if (hs_cur_failed(in))
		return;
	uint32_t i = thread_at(c, tid);
	if (name.n)
		c->threads.at[i].name = name;
}

static void read_piece(struct capture *c, struct hs_cursor *in)
{
	struct hs_capture_piece p = {.stream = take_u32(in)};
	p.sequence = take_u32(in);
	p.tid = take_u32(in);
	p.base_stamp = hs_cur_uleb(in);
	p.events = rest(in);
	if (hs_cur_failed(in))
		return;
	p.thread = thread_at(c, p.tid);
	hs_array_push(&c->pieces, p);
}

static void read_snapshot(struct capture *c, struct hs_cursor *in)
{
	struct hs_capture_snapshot s = {.stamp = hs_cur_uleb(in)};
	s.time_ns = hs_cur_uleb(in);
	s.rss = hs_cur_uleb(in);
	s.anon = hs_cur_uleb(in);
	s.file = hs_cur_uleb(in);
	s.shmem = hs_cur_uleb(in);
	if (!hs_cur_failed(in))
		hs_array_push(&c->snapshots, s);
}

static void read_mapping(struct capture *c, struct hs_cursor *in)
{
	struct hs_capture_mapping m = {.op = take_u32(in)};
	m.address = hs_cur_uleb(in);
	m.length = hs_cur_uleb(in);
	(void)hs_cur_uleb(in); /* protection */
	(void)hs_cur_uleb(in); /* flags */
	m.stack = take_u32(in);
	m.stamp = hs_cur_uleb(in);
	m.order = c->mappings.n;
	if (!hs_cur_failed(in))
		hs_array_push(&c->mappings, m);
}

/* Each is read where its stream is, which may be before or behind another's. */
static int by_mapping_stamp(const void *a, const void *b)
{
	const struct hs_capture_mapping *x = a, *y = b;
	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void read_ended(struct hs_capture *c, struct hs_cursor *in)
{
	uint32_t how = take_u32(in);
	int64_t code = hs_cur_zigzag(in);
	uint64_t stamp = hs_cur_uleb(in);
	uint64_t time_ns = hs_cur_uleb(in);
	if (hs_cur_failed(in))
		return;
	c->ended = true;
	c->end_how = how;
	c->end_code = code;
	c->end_stamp = stamp;
	c->end_ns = time_ns;
}

/* What one record says; unknown tags say nothing. */
static void read_payload(struct capture *c, struct hs_path *path, uint64_t tag,
			 struct hs_cursor *in)
{
	struct hs_capture_record *kept;
	switch (tag) {
	case HS_WIRE_STACK:
		read_stack(c, path, in);
		break;
	case HS_WIRE_MODULE:
		read_module(c, in);
		break;
	case HS_WIRE_THREAD:
		read_thread(c, in);
		break;
	case HS_WIRE_MAPPING:
		read_mapping(c, in);
		break;
	case HS_WIRE_NAME:
		c->pub.name = rest(in);
		break;
	case HS_WIRE_EXE:
		c->pub.exe = rest(in);
		break;
	case HS_WIRE_ARGV:
		c->pub.argv = rest(in);
		break;
	case HS_WIRE_VERSION_OF:
		c->pub.version = rest(in);
		break;
	case HS_WIRE_SYSTEM:
		c->pub.system = rest(in);
		break;
	case HS_WIRE_PIECE:
		/* Among events: it would change what is being read. */
		if (!c->opened)
			read_piece(c, in);
		break;
	case HS_WIRE_SNAPSHOT:
		if (!c->opened)
			read_snapshot(c, in);
		break;
	case HS_WIRE_ENDED:
		read_ended(&c->pub, in);
		break;
	case HS_WIRE_SEGMENT:
	case HS_WIRE_LIVE_SET:
	case HS_WIRE_PEAK:
	case HS_WIRE_MAPPED:
	case HS_WIRE_MAPS:
		kept = hs_array_add(&c->records);
		kept->tag = tag;
		kept->payload = rest(in);
		break;
	default:
		break;
	}
}

/* Read the record at IN.  Returns its tag. */
static uint64_t read_record(struct capture *c, struct hs_path *path, struct hs_cursor *in)
{
	uint64_t tag = hs_cur_uleb(in);
	if (tag == HS_WIRE_END_OF_RECORDS || hs_cur_failed(in))
		return HS_WIRE_END_OF_RECORDS;
	uint64_t length = hs_cur_uleb(in);
	if (length > hs_cur_left(in) && tag == HS_WIRE_PIECE && !hs_cur_failed(in)) {
		/* Cut off: the events up to there are good. */
		struct hs_cursor cut = hs_cur_sub(in, hs_cur_left(in));
		read_payload(c, path, tag, &cut);
		hs_cur_fail(in);
		return tag;
	}
	struct hs_cursor payload = hs_cur_sub(in, length);
	if (hs_cur_failed(in))
		return tag;
	read_payload(c, path, tag, &payload);
	if (hs_cur_failed(&payload))
		hs_cur_fail(in);
	return tag;
}

static void read_record_among_events(void *context, struct hs_path *path,
				     struct hs_cursor *in)
{
	if (read_record(context, path, in) == HS_WIRE_END_OF_RECORDS)
		hs_cur_fail(in);
}

static void read_records(struct capture *c, struct hs_cursor in)
{
	struct hs_path path = {0};
	while (hs_cur_left(&in))
		if (read_record(c, &path, &in) == HS_WIRE_END_OF_RECORDS)
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
};

/* The section at byte POS, or false where none begins. */
static bool section_at(struct capture *c, size_t pos, struct section *s)
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

/*
 * While a recorder drains a live file, a chunk may be emptied and used again
 * at any moment: keep a copy, made only if the chunk stayed the same.  One
 * that did not is by now a PIECE, and those are read after the chunks.
 */
static bool copy_chunk(struct capture *c, const struct section *s,
		       const struct hs_wire_chunk *chunk, struct hs_capture_piece *p)
{
	struct hs_wire_chunk now;
	if (c->pub.header.state != HS_WIRE_LIVE || !c->pub.header.recorder_pid)
		return true;
	uint8_t *copy = hs_xmalloc(p->events.n);
	if (p->events.n)
		memcpy(copy, p->events.at, p->events.n);
	p->events.at = copy;
	hs_array_push(&c->copies, copy);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(&now, s->at, sizeof(now));
	return now.sequence == chunk->sequence && now.stream == chunk->stream &&
	       now.state != HS_WIRE_CHUNK_FREE;
}

static void read_chunk(struct capture *c, const struct section *s)
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
		.thread = thread_at(c, chunk.tid),
		.base_stamp = chunk.base_stamp,
		.events = {s->payload.pos, hs_cur_left(&s->payload)}};
	if (copy_chunk(c, s, &chunk, &p))
		hs_array_push(&c->pieces, p);
}

/* So many holes in a row, where nobody has reserved pages, are the end. */
#define MOST_HOLES 4096u

/* Read all sections with TAG. */
static void walk_sections(struct capture *c, uint16_t tag)
{
	size_t holes = 0;
	for (size_t pos = HS_WIRE_PAGE; pos < c->size && holes < MOST_HOLES;) {
		struct section s = {.pages = 1};
		bool found = section_at(c, pos, &s);
		holes = found || pos / HS_WIRE_PAGE < c->pub.header.end_page ? 0
									     : holes + 1;
		if (found && s.head.tag == tag) {
			if (tag == HS_WIRE_EVENTS)
				read_chunk(c, &s);
			else
				read_records(c, s.payload);
		}
		if (s.pages > (c->size - pos) / HS_WIRE_PAGE)
			break;
		pos += (size_t)s.pages * HS_WIRE_PAGE;
	}
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

/* Sort the pieces, keep one of each, count those that are missing between. */
static void order_pieces(struct capture *c)
{
	size_t kept = 0;
	if (c->pieces.n)
		qsort(c->pieces.at, c->pieces.n, sizeof(*c->pieces.at), by_stream);
	for (size_t i = 0; i < c->pieces.n; i++) {
		const struct hs_capture_piece *p = &c->pieces.at[i];
		const struct hs_capture_piece *last =
			kept ? &c->pieces.at[kept - 1] : NULL;
		bool same_stream = last && last->stream == p->stream;
		if (same_stream && last->sequence == p->sequence)
			continue;
		uint64_t expected = same_stream ? (uint64_t)last->sequence + 1 : 0;
		c->pub.loss.missing_pieces += p->sequence - expected;
		c->pieces.at[kept++] = *p;
	}
	c->pieces.n = kept;
}

static void add_moment(struct capture *c, uint64_t stamp, uint64_t time_ns)
{
	const struct hs_capture_moment *last =
		c->clock.n ? &c->clock.at[c->clock.n - 1] : NULL;
	/* A clock that was set back would make time run backwards. */
	if (last && (stamp <= last->stamp || time_ns <= last->time_ns))
		return;
	hs_array_push(&c->clock, ((struct hs_capture_moment){stamp, time_ns}));
}

static void tie_clock(struct capture *c)
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

static struct hs_error *read_header(struct capture *c, const struct hs_cursor *in)
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
static bool ends_early(const struct capture *c)
{
	const struct hs_wire_header *h = &c->pub.header;
	uint64_t pages = c->size / HS_WIRE_PAGE;
	if (pages == 0 || (h->newest_chunk && h->newest_chunk >= pages))
		return true;
	return pages < h->end_page && (h->state == HS_WIRE_FINAL || !h->lost_events);
}

static void read_header_page(struct capture *c)
{
	size_t end = HS_MIN(c->size, (size_t)HS_WIRE_PAGE);
	size_t begin = HS_MIN((size_t)c->pub.header.header_size, end);
	read_records(c, hs_cursor(c->data + begin, end - begin, NULL));
	if (ends_early(c))
		c->pub.loss.cut = true;
}

struct hs_error *hs_capture_open(struct hs_cursor *in, struct hs_capture **ret)
{
	struct capture *c = hs_xcalloc(1, sizeof(*c));
	c->data = in->pos;
	c->size = hs_cur_left(in);
	struct hs_error *err = read_header(c, in);
	if (err) {
		hs_capture_free(&c->pub);
		return err;
	}
	c->pub.loss.cut = in->truncated;
	(void)hs_array_add(&c->nodes); /* the root */
	read_header_page(c);
	walk_sections(c, HS_WIRE_EVENTS);
	walk_sections(c, HS_WIRE_RECORDS);
	order_pieces(c);
	if (c->snapshots.n)
		qsort(c->snapshots.at, c->snapshots.n, sizeof(*c->snapshots.at),
		      by_stamp);
	tie_clock(c);
	hs_cur_skip(in, hs_cur_left(in));
	c->opened = true;
	publish(c);
	*ret = &c->pub;
	return NULL;
}

void hs_capture_free(struct hs_capture *pub)
{
	struct capture *c = (struct capture *)pub;
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
	hs_map_deinit(&c->thread_of);
	free(c);
}

size_t hs_capture_next(struct hs_capture *pub, const struct hs_capture_event **ret)
{
	struct capture *c = (struct capture *)pub;
	if (!c->streams)
		c->streams = hs_streams_new(c->pieces.at, c->pieces.n, c->snapshots.at,
					    c->snapshots.n, read_record_among_events, c,
					    &c->pub.loss);
	size_t n = hs_streams_next(c->streams, ret);
	if (!n && !c->complete) {
		c->complete = true;
		c->modules.n = hs_capture_order_modules(c->modules.at, c->modules.n);
		c->stacks.n = hs_capture_order_stacks(c->stacks.at, c->stacks.n);
		if (c->mappings.n)
			qsort(c->mappings.at, c->mappings.n, sizeof(*c->mappings.at),
			      by_mapping_stamp);
	}
	publish(c);
	return n;
}
