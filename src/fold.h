/* SPDX-License-Identifier: MIT */

/*
 * Folding: events in, counters per site and the set of live blocks out.  Used
 * by the builder for every source of events, and by the recorder when it
 * replaces the log of a finished process.  Knows nothing of names or files:
 * stacks and threads are numbers, times are whatever the caller counts in.
 */
#ifndef HS_FOLD_H
#define HS_FOLD_H

#include "src/base.h"

struct hs_fold;

/* Counters of one (stack, kind); see struct hs_site. */
struct hs_fold_site {
	uint32_t stack, kind;
	uint32_t thread; /* the only one that allocated here, or HS_FOLD_MANY */
	uint64_t allocs, frees, bytes, temporaries;
	uint64_t live_blocks, live_bytes;
	uint64_t peak_blocks, peak_bytes; /* valid after hs_fold_settle() */
	uint64_t seen_peak; /* the fold's own: number of the peak which these belong to */
};
#define HS_FOLD_MANY UINT32_MAX

struct hs_fold_block {
	uint64_t addr, size, born;
	uint32_t site, thread;
};

struct hs_fold_totals {
	uint64_t allocs, frees, bytes, temporaries;
	uint64_t live_blocks, live_bytes;
	uint64_t peak_blocks, peak_bytes, peak_time;
	uint64_t unmatched_frees; /* no such block is known */
	uint64_t
		overlaps; /* allocations at a live address: that block was freed unseen */
};

struct hs_fold *hs_fold_new(void);
void hs_fold_free(struct hs_fold *f); /* accepts NULL */

/*
 * Events, in order.  THREAD is a small number chosen by the caller; TIME may
 * count anything.  A size that would make the sum of all sizes overflow is
 * cut, so that no other figure can overflow.
 */
void hs_fold_alloc(struct hs_fold *f, uint32_t thread, uint32_t kind, uint32_t stack,
		   uint64_t addr, uint64_t size, uint64_t time);
void hs_fold_dealloc(struct hs_fold *f, uint64_t addr); /* by whatever thread */
/* A realloc gives back ADDR; if it fails, hs_fold_retain() undoes that. */
void hs_fold_release(struct hs_fold *f, uint32_t thread, uint64_t addr);
void hs_fold_retain(struct hs_fold *f, uint32_t thread);

/* A hint: an event about ADDR is some ten events away. */
void hs_fold_prefetch(const struct hs_fold *f, uint64_t addr);

const struct hs_fold_totals *hs_fold_totals(const struct hs_fold *f);

/* The highest live bytes since the last call of this function, and restart it. */
uint64_t hs_fold_take_high_water(struct hs_fold *f);

/*
 * End of events: a realloc in flight keeps its block; peak figures of all
 * sites become valid.  More events may follow, then settle again.
 */
void hs_fold_settle(struct hs_fold *f);

/* Sites in the order of their first allocation. */
const struct hs_fold_site *hs_fold_sites(const struct hs_fold *f, size_t *n_ret);

/* The live blocks sorted by address; malloc'ed, the caller frees. */
struct hs_fold_block *hs_fold_live(const struct hs_fold *f, size_t *n_ret);

#endif /* HS_FOLD_H */
