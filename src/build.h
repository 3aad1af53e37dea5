/* SPDX-License-Identifier: MIT */

/*
 * Building a profile: the verbs that every reader calls.  Readers never touch
 * the tables, so each invariant of profile.h has one guardian.
 *
 * Order: strings, modules, frames, stacks and threads before the events that
 * name them; events in the order in which they happened.  Nothing here can
 * fail: what does not fit (a free of an unknown block, a second allocation at
 * a live address) is counted, and the profile stays valid.
 */
#ifndef HS_BUILD_H
#define HS_BUILD_H

#include "src/profile.h"

struct hs_builder;

struct hs_builder *hs_build_new(void);
void hs_build_free(struct hs_builder *b); /* accepts NULL */

/*
 * Identity of the process; the caller fills it in place before sealing, all
 * but argv and n_argv: arguments are added one by one.
 */
struct hs_process_info *hs_build_process(struct hs_builder *b);
void hs_build_argument(struct hs_builder *b, hs_str argument);

/* The profile's `has` bits; events and snapshots set those they imply. */
void hs_build_has(struct hs_builder *b, uint32_t bits);

/* Intern LENGTH bytes; embedded NULs end the string. */
hs_str hs_build_string(struct hs_builder *b, const char *s, size_t length);
hs_str hs_build_cstring(struct hs_builder *b, const char *s);    /* NULL is "" */
const char *hs_build_text(const struct hs_builder *b, hs_str s); /* good as long as B */

/* Each call adds a row. */
hs_module hs_build_module(struct hs_builder *b, const struct hs_module_info *info);
hs_thread hs_build_thread(struct hs_builder *b, uint32_t tid, hs_str name);
void hs_build_thread_name(struct hs_builder *b, hs_thread thread, hs_str name);
void hs_build_thread_stack(struct hs_builder *b, hs_thread thread, hs_stack stack);

/* Interned: the same arguments give the same id. */
hs_frame hs_build_location(struct hs_builder *b, hs_module module, uint64_t offset);
hs_frame hs_build_named_frame(struct hs_builder *b, const struct hs_frame_info *info);
hs_stack hs_build_stack(struct hs_builder *b, hs_stack parent, hs_frame frame);

/*
 * The native stack NATIVE of a place whose Python frames are PYTHON.  If it is not
 * 0, the SKIPPED outermost of these are left out, and all that is outside of the
 * others.
 */
hs_stack hs_build_joined_stack(struct hs_builder *b, hs_stack native, hs_stack python,
			       uint32_t skipped);

/*
 * Events.  TIME_NS never decreases.  hs_build_release is a realloc's old
 * block, to be followed (in that thread) by hs_build_alloc with
 * HS_ALLOC_REALLOC, or by hs_build_retain when the realloc failed.
 */
void hs_build_alloc(struct hs_builder *b, hs_thread thread, enum hs_alloc_kind kind,
		    hs_stack stack, uint64_t addr, uint64_t size, uint64_t time_ns);
void hs_build_dealloc(struct hs_builder *b, hs_thread thread, uint64_t addr,
		      uint64_t time_ns);
void hs_build_release(struct hs_builder *b, hs_thread thread, uint64_t addr,
		      uint64_t time_ns);
void hs_build_retain(struct hs_builder *b, hs_thread thread, uint64_t time_ns);
void hs_build_forget_last(struct hs_builder *b, hs_thread thread); /* see fold.h */

/*
 * Already folded figures, for sources that have no events (and for our own
 * folded captures): adds SITE's counters to those of its (stack, kind).
 */
void hs_build_site(struct hs_builder *b, const struct hs_site *site);
/*
 * Allocations were sampled, one in MEAN bytes; before any site.  What of the totals is
 * known exactly: TOTALS (allocs, frees, bytes), or NULL.
 */
void hs_build_sampled(struct hs_builder *b, uint64_t mean,
		      const struct hs_totals *totals);
/* FREES and BYTES of the blocks of the site of (STACK, KIND) were freed by BY. */
void hs_build_frees(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
		    hs_stack by, uint64_t frees, uint64_t bytes);

void hs_build_live(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
		   const struct hs_live *block);
/* One that was sampled, and stands for WEIGHT. */
void hs_build_live_sample(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
			  const struct hs_live *block, const struct hs_weight *weight);
/*
 * A scan was made, and what it found of the block told by the last hs_build_live():
 * RETAINED is what is lost with it, if it is HS_REACH_DIRECT.
 */
void hs_build_scan(struct hs_builder *b, const struct hs_scan *scan);
void hs_build_reach(struct hs_builder *b, enum hs_reach reach,
		    const struct hs_reach_count *retained);
void hs_build_totals(struct hs_builder *b, const struct hs_totals *peak_and_unmatched);

void hs_build_mmap(struct hs_builder *b, const struct hs_mmap_totals *totals);

/* Stamps ascend. */
void hs_build_forks(struct hs_builder *b, const struct hs_fork *forks, size_t n);

/*
 * A snapshot at S->time_ns: for event sources the heap's figures are filled in
 * by the builder (heap_bytes, heap_blocks, peak_bytes and allocs are ignored).
 * When there are very many, the older ones are thinned out: of two neighbours
 * the later one stays, with the higher peak and RSS of both.
 */
void hs_build_snapshot(struct hs_builder *b, const struct hs_snapshot *s,
		       bool figures_known);

/*
 * Levels.  A mark ends a slice of time; then follows what changed in it.  For event
 * sources hs_build_snapshot() does this.  The number of marks and of changes is kept
 * bounded by joining slices.
 */
void hs_build_mark(struct hs_builder *b, uint64_t time_ns, bool snapshot);

/* At (stack, kind) in the last slice; blocks and bytes: that it holds more, or less. */
struct hs_change {
	hs_stack stack;
	enum hs_alloc_kind kind;
	int64_t blocks, bytes;
	uint64_t drop; /* by so much less it held at its lowest than at the mark */
	uint64_t allocs;
};
void hs_build_change(struct hs_builder *b, const struct hs_change *change);

/* How many of the units that spreads count lifetimes in make a second; 0: unknown. */
void hs_build_ticks(struct hs_builder *b, uint64_t per_second);

/* A sentence for the reader of the report; marks nothing by itself. */
void hs_build_warn(struct hs_builder *b, const char *format, ...) HS_PRINTF(2, 3);

/* Finish: consumes B. */
struct hs_profile *hs_build_seal(struct hs_builder *b);

#endif /* HS_BUILD_H */
