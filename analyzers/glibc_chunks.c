/* SPDX-License-Identifier: MIT */

/*
 * From chunk to chunk.  Whether one is in use, the next one knows.  Where a header is
 * broken, the walk goes on at the next place from which several chunks follow each
 * other as they should.
 */
#include "analyzers/glibc.h"

#define STEPS_TO_TRUST 4u

/* In all: search for such a place may read a heap again and again. */
#define MAX_SEARCHED ((uint64_t)512 << 20)

bool glibc_chunk_is_sane(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
			 uint64_t *size_ret)
{
	uint64_t word;
	if (!glibc_word(&g->memory, chunk + 8, &word))
		return false;
	bool main = g->arenas.at[run->arena].main;
	uint64_t size = word & ~(uint64_t)GLIBC_FLAGS;
	*size_ret = size;
	return size >= GLIBC_MIN_CHUNK && size % 16 == 0 && size <= run->end - chunk &&
	       !(word & GLIBC_MMAPPED) && !(word & GLIBC_NON_MAIN) == main;
}

static bool is_top(const struct glibc *g, const struct glibc_run *run, uint64_t chunk)
{
	return run->last && chunk == g->arenas.at[run->arena].top;
}

static bool is_fence(struct glibc *g, uint64_t chunk)
{
	uint64_t size;
	return glibc_word(&g->memory, chunk + 8, &size) &&
	       (size & ~(uint64_t)GLIBC_FLAGS) == 0x10;
}

bool glibc_parses(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
		  unsigned steps)
{
	uint64_t size;
	for (; steps; steps--) {
		if (is_top(g, run, chunk) || (!run->last && is_fence(g, chunk)))
			return true;
		if (chunk >= run->end || !glibc_chunk_is_sane(g, run, chunk, &size))
			return false;
		chunk += size;
	}
	return true;
}

static void add(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
		uint64_t size, enum hs_block_state state)
{
	hs_heap_build_add(g->heap, chunk + GLIBC_HEADER, size - 8, state, run->arena + 1);
}

/* Behind the broken header at CHUNK, where can the walk go on?  RUN's end if nowhere. */
static uint64_t resynchronize(struct glibc *g, const struct glibc_run *run,
			      uint64_t chunk)
{
	uint64_t at = chunk + GLIBC_MIN_CHUNK, word;
	for (; at < run->end && g->searched < MAX_SEARCHED; at += 16, g->searched += 16) {
		if (!glibc_word(&g->memory, at + 8, &word))
			break; /* no memory, or a core that was cut */
		if (is_top(g, run, at) || glibc_parses(g, run, at, STEPS_TO_TRUST))
			return at;
	}
	return run->end;
}

/* The top chunk: free up to the run's end. */
static void add_top(struct glibc *g, const struct glibc_run *run, uint64_t top)
{
	uint64_t size = 0;
	bool readable = glibc_word(&g->memory, top + 8, &size);
	struct hs_walked_arena *a = &g->out->arenas.at[run->arena];
	size &= ~(uint64_t)GLIBC_FLAGS;
	if (!readable || size < 0x10 || size > run->end - top || (top + size) % 4096) {
		a->damaged = true;
		hs_walked_corrupt(g->out, HS_CORRUPTION_TOP_CHUNK, top + GLIBC_HEADER,
				  "the size of the top chunk became 0x%llx; it cannot be "
				  "more than 0x%llx",
				  (unsigned long long)size,
				  (unsigned long long)(run->end - top));
		size = run->end - top;
	}
	a->top_bytes = size;
	if (size > 8)
		add(g, run, top, size, HS_BLOCK_FREE);
}

/* Is CHUNK in a list?  Asked where the header that would know was written over. */
static bool is_listed(struct glibc *g, uint64_t chunk)
{
	uint64_t fd, bk, back, forth;
	return glibc_word(&g->memory, chunk + 16, &fd) &&
	       glibc_word(&g->memory, chunk + 24, &bk) && fd && bk &&
	       glibc_word(&g->memory, fd + 24, &back) && back == chunk &&
	       glibc_word(&g->memory, bk + 16, &forth) && forth == chunk;
}

/* CHUNK is in use if the next one says so; a free one says its size there, too. */
static enum hs_block_state state_of(struct glibc *g, const struct glibc_run *run,
				    uint64_t chunk, uint64_t size)
{
	uint64_t next, copy, next_size;
	if (is_top(g, run, chunk + size) || /* free() merges a free one with top */
	    !glibc_word(&g->memory, chunk + size + 8, &next) || next & GLIBC_PREV_INUSE)
		return HS_BLOCK_USED;
	if (!is_fence(g, chunk + size) &&
	    !glibc_chunk_is_sane(g, run, chunk + size, &next_size))
		return is_listed(g, chunk) ? HS_BLOCK_FREE : HS_BLOCK_USED;
	if (glibc_word(&g->memory, chunk + size, &copy) && copy != size)
		hs_walked_corrupt(g->out, HS_CORRUPTION_WRITE_AFTER_FREE,
				  chunk + GLIBC_HEADER,
				  "the end of a free chunk of 0x%llx bytes says 0x%llx",
				  (unsigned long long)size, (unsigned long long)copy);
	return HS_BLOCK_FREE;
}

static void tell_header(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
			uint64_t next)
{
	uint64_t word = 0;
	glibc_word(&g->memory, chunk + 8, &word);
	g->out->arenas.at[run->arena].damaged = true;
	hs_walked_corrupt(g->out, HS_CORRUPTION_CHUNK_HEADER, chunk + GLIBC_HEADER,
			  "its size field became 0x%llx; what lies before it was written "
			  "past its end, or this before its start; the next sound chunk "
			  "is 0x%llx bytes on",
			  (unsigned long long)word, (unsigned long long)(next - chunk));
}

void glibc_walk_run(struct glibc *g, const struct glibc_run *run)
{
	uint64_t at = run->start, size;
	while (at < run->end) {
		if (is_top(g, run, at)) {
			add_top(g, run, at);
			return;
		}
		if (is_fence(g, at))
			return; /* two of them end a run that is not the last */
		if (glibc_chunk_is_sane(g, run, at, &size)) {
			add(g, run, at, size, state_of(g, run, at, size));
			at += size;
			continue;
		}
		if (!glibc_word(&g->memory, at + 8, &size)) {
			g->out->arenas.at[run->arena].damaged = true;
			hs_walked_warn(g->out, "part of the heap is not in the core");
			return;
		}
		uint64_t next = resynchronize(g, run, at);
		tell_header(g, run, at, next);
		add(g, run, at, next - at, HS_BLOCK_USED);
		at = next;
	}
	if (run->last && g->arenas.at[run->arena].top)
		hs_walked_warn(g->out, "an arena's top chunk was not met on the way");
}

/* -- Mappings of their own ------------------------------------------------------- */

static bool is_mapped_chunk(struct glibc *g, uint64_t at, uint64_t end,
			    uint64_t *size_ret)
{
	uint64_t before, word;
	if (!glibc_word(&g->memory, at, &before) || before ||
	    !glibc_word(&g->memory, at + 8, &word) ||
	    (word & GLIBC_FLAGS) != GLIBC_MMAPPED)
		return false;
	/* Since 2.43 the size does not include the header. */
	uint64_t size = word - GLIBC_MMAPPED;
	if (size % 4096 == 4096 - GLIBC_HEADER && !g->layout->n_fastbins)
		size += GLIBC_HEADER;
	*size_ret = size;
	return size >= 4096 && size % 4096 == 0 && size <= end - at;
}

static bool is_in_run(const struct glibc *g, uint64_t addr)
{
	size_t low = 0, high = g->runs.n; /* the first that ends behind ADDR */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (g->runs.at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < g->runs.n && addr >= g->runs.at[low].start;
}

static void walk_mapping(struct glibc *g, const struct hs_mapping *m)
{
	struct hs_image_extent data;
	uint64_t at = m->start, size;
	while (at < m->end && hs_image_next_data(g->image, at, m->end, &data)) {
		at = HS_MAX(at, (data.start + 4095) & ~(uint64_t)4095);
		while (at < data.end) {
			if (!is_mapped_chunk(g, at, m->end, &size)) {
				at += 4096;
				continue;
			}
			hs_heap_build_add(g->heap, at + GLIBC_HEADER, size - GLIBC_HEADER,
					  HS_BLOCK_USED, 0);
			at += size;
		}
		at = HS_MAX(at, data.end);
	}
}

void glibc_walk_mapped(struct glibc *g)
{
	for (size_t i = 0; i < g->image->mappings.n; i++) {
		const struct hs_mapping *m = &g->image->mappings.at[i];
		if (m->flags & HS_MAPPING_WRITE && !is_in_run(g, m->start) &&
		    !is_in_run(g, m->end - 1) && !hs_image_module(g->image, m->start))
			walk_mapping(g, m);
	}
}
