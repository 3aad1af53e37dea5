/* SPDX-License-Identifier: MIT */

/*
 * The memory of an arena.  That of the main one grows with brk(); another's is a chain
 * of heaps, each of which lies at the beginning of an aligned reservation and begins
 * with struct heap_info: the arena, the heap before, its size.
 */
#include "analyzers/glibc.h"

/* HEAP_MAX_SIZE: twice DEFAULT_MMAP_THRESHOLD_MAX; more with huge pages since 2.35. */
static const uint64_t heap_max_sizes[] = {(uint64_t)64 << 20, (uint64_t)128 << 20,
					  (uint64_t)4 << 30, (uint64_t)1 << 20};
#define MAX_HEAPS 65536u

static bool is_heap_of(struct glibc *g, uint64_t heap, uint64_t arena)
{
	uint64_t owner, size;
	return glibc_word(&g->memory, heap, &owner) && owner == arena &&
	       glibc_word(&g->memory, heap + 16, &size) && size && size % 4096 == 0;
}

/* The heap that ADDR is in; 0: none. */
static uint64_t heap_around(struct glibc *g, uint64_t addr, uint64_t arena)
{
	for (size_t i = 0; i < HS_COUNT(heap_max_sizes); i++) {
		uint64_t heap = addr & ~(heap_max_sizes[i] - 1);
		if (is_heap_of(g, heap, arena))
			return heap;
	}
	return 0;
}

static uint64_t align_up(uint64_t addr)
{
	return (addr + 15) & ~(uint64_t)15;
}

static void add_heaps(struct glibc *g, uint32_t index)
{
	const struct glibc_arena *a = &g->arenas.at[index];
	uint64_t heap = heap_around(g, a->top, a->addr), size, before;
	bool last = true;
	if (!heap) {
		heap = heap_around(g, a->addr, a->addr);
		last = false;
	}
	/* struct heap_info has a page size since 2.35. */
	uint64_t header =
		heap_around(g, a->addr, a->addr) == a->addr - 0x30 ? 0x30 : 0x20;
	for (unsigned n = 0; heap && n < MAX_HEAPS && g->n_heaps < MAX_HEAPS;
	     n++, g->n_heaps++, last = false) {
		if (!glibc_word(&g->memory, heap + 16, &size) ||
		    !glibc_word(&g->memory, heap + 8, &before))
			return;
		bool first = a->addr > heap && a->addr - heap < 4096;
		uint64_t start =
			first ? a->addr + GLIBC_MALLOC_STATE(g->layout) : heap + header;
		hs_array_push(&g->runs, ((struct glibc_run){align_up(start), heap + size,
							    index, last}));
		heap = before && is_heap_of(g, before, a->addr) ? before : 0;
	}
}

/* The first place of a mapping from where chunks parse: where brk began may be odd. */
static uint64_t first_chunk(struct glibc *g, const struct glibc_run *run)
{
	/* Mostly its very beginning; whatever is broken later is not its fault. */
	uint64_t before;
	if (glibc_word(&g->memory, run->start, &before) && !before &&
	    glibc_parses(g, run, run->start, 1))
		return run->start;
	for (uint64_t at = align_up(run->start);
	     at < run->end && at - run->start < 0x4000; at += 16)
		if (glibc_parses(g, run, at, 8))
			return at;
	return align_up(run->start);
}

static void add_brk(struct glibc *g, uint32_t index)
{
	const struct glibc_arena *a = &g->arenas.at[index];
	const struct hs_mapping *m = hs_image_mapping(g->image, a->top);
	if (!m) {
		hs_walked_corrupt(
			g->out, HS_CORRUPTION_TOP_CHUNK, a->top + GLIBC_HEADER,
			"the main arena's top chunk lies nowhere in memory; what "
			"the arena has is not known");
		return;
	}
	struct glibc_run run = {m->start, m->end, index, true};
	run.start = first_chunk(g, &run);
	hs_array_push(&g->runs, run);
}

/*
 * Where brk() is in the way of something the main arena goes on in mappings, each of
 * which it closes by two fence posts as it closes what came before.
 */
static bool has_run_at(const struct glibc_run *run, uint64_t addr)
{
	return addr < run->end && addr >= (run->start & ~UINT64_C(0xfff));
}

static bool ends_with_fence(struct glibc *g, struct glibc_run *run)
{
	uint64_t at = run->start, size;
	while (glibc_chunk_is_sane(g, run, at, &size))
		at += size;
	/* sysmalloc(): two of 0x10 bytes; the first knows whether old top was freed. */
	if (!glibc_word(&g->memory, at + 8, &size) ||
	    (size & ~(uint64_t)GLIBC_PREV_INUSE) != 0x10 ||
	    !glibc_word(&g->memory, at + 24, &size) || size != (0x10 | GLIBC_PREV_INUSE))
		return false;
	run->end = at + 0x20;
	return at > run->start;
}

static void add_further_runs(struct glibc *g, uint32_t index)
{
	const struct glibc_run none = {0};
	const struct glibc_run top = g->runs.n ? g->runs.at[0] : none, *brk = &top;
	for (size_t i = 0; i < g->image->mappings.n; i++) {
		const struct hs_mapping *m = &g->image->mappings.at[i];
		uint64_t size;
		if (!(m->flags & HS_MAPPING_WRITE) || has_run_at(brk, m->start) ||
		    hs_image_module(g->image, m->start) ||
		    !glibc_word(&g->memory, m->start + 8, &size) ||
		    (size & GLIBC_FLAGS) != GLIBC_PREV_INUSE)
			continue;
		struct glibc_run run = {m->start, m->end, index, false};
		if (ends_with_fence(g, &run))
			hs_array_push(&g->runs, run);
	}
}

void glibc_find_runs(struct glibc *g, uint32_t index)
{
	if (!g->arenas.at[index].top)
		return; /* nobody has allocated from it */
	if (!g->arenas.at[index].main) {
		add_heaps(g, index);
		return;
	}
	add_brk(g, index);
	add_further_runs(g, index);
}

static int compare_runs(const void *pa, const void *pb)
{
	const struct glibc_run *a = pa, *b = pb;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->arena > b->arena) - (a->arena < b->arena);
}

void glibc_part_runs(struct glibc *g)
{
	size_t n = 0;
	if (g->runs.n)
		qsort(g->runs.at, g->runs.n, sizeof(*g->runs.at), compare_runs);
	for (size_t i = 0; i < g->runs.n; i++) {
		struct glibc_run run = g->runs.at[i];
		if (run.start >= run.end || (n && run.start == g->runs.at[n - 1].start))
			continue;
		if (n && g->runs.at[n - 1].end > run.start)
			g->runs.at[n - 1].end = run.start;
		g->runs.at[n++] = run;
	}
	g->runs.n = n;
}
