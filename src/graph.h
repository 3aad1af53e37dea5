/* SPDX-License-Identifier: MIT */

/*
 * The graph of a heap: which blocks are still held, by whom, and what the others
 * drag along.  Marking is conservative: every aligned word of a root or of a
 * marked block that is an address inside a block, its first byte or any other,
 * holds that block.
 *
 *      reachable   a root leads to it
 *      weak        only a pointer one past its end does, or what such a block
 *                  holds: vectors have such pointers, and chance makes them
 *      direct      lost, and no other lost block points to it; of a cycle that
 *                  nothing lost points to, the block with the lowest address
 *      indirect    lost; other lost blocks lead to it
 *
 * One graph serves a core, a living process and one at its exit.
 */
#ifndef HS_GRAPH_H
#define HS_GRAPH_H

#include "src/heap.h"
#include "src/reach.h"

struct hs_image;
struct hs_roots;

struct hs_graph_options {
	unsigned threads;      /* 0: as many as there are processors, up to eight */
	size_t max_edge_bytes; /* 0: 4.8 bytes for each block, at least 1 MiB */
	/* Of CLOCK_MONOTONIC: then it gives up.  0: never. */
	uint64_t deadline_ns;
};

/* A lost block that stands for all that would be freed with it. */
struct hs_graph_leak {
	uint32_t block;
	uint32_t cycle;                 /* blocks of the cycle that it stands for, or 1 */
	struct hs_reach_count retained; /* with itself */
};

/* Where a root holds a block. */
struct hs_graph_hold {
	uint32_t block;
	uint32_t root; /* index in the roots */
	uint64_t addr; /* of the word; 0 for a register */
};

struct hs_graph_edges;

struct hs_graph {
	const struct hs_heap *heap; /* borrowed */
	const struct hs_roots *roots;
	uint8_t *reach; /* enum hs_reach, by block */
	struct hs_reach_count counts[HS_REACH_COUNT];

	struct hs_graph_leak *leaks; /* by block */
	uint32_t n_leaks;

	/* Lost blocks in order, and of each the leak that alone holds it, or NONE. */
	uint32_t *lost, *lost_to; /* block; index in leaks */
	uint32_t n_lost;

	struct hs_graph_hold *holds; /* by block: one for each that a root holds */
	uint32_t n_holds;
	uint32_t *parent; /* of reachable blocks: the one before on the way; or itself */

	uint64_t unread_root_bytes, unread_block_bytes;

	/* The rest is graph.c's. */
	struct hs_graph_edges *edges;
};

/*
 * HEAP, ROOTS and IMAGE must live as long as the graph.  Fails only when time is
 * up; then nothing is known.
 */
HS_MUST_USE struct hs_error *hs_graph_make(const struct hs_image *image,
					   const struct hs_heap *heap,
					   const struct hs_roots *roots,
					   const struct hs_graph_options *options,
					   struct hs_graph **ret);
void hs_graph_free(struct hs_graph *g); /* accepts NULL */

/*
 * A shortest way from a root to BLOCK, which is reachable: at most MAX blocks, from
 * BLOCK towards the root, into PATH.  Returns the number of blocks on the way; *HOLD
 * (may be NULL) becomes the root's word.  0: BLOCK is not reachable.
 */
uint32_t hs_graph_path(const struct hs_graph *g, uint32_t block, uint32_t *path,
		       uint32_t max, struct hs_graph_hold *hold);

/*
 * What would be freed with each block, if it were: by block, malloc'ed.  Reads the
 * image again; needs some 60 bytes for each block.
 */
uint64_t *hs_graph_retained(const struct hs_graph *g);

#endif /* HS_GRAPH_H */
