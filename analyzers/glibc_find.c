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

/* Where the bins begin of which the one at PAIR is empty; 0: it is no bin. */
static uint64_t bins_around(struct glibc *g, uint64_t pair)
{
	uint64_t best = 0;
	unsigned best_score = 0;
	for (unsigned i = 0; i < GLIBC_BINS && pair >= 16 * i; i++) {
		unsigned n = score(g, pair - 16 * i);
		if (n > best_score) {
			best_score = n;
			best = pair - 16 * i;
		}
	}
	return best;
}

/* The ring of arenas from BASE on, if L is their layout. */
static bool follow_ring(struct glibc *g, const struct glibc_layout *l, uint64_t base)
{
	uint64_t addr = base;
	g->arenas.n = 0;
	do {
		struct glibc_arena a = {.addr = addr};
		if (g->arenas.n == MAX_ARENAS || !score(g, addr + l->bins) ||
		    !glibc_word(&g->memory, addr + GLIBC_TOP(l), &a.top) ||
		    !glibc_word(&g->memory, addr + GLIBC_SYSTEM_MEM(l), &a.system_mem))
			return false;
		hs_array_push(&g->arenas, a);
		if (!glibc_word(&g->memory, addr + GLIBC_NEXT(l), &addr))
			return false;
	} while (addr != base);
	return true;
}

/* The layout by which the arena with BINS is in a ring. */
static bool settle(struct glibc *g, uint64_t bins)
{
	for (const struct glibc_layout *l = glibc_layouts; l->name; l++)
		if (bins > l->bins && follow_ring(g, l, bins - l->bins)) {
			g->layout = l;
			return true;
		}
	/* A damaged ring: the arena alone, by the most common layout. */
	const struct glibc_layout *l = glibc_layouts;
	struct glibc_arena a = {.addr = bins - l->bins};
	g->arenas.n = 0;
	g->layout = l;
	if (!glibc_word(&g->memory, a.addr + GLIBC_TOP(l), &a.top) || !a.top ||
	    !glibc_word(&g->memory, a.addr + GLIBC_SYSTEM_MEM(l), &a.system_mem))
		return false;
	hs_array_push(&g->arenas, a);
	hs_walked_warn(g->out, "the list of arenas is damaged: there may be more");
	return true;
}

static bool search_range(struct glibc *g, uint64_t start, uint64_t end, unsigned *tries)
{
	for (uint64_t at = (start + 7) & ~(uint64_t)7; at + 16 <= end; at += 8) {
		if (!is_self(g, at))
			continue;
		uint64_t bins = bins_around(g, at);
		if (bins && settle(g, bins))
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

bool glibc_find_arenas(struct glibc *g)
{
	if (!search(g, true) && !search(g, false))
		return false;
	put_main_first(g);
	return true;
}
