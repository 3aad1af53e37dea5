/* SPDX-License-Identifier: MIT */

/* What the records of a capture say, record by record. */
#include "src/capture_reading.h"

#include <string.h>

#include "src/cursor.h"
#include "src/weight.h"

uint32_t hs_reading_thread(struct hs_reading *c, uint32_t tid)
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

static void read_stack(struct hs_reading *c, struct hs_path *path, struct hs_cursor *in)
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

static void read_module(struct hs_reading *c, struct hs_cursor *in)
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

static void read_thread(struct hs_reading *c, struct hs_cursor *in)
{
	(void)take_u32(in); /* stream: its chunks tell the tid, too */
	uint32_t tid = take_u32(in);
	(void)take_u32(in); /* nesting level */
	struct hs_capture_text name = take_bytes(in);
	if (hs_cur_failed(in))
		return;
	uint32_t i = hs_reading_thread(c, tid);
	if (name.n)
		c->threads.at[i].name = name;
}

static void read_piece(struct hs_reading *c, struct hs_cursor *in)
{
	struct hs_capture_piece p = {.stream = take_u32(in)};
	p.sequence = take_u32(in);
	p.tid = take_u32(in);
	p.base_stamp = hs_cur_uleb(in);
	p.events = rest(in);
	if (hs_cur_failed(in))
		return;
	p.thread = hs_reading_thread(c, p.tid);
	hs_array_push(&c->pieces, p);
}

static void read_snapshot(struct hs_reading *c, struct hs_cursor *in)
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

static void read_mapping(struct hs_reading *c, struct hs_cursor *in, bool again)
{
	struct hs_capture_mapping m = {.op = take_u32(in)};
	m.address = hs_cur_uleb(in);
	m.length = hs_cur_uleb(in);
	(void)hs_cur_uleb(in); /* protection */
	(void)hs_cur_uleb(in); /* flags */
	m.stack = take_u32(in);
	m.stamp = hs_cur_uleb(in);
	m.order = c->mappings.n;
	if (!hs_cur_failed(in) && !again)
		hs_array_push(&c->mappings, m);
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

static struct hs_capture_last take_last(struct hs_reading *c, struct hs_cursor *in)
{
	struct hs_capture_last l = {.thread = hs_reading_thread(c, take_u32(in))};
	l.flags = take_u32(in);
	l.last = hs_cur_uleb(in);
	if (!(l.flags & HS_WIRE_LAST_RELEASED))
		return l;
	l.addr = hs_cur_uleb(in);
	l.size = hs_cur_uleb(in);
	l.born = hs_cur_uleb(in);
	l.stack = take_u32(in);
	l.kind = take_u32(in);
	l.owner = hs_reading_thread(c, take_u32(in));
	return l;
}

/* How far the log was folded.  Of several the last one counts. */
static void read_folded(struct hs_reading *c, struct hs_cursor *in)
{
	c->positions.n = c->lasts.n = 0;
	c->pub.folded = true;
	c->pub.folded_stamp = hs_cur_uleb(in);
	c->pub.overlaps = hs_cur_uleb(in);
	for (size_t n = hs_cur_count(in, 3); n; n--) {
		struct hs_capture_position p = {.stream = take_u32(in)};
		p.sequence = take_u32(in);
		p.bytes = hs_cur_uleb(in);
		hs_array_push(&c->positions, p);
	}
	for (size_t n = hs_cur_count(in, 3); n; n--)
		hs_array_push(&c->lasts, take_last(c, in));
}

static void read_sampled(struct hs_capture *c, struct hs_cursor *in)
{
	uint64_t mean = hs_cur_uleb(in);
	if (mean > HS_SAMPLE_MOST)
		hs_cur_fail(in);
	if (!hs_cur_failed(in))
		c->sample_mean = mean;
}

/* Of a final capture; one that is not has counters instead. */
static void read_counts(struct hs_capture *c, struct hs_cursor *in)
{
	struct hs_wire_counters n = {.allocations = hs_cur_uleb(in)};
	n.bytes = hs_cur_uleb(in);
	n.frees = hs_cur_uleb(in);
	if (hs_cur_failed(in))
		return;
	c->counts = n;
	c->has_counts = true;
}

/* What one record says; unknown tags say nothing. */
static void read_payload(struct hs_reading *c, struct hs_path *path, uint64_t tag,
			 struct hs_cursor *in, bool again)
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
		read_mapping(c, in, again);
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
	case HS_WIRE_FORKED_AT:
		c->pub.fork_stamp = hs_cur_uleb(in);
		break;
	case HS_WIRE_OWN:
		c->pub.own_memory = hs_cur_uleb(in);
		break;
	case HS_WIRE_SAMPLED:
		if (!c->opened)
			read_sampled(&c->pub, in);
		break;
	case HS_WIRE_COUNTS:
		if (!c->opened)
			read_counts(&c->pub, in);
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
	case HS_WIRE_FOLDED:
		if (!c->opened)
			read_folded(c, in);
		break;
	case HS_WIRE_SEGMENT:
	case HS_WIRE_LIVE_SET:
	case HS_WIRE_PEAK:
	case HS_WIRE_WEIGHTS:
	case HS_WIRE_FREE_STACKS:
	case HS_WIRE_MAPPED:
	case HS_WIRE_SPREADS:
	case HS_WIRE_FORKS:
	case HS_WIRE_SCAN:
	case HS_WIRE_SCAN_BLOCKS:
	case HS_WIRE_MAPS:
		kept = hs_array_add(&c->records);
		kept->tag = tag;
		kept->payload = rest(in);
		break;
	default:
		break;
	}
}

uint64_t hs_reading_record(struct hs_reading *c, struct hs_path *path,
			   struct hs_cursor *in, bool again)
{
	uint64_t tag = hs_cur_uleb(in);
	if (tag == HS_WIRE_END_OF_RECORDS || hs_cur_failed(in))
		return HS_WIRE_END_OF_RECORDS;
	uint64_t length = hs_cur_uleb(in);
	if (length > hs_cur_left(in) && tag == HS_WIRE_PIECE && !hs_cur_failed(in)) {
		/* Cut off: the events up to there are good. */
		struct hs_cursor cut = hs_cur_sub(in, hs_cur_left(in));
		read_payload(c, path, tag, &cut, again);
		hs_cur_fail(in);
		return tag;
	}
	struct hs_cursor payload = hs_cur_sub(in, length);
	if (hs_cur_failed(in))
		return tag;
	read_payload(c, path, tag, &payload, again);
	if (hs_cur_failed(&payload))
		hs_cur_fail(in);
	return tag;
}
