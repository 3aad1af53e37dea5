/* SPDX-License-Identifier: MIT */

/* speedscope's files. */
#include <string.h>

#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

START_TEST(the_profile_of_bytes_is_read)
{
	struct hs_profile *p = read_sample("speedscope", "good-bytes.speedscope.json");
	ck_assert_uint_eq(p->totals.peak_bytes, 160);
	ck_assert_uint_eq(p->has, HS_HAS_PEAK | HS_BYTES_ALONE);
	ck_assert_uint_eq(bytes_of_stack(p, "main;parse"), 110);
	ck_assert_uint_eq(bytes_of_stack(p, "main;parse;copy \"x\""), 50);
	ck_assert(p->process.complete);
	const struct hs_frame_info *f = &p->frames[p->stacks[1].frame.i];
	ck_assert_uint_eq(f->line, 9);
	ck_assert_str_eq(hs_string(p, f->file), "a.c");
	hs_profile_free(p);
}
END_TEST

START_TEST(members_come_in_any_order)
{
	struct hs_profile *p =
		read_sample("speedscope", "good-frames-last.speedscope.json");
	ck_assert_uint_eq(bytes_of_stack(p, "outer;inner"), 7);
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(what_was_cut_is_read_as_far_as_it_goes)
{
	struct hs_profile *p = read_sample("speedscope", "good-cut.speedscope.json");
	ck_assert_uint_eq(p->totals.peak_bytes, 100);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(what_does_not_fit_together_is_told)
{
	static const char text[] =
		"{\"profiles\":[{\"type\":\"sampled\",\"unit\":\"bytes\","
		"\"samples\":[[0],[1]],\"weights\":[1,2]}],"
		"\"shared\":{\"frames\":[{\"name\":\"a\"}]}}";
	struct hs_profile *p = read_profile("speedscope", text, strlen(text));
	ck_assert_uint_eq(p->totals.peak_bytes, 3);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("speedscope", the_profile_of_bytes_is_read, members_come_in_any_order,
	 what_was_cut_is_read_as_far_as_it_goes, what_does_not_fit_together_is_told)
