/* SPDX-License-Identifier: MIT */

/*
 * Trends: what a series of low-water marks looks like.  Pure arithmetic on a few
 * dozen points: no logarithms, no libm, the same result on every machine.  Knows
 * nothing of heaps.
 *
 * A low-water mark is the least that was held in a slice of time.  What comes and goes
 * leaves it where it is; what stays raises it.
 */
#ifndef HS_TREND_H
#define HS_TREND_H

#include "src/findings.h"

/* Points that are judged; more are joined to so many, which bounds the time. */
#define HS_TREND_POINTS 60u

/* Fewer tell little: what is said of them is said with low confidence. */
#define HS_TREND_ENOUGH 8u

/* A slice of time that ends at TIME_NS. */
struct hs_trend_point {
	uint64_t time_ns, low;
};

struct hs_trend {
	enum hs_pattern pattern;
	bool grows;        /* steady or late: it goes on rising */
	uint64_t per_hour; /* if it grows: how fast, by Theil and Sen */
	uint64_t since_ns; /* when the rise began; or when the step was */
	uint32_t n, rises; /* points judged, and how many were above all before */
};

/* Of N points, whose times ascend. */
struct hs_trend hs_trend_judge(const struct hs_trend_point *points, size_t n);

#endif /* HS_TREND_H */
