/* SPDX-License-Identifier: MIT */

/* Trends of series whose truth is known. */
#include "src/trend.h"

#include "tests/lib/series.h"
#include "tests/lib/suite.h"

START_TEST(look_alikes_are_no_leaks_and_steady_leaks_are_found)
{
	struct series_matrix m;
	series_judge(&m, 1200, 0.02, 0x9e3779b97f4a7c15);
	ck_assert_uint_eq(m.look_alikes, 6000);
	ck_assert_uint_eq(m.leaks, 1200);
	ck_assert_uint_lt(m.accused * 200, m.look_alikes);
	ck_assert_uint_lt(m.missed * 100, m.leaks);
}
END_TEST

START_TEST(a_rate_is_what_the_series_was_made_with)
{
	/* 1000 bytes every second: 3.6 million in an hour, from the first on. */
	struct hs_trend_point points[100];
	for (uint64_t i = 0; i < HS_COUNT(points); i++)
		points[i] =
			(struct hs_trend_point){(i + 1) * 1000000000, 5000 + i * 1000};
	struct hs_trend t = hs_trend_judge(points, HS_COUNT(points));
	ck_assert_int_eq(t.pattern, HS_PATTERN_STEADY);
	ck_assert(t.grows);
	ck_assert_uint_ge(t.per_hour, 3600000 - 40000);
	ck_assert_uint_le(t.per_hour, 3600000 + 40000);
}
END_TEST

START_TEST(a_late_rise_is_told_with_its_beginning)
{
	struct hs_trend_point points[100];
	for (uint64_t i = 0; i < HS_COUNT(points); i++)
		points[i] = (struct hs_trend_point){(i + 1) * 1000000000,
						    7777 + (i > 60 ? i - 60 : 0) * 1000};
	struct hs_trend t = hs_trend_judge(points, HS_COUNT(points));
	ck_assert_int_eq(t.pattern, HS_PATTERN_LATE);
	ck_assert_uint_ge(t.since_ns, 57000000000);
	ck_assert_uint_le(t.since_ns, 64000000000);
	ck_assert_uint_ge(t.per_hour, 3400000);
	ck_assert_uint_le(t.per_hour, 3800000);
}
END_TEST

START_TEST(odd_series_are_judged_without_harm)
{
	struct hs_trend_point points[2000];
	ck_assert_int_eq(hs_trend_judge(NULL, 0).pattern, HS_PATTERN_UNKNOWN);
	for (size_t n = 1; n < HS_COUNT(points); n = n * 3 / 2 + 1) {
		for (size_t i = 0; i < n; i++)
			points[i] = (struct hs_trend_point){7, i * (UINT64_MAX / n)};
		ck_assert(!hs_trend_judge(points, n).grows); /* in no time */
		for (size_t i = 0; i < n; i++)
			points[i].time_ns = i * (UINT64_MAX / n);
		ck_assert_uint_le(hs_trend_judge(points, n).n, HS_TREND_POINTS);
		for (size_t i = 0; i < n; i++)
			points[i].low = 0;
		ck_assert(!hs_trend_judge(points, n).grows);
	}
}
END_TEST

HS_SUITE("trend", look_alikes_are_no_leaks_and_steady_leaks_are_found,
	 a_rate_is_what_the_series_was_made_with, a_late_rise_is_told_with_its_beginning,
	 odd_series_are_judged_without_harm)
