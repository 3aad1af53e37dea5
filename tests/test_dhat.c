/* SPDX-License-Identifier: MIT */

/* Outputs of DHAT, against what the program allocated. */
#include <string.h>

#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

START_TEST(figures_are_those_of_the_program)
{
	struct hs_profile *p = read_sample("dhat", "good-mini.dhat");
	const struct hs_totals *t = &p->totals;
	ck_assert_uint_eq(t->allocs, 4 + 120 + 50);
	ck_assert_uint_eq(t->bytes, 46 + 120 * 1000 + 50 * 20000);
	ck_assert_uint_eq(t->frees, 50);
	ck_assert_uint_eq(t->live_blocks, 4 + 120);
	ck_assert_uint_eq(t->live_bytes, 46 + 120 * 1000);
	ck_assert_uint_eq(t->peak_blocks, 4 + 100 + 50);
	ck_assert_uint_eq(t->peak_bytes, 46 + 100 * 1000 + 50 * 20000);
	ck_assert(p->process.complete);
	ck_assert_uint_eq(p->has, HS_HAS_TOTALS | HS_HAS_LIVE | HS_HAS_PEAK | HS_HAS_PID);
	ck_assert_str_eq(hs_string(p, p->process.clock), "instructions");
	struct hs_site burst = site_of_stack(p, "main;burst;keep;malloc");
	ck_assert_uint_eq(burst.allocs, 50);
	ck_assert_uint_eq(burst.peak_bytes, 1000000);
	ck_assert_uint_eq(burst.live_blocks, 0);
	ck_assert_uint_eq(site_of_stack(p, "main;small3;keep;malloc").live_bytes, 13);
	hs_profile_free(p);
}
END_TEST

START_TEST(places_before_a_cut_count_without_names)
{
	struct hs_profile *p = read_sample("dhat", "good-cut.dhat");
	ck_assert(!p->process.complete);
	ck_assert_uint_gt(p->totals.allocs, 0);
	ck_assert_uint_lt(p->totals.allocs, 4 + 120 + 50);
	ck_assert_uint_eq(p->n_stacks, 1);
	hs_profile_free(p);
}
END_TEST

/* dhat-rs: microseconds, a column behind the line. */
START_TEST(rust_s_dialect_is_read)
{
	static const char text[] =
		"{\"dhatFileVersion\":2,\"mode\":\"rust-heap\",\"bklt\":true,"
		"\"tu\":\"\xc2\xb5s\",\"te\":50,\"tg\":20,\"pps\":[{\"tb\":10,\"tbk\":2,"
		"\"gb\":5,\"gbk\":1,\"eb\":0,\"ebk\":0,\"fs\":[1,2,9]}],"
		"\"ftbl\":[\"[root]\",\"0x10: alloc::f (src/lib.rs:77:5)\","
		"\"0x20: app::main (src/\\u006dain.rs:3:1)\"]}";
	struct hs_profile *p = read_profile("dhat", text, strlen(text));
	ck_assert_uint_eq(p->totals.frees, 2);
	ck_assert_uint_eq(p->totals.peak_ns, 20000);
	ck_assert(p->has & HS_HAS_TIME);
	ck_assert_uint_eq(site_of_stack(p, "app::main;alloc::f").allocs, 2);
	const struct hs_frame_info *f = &p->frames[p->stacks[2].frame.i];
	ck_assert_uint_eq(f->line, 77);
	ck_assert_str_eq(hs_string(p, f->file), "src/lib.rs");
	f = &p->frames[p->stacks[1].frame.i];
	ck_assert_str_eq(hs_string(p, f->file), "src/main.rs");
	ck_assert(!p->process.complete); /* there is no frame 9 */
	hs_profile_free(p);
}
END_TEST

HS_SUITE("dhat", figures_are_those_of_the_program,
	 places_before_a_cut_count_without_names, rust_s_dialect_is_read)
