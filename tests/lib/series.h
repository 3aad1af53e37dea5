/* SPDX-License-Identifier: MIT */

/*
 * Series of low-water marks with a known truth: what a heap would show that leaks, or
 * only looks like it, under churn, with snapshots missing and few or many of them.
 */
#ifndef HS_TEST_SERIES_H
#define HS_TEST_SERIES_H

#include "src/trend.h"

#define SERIES_POINTS 300u

struct series_made {
	enum hs_pattern truth;
	size_t n;
	struct hs_trend_point points[SERIES_POINTS];
};

/*
 * The same RANDOM gives the same series; TRUTH is not unknown.  Of what comes and goes
 * between two snapshots LEAK to 10 * LEAK is left behind, if it is a leak.
 */
void series_make(struct series_made *s, enum hs_pattern truth, double leak,
		 uint64_t *random);

/* How series of each pattern were judged. */
struct series_matrix {
	unsigned count[HS_PATTERN_UNKNOWN + 1][HS_PATTERN_UNKNOWN + 1];
	unsigned leaks, missed;        /* steady ones, and those not said to grow */
	unsigned look_alikes, accused; /* neither steady nor late, and said to grow */
};

/* EACH of every pattern, from SEED on. */
void series_judge(struct series_matrix *m, unsigned each, double leak, uint64_t seed);

#endif /* HS_TEST_SERIES_H */
