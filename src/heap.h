/* SPDX-License-Identifier: MIT */

/*
 * A heap: the blocks of an address space, sorted by address, with an index that
 * finds the block around an address in a few steps.  Blocks come from a walk
 * over a core's arenas, or from what a capture knows to be live; where they come
 * from, a heap does not know.
 *
 *      struct hs_heap_builder *b = hs_heap_build_new();
 *      hs_heap_build_add(b, addr, size, HS_BLOCK_USED, arena);   in any order
 *      struct hs_heap *heap = hs_heap_build_seal(b);
 *      uint32_t i = hs_heap_find(heap, pointer);
 *      if (i != HS_HEAP_NONE) use(heap->blocks[i].addr);
 *      hs_heap_free(heap);
 */
#ifndef HS_HEAP_H
#define HS_HEAP_H

#include "src/base.h"

enum hs_block_state {
	HS_BLOCK_USED,
	HS_BLOCK_FREE,   /* in a bin, or the rest at an arena's top */
	HS_BLOCK_CACHED, /* freed, and kept for its thread's next allocation */
};

/* As many arenas are told apart; the last number stands for all others. */
#define HS_ARENA_MAX      UINT16_MAX
#define HS_BLOCK_SIZE_MAX ((UINT64_C(1) << 44) - 1)

/*
 * What the program may use: [addr, addr + size).  A size beyond the greatest that
 * fits is cut to it.  The size is what was asked for, where that is known.
 */
struct hs_block {
	uint64_t addr;
	uint64_t size : 44;
	uint64_t state : 4;  /* enum hs_block_state */
	uint64_t arena : 16; /* the walker's number, or 0 */
};
_Static_assert(sizeof(struct hs_block) == 16, "there are millions of them");

/* No block.  Blocks are numbered by 32 bits, in the order of their addresses. */
#define HS_HEAP_NONE UINT32_MAX

/* heap.c's: a stretch of blocks without a great gap, and its index. */
struct hs_heap_span;

struct hs_heap {
	struct hs_block *blocks; /* by addr; none overlaps another */
	uint32_t n;
	uint64_t start, end; /* all blocks lie between; 0, 0 where there are none */
	uint64_t n_dropped;  /* blocks that overlapped others, or were too many */

	/* The rest is heap.c's. */
	struct hs_heap_span *spans;
	size_t n_spans;
	uint32_t *index;
};

/*
 * The block around ADDR, of whatever state, or HS_HEAP_NONE.  One of no bytes
 * has its own address.
 */
uint32_t hs_heap_find(const struct hs_heap *heap, uint64_t addr);

/*
 * The block that ends at ADDR, or HS_HEAP_NONE: what a pointer one past the end
 * was made from.  Ask only where no block is around ADDR.
 */
uint32_t hs_heap_find_end(const struct hs_heap *heap, uint64_t addr);

/* The first block at or behind ADDR; heap->n if there is none. */
uint32_t hs_heap_lower_bound(const struct hs_heap *heap, uint64_t addr);

/* A walker learns only later which blocks are in a cache. */
void hs_heap_set_state(struct hs_heap *heap, uint32_t block, enum hs_block_state state);

void hs_heap_free(struct hs_heap *heap); /* accepts NULL */

/* -- Making ------------------------------------------------------------------- */

struct hs_heap_builder;

struct hs_heap_builder *hs_heap_build_new(void);
void hs_heap_build_free(struct hs_heap_builder *b); /* accepts NULL */

/* Room for N blocks at once, where their number is known. */
void hs_heap_build_reserve(struct hs_heap_builder *b, size_t n);
void hs_heap_build_add(struct hs_heap_builder *b, uint64_t addr, uint64_t size,
		       enum hs_block_state state, uint32_t arena);

/*
 * Sort, drop each block that overlaps the one before it (of several at one address
 * any but one), and make the index.  Consumes B.  Sorting needs no memory, so the
 * whole needs 16 bytes for each block, and about two for its index.
 */
struct hs_heap *hs_heap_build_seal(struct hs_heap_builder *b);

#endif /* HS_HEAP_H */
