/* SPDX-License-Identifier: MIT */

/*
 * What libc found before it aborted.  It names no block; yet the functions that were
 * at work had it in hand, so it is on the stack of the thread that died, nearest to
 * the end.
 */
#include "analyzers/glibc.h"

#include <string.h>

/* abort() and what calls it need some kilobytes. */
#define STACK_SEARCHED (64u << 10)

/* Texts of malloc_printerr() in glibc 2.26 to 2.41. */
static const struct {
	const char *text;
	enum hs_corruption_kind kind;
	bool wants_free; /* the block was free already */
} messages[] = {
	{"double free", HS_CORRUPTION_DOUBLE_FREE, true},
	{"invalid pointer", HS_CORRUPTION_INVALID_FREE, false},
};

/* The first block on the stack, by its own or its chunk's address; 0: none. */
static uint64_t block_in_hand(const struct hs_image *image, const struct hs_heap *heap,
			      bool wants_free)
{
	uint64_t sp = hs_image_sp(image, &image->threads.at[0]), word;
	for (uint64_t at = sp & ~(uint64_t)7; at - sp < STACK_SEARCHED; at += 8) {
		if (!hs_image_word(image, at, &word))
			return 0;
		for (uint64_t addr = word; addr <= word + GLIBC_HEADER;
		     addr += GLIBC_HEADER) {
			uint32_t i = hs_heap_find(heap, addr);
			if (i != HS_HEAP_NONE && heap->blocks[i].addr == addr &&
			    (heap->blocks[i].state != HS_BLOCK_USED) == wants_free)
				return addr;
		}
	}
	return 0;
}

static bool has(const struct hs_walked *w, enum hs_corruption_kind kind)
{
	for (size_t i = 0; i < w->corruption.n; i++)
		if (w->corruption.at[i].kind == kind ||
		    w->corruption.at[i].kind == HS_CORRUPTION_CHUNK_HEADER)
			return true;
	return false;
}

void glibc_explain_abort(const struct hs_image *image, const char *message,
			 struct hs_walked *w)
{
	for (size_t i = 0; i < HS_COUNT(messages) && image->threads.n; i++) {
		/* What the walk has found itself is more than what libc says of it. */
		if (!strstr(message, messages[i].text) || has(w, messages[i].kind))
			continue;
		uint64_t addr = block_in_hand(image, w->heap, messages[i].wants_free);
		hs_walked_corrupt(w, messages[i].kind, addr, "libc said '%.100s'%s",
				  message, addr ? "; this block was in hand" : "");
		return;
	}
}
