/* SPDX-License-Identifier: MIT */

/*
 * Mappings: which addresses a program has mapped by mmap, and from which stack.
 * Mapping over something replaces it; unmapping may cut pieces out of several
 * mappings or hit nothing.  Knows no files.  An operation takes logarithmic time,
 * whatever the file says.
 *
 * A call of munmap may be told of late, when its place is already another's: so
 * what was mapped after an unmapping's stamp stays.
 */
#ifndef HS_MAPPINGS_H
#define HS_MAPPINGS_H

#include "src/base.h"

struct hs_mappings;

struct hs_mapping {
	uint64_t start, end;
	uint64_t since; /* stamp */
	uint32_t stack; /* raw id */
};

struct hs_mapped {
	uint64_t bytes; /* now */
	uint64_t peak_bytes;
	uint64_t calls; /* as hs_mappings_call() counted them */
};

struct hs_mappings *hs_mappings_new(void);
void hs_mappings_free(struct hs_mappings *m); /* accepts NULL */

/*
 * Who wants to know of each piece: CUT, before WHOLE becomes two at AT; GONE, when
 * PIECE is mapped no more.
 */
struct hs_mappings_watch {
	void *context;
	void (*cut)(void *context, const struct hs_mapping *whole, uint64_t at);
	void (*gone)(void *context, const struct hs_mapping *piece);
};
void hs_mappings_watch(struct hs_mappings *m, const struct hs_mappings_watch *watch);

/* [start, start + length) becomes STACK's.  What goes beyond 2^64 is cut. */
void hs_mappings_map(struct hs_mappings *m, uint64_t start, uint64_t length,
		     uint32_t stack, uint64_t stamp);
void hs_mappings_unmap(struct hs_mappings *m, uint64_t start, uint64_t length,
		       uint64_t stamp);

/* Calls and peak so far: one call more, or those of a time before. */
void hs_mappings_call(struct hs_mappings *m);
void hs_mappings_resume(struct hs_mappings *m, uint64_t calls, uint64_t peak_bytes);

const struct hs_mapped *hs_mappings_totals(const struct hs_mappings *m);

/* What is mapped, by address; malloc'ed, the caller frees. */
struct hs_mapping *hs_mappings_list(const struct hs_mappings *m, size_t *n_ret);

#endif /* HS_MAPPINGS_H */
