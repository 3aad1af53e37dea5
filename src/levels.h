/* SPDX-License-Identifier: MIT */

/*
 * Levels on their way into a profile: changes by slices of time, kept few by joining
 * slices in pairs, and summed up in the end.
 */
#ifndef HS_LEVELS_H
#define HS_LEVELS_H

#include "src/array.h"
#include "src/profile.h"

struct hs_map;

/* Differences wrap around, as do their sums. */
struct hs_level_change {
	uint64_t key; /* of the site; whatever the caller uses */
	uint64_t blocks, bytes, drop, allocs;
	uint32_t mark;
};

struct hs_levels {
	HS_ARRAY(struct hs_mark) marks;
	HS_ARRAY(struct hs_level_change) changes;
};

void hs_levels_deinit(struct hs_levels *l);
void hs_levels_mark(struct hs_levels *l, uint64_t time_ns, bool snapshot);

/* At the last mark; CHANGE's own is ignored. */
void hs_levels_change(struct hs_levels *l, const struct hs_level_change *change);

/* Sort the changes by (key, mark), one for each. */
void hs_levels_settle(struct hs_levels *l);

/*
 * Settled changes as levels, into RET, which has room for all.  SITES knows indices of
 * keys, which ascend as the keys do; what it does not know is left out.  Returns how
 * many there are.
 */
size_t hs_levels_sum(const struct hs_levels *l, const struct hs_map *sites,
		     struct hs_level *ret);

#endif /* HS_LEVELS_H */
