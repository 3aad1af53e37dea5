/* SPDX-License-Identifier: MIT */

/*
 * Allocations of memray captures as figures, by memray's rules: the latest of
 * several equal peaks counts; an allocation is temporary if its own thread frees
 * it before its next allocation but one; of mappings, parts may be unmapped.
 * Where memray is wrong it is not followed: an address that is allocated twice
 * was freed in between, and what is mapped over something replaces it.
 */
#include "formats/memray_parts.h"

#include <string.h>

/*
 * Blocks may begin where a mapping does (an allocator that maps for itself), so
 * mappings have other keys in the fold.
 */
#define MAPPING_BIT ((uint64_t)1 << 63)

#define NO_SITE UINT32_MAX

/* -- Threads --------------------------------------------------------------------- */

void memray_switch(struct memray *m, uint64_t tid)
{
	bool fresh;
	uint32_t *index = hs_map_put(&m->thread_of, tid, &fresh);
	if (fresh) {
		*index = (uint32_t)m->threads.n;
		struct memray_thread *t = hs_array_add(&m->threads);
		t->tid = tid;
		t->recent[0].site = t->recent[1].site = NO_SITE;
	}
	m->thread = *index;
}

static inline struct memray_thread *current(struct memray *m)
{
	return &m->threads.at[m->thread];
}

hs_thread memray_thread_id(struct memray *m, uint32_t thread)
{
	struct memray_thread *t = &m->threads.at[thread];
	if (!t->id.i)
		t->id = hs_build_thread(m->b, (uint32_t)t->tid, t->name);
	return t->id;
}

/*
 * The outermost frames of the thread that started memray are memray's own: left
 * out at once, unless native frames are still to be matched with all of them.
 */
static bool is_skipped(const struct memray *m, const struct memray_thread *t)
{
	return t->tid == m->h.main_tid && t->pushed.n < m->h.skipped && !m->h.native;
}

void memray_push(struct memray *m, hs_frame frame)
{
	struct memray_thread *t = current(m);
	hs_stack outer = t->pushed.n ? t->pushed.at[t->pushed.n - 1] : (hs_stack){0};
	hs_stack stack = is_skipped(m, t) ? outer : hs_build_stack(m->b, outer, frame);
	hs_array_push(&t->pushed, stack);
}

void memray_pop(struct memray *m, uint64_t n)
{
	struct memray_thread *t = current(m);
	t->pushed.n -= HS_MIN(n, t->pushed.n);
}

/* -- Stacks ------------------------------------------------------------------------ */

static bool same_pair(const struct memray_pair *a, const struct memray_pair *b)
{
	return a->python.i == b->python.i && a->node == b->node &&
	       a->generation == b->generation && a->skip == b->skip;
}

static uint32_t intern_pair(struct memray *m, const struct memray_pair *pair)
{
	const uint64_t low = (uint64_t)pair->python.i << 32 | pair->node;
	const uint64_t high = (uint64_t)pair->generation << 1 | pair->skip;
	for (uint64_t key = hs_hash_u64(low) + high;; key = hs_hash_u64(key + 1)) {
		bool fresh;
		uint32_t *index = hs_map_put(&m->pair_of, key, &fresh);
		if (!fresh && same_pair(&m->pairs.at[*index], pair))
			return *index;
		if (!fresh)
			continue;
		*index = (uint32_t)m->pairs.n;
		hs_array_push(&m->pairs, *pair);
		return *index;
	}
}

/* What the fold knows the current stack by. */
static uint32_t stack_number(struct memray *m, uint32_t node)
{
	const struct memray_thread *t = current(m);
	hs_stack python = t->pushed.n ? t->pushed.at[t->pushed.n - 1] : (hs_stack){0};
	if (!m->h.native)
		return python.i;
	size_t generations = m->native.generations.n;
	const struct memray_pair pair = {
		.python = python,
		.node = node,
		.generation = generations ? (uint32_t)generations - 1 : 0,
		.skip = t->tid == m->h.main_tid,
	};
	return intern_pair(m, &pair);
}

hs_stack memray_pair_stack(struct memray *m, const struct memray_pair *pair)
{
	hs_stack native = memray_native_stack(m, pair->node, pair->generation);
	uint32_t skipped = pair->skip ? (uint32_t)HS_MIN(m->h.skipped, UINT32_MAX) : 0;
	return hs_build_joined_stack(m->b, native, pair->python, skipped);
}

/* -- Events -------------------------------------------------------------------------- */

static void remember(struct memray *m, uint64_t addr, uint64_t size, uint32_t site)
{
	struct memray_thread *t = current(m);
	t->recent[1] = t->recent[0];
	t->recent[0] = (struct memray_recent){addr, size, site};
}

/* A deallocation of what begins at ADDR and, if it matters, has that SIZE. */
static void forget(struct memray *m, uint64_t addr, const uint64_t *size)
{
	struct memray_recent *recent = current(m)->recent;
	for (int i = 0; i < 2; i++) {
		struct memray_recent *r = &recent[i];
		if (r->site == NO_SITE || r->addr != addr || (size && r->size != *size))
			continue;
		while (m->temporaries.n <= r->site)
			(void)hs_array_add(&m->temporaries);
		m->temporaries.at[r->site].n++;
		m->temporaries.at[r->site].bytes += r->size;
		r->site = NO_SITE;
		return;
	}
}

void memray_allocate(struct memray *m, enum hs_alloc_kind kind, uint64_t addr,
		     uint64_t size, uint32_t node)
{
	uint32_t site = hs_fold_alloc(m->fold, m->thread, kind, stack_number(m, node),
				      addr, size, m->now_ns);
	remember(m, addr, size, site);
	m->n_records++;
}

void memray_deallocate(struct memray *m, uint64_t addr)
{
	forget(m, addr, NULL);
	hs_fold_dealloc(m->fold, addr, m->now_ns);
	m->n_records++;
}

static void mapping_is_cut(void *context, const struct hs_mapping *whole, uint64_t at)
{
	struct memray *m = context;
	hs_fold_split(m->fold, whole->start ^ MAPPING_BIT, at - whole->start);
}

static void mapping_is_gone(void *context, const struct hs_mapping *piece)
{
	struct memray *m = context;
	hs_fold_dealloc(m->fold, piece->start ^ MAPPING_BIT, m->now_ns);
}

static struct hs_mappings *mappings(struct memray *m)
{
	const struct hs_mappings_watch watch = {
		.context = m, .cut = mapping_is_cut, .gone = mapping_is_gone};
	if (!m->mappings) {
		m->mappings = hs_mappings_new();
		hs_mappings_watch(m->mappings, &watch);
	}
	return m->mappings;
}

void memray_map(struct memray *m, uint64_t addr, uint64_t size, uint32_t node)
{
	hs_mappings_map(mappings(m), addr, size, 0, 0);
	uint32_t site =
		hs_fold_alloc(m->fold, m->thread, HS_ALLOC_MMAP, stack_number(m, node),
			      addr ^ MAPPING_BIT, size, m->now_ns);
	remember(m, addr, size, site);
	m->n_records++;
}

void memray_unmap(struct memray *m, uint64_t addr, uint64_t size)
{
	forget(m, addr, &size);
	hs_mappings_unmap(mappings(m), addr, size, UINT64_MAX);
	m->n_records++;
}

/* -- Figures ----------------------------------------------------------------------------
 */

static hs_stack stack_of(struct memray *m, const struct hs_fold_site *site)
{
	return m->h.native ? memray_pair_stack(m, &m->pairs.at[site->stack])
			   : (hs_stack){site->stack};
}

static void add_sites(struct memray *m, hs_stack *stacks)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(m->fold, &n);
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *s = &sites[i];
		struct memray_temporary t = {0};
		if (i < m->temporaries.n)
			t = m->temporaries.at[i];
		struct hs_site site = {.stack = stacks[i] = stack_of(m, s),
				       .kind = (enum hs_alloc_kind)s->kind,
				       .allocs = s->allocs,
				       .frees = s->frees,
				       .bytes = s->bytes,
				       .temporaries = t.n,
				       .temporary_bytes = t.bytes,
				       .live_blocks = s->live_blocks,
				       .live_bytes = s->live_bytes,
				       .peak_blocks = s->peak_blocks,
				       .peak_bytes = s->peak_bytes};
		if (s->thread != HS_FOLD_MANY)
			site.thread = memray_thread_id(m, s->thread);
		hs_build_site(m->b, &site);
	}
}

static int by_address(const void *a, const void *b)
{
	const struct hs_fold_block *x = a, *y = b;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* The blocks by their true addresses; false if two have the same. */
static bool order_live(struct hs_fold_block *live, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (live[i].addr & MAPPING_BIT)
			live[i].addr ^= MAPPING_BIT;
	if (n)
		qsort(live, n, sizeof(*live), by_address);
	for (size_t i = 1; i < n; i++)
		if (live[i - 1].addr == live[i].addr)
			return false;
	return true;
}

/* Without the table of live blocks where a mapping and a block begin together. */
static void add_live(struct memray *m, const hs_stack *stacks)
{
	size_t n_sites, n;
	const struct hs_fold_site *sites = hs_fold_sites(m->fold, &n_sites);
	struct hs_fold_block *live HS_CLEANUP(hs_freep) = hs_fold_live(m->fold, &n);
	if (!order_live(live, n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct hs_live block = {
			.addr = live[i].addr,
			.size = live[i].size,
			.born_ns = live[i].born,
			.thread = memray_thread_id(m, live[i].thread)};
		hs_build_live(m->b, stacks[live[i].site],
			      (enum hs_alloc_kind)sites[live[i].site].kind, &block);
	}
	hs_build_has(m->b, HS_HAS_LIVE_BLOCKS);
}

void memray_add_figures(struct memray *m)
{
	size_t n_sites;
	hs_fold_settle(m->fold);
	hs_fold_sites(m->fold, &n_sites);
	hs_stack *stacks HS_CLEANUP(hs_freep) = hs_xcalloc(n_sites, sizeof(*stacks));
	add_sites(m, stacks);
	add_live(m, stacks);
	const struct hs_fold_totals *t = hs_fold_totals(m->fold);
	const struct hs_totals totals = {.peak_ns = t->peak_time,
					 .unmatched_frees = t->unmatched_frees};
	hs_build_totals(m->b, &totals);
	hs_build_has(m->b, HS_HAS_TOTALS | HS_HAS_TEMPORARIES | HS_HAS_TEMPORARY_BYTES |
				   HS_HAS_LIVE | HS_HAS_PEAK);
	if (t->overlaps)
		hs_build_warn(
			m->b,
			"%llu allocations returned an address that was still in use: "
			"that many frees are missing from the recording.",
			(unsigned long long)t->overlaps);
}
