/* SPDX-License-Identifier: MIT */

/* Folded stacks. */
#include "formats/format.h"

#include <string.h>

#include "src/build.h"
#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

START_TEST(equal_stacks_are_summed_up)
{
	struct hs_profile *p = read_sample("folded", "good-small.folded");
	ck_assert_uint_eq(p->totals.peak_bytes, 100 + 30 + 2 + 11);
	ck_assert_uint_eq(p->has, HS_HAS_PEAK | HS_BYTES_ALONE);
	ck_assert_uint_eq(p->n_sites, 3);
	ck_assert_uint_eq(bytes_of_stack(p, "main;parse;read"), 111);
	ck_assert_uint_eq(bytes_of_stack(p, "main;render;draw text"), 2);
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(empty_frames_are_none)
{
	struct hs_profile *p = read_sample("folded", "good-heaptrack.folded");
	ck_assert_uint_eq(p->totals.peak_bytes, 113);
	ck_assert_uint_eq(bytes_of_stack(p, "main (tiny.c);grow (tiny.c)"), 13);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_line_without_an_end_does_not_count)
{
	struct hs_profile *p = read_sample("folded", "good-cut.folded");
	ck_assert_uint_eq(p->totals.peak_bytes, 357);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(very_deep_stacks_are_cut_and_told)
{
	enum { DEPTH = 5000 };
	char text[2 * DEPTH + 8];
	size_t n = 0;
	for (int i = 0; i < DEPTH; i++, n += 2)
		memcpy(text + n, "f;", 2);
	memcpy(text + n, " 9\n", 3);
	struct hs_profile *p = read_profile("folded", text, n + 3);
	ck_assert_uint_eq(p->totals.peak_bytes, 9);
	ck_assert_uint_lt(p->n_stacks, DEPTH);
	ck_assert_ptr_nonnull(strstr(p->warnings[1], "deeper"));
	hs_profile_free(p);
}
END_TEST

START_TEST(numbers_that_overflow_stay_at_the_highest)
{
	static const char text[] = "a;b 18446744073709551615\na;b 18446744073709551615\n"
				   "a;c 18446744073709551616\n";
	struct hs_profile *p = read_profile("folded", text, strlen(text));
	ck_assert_uint_eq(p->totals.peak_bytes, UINT64_MAX);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("folded", equal_stacks_are_summed_up, empty_frames_are_none,
	 a_line_without_an_end_does_not_count, very_deep_stacks_are_cut_and_told,
	 numbers_that_overflow_stay_at_the_highest)
