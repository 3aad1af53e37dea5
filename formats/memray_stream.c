/* SPDX-License-Identifier: MIT */

/*
 * Bodies of streaming captures: every allocation as it happened.  There are two
 * codings, that of header versions 9 to 11 and that of 12 and later.
 */
#include "formats/memray_parts.h"

/* Kinds of calls; mappings and deallocations have none of their own. */
enum call {
	CALL_NONE,
	CALL_FREE,
	CALL_UNMAP,
	CALL_ALLOCATE, /* + enum hs_alloc_kind */
};

static const uint8_t old_calls[16] = {
	[1] = CALL_ALLOCATE + HS_ALLOC_MALLOC,
	[2] = CALL_FREE,
	[3] = CALL_ALLOCATE + HS_ALLOC_CALLOC,
	[4] = CALL_ALLOCATE + HS_ALLOC_REALLOC,
	[5] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[6] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[7] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[8] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[9] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[10] = CALL_ALLOCATE + HS_ALLOC_MMAP,
	[11] = CALL_UNMAP,
	[12] = CALL_ALLOCATE + HS_ALLOC_PYMALLOC,
	[13] = CALL_ALLOCATE + HS_ALLOC_PYCALLOC,
	[14] = CALL_ALLOCATE + HS_ALLOC_PYREALLOC,
	[15] = CALL_FREE,
};

static const uint8_t new_calls[16] = {
	[1] = CALL_FREE,
	[2] = CALL_ALLOCATE + HS_ALLOC_PYMALLOC,
	[3] = CALL_ALLOCATE + HS_ALLOC_PYCALLOC,
	[4] = CALL_ALLOCATE + HS_ALLOC_PYREALLOC,
	[5] = CALL_FREE,
	[6] = CALL_ALLOCATE + HS_ALLOC_MALLOC,
	[7] = CALL_ALLOCATE + HS_ALLOC_REALLOC,
	[8] = CALL_ALLOCATE + HS_ALLOC_CALLOC,
	[9] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[10] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[11] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[12] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[13] = CALL_ALLOCATE + HS_ALLOC_ALIGNED,
	[14] = CALL_ALLOCATE + HS_ALLOC_MMAP,
	[15] = CALL_UNMAP,
};

enum hs_alloc_kind memray_kind(uint32_t version, uint8_t allocator)
{
	const uint8_t *calls = version >= MEMRAY_CODE ? new_calls : old_calls;
	uint8_t call = allocator < HS_COUNT(new_calls) ? calls[allocator] : CALL_NONE;
	return call < CALL_ALLOCATE ? HS_ALLOC_MALLOC
				    : (enum hs_alloc_kind)(call - CALL_ALLOCATE);
}

/* Addresses that version 12 refers to by their place in this list. */
#define N_RECENT 15

struct stream {
	struct memray *m;
	uint64_t ptr;   /* running values */
	uint64_t frame; /* up to version 11 */
	uint64_t line;
	uint64_t recent[N_RECENT]; /* a ring */
	unsigned newest;
};

/* A value that no version knows: nothing behind it can be told apart. */
static bool damaged(struct memray *m)
{
	m->damaged = true;
	return false;
}

static void apply(struct memray *m, uint8_t call, uint64_t addr, uint64_t size,
		  uint64_t node)
{
	if (node > UINT32_MAX)
		node = 0;
	if (call == CALL_FREE)
		memray_deallocate(m, addr);
	else if (call == CALL_UNMAP)
		memray_unmap(m, addr, size);
	else if (call == CALL_ALLOCATE + HS_ALLOC_MMAP)
		memray_map(m, addr, size, (uint32_t)node);
	else
		memray_allocate(m, (enum hs_alloc_kind)(call - CALL_ALLOCATE), addr, size,
				(uint32_t)node);
}

/* -- Records that all versions have ---------------------------------------------- */

static bool read_memory(struct memray *m)
{
	uint64_t rss = hs_cur_uleb(m->in);
	uint64_t ms = hs_cur_uleb(m->in);
	if (hs_cur_failed(m->in))
		return false;
	/* Nobody records for a century: the sum stays far from overflow. */
	const uint64_t century_ms = 3155760000000;
	uint64_t now = (m->h.start_ms + HS_MIN(ms, century_ms)) * 1000000;
	m->now_ns = HS_MAX(m->now_ns, now);
	const struct hs_fold_totals *t = hs_fold_totals(m->fold);
	const struct hs_snapshot snapshot = {.time_ns = m->now_ns,
					     .heap_bytes = t->live_bytes,
					     .heap_blocks = t->live_blocks,
					     .peak_bytes =
						     hs_fold_take_high_water(m->fold),
					     .allocs = t->allocs,
					     .rss_bytes = rss};
	hs_build_snapshot(m->b, &snapshot, true);
	hs_build_has(m->b, HS_HAS_RSS);
	return true;
}

static bool read_thread_name(struct memray *m)
{
	hs_str name = memray_string(m);
	if (hs_cur_failed(m->in))
		return false;
	struct memray_thread *t = &m->threads.at[m->thread];
	t->name = name;
	if (t->id.i)
		hs_build_thread_name(m->b, t->id, name);
	return true;
}

static bool read_switch(struct memray *m)
{
	uint64_t tid = hs_cur_u64(m->in);
	if (hs_cur_failed(m->in))
		return false;
	memray_switch(m, tid);
	return true;
}

static bool read_common(struct memray *m, unsigned tag)
{
	switch (tag) {
	case MEMRAY_NATIVE_NODE:
		return memray_read_node(m);
	case MEMRAY_MAPS:
		memray_new_generation(m);
		return true;
	case MEMRAY_IMAGE:
		return memray_read_image(m);
	case MEMRAY_THREAD_NAME:
		return read_thread_name(m);
	case MEMRAY_SWITCH:
		return read_switch(m);
	default:
		return damaged(m);
	}
}

/* -- Versions 12 and 13 ------------------------------------------------------------- */

enum {
	NEW_ALLOCATION = 0x80,
	NEW_PUSH = 0x40,
	NEW_OBJECT = 0x20,
	NEW_POP = 0x10,
	NEW_TRAILER = 1,
	NEW_MEMORY = 2,
};

static uint64_t read_pointer(struct stream *s, unsigned place)
{
	if (place < N_RECENT)
		return s->recent[(s->newest + place) % N_RECENT];
	s->ptr += (uint64_t)hs_cur_zigzag(s->m->in);
	s->newest = (s->newest + N_RECENT - 1) % N_RECENT;
	/* Without its low three bits. */
	return s->recent[s->newest] = s->ptr * 8;
}

static bool read_new_allocation(struct stream *s, uint8_t b)
{
	struct memray *m = s->m;
	uint64_t addr = read_pointer(s, b >> 3 & 15);
	unsigned allocator = b & 7;
	if (!allocator)
		allocator = hs_cur_u8(m->in);
	uint8_t call = allocator < HS_COUNT(new_calls) ? new_calls[allocator] : 0;
	uint64_t size = 0;
	if (call != CALL_FREE) {
		if (m->h.native)
			m->native.id += (uint64_t)hs_cur_zigzag(m->in);
		size = hs_cur_uleb(m->in);
	}
	if (hs_cur_failed(m->in))
		return false;
	if (call == CALL_NONE)
		return damaged(m);
	apply(m, call, addr, size, m->native.id);
	return true;
}

static bool read_new_push(struct stream *s, uint8_t b)
{
	struct memray *m = s->m;
	uint64_t code = hs_cur_uleb(m->in);
	int64_t offset = hs_cur_zigzag(m->in);
	if (hs_cur_failed(m->in))
		return false;
	memray_push(m, memray_code_frame(m, code, offset, b & 1));
	return true;
}

/* Python objects' lifetimes are no allocations; their pointers count, though. */
static bool skip_object(struct stream *s, uint8_t b)
{
	struct memray *m = s->m;
	bool created = b & 1;
	read_pointer(s, b >> 1 & 15);
	if (m->h.native && created)
		m->native.id += (uint64_t)hs_cur_zigzag(m->in);
	return !hs_cur_failed(m->in);
}

static bool read_new(struct stream *s)
{
	struct memray *m = s->m;
	uint8_t b = hs_cur_u8(m->in);
	if (b & NEW_ALLOCATION)
		return read_new_allocation(s, b);
	if (b & NEW_PUSH)
		return read_new_push(s, b);
	if (b & NEW_OBJECT)
		return skip_object(s, b);
	if (b & NEW_POP) {
		memray_pop(m, (b & 15u) + 1);
		return true;
	}
	if (b == NEW_MEMORY)
		return read_memory(m);
	if (b == MEMRAY_CODE_OBJECT)
		return memray_read_code(m);
	m->ended = b == NEW_TRAILER;
	return m->ended ? false : read_common(m, b);
}

/* -- Versions 9 to 11 -------------------------------------------------------------------
 */

enum {
	OLD_OTHER = 0,
	OLD_ALLOCATION = 1,
	OLD_NATIVE_ALLOCATION = 2,
	OLD_FRAME = 3,
	OLD_PUSH = 4,
	OLD_POP = 9,
	OLD_MEMORY = 11,

	OLD_TRAILER = 1, /* flags of OLD_OTHER */
};

static bool read_old_allocation(struct stream *s, unsigned allocator, bool native)
{
	struct memray *m = s->m;
	uint8_t call = old_calls[allocator];
	s->ptr += (uint64_t)hs_cur_zigzag(m->in);
	uint64_t size = call == CALL_FREE ? 0 : hs_cur_uleb(m->in);
	if (native)
		m->native.id += (uint64_t)hs_cur_zigzag(m->in);
	if (hs_cur_failed(m->in))
		return false;
	if (call == CALL_NONE)
		return damaged(m);
	apply(m, call, s->ptr, size, native ? m->native.id : 0);
	return true;
}

static bool read_old_frame(struct stream *s, bool entry)
{
	struct memray *m = s->m;
	s->frame += (uint64_t)hs_cur_zigzag(m->in);
	hs_str function = memray_string(m);
	hs_str file = memray_string(m);
	s->line += (uint64_t)hs_cur_zigzag(m->in);
	if (hs_cur_failed(m->in))
		return false;
	*hs_map_put(&m->frames.frame_of, s->frame, NULL) =
		memray_line_frame(m, function, file, (int64_t)s->line, entry).i;
	return true;
}

static bool read_old_push(struct stream *s)
{
	struct memray *m = s->m;
	s->frame += (uint64_t)hs_cur_zigzag(m->in);
	if (hs_cur_failed(m->in))
		return false;
	const uint32_t *frame = hs_map_get(&m->frames.frame_of, s->frame);
	if (frame)
		memray_push(m, (hs_frame){*frame});
	else
		memray_push(m, memray_line_frame(m, (hs_str){0}, (hs_str){0}, 0, true));
	return true;
}

static bool read_old(struct stream *s)
{
	struct memray *m = s->m;
	uint8_t b = hs_cur_u8(m->in);
	unsigned flags = b >> 4;
	switch (b & 15) {
	case OLD_OTHER:
		m->ended = flags == OLD_TRAILER;
		return m->ended ? false : damaged(m);
	case OLD_ALLOCATION:
	case OLD_NATIVE_ALLOCATION:
		return read_old_allocation(s, flags, (b & 15) == OLD_NATIVE_ALLOCATION);
	case OLD_FRAME:
		return read_old_frame(s, !(flags & 1));
	case OLD_PUSH:
		return read_old_push(s);
	case OLD_POP:
		memray_pop(m, flags + 1);
		return true;
	case OLD_MEMORY:
		return read_memory(m);
	default:
		return read_common(m, b & 15);
	}
}

void memray_read_stream(struct memray *m)
{
	struct stream s = {.m = m};
	bool more = true;
	m->fold = hs_fold_new();
	hs_fold_take_latest_peak(m->fold);
	if (m->h.version >= MEMRAY_CODE)
		while (more && hs_cur_want(m->in, 1))
			more = read_new(&s);
	else
		while (more && hs_cur_want(m->in, 1))
			more = read_old(&s);
	memray_settle_native(m);
	memray_add_figures(m);
}
