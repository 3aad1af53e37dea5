/* SPDX-License-Identifier: MIT */

/*
 * Survival: how old blocks become that are freed, and which live ones are far older
 * than that.  Most die young, some live long and then die: churn and caches.  What a
 * leak leaves behind is a second population, which never dies; of one block in a
 * thousand it shows long before any trend does.
 */
#ifndef HS_SURVIVAL_H
#define HS_SURVIVAL_H

#include "src/spread.h"

/* A block that lives in the end. */
struct hs_survivor {
	uint64_t born_ns, size;
};

struct hs_survival {
	uint64_t dead;      /* blocks that were freed */
	uint64_t usual_ns;  /* hardly one lived longer; 0: unknown */
	uint64_t oldest_ns; /* of those that were freed */
	uint64_t old;       /* live blocks far older than that */
	uint64_t old_freed; /* blocks that were freed at such an age */
	bool undying;       /* they came all the time: a second population */
};

/*
 * Of the LIVE blocks of some place, N of them, sorted by their birth, and SPREAD,
 * what was freed there, in a run from START_NS to END_NS.
 */
struct hs_survival hs_survival_judge(const struct hs_survivor *live, size_t n,
				     const struct hs_spread *spread,
				     uint64_t ticks_per_second, uint64_t start_ns,
				     uint64_t end_ns);

#endif /* HS_SURVIVAL_H */
