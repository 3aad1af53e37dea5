/* SPDX-License-Identifier: MIT */

/*
 * The doubly linked lists of free chunks: each link must lead to a free chunk that
 * leads back.  A link that leads nowhere was overwritten by the program: it lies in
 * memory that was freed.
 */
#include "analyzers/glibc.h"

static bool is_free_chunk(struct glibc *g, uint64_t chunk)
{
	const struct hs_heap *heap = g->out->heap;
	uint32_t i = hs_heap_find(heap, chunk + GLIBC_HEADER);
	return i != HS_HEAP_NONE && heap->blocks[i].addr == chunk + GLIBC_HEADER &&
	       heap->blocks[i].state == HS_BLOCK_FREE;
}

static void tell_link(struct glibc *g, uint64_t chunk, uint64_t bin, const char *link,
		      uint64_t value)
{
	if (chunk == bin)
		hs_walked_corrupt(g->out, HS_CORRUPTION_LIST, bin,
				  "a list of free chunks begins at 0x%llx, where none is",
				  (unsigned long long)value);
	else
		hs_walked_corrupt(g->out, HS_CORRUPTION_WRITE_AFTER_FREE,
				  chunk + GLIBC_HEADER,
				  "the %s link of a free chunk became 0x%llx", link,
				  (unsigned long long)value);
}

/* The list whose head would belong to a chunk at BIN. */
static void check_bin(struct glibc *g, uint64_t bin)
{
	uint64_t at = bin, next, back;
	/* Each chunk is in one list: those of all bins together have no more steps. */
	for (; g->steps <= g->out->heap->n; g->steps++) {
		if (!glibc_word(&g->memory, at + 16, &next))
			return;
		if (next != bin && !is_free_chunk(g, next)) {
			tell_link(g, at, bin, "forward", next);
			return;
		}
		if (!glibc_word(&g->memory, next + 24, &back))
			return;
		if (back != at && back != bin && !is_free_chunk(g, back)) {
			tell_link(g, next, bin, "backward", back);
		} else if (back != at) {
			hs_walked_corrupt(
				g->out, HS_CORRUPTION_LIST, next + GLIBC_HEADER,
				"a list of free chunks leads here, but not back");
			return;
		}
		if (next == bin)
			return;
		at = next;
	}
	if (g->steps > g->out->heap->n + 1)
		return; /* it was said */
	g->steps++;
	hs_walked_corrupt(g->out, HS_CORRUPTION_LIST, bin,
			  "a list of free chunks has no end");
}

void glibc_check_bins(struct glibc *g)
{
	g->steps = 0;
	for (size_t i = 0; i < g->arenas.n; i++)
		for (unsigned bin = 0; bin < GLIBC_BINS && g->arenas.at[i].top; bin++)
			check_bin(g, g->arenas.at[i].addr + g->layout->bins +
					     16 * (uint64_t)bin - GLIBC_HEADER);
}
