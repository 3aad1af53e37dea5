/* SPDX-License-Identifier: MIT */

/*
 * Parts of the walker of glibc's malloc.  "Chunk" is malloc's here: a header of two
 * words (the size of the chunk before, if that is free; the own size and three
 * flags), then what the program uses, which begins 16 bytes behind the chunk.
 * Facts: glibc, malloc/malloc.c and malloc/arena.c, of the versions named.
 */
#ifndef HS_GLIBC_H
#define HS_GLIBC_H

#include "src/image.h"
#include "src/walked.h"

#define GLIBC_HEADER    16u
#define GLIBC_MIN_CHUNK 0x20u
#define GLIBC_BINS      127u

/* Flags in a chunk's size. */
#define GLIBC_PREV_INUSE 1u
#define GLIBC_MMAPPED    2u
#define GLIBC_NON_MAIN   4u
#define GLIBC_FLAGS      7u

/* Where struct malloc_state has what; what follows the bins has kept its place. */
struct glibc_layout {
	const char *name;
	uint16_t fastbins, n_fastbins, bins;
};
#define GLIBC_TOP(l)          ((l)->bins - 16u)
#define GLIBC_NEXT(l)         ((l)->bins + 0x800u)
#define GLIBC_SYSTEM_MEM(l)   ((l)->bins + 0x818u)
#define GLIBC_MALLOC_STATE(l) ((l)->bins + 0x828u)
extern const struct glibc_layout glibc_layouts[]; /* ends with one without a name */

/* struct tcache_perthread_struct, which lies in a chunk of its own. */
struct glibc_tcache_layout {
	uint32_t usable; /* bytes of that chunk for its user */
	uint8_t width;   /* of a count */
	uint8_t n_bins;
	bool counts_free_slots; /* not entries */
	uint16_t entries;       /* offset */
};
extern const struct glibc_tcache_layout glibc_tcache_layouts[]; /* ends with usable 0 */

/* Reads words, the next mostly near the last. */
struct glibc_memory {
	const struct hs_image *image;
	uint64_t start, end; /* of `bytes` */
	const uint8_t *bytes;
	uint8_t *buffer;
};
void glibc_memory_init(struct glibc_memory *m, const struct hs_image *image);
void glibc_memory_deinit(struct glibc_memory *m);
bool glibc_word_slow(struct glibc_memory *m, uint64_t addr, uint64_t *ret);

static inline bool glibc_word(struct glibc_memory *m, uint64_t addr, uint64_t *ret)
{
	if (addr < m->start || addr >= m->end || m->end - addr < 8)
		return glibc_word_slow(m, addr, ret);
	memcpy(ret, m->bytes + (addr - m->start), sizeof(*ret));
	return true;
}

struct glibc_arena {
	uint64_t addr, top, system_mem;
	bool main;
};

/* Stretches of chunks, of one arena each. */
struct glibc_run {
	uint64_t start, end;
	uint32_t arena; /* index */
	bool last;      /* ends with the arena's top chunk */
};

/* How lists for threads and of fastbins are linked. */
enum glibc_links { GLIBC_LINKS_UNKNOWN, GLIBC_LINKS_PLAIN, GLIBC_LINKS_MANGLED };

struct glibc {
	struct glibc_memory memory;
	uint32_t n_heaps;
	uint64_t searched; /* bytes, for sound chunks behind broken ones */
	uint64_t steps;    /* along lists that may lead anywhere; it ends */
	enum glibc_links links;
	const struct hs_image *image;
	const struct glibc_layout *layout;
	HS_ARRAY(struct glibc_arena) arenas; /* the main one first */
	HS_ARRAY(struct glibc_run) runs;
	struct hs_heap_builder *heap;
	struct hs_walked *out;
};

/* Find all arenas and the layout.  False: there is no glibc heap. */
bool glibc_find_arenas(struct glibc *g);

/* Find the memory of arena number A. */
void glibc_find_runs(struct glibc *g, uint32_t a);

/* Put the runs in order, and part those that overlap: only damage makes them. */
void glibc_part_runs(struct glibc *g);

/* Is CHUNK a sane header within RUN, other than that of top? */
bool glibc_chunk_is_sane(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
			 uint64_t *size_ret);

/* Is there a row of STEPS sane chunks from CHUNK on, or fewer up to the run's end? */
bool glibc_parses(struct glibc *g, const struct glibc_run *run, uint64_t chunk,
		  unsigned steps);

/* Walk RUN, and find chunks with mappings of their own; blocks go to G->heap. */
void glibc_walk_run(struct glibc *g, const struct glibc_run *run);
void glibc_walk_mapped(struct glibc *g);

/* Lists of free chunks, once OUT->heap is sealed: what is cached, what is broken. */
void glibc_check_caches(struct glibc *g);
void glibc_check_bins(struct glibc *g);

/* As hs_walker.explain. */
void glibc_explain_abort(const struct hs_image *image, const char *message,
			 struct hs_walked *w);

#endif /* HS_GLIBC_H */
