/* SPDX-License-Identifier: MIT */

/*
 * Folding: events in, counters per site and the set of live blocks out.  Used
 * by the builder for every source of events, and through src/folding.h wherever
 * a capture's log is folded.  Knows nothing of names or files:
 * stacks and threads are numbers, times are whatever the caller counts in.
 */
#ifndef HS_FOLD_H
#define HS_FOLD_H

#include "src/base.h"
#include "src/spread.h"
#include "src/weight.h"

struct hs_fold;

/* Counters of one (stack, kind); see struct hs_site. */
struct hs_fold_site {
	uint32_t stack, kind;
	uint32_t thread; /* the only one that allocated here, or HS_FOLD_MANY */
	uint64_t allocs, frees, bytes, temporaries;
	uint64_t live_blocks, live_bytes;
	uint64_t peak_blocks, peak_bytes; /* valid after hs_fold_catch_up() */
	uint64_t low_bytes;               /* the fold's own: see hs_fold_take_low() */
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
	/* Allocations at a live address: that block was freed unseen. */
	uint64_t overlaps;
};

struct hs_fold *hs_fold_new(void);
void hs_fold_free(struct hs_fold *f); /* accepts NULL */

/*
 * Before the first event: allocations were sampled, one in MEAN bytes on average.
 * All figures of blocks and bytes are estimates then, sums of weights (weight.h), and
 * there are no temporaries.  MEAN is at most HS_SAMPLE_MOST.
 */
void hs_fold_sample(struct hs_fold *f, uint64_t mean);

/* Before the first event: count the frees of each site by who made them. */
void hs_fold_tell_frees(struct hs_fold *f);

/* Of several peaks of the same height the latest counts, not the first. */
void hs_fold_take_latest_peak(struct hs_fold *f);

/*
 * Events, in order.  THREAD is a small number chosen by the caller; TIME may
 * count anything.  A size that would make the sum of all sizes overflow is
 * cut, so that no other figure can overflow.  Returns the site's index.
 */
uint32_t hs_fold_alloc(struct hs_fold *f, uint32_t thread, uint32_t kind, uint32_t stack,
		       uint64_t addr, uint64_t size, uint64_t time);
void hs_fold_dealloc(struct hs_fold *f, uint64_t addr, uint64_t time); /* by any thread */
/* Likewise, and STACK made it; a realloc's stack is that of what it allocates. */
void hs_fold_dealloc_by(struct hs_fold *f, uint64_t addr, uint32_t stack, uint64_t time);
/* The block at ADDR keeps SIZE bytes; what follows them is a block of its own. */
void hs_fold_split(struct hs_fold *f, uint64_t addr, uint64_t size);
/* A realloc gives back ADDR; if it fails, hs_fold_retain() undoes that. */
void hs_fold_release(struct hs_fold *f, uint32_t thread, uint64_t addr, uint64_t time);
void hs_fold_retain(struct hs_fold *f, uint32_t thread, uint64_t time);
/* It succeeded, and what it allocated was not sampled. */
void hs_fold_gone(struct hs_fold *f, uint32_t thread, uint32_t stack, uint64_t time);

/*
 * For sources by whose rule a block is only temporary if it is freed before
 * anything else happens: what THREAD allocated last is no longer its last.
 */
void hs_fold_forget_last(struct hs_fold *f, uint32_t thread);

/* A hint: an event about ADDR is some ten events away. */
void hs_fold_prefetch(const struct hs_fold *f, uint64_t addr);

const struct hs_fold_totals *hs_fold_totals(const struct hs_fold *f);

/* The highest live bytes since the last call of this function, and restart it. */
uint64_t hs_fold_take_high_water(struct hs_fold *f);

/*
 * The lowest live bytes of SITE since the last call: at that call, after each free
 * (but not at a realloc, which only moves what it gives back) and now.  Restart it.
 */
uint64_t hs_fold_take_low(struct hs_fold *f, uint32_t site);

/* By the index of the site. */
const struct hs_spread *hs_fold_spreads(const struct hs_fold *f);

/* Peak figures of all sites become valid.  More events may follow, then again. */
void hs_fold_catch_up(struct hs_fold *f);

/* End of events: a realloc in flight keeps its block.  Catches up, too. */
void hs_fold_settle(struct hs_fold *f);

/*
 * Taking up a state that was written down, instead of the events up to it: first
 * all sites (of SITE the live figures and seen_peak are ignored), then the blocks
 * that live (a second one at an address is ignored), then the rest.  Figures that
 * contradict each other stay so, but nothing overflows.
 */
uint32_t hs_fold_restore_site(struct hs_fold *f, const struct hs_fold_site *site);
/* Adds to what SITE has; once for each site. */
void hs_fold_restore_spread(struct hs_fold *f, uint32_t site,
			    const struct hs_spread *spread);
void hs_fold_restore_block(struct hs_fold *f, const struct hs_fold_block *block);
/* A hint: there will be N_BLOCKS of them. */
void hs_fold_reserve(struct hs_fold *f, size_t n_blocks);
/* Of TOTALS: peak_*, unmatched_frees and overlaps; the others are sums. */
void hs_fold_restore_totals(struct hs_fold *f, const struct hs_fold_totals *totals);

/* What of a thread's last calls matters for those to come. */
struct hs_fold_last {
	bool lives;    /* its last allocation, at `last`, was not given back yet */
	bool released; /* a realloc has given back `block` and is not over */
	bool unknown;  /* likewise, of a block that was not known */
	/* `block` was the last allocation of its thread, which made none since. */
	bool was_last, no_later;
	uint64_t last;
	struct hs_fold_block block;
};

/* Not after hs_fold_settle().  False: THREAD is beyond the last one that is known. */
bool hs_fold_get_last(const struct hs_fold *f, uint32_t thread, struct hs_fold_last *ret);
void hs_fold_restore_last(struct hs_fold *f, uint32_t thread,
			  const struct hs_fold_last *last);

/* Sites in the order of their first allocation. */
const struct hs_fold_site *hs_fold_sites(const struct hs_fold *f, size_t *n_ret);

/* How sure the figures of a site are; see hs_fold_sample(). */
struct hs_fold_variance {
	double allocs, bytes, live_blocks, live_bytes;
	double peak_blocks, peak_bytes; /* as hs_fold_site's */
};

/* By the index of the site; NULL where nothing was sampled. */
const struct hs_fold_variance *hs_fold_variances(const struct hs_fold *f);
struct hs_weight hs_fold_weight(const struct hs_fold *f,
				const struct hs_fold_block *block);
/* Adds to SITE's; the live ones come with its blocks. */
void hs_fold_restore_variance(struct hs_fold *f, uint32_t site,
			      const struct hs_fold_variance *saved);

/* What STACK has freed of SITE's blocks. */
struct hs_fold_frees {
	uint32_t site, stack;
	uint64_t frees, bytes;
};

/* In no order; none without hs_fold_tell_frees(). */
const struct hs_fold_frees *hs_fold_frees(const struct hs_fold *f, size_t *n_ret);
void hs_fold_restore_frees(struct hs_fold *f, const struct hs_fold_frees *saved);

/* The live blocks sorted by address; malloc'ed, the caller frees. */
struct hs_fold_block *hs_fold_live(const struct hs_fold *f, size_t *n_ret);

/*
 * The same in F's own memory, where it takes none: F knows sums alone from now on,
 * its blocks are good as long as F is, and no event may come.
 */
const struct hs_fold_block *hs_fold_lay_out(struct hs_fold *f, size_t *n_ret);

#endif /* HS_FOLD_H */
