/* SPDX-License-Identifier: MIT */

/* Verdicts and survival, row by row of doc/leaks.md. */
#include "src/verdict.h"

#include <string.h>

#include "tests/lib/suite.h"

#define MS     ((uint64_t)1000000)
#define SECOND ((uint64_t)1000000000)

/* 1000 blocks were allocated and 20 live, under a program that was killed. */
static struct hs_facts killed(void)
{
	return (struct hs_facts){.blocks = 20,
				 .bytes = 2000,
				 .allocs = 1000,
				 .frees = 980,
				 .found = true,
				 .end = HS_END_KILLED,
				 .survival = {.dead = 980},
				 .trend = {.n = 40, .pattern = HS_PATTERN_UNKNOWN}};
}

static void expect(const struct hs_facts *f, enum hs_leak_kind kind,
		   enum hs_confidence confidence, enum hs_excuse excuse)
{
	struct hs_verdict v = hs_verdict_of(f);
	ck_assert_int_eq(v.kind, kind);
	ck_assert_int_eq(v.excuse, excuse);
	if (kind != HS_LEAK_REACHABLE)
		ck_assert_int_eq(v.confidence, confidence);
}

START_TEST(growth_is_as_sure_as_its_witnesses)
{
	struct hs_facts f = killed();
	f.trend.grows = true;
	f.trend.pattern = HS_PATTERN_STEADY;
	expect(&f, HS_LEAK_GROWTH, HS_MEDIUM, HS_EXCUSE_NONE); /* age says nothing */
	f.survival.undying = true;
	expect(&f, HS_LEAK_GROWTH, HS_HIGH, HS_EXCUSE_NONE);
	f.survival.old_freed = 1;
	expect(&f, HS_LEAK_GROWTH, HS_MEDIUM, HS_EXCUSE_NONE);
	f.survival.old_freed = 0;
	f.lost = true;
	expect(&f, HS_LEAK_GROWTH, HS_MEDIUM, HS_EXCUSE_NONE);
	f.lost = false;
	f.trend.n = HS_TREND_ENOUGH - 1;
	expect(&f, HS_LEAK_GROWTH, HS_LOW, HS_EXCUSE_NONE);
	f = killed();
	f.trend.grows = true;
	f.frees = f.survival.dead = 0; /* nothing ever freed */
	expect(&f, HS_LEAK_GROWTH, HS_HIGH, HS_EXCUSE_NONE);
	f = killed();
	f.survival.undying = true; /* age alone */
	expect(&f, HS_LEAK_GROWTH, HS_MEDIUM, HS_EXCUSE_NONE);
}
END_TEST

START_TEST(what_is_no_leak_has_an_excuse)
{
	struct hs_facts f = killed();
	f.in_flight_blocks = f.blocks;
	expect(&f, HS_LEAK_REACHABLE, HS_LOW, HS_EXCUSE_IN_FLIGHT);
	f = killed();
	f.kept = true;
	f.trend.grows = true;
	expect(&f, HS_LEAK_REACHABLE, HS_LOW, HS_EXCUSE_KEPT);
	f = killed();
	f.end = HS_END_EXEC;
	expect(&f, HS_LEAK_REACHABLE, HS_LOW, HS_EXCUSE_EXEC);
	f = killed();
	f.trend.pattern = HS_PATTERN_PLATEAU;
	expect(&f, HS_LEAK_REACHABLE, HS_LOW, HS_EXCUSE_PATTERN);
	f.trend.n = HS_TREND_ENOUGH - 1; /* too few to say so */
	expect(&f, HS_LEAK_NEVER_FREED, HS_LOW, HS_EXCUSE_NONE);
}
END_TEST

START_TEST(what_is_left_was_never_freed)
{
	struct hs_facts f = killed();
	f.in_flight_blocks = 5;
	f.in_flight_bytes = 500;
	expect(&f, HS_LEAK_NEVER_FREED, HS_LOW, HS_EXCUSE_NONE);
	ck_assert_uint_eq(hs_verdict_of(&f).blocks, 15);
	ck_assert_uint_eq(hs_verdict_of(&f).bytes, 1500);
	f = killed();
	f.end = HS_END_EXIT;
	expect(&f, HS_LEAK_NEVER_FREED, HS_MEDIUM, HS_EXCUSE_NONE);
	f.lost = true;
	expect(&f, HS_LEAK_NEVER_FREED, HS_LOW, HS_EXCUSE_NONE);
}
END_TEST

START_TEST(a_scan_is_believed_first)
{
	struct hs_facts f = killed();
	f.end = HS_END_EXIT;
	f.scanned = true;
	expect(&f, HS_LEAK_REACHABLE, HS_LOW, HS_EXCUSE_HELD);
	f.trend.grows = true;
	expect(&f, HS_LEAK_GROWTH, HS_MEDIUM, HS_EXCUSE_NONE);
	f.indirect_blocks = 2;
	expect(&f, HS_LEAK_INDIRECT, HS_HIGH, HS_EXCUSE_NONE);
	f.unreachable_blocks = 1;
	f.unreachable_bytes = 100;
	expect(&f, HS_LEAK_UNREACHABLE, HS_HIGH, HS_EXCUSE_NONE);
	ck_assert_uint_eq(hs_verdict_of(&f).blocks, 3);
	ck_assert_uint_eq(hs_verdict_of(&f).bytes, 100);
}
END_TEST

/* 20000 requests in 2 s, each block freed within a millisecond; ticks are ns. */
static struct hs_spread churn(void)
{
	struct hs_spread s = {.oldest = MS - 1};
	for (uint64_t i = 0; i < 20000; i++)
		hs_spread_count(s.ages, HS_SPREAD_AGES, MS / 2 + i % (MS / 2), 1);
	return s;
}

START_TEST(one_in_a_thousand_that_stays_is_a_second_population)
{
	struct hs_survivor live[24];
	struct hs_spread s = churn();
	for (uint64_t i = 0; i < 20; i++)
		live[i] = (struct hs_survivor){5 * SECOND + i * 100 * MS + MS, 48};
	for (uint64_t i = 20; i < 24; i++) /* in flight */
		live[i] = (struct hs_survivor){7 * SECOND - 1000, 48};
	struct hs_survival v =
		hs_survival_judge(live, 24, &s, SECOND, 5 * SECOND, 7 * SECOND);
	ck_assert(v.undying);
	ck_assert_uint_eq(v.old, 20);
	ck_assert_uint_eq(v.old_freed, 0);
	ck_assert_uint_eq(v.dead, 20000);
	ck_assert_uint_lt(v.usual_ns, 2 * MS);
}
END_TEST

START_TEST(caches_and_beginnings_are_no_second_population)
{
	struct hs_survivor live[20];
	struct hs_spread s = churn();
	for (uint64_t i = 0; i < 20; i++) /* all in the beginning */
		live[i] = (struct hs_survivor){5 * SECOND + i * MS, 48};
	ck_assert(
		!hs_survival_judge(live, 20, &s, SECOND, 5 * SECOND, 7 * SECOND).undying);
	for (uint64_t i = 0; i < 20; i++)
		live[i].born_ns = 5 * SECOND + i * 100 * MS;
	for (uint64_t i = 0; i < 500; i++) /* but so old are others when they go */
		hs_spread_count(s.ages, HS_SPREAD_AGES, SECOND, 1);
	s.oldest = SECOND;
	ck_assert(
		!hs_survival_judge(live, 20, &s, SECOND, 5 * SECOND, 7 * SECOND).undying);
	memset(&s, 0, sizeof(s));
	ck_assert_uint_eq(hs_survival_judge(NULL, 0, &s, SECOND, 0, SECOND).usual_ns, 0);
	ck_assert_uint_eq(hs_survival_judge(NULL, 0, &s, 0, 7, 3).dead, 0);
}
END_TEST

HS_SUITE("verdict", growth_is_as_sure_as_its_witnesses, what_is_no_leak_has_an_excuse,
	 what_is_left_was_never_freed, a_scan_is_believed_first,
	 one_in_a_thousand_that_stays_is_a_second_population,
	 caches_and_beginnings_are_no_second_population)
