/* SPDX-License-Identifier: MIT */

/*
 * Finding arenas without symbols: an empty bin points to itself, so 127 of them in a
 * row are a pattern that nothing else has.  The ring of arenas tells the layout, and
 * where the others are.
 */
#include "analyzers/glibc.h"

/* A hostile image may have the pattern's beginning everywhere. */
#define MAX_TRIES  4096u
#define MAX_ARENAS 65000u
#define MAX_STEPS  200000u /* along rings, in all */

#define HEAP_ALIGNMENT ((uint64_t)1 << 20) /* the least HEAP_MAX_SIZE */

/* What chunk the pair of links at ADDR would belong to. */
#define CHUNK_OF(addr) ((addr)-GLIBC_HEADER)

static bool is_self(struct glibc *g, uint64_t pair)
{
	uint64_t fd, bk;
	return glibc_word(&g->memory, pair, &fd) && fd == CHUNK_OF(pair) &&
	       glibc_word(&g->memory, pair + 8, &bk) && bk == CHUNK_OF(pair);
}

/* Does the first chunk in the bin lead back to it? */
static bool is_linked(struct glibc *g, uint64_t pair)
{
	uint64_t fd, back;
	return glibc_word(&g->memory, pair, &fd) && fd && fd % 16 == 0 &&
	       glibc_word(&g->memory, fd + 24, &back) && back == CHUNK_OF(pair);
}

/* How many of the bins at BINS look like bins; a few may be damaged. */
static unsigned score(struct glibc *g, uint64_t bins)
{
	unsigned n = 0, self = 0;
	for (unsigned i = 0; i < GLIBC_BINS; i++) {
		bool empty = is_self(g, bins + 16 * i);
		self += empty;
		n += empty || is_linked(g, bins + 16 * i);
		if (i + 1 - n > 6)
			return 0;
	}
	return self >= 16 ? n : 0;
}

/* Where bins may begin of which the one at some place is empty. */
struct candidate {
	uint64_t bins;
	unsigned score;
};

static bool read_arena(struct glibc *g, const struct glibc_layout *l, uint64_t addr,
		       struct glibc_arena *ret)
{
	*ret = (struct glibc_arena){.addr = addr};
	return addr && addr < UINT64_MAX - 0x1000 && score(g, addr + l->bins) &&
	       glibc_word(&g->memory, addr + GLIBC_TOP(l), &ret->top) &&
	       glibc_word(&g->memory, addr + GLIBC_SYSTEM_MEM(l), &ret->system_mem);
}

/* The ring of arenas from BASE on, if L is their layout: it comes back to BASE. */
static bool follow_ring(struct glibc *g, const struct glibc_layout *l, uint64_t base)
{
	uint64_t addr = base;
	g->arenas.n = 0;
	do {
		struct glibc_arena a;
		if (g->arenas.n == MAX_ARENAS || g->steps == MAX_STEPS ||
		    !read_arena(g, l, addr, &a))
			return false;
		g->steps++;
		hs_array_push(&g->arenas, a);
		if (!glibc_word(&g->memory, addr + GLIBC_NEXT(l), &addr))
			return false;
	} while (addr != base);
	return true;
}

/* How well top and memory of an arena fit to it, from 0 to 3. */
static unsigned plausibility(struct glibc *g, const struct glibc_arena *a)
{
	uint64_t size;
	if (!a->top || a->top % 16 || !glibc_word(&g->memory, a->top + 8, &size))
		return 0;
	uint64_t end = a->top + (size & ~(uint64_t)GLIBC_FLAGS);
	return 1 + (size & GLIBC_PREV_INUSE && end % 4096 == 0) +
	       (a->system_mem && a->system_mem % 4096 == 0);
}

/* A damaged ring: the arena of which the most fits, by whatever layout. */
static bool settle_alone(struct glibc *g, const struct candidate *c, unsigned n)
{
	unsigned best = 0;
	g->arenas.n = 0;
	hs_array_add(&g->arenas);
	for (unsigned i = 0; i < n; i++)
		for (const struct glibc_layout *l = glibc_layouts; l->name; l++) {
			struct glibc_arena a;
			if (c[i].bins <= l->bins ||
			    !read_arena(g, l, c[i].bins - l->bins, &a))
				continue;
			unsigned fits = 1000 * plausibility(g, &a) + c[i].score;
			if (fits > best && fits > 1000) {
				best = fits;
				g->layout = l;
				g->arenas.at[0] = a;
			}
		}
	if (best)
		hs_walked_warn(g->out,
			       "the list of arenas is damaged: there may be more");
	return best;
}

/* The arena of which the bin at PAIR is an empty one, and its ring. */
static bool settle(struct glibc *g, uint64_t pair)
{
	struct candidate c[GLIBC_BINS];
	unsigned n = 0, best = 0;
	for (unsigned i = 0; i < GLIBC_BINS && pair >= 16 * i; i++) {
		unsigned points = score(g, pair - 16 * i);
		if (points)
			c[n++] = (struct candidate){pair - 16 * i, points};
		best = HS_MAX(best, points);
	}
	for (unsigned i = 0; i < n; i++)
		for (const struct glibc_layout *l = glibc_layouts; l->name; l++)
			if (c[i].score + 1 >= best && c[i].bins > l->bins &&
			    follow_ring(g, l, c[i].bins - l->bins)) {
				g->layout = l;
				return true;
			}
	return n && settle_alone(g, c, n);
}

static bool search_range(struct glibc *g, uint64_t start, uint64_t end, unsigned *tries)
{
	for (uint64_t at = (start + 7) & ~(uint64_t)7; at + 16 <= end; at += 8) {
		if (!is_self(g, at))
			continue;
		if (settle(g, at))
			return true;
		if (++*tries == MAX_TRIES)
			return false;
	}
	return false;
}

static bool search_mapping(struct glibc *g, const struct hs_mapping *m, unsigned *tries)
{
	struct hs_image_extent data;
	for (uint64_t at = m->start;
	     *tries < MAX_TRIES && hs_image_next_data(g->image, at, m->end, &data);
	     at = data.end)
		if (search_range(g, data.start, data.end, tries))
			return true;
	return false;
}

/* The main arena is a variable of libc, or of a static executable. */
static bool search(struct glibc *g, bool in_modules)
{
	unsigned tries = 0;
	for (size_t i = 0; i < g->image->mappings.n; i++) {
		const struct hs_mapping *m = &g->image->mappings.at[i];
		bool of_module = hs_image_module(g->image, m->start) != NULL;
		if (m->flags & HS_MAPPING_WRITE && of_module == in_modules &&
		    search_mapping(g, m, &tries))
			return true;
	}
	return false;
}

/* The main arena lies where no heap of an arena begins. */
static void put_main_first(struct glibc *g)
{
	for (size_t i = 0; i < g->arenas.n; i++) {
		uint64_t heap = g->arenas.at[i].addr & ~(((uint64_t)64 << 20) - 1);
		uint64_t offset = g->arenas.at[i].addr - heap, owner;
		if ((offset == 0x20 || offset == 0x30) &&
		    glibc_word(&g->memory, heap, &owner) && owner == g->arenas.at[i].addr)
			continue;
		struct glibc_arena a = g->arenas.at[i];
		g->arenas.at[i] = g->arenas.at[0];
		g->arenas.at[0] = a;
		g->arenas.at[0].main = true;
		return;
	}
}

static bool is_known(const struct glibc *g, uint64_t addr)
{
	for (size_t i = 0; i < g->arenas.n; i++)
		if (g->arenas.at[i].addr == addr)
			return true;
	return false;
}

/* By bins, top and ring alone layouts look the same.  What points to an arena tells. */
static bool points_to_arena(struct glibc *g, const struct glibc_layout *l, uint64_t bins)
{
	for (size_t i = 0; i < g->image->threads.n && i < 1000; i++)
		for (uint64_t at = 8, word; at <= 0x400; at += 8)
			if (glibc_word(&g->memory, g->image->threads.at[i].tls - at,
				       &word) &&
			    word == bins - l->bins)
				return true;
	return false;
}

static uint64_t arena_in_heap(struct glibc *g, const struct hs_mapping *m)
{
	uint64_t owner;
	return m->flags & HS_MAPPING_WRITE && m->start % HEAP_ALIGNMENT == 0 &&
			       glibc_word(&g->memory, m->start, &owner) &&
			       (owner == m->start + 0x20 || owner == m->start + 0x30)
		       ? owner
		       : 0;
}

static const struct glibc_layout *lone_layout(struct glibc *g, uint64_t bins)
{
	const struct glibc_layout *l;
	for (size_t i = 0; i < g->image->mappings.n; i++) {
		uint64_t owner = arena_in_heap(g, &g->image->mappings.at[i]);
		for (l = glibc_layouts; owner && l->name; l++)
			if (score(g, owner + l->bins) == GLIBC_BINS)
				return l;
	}
	for (l = glibc_layouts; l->name; l++)
		if (points_to_arena(g, l, bins))
			return l;
	return g->layout;
}

/* Without a ring: an arena of its own lies in its first heap, behind its header. */
static void search_heaps(struct glibc *g)
{
	for (size_t i = 0; i < g->image->mappings.n && g->arenas.n < 1000; i++) {
		const struct hs_mapping *m = &g->image->mappings.at[i];
		struct glibc_arena a;
		uint64_t owner = arena_in_heap(g, m);
		if (owner && !is_known(g, owner) && read_arena(g, g->layout, owner, &a))
			hs_array_push(&g->arenas, a);
	}
}

bool glibc_find_arenas(struct glibc *g)
{
	if (!search(g, true) && !search(g, false))
		return false;
	if (g->out->warnings.n) {
		uint64_t bins = g->arenas.at[0].addr + g->layout->bins;
		g->layout = lone_layout(g, bins);
		g->arenas.at[0].addr = bins - g->layout->bins;
		search_heaps(g);
	}
	put_main_first(g);
	return true;
}
