/* SPDX-License-Identifier: MIT */

/*
 * Who points to whom in a heap, in compressed rows.  Memory is read once from the
 * lowest block to the highest; edges take a bounded number of bytes.  Blocks that
 * have more of them than there is room for are read again when they are asked for.
 */
#ifndef HS_EDGES_H
#define HS_EDGES_H

#include "src/heap.h"
#include "src/words.h"

struct hs_edges;

/* The blocks that words point into; other blocks are not used. */
static inline uint32_t hs_edges_target(const struct hs_heap *heap, uint64_t word)
{
	if (word - heap->start >= heap->end - heap->start)
		return HS_HEAP_NONE;
	uint32_t i = hs_heap_find(heap, word);
	return i != HS_HEAP_NONE && heap->blocks[i].state == HS_BLOCK_USED ? i
									   : HS_HEAP_NONE;
}

/* The used block that WORD points one past the end of, where it points into none. */
static inline uint32_t hs_edges_past(const struct hs_heap *heap, uint64_t word)
{
	if (word - heap->start > heap->end - heap->start)
		return HS_HEAP_NONE;
	/* Where a page begins, something else does, which the pointer is to. */
	if (word % 4096 == 0)
		return HS_HEAP_NONE;
	uint32_t i = hs_heap_find_end(heap, word);
	return i != HS_HEAP_NONE && heap->blocks[i].state == HS_BLOCK_USED &&
			       hs_heap_find(heap, word) == HS_HEAP_NONE
		       ? i
		       : HS_HEAP_NONE;
}

/* NULL when DEADLINE_NS (0: none) came first. */
struct hs_edges *hs_edges_collect(const struct hs_image *image,
				  const struct hs_heap *heap, unsigned threads,
				  size_t max_bytes, uint64_t deadline_ns);
void hs_edges_free(struct hs_edges *e); /* accepts NULL */

/* Does anything, of whatever block, point one past the end of BLOCK? */
bool hs_edges_has_past(const struct hs_edges *e, uint32_t block);
/* Bytes of used blocks that could not be read. */
uint64_t hs_edges_unread(const struct hs_edges *e);

/*
 * Walk the edges of a block: each block it points to, perhaps several times, never
 * itself.  W is the caller's own.
 */
struct hs_edges_walk {
	const struct hs_edges *edges;
	struct hs_words *words;
	uint32_t block;
	/* edges.c's: what is stored, or the words of the block. */
	const uint32_t *to;
	size_t n;
	const uint8_t *read;
	uint64_t addr, end;
};
void hs_edges_begin(const struct hs_edges *e, uint32_t block, struct hs_words *w,
		    struct hs_edges_walk *ret);
uint32_t hs_edges_next(struct hs_edges_walk *walk); /* HS_HEAP_NONE: no more */

/* Is it later than DEADLINE_NS (0: never) of CLOCK_MONOTONIC? */
bool hs_edges_late(uint64_t deadline_ns);

/* Run FN(CONTEXT) on N threads, this one among them, and wait for them. */
void hs_edges_run(unsigned n, void *(*fn)(void *context), void *context);

#endif /* HS_EDGES_H */
