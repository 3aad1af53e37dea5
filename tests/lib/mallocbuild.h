/* SPDX-License-Identifier: MIT */

/*
 * Lays out heaps as glibc's malloc does, in an image, and keeps what is true of them:
 * struct malloc_state with its bins and fastbins, struct heap_info, chunks, caches of
 * threads, chunks with mappings of their own.  By glibc's sources; nothing is shared
 * with the walker that reads it.  What is laid out may then be damaged at will.
 */
#ifndef HS_MALLOCBUILD_H
#define HS_MALLOCBUILD_H

#include "src/heap.h"
#include "src/image.h"

/* The first version of each layout. */
enum mb_version {
	MB_2_26,
	MB_2_27,
	MB_2_30,
	MB_2_32,
	MB_2_35,
	MB_2_42,
	MB_2_43,
	MB_VERSIONS
};

#define MB_ARENAS  12u
#define MB_THREADS 4u
#define MB_REGIONS 40u
#define MB_BLOCKS  4096u

struct mb_region {
	uint64_t start, size;
	uint8_t *bytes;
};

struct mb_arena {
	uint64_t state; /* struct malloc_state */
	uint64_t at;    /* the next chunk */
	uint64_t end;   /* of its memory */
	uint64_t heap;  /* the last struct heap_info; 0: the main arena */
};

struct mb {
	enum mb_version version;
	bool is_static; /* malloc's variables are the executable's */
	uint32_t n_arenas, n_threads, n_regions, n_blocks, n_mapped;
	struct mb_arena arenas[MB_ARENAS];
	uint64_t caches[MB_THREADS];
	struct mb_region regions[MB_REGIONS];
	struct hs_block blocks[MB_BLOCKS]; /* the truth, without the tops */
	struct hs_image *image;
};

/* With N_ARENAS, of which the first is the main one, and no thread. */
struct mb *mb_new(enum mb_version version, uint32_t n_arenas, bool is_static);
void mb_free(struct mb *m);

/* A thread whose cache is in ARENA; returns its number. */
uint32_t mb_thread(struct mb *m, uint32_t arena);

/* A chunk of CHUNK bytes at ARENA's end.  Returns its user's address. */
uint64_t mb_alloc(struct mb *m, uint32_t arena, uint64_t chunk);

/* One with a mapping of its own, of PAGES pages, next to the one before. */
uint64_t mb_map(struct mb *m, uint32_t pages);

void mb_free_to_cache(struct mb *m, uint32_t thread, uint64_t addr);
void mb_free_to_fastbin(struct mb *m, uint32_t arena, uint64_t addr); /* not 2.43 */

/* To the front of bin number BIN; 0 is the unsorted one. */
void mb_free_to_bin(struct mb *m, uint32_t arena, uint64_t addr, uint32_t bin);

/* Go on in a new heap; ARENA is not the main one. */
void mb_next_heap(struct mb *m, uint32_t arena);

/* Write the tops and seal the image; then only mb_poke() changes something. */
const struct hs_image *mb_seal(struct mb *m);

/* Words of the image's memory. */
uint64_t mb_peek(const struct mb *m, uint64_t addr);
void mb_poke(struct mb *m, uint64_t addr, uint64_t value);

/* Where things are in a struct malloc_state. */
uint64_t mb_top_at(const struct mb *m, uint32_t arena);
uint64_t mb_next_at(const struct mb *m, uint32_t arena);
uint64_t mb_bin_at(const struct mb *m, uint32_t arena, uint32_t bin); /* as a chunk */

/* What is true of the block at ADDR. */
struct hs_block *mb_block(struct mb *m, uint64_t addr);

#endif /* HS_MALLOCBUILD_H */
