/* SPDX-License-Identifier: MIT */

/*
 * Trends.  Growth must show in three ways at once: the median of all slopes between
 * two points is positive (Theil, Sen), rises outnumber falls by more than chance
 * would have it (Mann, Kendall; one in a hundred), and the least of each part of the
 * series is above that of the part before.  What slows down is a warm-up, what comes
 * in one or two steps is no growth, and what has been as high before is a sawtooth.
 */
#include "src/trend.h"

#include <string.h>

#include "src/array.h"

#define MOST HS_TREND_POINTS

/* Squared quantile of the normal distribution that one in a hundred exceeds. */
#define Z_SQUARED 5.412

/* At least so many points make a rise. */
#define LEAST 5u

struct series {
	uint32_t n;
	double t[MOST], y[MOST]; /* t: 0 to 1 */
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Reorders AT. */
static double median(double *at, size_t n)
{
	qsort(at, n, sizeof(*at), by_value);
	return n % 2 ? at[n / 2] : (at[n / 2 - 1] + at[n / 2]) / 2;
}

/* Points to at most MOST: of several in one part of the time the lowest counts. */
static struct series resample(const struct hs_trend_point *p, size_t n)
{
	struct series s = {0};
	uint64_t start = p[0].time_ns, whole = HS_MAX(p[n - 1].time_ns - start, 1);
	uint64_t last_part = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		double at = (double)(p[i].time_ns - start) / (double)whole;
		uint64_t part = n <= MOST ? i : HS_MIN((uint64_t)(at * MOST), MOST - 1);
		double low = (double)p[i].low;
		if (part == last_part) {
			s.y[s.n - 1] = HS_MIN(s.y[s.n - 1], low);
			s.t[s.n - 1] = at;
			continue;
		}
		s.t[s.n] = at;
		s.y[s.n++] = low;
		last_part = part;
	}
	return s;
}

/* The median of the slopes between any two of the points FROM to UNTIL. */
static double slope(const struct series *s, uint32_t from, uint32_t until)
{
	double slopes[MOST * (MOST - 1) / 2];
	size_t n = 0;
	for (uint32_t i = from; i < until; i++)
		for (uint32_t k = i + 1; k < until; k++)
			if (s->t[k] > s->t[i])
				slopes[n++] = (s->y[k] - s->y[i]) / (s->t[k] - s->t[i]);
	return n ? median(slopes, n) : 0;
}

static double ties(const double *y, uint32_t n)
{
	double sorted[MOST], sum = 0;
	memcpy(sorted, y, n * sizeof(*y));
	qsort(sorted, n, sizeof(*sorted), by_value);
	for (uint32_t i = 0, k; i < n; i = k) {
		for (k = i; k < n && sorted[k] <= sorted[i]; k++)
			;
		double t = k - i;
		sum += t * (t - 1) * (2 * t + 5);
	}
	return sum;
}

/* Mann and Kendall: do the points rise more than by chance? */
static bool rises(const struct series *s, uint32_t from, uint32_t until)
{
	double n = until - from, sum = 0;
	for (uint32_t i = from; i < until; i++)
		for (uint32_t k = i + 1; k < until; k++)
			sum += (s->y[k] > s->y[i]) - (s->y[k] < s->y[i]);
	double variance =
		(n * (n - 1) * (2 * n + 5) - ties(s->y + from, until - from)) / 18;
	return sum > 0 && variance > 0 && sum * sum > Z_SQUARED * variance;
}

static uint32_t index_at(const struct series *s, double t)
{
	uint32_t i = 0;
	while (i < s->n && s->t[i] < t)
		i++;
	return i;
}

static double least(const struct series *s, uint32_t from, uint32_t until)
{
	double low = s->y[from];
	for (uint32_t i = from; i < until; i++)
		low = HS_MIN(low, s->y[i]);
	return low;
}

static double most(const struct series *s, uint32_t from, uint32_t until)
{
	double high = s->y[from];
	for (uint32_t i = from; i < until; i++)
		high = HS_MAX(high, s->y[i]);
	return high;
}

/* The deepest fall from an earlier height, from FROM on. */
static double deepest_fall(const struct series *s, uint32_t from)
{
	double high = s->y[from], fall = 0;
	for (uint32_t i = from; i < s->n; i++) {
		high = HS_MAX(high, s->y[i]);
		fall = HS_MAX(fall, high - s->y[i]);
	}
	return fall;
}

/* What of the points FROM to UNTIL is explained neither by a mean nor by a line. */
static double rest_of_fit(const struct series *s, uint32_t from, uint32_t until,
			  bool line)
{
	double n = until - from, st = 0, sy = 0, stt = 0, sty = 0, syy = 0;
	for (uint32_t i = from; i < until; i++) {
		double t = s->t[i], y = s->y[i];
		st += t;
		sy += y;
		stt += t * t;
		sty += t * y;
		syy += y * y;
	}
	double tt = stt - st * st / n, ty = sty - st * sy / n, yy = syy - sy * sy / n;
	return line && tt > 0 ? yy - ty * ty / tt : yy;
}

/* Where a level best ends and a slope begins; 0: there is no level. */
static uint32_t change_point(const struct series *s)
{
	uint32_t best = 0;
	double rest = rest_of_fit(s, 0, s->n, true);
	for (uint32_t c = 3; c + LEAST <= s->n; c++) {
		double here = rest_of_fit(s, 0, c, false) + rest_of_fit(s, c, s->n, true);
		if (here < rest * 0.5) {
			rest = here * 2; /* compare the others with this one */
			best = c;
		}
	}
	return best;
}

/* Rises in all of up to six parts but, of many, one. */
static bool parts_rise(const struct series *s, uint32_t from)
{
	uint32_t n = s->n - from, parts = HS_MIN(HS_MAX(n / 2, 3u), 6u), falls = 0;
	double first = 0, before = 0;
	for (uint32_t i = 0; i < parts; i++) {
		double low = least(s, from + n * i / parts, from + n * (i + 1) / parts);
		falls += i && low <= before;
		first = i ? first : low;
		before = low;
	}
	return falls <= (parts > LEAST ? 1u : 0u) && before > first;
}

/*
 * Is the rise from FROM on made of many?  A step at I is what all later points are
 * above all points up to I.
 */
static bool many_steps(const struct series *s, uint32_t from)
{
	double after[MOST], total, biggest = 0, level;
	uint32_t n = 0;
	after[s->n - 1] = s->y[s->n - 1];
	for (uint32_t i = s->n - 1; i > from; i--)
		after[i - 1] = HS_MIN(after[i], s->y[i - 1]);
	level = after[from];
	total = after[s->n - 1] - level;
	for (uint32_t i = from + 1; i < s->n; i++) {
		if (after[i] <= level)
			continue;
		biggest = HS_MAX(biggest, after[i] - level);
		level = after[i];
		n++;
	}
	/* Of few points, noise makes fewer and higher steps. */
	bool few = s->n - from <= HS_TREND_ENOUGH;
	return n >= (few ? 3u : 4u) && biggest <= total * (few ? 0.6 : 0.4);
}

/* Of the speed of the first half less is left in the second than noise explains. */
static bool slows_down(const struct series *s, uint32_t from)
{
	uint32_t middle = index_at(s, (s->t[from] + 1) / 2);
	uint32_t wanted = from ? 6 : 3;
	if (middle - from < wanted || s->n - middle < wanted)
		return false;
	double first = slope(s, from, middle), second = slope(s, middle, s->n);
	return first > 0 && second < first * (s->n <= 2 * HS_TREND_ENOUGH ? 0.35 : 0.55);
}

static bool is_growth_from(const struct series *s, uint32_t from)
{
	double rise = s->y[s->n - 1] - s->y[from];
	return s->n - from >= LEAST && deepest_fall(s, from) <= 0.5 * rise &&
	       slope(s, from, s->n) > 0 && rises(s, from, s->n) && parts_rise(s, from) &&
	       many_steps(s, from) && !slows_down(s, from);
}

/* Nothing of note happened before FROM, compared with what came after. */
static bool is_level_before(const struct series *s, uint32_t from)
{
	double low = least(s, 0, from), high = most(s, 0, from);
	return high - low <= 0.35 * (s->y[s->n - 1] - low);
}

static bool is_new_height(const struct series *s, uint32_t from)
{
	return s->y[s->n - 1] > most(s, 0, HS_MAX(from, 1u));
}

/* Does it grow?  The pattern and where that began. */
static bool find_growth(const struct series *s, struct hs_trend *ret, uint32_t *from)
{
	uint32_t change = change_point(s);
	uint32_t window = s->n < HS_TREND_ENOUGH ? 0 : index_at(s, 1.0 / 3);
	if (change && s->t[change] > 1.0 / 3) {
		if (!is_growth_from(s, change) || !is_level_before(s, change))
			return false;
		ret->pattern = HS_PATTERN_LATE;
		*from = change;
		return true;
	}
	if (!is_growth_from(s, window) || !is_new_height(s, window) || slows_down(s, 0))
		return false;
	ret->pattern = HS_PATTERN_STEADY;
	*from = change;
	return true;
}

/* The highest single step up, and where it leads to. */
static double highest_step(const struct series *s, uint32_t *at)
{
	double step = 0;
	*at = 0;
	for (uint32_t i = 1; i < s->n; i++) {
		/* What took two slices of time is one step, too. */
		double up = s->y[i] - s->y[i >= 2 ? i - 2 : 0];
		if (up > step) {
			step = up;
			*at = i;
		}
	}
	return step;
}

/*
 * It slows down while it rises: each of the last two doublings of time brought no more
 * than the one before did; a line would bring twice as much.
 */
static bool is_logarithmic(const struct series *s)
{
	uint32_t quarter = index_at(s, 0.25), half = index_at(s, 0.5);
	uint32_t last_third = index_at(s, 2.0 / 3);
	if (quarter == half || half + 1 >= s->n)
		return false;
	double end = s->y[s->n - 1], early = s->y[half] - s->y[quarter];
	double late = end - s->y[half], range = end - least(s, 0, s->n);
	bool still = end - s->y[last_third] > 0.04 * range;
	return early > 0 && late > 0 && late < 1.5 * early && still;
}

static enum hs_pattern look_of(const struct series *s, uint32_t *at)
{
	double low = least(s, 0, s->n), high = most(s, 0, s->n), range = high - low;
	uint32_t last_third = index_at(s, 2.0 / 3);
	if (range <= 0.02 * high)
		return HS_PATTERN_ONE_OFF;
	if (deepest_fall(s, 0) > 0.5 * range)
		return HS_PATTERN_SAWTOOTH;
	double step = highest_step(s, at);
	bool one_step = step >= 0.8 * range;
	if (one_step && s->t[*at] <= 0.15)
		return HS_PATTERN_ONE_OFF;
	if (one_step)
		return HS_PATTERN_BURST;
	if (is_logarithmic(s))
		return HS_PATTERN_LOGARITHMIC;
	double end_low = least(s, last_third, s->n), end_high = most(s, last_third, s->n);
	*at = 0;
	if (end_high - end_low <= 0.15 * range)
		return HS_PATTERN_PLATEAU;
	return HS_PATTERN_UNKNOWN;
}

static uint32_t count_new_heights(const struct series *s)
{
	double high = s->y[0];
	uint32_t n = 0;
	for (uint32_t i = 1; i < s->n; i++) {
		n += s->y[i] > high;
		high = HS_MAX(high, s->y[i]);
	}
	return n;
}

struct hs_trend hs_trend_judge(const struct hs_trend_point *points, size_t n)
{
	struct hs_trend ret = {.pattern = HS_PATTERN_UNKNOWN};
	if (n < LEAST || points[n - 1].time_ns == points[0].time_ns)
		return ret;
	struct series s = resample(points, n);
	double whole = (double)(points[n - 1].time_ns - points[0].time_ns);
	uint32_t at = 0;
	ret.n = s.n;
	ret.rises = count_new_heights(&s);
	if (s.n < LEAST || most(&s, 0, s.n) <= 0)
		return ret;
	ret.grows = find_growth(&s, &ret, &at);
	if (ret.grows)
		ret.per_hour =
			(uint64_t)HS_MIN(slope(&s, at, s.n) / whole * 3600e9, 1e19);
	else
		ret.pattern = look_of(&s, &at);
	ret.since_ns = points[0].time_ns + (uint64_t)(s.t[at] * whole);
	return ret;
}
