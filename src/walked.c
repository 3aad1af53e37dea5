/* SPDX-License-Identifier: MIT */

/* Keeping and counting what walkers find. */
#include "src/walked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/arena.h"

/* A heap may be broken from end to end; nobody reads more. */
#define MAX_CORRUPTION 1000u

struct hs_walked *hs_walked_new(void)
{
	struct hs_walked *w = hs_xcalloc(1, sizeof(*w));
	w->pool = hs_arena_new();
	return w;
}

void hs_walked_free(struct hs_walked *w)
{
	if (!w)
		return;
	hs_heap_free(w->heap);
	hs_array_free(&w->arenas);
	hs_array_free(&w->corruption);
	hs_array_free(&w->warnings);
	hs_arena_free(w->pool);
	free(w);
}

static HS_PRINTF(2, 0) char *format_text(struct hs_arena *pool, const char *format,
					 va_list ap)
{
	char *text = NULL;
	int n = vasprintf(&text, format, ap);
	if (n < 0)
		abort();
	char *kept = hs_arena_strndup(pool, text, (size_t)n);
	free(text);
	return kept;
}

void hs_walked_corrupt(struct hs_walked *w, enum hs_corruption_kind kind,
		       uint64_t address, const char *format, ...)
{
	va_list ap;
	if (w->corruption.n == MAX_CORRUPTION)
		return;
	for (size_t i = 0; i < w->corruption.n; i++)
		if (w->corruption.at[i].kind == kind &&
		    w->corruption.at[i].address == address)
			return;
	va_start(ap, format);
	hs_array_push(&w->corruption,
		      ((struct hs_corruption){kind, address,
					      format_text(w->pool, format, ap)}));
	va_end(ap);
}

void hs_walked_warn(struct hs_walked *w, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	hs_array_push(&w->warnings, format_text(w->pool, format, ap));
	va_end(ap);
}

static int compare_corruption(const void *pa, const void *pb)
{
	const struct hs_corruption *a = pa, *b = pb;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->kind > b->kind) - (a->kind < b->kind);
}

static void count(struct hs_walked_count *c, const struct hs_block *block)
{
	c->blocks++;
	c->bytes += block->size;
}

void hs_walked_finish(struct hs_walked *w)
{
	for (uint32_t i = 0; i < w->heap->n; i++) {
		const struct hs_block *b = &w->heap->blocks[i];
		struct hs_walked_arena *a = NULL;
		if (b->arena && b->arena <= w->arenas.n)
			a = &w->arenas.at[b->arena - 1];
		else
			count(&w->mapped, b);
		if (b->state == HS_BLOCK_USED) {
			count(&w->used, b);
			if (a)
				count(&a->used, b);
		} else if (b->state == HS_BLOCK_CACHED) {
			count(&w->cached, b);
			if (a)
				count(&a->cached, b);
		} else {
			count(&w->free, b);
			if (a)
				count(&a->free, b);
		}
	}
	if (w->corruption.n)
		qsort(w->corruption.at, w->corruption.n, sizeof(*w->corruption.at),
		      compare_corruption);
}

const char *hs_corruption_name(enum hs_corruption_kind kind)
{
	static const char *const names[] = {
		[HS_CORRUPTION_CHUNK_HEADER] = "chunk_header_overwritten",
		[HS_CORRUPTION_TOP_CHUNK] = "top_chunk_overwritten",
		[HS_CORRUPTION_DOUBLE_FREE] = "double_free",
		[HS_CORRUPTION_WRITE_AFTER_FREE] = "write_after_free",
		[HS_CORRUPTION_INVALID_FREE] = "invalid_free",
		[HS_CORRUPTION_LIST] = "list_broken",
	};
	return names[kind];
}
