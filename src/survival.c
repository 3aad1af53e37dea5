/* SPDX-License-Identifier: MIT */

/* Survival: where deaths end and the undying begin. */
#include "src/survival.h"

#include "src/trend.h"

/* A live block is far older if it is so many times as old. */
#define FAR 4u

/* Fewer deaths tell nothing of how old blocks become; fewer old ones may be chance. */
#define LEAST_DEAD 20u
#define LEAST_OLD  5u

static uint64_t ns_of(uint64_t ticks, uint64_t per_second)
{
	unsigned __int128 ns = (unsigned __int128)ticks * 1000000000 / per_second;
	return ns < UINT64_MAX / FAR ? (uint64_t)ns : UINT64_MAX / FAR;
}

/* The end of class C, or the oldest age of all if that is less. */
static uint64_t end_of_class(const struct hs_spread *spread, uint32_t c)
{
	bool last = c + 1 >= HS_SPREAD_AGES;
	return last ? spread->oldest : HS_MIN(hs_spread_end(c), spread->oldest);
}

/* How many of LIVE were born before NS. */
static size_t born_before(const struct hs_survivor *live, size_t n, uint64_t ns)
{
	size_t low = 0;
	while (low < n) {
		size_t middle = low + (n - low) / 2;
		if (live[middle].born_ns < ns)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* Did blocks that stay come all the time, up to UNTIL? */
static bool came_all_the_time(const struct hs_survivor *live, size_t n, uint64_t start,
			      uint64_t until)
{
	struct hs_trend_point points[HS_TREND_POINTS];
	uint64_t step = (until - start) / HS_TREND_POINTS;
	size_t i = 0;
	uint64_t held = 0;
	if (!step)
		return false;
	for (uint32_t p = 0; p < HS_TREND_POINTS; p++) {
		points[p] = (struct hs_trend_point){start + p * step, held};
		for (; i < n && live[i].born_ns < start + (p + 1) * step; i++)
			held += HS_MIN(live[i].size, (uint64_t)1 << 40);
	}
	return hs_trend_judge(points, HS_TREND_POINTS).grows;
}

static uint64_t count_dead(const struct hs_spread *spread)
{
	uint64_t n = 0;
	for (uint32_t c = 0; c < HS_SPREAD_AGES; c++)
		n += spread->ages[c];
	return n;
}

/* The age by which all but one in a thousand were dead. */
static uint64_t usual_age(const struct hs_spread *spread, uint64_t dead)
{
	uint64_t older = 0;
	uint32_t c = HS_SPREAD_AGES - 1;
	while (c && (older + spread->ages[c]) * 1000 <= dead)
		older += spread->ages[c--];
	return end_of_class(spread, c);
}

/*
 * The youngest age beyond which hardly anything died, measured by how many blocks are
 * far older than that: of a hundred of those five may have died.
 */
static void find_undying(const struct hs_survivor *live, size_t n,
			 const struct hs_spread *spread, uint64_t per_second,
			 uint64_t start, uint64_t end, struct hs_survival *ret)
{
	uint64_t older = 0;
	for (uint32_t c = HS_SPREAD_AGES; c--; older += spread->ages[c]) {
		uint64_t far = FAR * ns_of(end_of_class(spread, c), per_second);
		if (far >= end - start)
			continue;
		size_t old = born_before(live, n, end - far);
		if (older * 20 > old)
			return;
		if (old < LEAST_OLD || !came_all_the_time(live, old, start, end - far))
			continue;
		ret->undying = true;
		ret->old = old;
		ret->old_freed = older;
	}
}

struct hs_survival hs_survival_judge(const struct hs_survivor *live, size_t n,
				     const struct hs_spread *spread, uint64_t per_second,
				     uint64_t start, uint64_t end)
{
	struct hs_survival ret = {.dead = count_dead(spread)};
	if (!ret.dead || !per_second || end <= start)
		return ret;
	ret.oldest_ns = ns_of(spread->oldest, per_second);
	ret.usual_ns = ns_of(usual_age(spread, ret.dead), per_second);
	if (ret.dead >= LEAST_DEAD)
		find_undying(live, n, spread, per_second, start, end, &ret);
	return ret;
}
