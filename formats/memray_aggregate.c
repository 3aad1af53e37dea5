/* SPDX-License-Identifier: MIT */

/*
 * Bodies of aggregated captures: what each stack held at the peak and at the end,
 * written at once when recording ended.  Nothing tells what was allocated in all.
 */
#include "formats/memray_parts.h"

enum {
	AGG_MEMORY = 1,
	AGG_ALLOCATION = 2,
	AGG_STACK_NODE = 3,
	AGG_FRAME = 4,
	AGG_OBJECT = 13,
	AGG_TRAILER = 15,
};

struct stack_node {
	hs_frame frame;
	uint32_t parent;
	hs_stack all, kept; /* as stacks; `kept` without memray's own frames */
	uint32_t depth;
};

struct aggregate {
	struct memray *m;
	struct hs_map frames; /* id -> hs_frame */
	uint64_t n_frames;
	HS_ARRAY(struct stack_node) nodes; /* [0]: the root */
};

static bool read_memory(struct memray *m)
{
	uint64_t ms = hs_cur_u64(m->in);
	uint64_t rss = hs_cur_u64(m->in), heap = hs_cur_u64(m->in);
	if (hs_cur_failed(m->in))
		return false;
	const uint64_t latest_ms = UINT64_MAX / 1000000 / 2;
	m->now_ns = HS_MAX(m->now_ns, HS_MIN(ms, latest_ms) * 1000000);
	const struct hs_snapshot snapshot = {.time_ns = m->now_ns,
					     .heap_bytes = heap,
					     .peak_bytes = heap,
					     .rss_bytes = rss};
	hs_build_snapshot(m->b, &snapshot, true);
	hs_build_has(m->b, HS_HAS_RSS);
	return true;
}

static bool read_thread(struct memray *m, uint8_t tag)
{
	if (tag == MEMRAY_SWITCH) {
		uint64_t tid = hs_cur_u64(m->in);
		if (!hs_cur_failed(m->in))
			memray_switch(m, tid);
	} else {
		hs_str name = memray_string(m);
		m->threads.at[m->thread].name = name;
	}
	return !hs_cur_failed(m->in);
}

static hs_frame read_new_frame(struct aggregate *a, uint64_t *id)
{
	struct hs_cursor *in = a->m->in;
	*id = hs_cur_uleb(in);
	uint64_t code = hs_cur_uleb(in);
	int64_t offset = hs_cur_zigzag(in);
	bool entry = hs_cur_u8(in);
	return memray_code_frame(a->m, code, offset, entry);
}

static hs_frame read_old_frame(struct aggregate *a, uint64_t *id)
{
	struct hs_cursor *in = a->m->in;
	*id = hs_cur_u64(in);
	hs_str function = memray_string(a->m);
	hs_str file = memray_string(a->m);
	int32_t line = (int32_t)hs_cur_u32(in);
	bool entry = hs_cur_u8(in);
	return memray_line_frame(a->m, function, file, line, entry);
}

static bool read_frame(struct aggregate *a)
{
	uint64_t id;
	hs_frame frame = a->m->h.version >= MEMRAY_CODE ? read_new_frame(a, &id)
							: read_old_frame(a, &id);
	if (hs_cur_failed(a->m->in))
		return false;
	*hs_map_put(&a->frames, id, NULL) = frame.i;
	return true;
}

static bool read_stack_node(struct aggregate *a)
{
	struct memray *m = a->m;
	bool old = m->h.version < MEMRAY_CODE;
	uint64_t id = old ? hs_cur_u64(m->in) : hs_cur_uleb(m->in);
	uint64_t parent = old ? hs_cur_u32(m->in) : hs_cur_uleb(m->in);
	const uint32_t *frame = hs_map_get(&a->frames, id);
	if (hs_cur_failed(m->in))
		return false;
	if (!frame || parent >= a->nodes.n) {
		m->damaged = true;
		return false;
	}
	struct stack_node outer = a->nodes.at[parent];
	struct stack_node node = {
		.frame = {*frame}, .parent = (uint32_t)parent, .depth = outer.depth + 1};
	node.all = hs_build_stack(m->b, outer.all, node.frame);
	if (node.depth > m->h.skipped)
		node.kept = hs_build_stack(m->b, outer.kept, node.frame);
	hs_array_push(&a->nodes, node);
	return true;
}

static bool skip_object(struct memray *m)
{
	hs_cur_uleb(m->in);
	if (m->h.native)
		hs_cur_uleb(m->in);
	return !hs_cur_failed(m->in);
}

static hs_stack stack_of(const struct aggregate *a, uint64_t trace, uint64_t node,
			 uint64_t generation)
{
	struct memray *m = a->m;
	bool is_main = m->threads.at[m->thread].tid == m->h.main_tid;
	const struct stack_node *python = &a->nodes.at[trace < a->nodes.n ? trace : 0];
	if (!m->h.native)
		return is_main ? python->kept : python->all;
	const struct memray_pair pair = {
		.python = python->all,
		.node = node <= UINT32_MAX ? (uint32_t)node : 0,
		.generation = generation <= UINT32_MAX ? (uint32_t)generation : 0,
		.skip = is_main,
	};
	return memray_pair_stack(m, &pair);
}

/* A struct of C as it lay in memory: behind the allocator there are seven bytes of
 * padding. */
static bool read_allocation(struct aggregate *a)
{
	struct memray *m = a->m;
	uint64_t tid = hs_cur_u64(m->in);
	uint8_t allocator = hs_cur_u8(m->in);
	hs_cur_skip(m->in, 7);
	uint64_t node = hs_cur_u64(m->in), trace = hs_cur_u64(m->in);
	uint64_t generation = hs_cur_u64(m->in);
	struct hs_site site = {.kind = memray_kind(m->h.version, allocator)};
	site.peak_blocks = hs_cur_u64(m->in);
	site.live_blocks = hs_cur_u64(m->in);
	site.peak_bytes = hs_cur_u64(m->in);
	site.live_bytes = hs_cur_u64(m->in);
	if (hs_cur_failed(m->in))
		return false;
	if (!m->native.settled)
		memray_settle_native(m);
	memray_switch(m, tid);
	site.stack = stack_of(a, trace, node, generation);
	site.thread = memray_thread_id(m, m->thread);
	hs_build_site(m->b, &site);
	m->n_records++;
	return true;
}

static bool read_record(struct aggregate *a)
{
	struct memray *m = a->m;
	uint8_t tag = hs_cur_u8(m->in);
	switch (tag) {
	case AGG_MEMORY:
		return read_memory(m);
	case AGG_ALLOCATION:
		return read_allocation(a);
	case AGG_STACK_NODE:
		return read_stack_node(a);
	case AGG_FRAME:
		return read_frame(a);
	case AGG_OBJECT:
		return skip_object(m);
	case AGG_TRAILER:
		m->ended = true;
		return false;
	case MEMRAY_SWITCH:
	case MEMRAY_THREAD_NAME:
		return read_thread(m, tag);
	case MEMRAY_CODE_OBJECT:
		return memray_read_code(m);
	case MEMRAY_NATIVE_NODE:
		return memray_read_node(m);
	case MEMRAY_MAPS:
		memray_new_generation(m);
		return true;
	case MEMRAY_IMAGE:
		return memray_read_image(m);
	default:
		m->damaged = true;
		return false;
	}
}

void memray_read_aggregate(struct memray *m)
{
	struct aggregate a = {.m = m};
	(void)hs_array_add(&a.nodes);
	while (hs_cur_want(m->in, 1) && read_record(&a))
		;
	hs_build_has(m->b, HS_HAS_PEAK | HS_HAS_LIVE);
	hs_array_free(&a.nodes);
	hs_map_deinit(&a.frames);
}
