/* SPDX-License-Identifier: MIT */

/*
 * What the heap profiles of jemalloc and of tcmalloc (gperftools) have in common:
 * stacks of plain addresses with four sums each, and a copy of /proc/PID/maps
 * behind them.  Knows nothing of how their lines are arranged.
 */
#ifndef HS_ALLOCPROF_H
#define HS_ALLOCPROF_H

#include "src/profile.h"
#include "src/scan.h"

struct hs_builder;
struct hs_allocprof;

/* In use at that moment, and over the whole run. */
struct hs_allocprof_sums {
	uint64_t live_blocks, live_bytes, allocs, bytes;
};

/* How the allocator chose what it recorded. */
enum hs_sampling {
	HS_EVERYTHING,
	HS_BY_BYTE,   /* each byte with the same chance: one in `period` */
	HS_BY_PERIOD, /* a block each `period` bytes */
};

struct hs_allocprof *hs_allocprof_new(struct hs_builder *b);
void hs_allocprof_free(struct hs_allocprof *p);

/* "120: 120000 [170: 1120000]"; S moves behind it. */
bool hs_allocprof_sums(struct hs_span *s, struct hs_allocprof_sums *ret);

/* "0x55d112e9a167 0x55d112e9a1ec ...", innermost first: the stack of what follows. */
bool hs_allocprof_stack(struct hs_allocprof *p, struct hs_span addresses);

/* Of the latest stack. */
void hs_allocprof_add(struct hs_allocprof *p, const struct hs_allocprof_sums *sums);

/* A line of /proc/PID/maps. */
bool hs_allocprof_map(struct hs_allocprof *p, struct hs_span line);

/* All sums so far, as they stand in the file. */
struct hs_allocprof_sums hs_allocprof_total(const struct hs_allocprof *p);

/* Is it WHOLE, and if so, were there lines that made no sense?  Else a warning. */
void hs_allocprof_tell(struct hs_allocprof *p, bool whole, uint64_t bad_lines);

/*
 * Everything into the builder, where samples become estimates of what they stand
 * for.  Says what is known; warns that figures are estimates where they are.
 */
void hs_allocprof_build(struct hs_allocprof *p, enum hs_sampling sampling,
			uint64_t period);

#endif /* HS_ALLOCPROF_H */
