/* SPDX-License-Identifier: MIT */

/*
 * What a walk over an allocator's own structures found: the blocks, which arena
 * has how much, and what is broken.
 */
#ifndef HS_WALKED_H
#define HS_WALKED_H

#include "src/array.h"
#include "src/heap.h"

struct hs_arena;

/* Words of interface.md; hs_corruption_name() has them. */
enum hs_corruption_kind {
	HS_CORRUPTION_CHUNK_HEADER,
	HS_CORRUPTION_TOP_CHUNK,
	HS_CORRUPTION_DOUBLE_FREE,
	HS_CORRUPTION_WRITE_AFTER_FREE,
	HS_CORRUPTION_INVALID_FREE,
	HS_CORRUPTION_LIST,
};

struct hs_corruption {
	enum hs_corruption_kind kind;
	uint64_t address;   /* of the block concerned, as the program knows it */
	const char *detail; /* a sentence without an end */
};

struct hs_walked_count {
	uint64_t blocks, bytes;
};

struct hs_walked_arena {
	uint64_t addr; /* of the allocator's structure */
	bool main;
	bool damaged;          /* part of it could not be walked */
	uint64_t system_bytes; /* what it got from the system, by its own count */
	uint64_t top_bytes;    /* free, at its end: what it could give back */
	struct hs_walked_count used, free, cached;
};

struct hs_walked {
	struct hs_arena *pool;
	const char *allocator; /* "glibc 2.32 to 2.41" */
	struct hs_heap *heap;
	HS_ARRAY(struct hs_walked_arena) arenas; /* numbered from 1 in blocks; 0: none */
	struct hs_walked_count mapped;           /* blocks with a mapping of their own */
	struct hs_walked_count used, free, cached; /* in all */
	HS_ARRAY(struct hs_corruption) corruption; /* by address */
	HS_ARRAY(const char *) warnings;           /* sentences */
};

struct hs_walked *hs_walked_new(void);
void hs_walked_free(struct hs_walked *w); /* accepts NULL */

/* Say that something is broken; the same of one address is said once. */
void hs_walked_corrupt(struct hs_walked *w, enum hs_corruption_kind kind,
		       uint64_t address, const char *format, ...) HS_PRINTF(4, 5);
void hs_walked_warn(struct hs_walked *w, const char *format, ...) HS_PRINTF(2, 3);

/* Count the blocks of W->heap by state and arena, and sort what is corrupt. */
void hs_walked_finish(struct hs_walked *w);

const char *hs_corruption_name(enum hs_corruption_kind kind);

#endif /* HS_WALKED_H */
