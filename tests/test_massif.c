/* SPDX-License-Identifier: MIT */

/* Outputs of massif, against what the program allocated, and by hand. */
#include "formats/format.h"

#include <string.h>

#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

static void has_the_peak(const struct hs_profile *p)
{
	ck_assert_uint_eq(p->totals.peak_bytes, 1100000 + 10 + 11 + 12 + 13);
	ck_assert_uint_eq(bytes_of_stack(p, "main;burst;keep"), 1000000);
	ck_assert_uint_eq(bytes_of_stack(p, "main;table;keep"), 100000);
	ck_assert_uint_eq(
		bytes_of_stack(
			p, "[in 4 places, all below massif's threshold (1.00%)];keep"),
		46);
	ck_assert_uint_eq(p->has & (HS_HAS_PEAK | HS_HAS_LIVE | HS_HAS_TOTALS),
			  HS_HAS_PEAK);
	ck_assert(p->has & HS_BYTES_ALONE);
	ck_assert_str_eq(hs_string(p, p->process.name), "mini");
	ck_assert(p->process.complete);
}

START_TEST(the_peak_is_what_the_program_held)
{
	struct hs_profile *p = read_sample("massif", "good-instructions.massif");
	has_the_peak(p);
	ck_assert_str_eq(hs_string(p, p->process.clock), "instructions");
	ck_assert(!(p->has & HS_HAS_TIME));
	hs_profile_free(p);

	p = read_sample("massif", "good-time.massif");
	has_the_peak(p);
	ck_assert(p->has & HS_HAS_TIME);
	ck_assert_uint_eq(p->n_snapshots, 6);
	ck_assert_uint_eq(p->snapshots[2].heap_bytes, 700046);
	ck_assert_uint_eq(p->snapshots[2].time_ns, 264000000);
	ck_assert_uint_eq(p->totals.peak_ns, 265000000);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_tree_that_was_cut_does_not_count)
{
	struct hs_profile *p = read_sample("massif", "good-cut.massif");
	ck_assert_uint_eq(p->n_snapshots, 3);
	ck_assert_uint_eq(p->totals.peak_bytes, 700046);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

/* 100 in all, 60 from a, of which its caller b claims 50. */
START_TEST(bytes_stay_where_no_caller_claims_them)
{
	static const char text[] = "desc: \ncmd: x\ntime_unit: B\nsnapshot=0\ntime=1\n"
				   "mem_heap_B=120\nheap_tree=detailed\n"
				   "n2: 100 (heap allocation functions)\n"
				   " n1: 60 0x10: a(int) (f.c:3)\n"
				   "  n0: 50 0x20: b (in /lib/l.so)\n"
				   " n0: 30 0x30: ???\n";
	struct hs_profile *p = read_profile("massif", text, strlen(text));
	ck_assert_uint_eq(bytes_of_stack(p, "b;a(int)"), 50);
	ck_assert_uint_eq(bytes_of_stack(p, "a(int)"), 10);
	/* 30 without a name, 10 that no function claims; 20 are in no tree. */
	ck_assert_uint_eq(bytes_of_stack(p, ""), 40);
	ck_assert_uint_eq(bytes_of_stack(p, "[massif kept no stacks of these]"), 20);
	ck_assert_uint_eq(p->totals.peak_bytes, 120);
	ck_assert(p->process.complete);
	for (uint32_t i = 1; i < p->n_frames; i++) {
		const struct hs_frame_info *f = &p->frames[i];
		if (!strcmp(hs_string(p, f->function), "a(int)"))
			ck_assert_uint_eq(f->line, 3);
		if (!strcmp(hs_string(p, f->function), "b"))
			ck_assert_str_eq(hs_string(p, p->modules[f->module.i].path),
					 "/lib/l.so");
	}
	hs_profile_free(p);
}
END_TEST

START_TEST(announced_callers_that_never_come_are_told)
{
	static const char text[] =
		"desc: \ncmd: x\ntime_unit: i\nsnapshot=0\ntime=1\n"
		"mem_heap_B=7\nheap_tree=peak\n"
		"n99: 7 (heap allocation functions)\n n5: 7 0x1: f (a.c:1)\n"
		"snapshot=1\ntime=2\nmem_heap_B=5\nheap_tree=empty\n";
	struct hs_profile *p = read_profile("massif", text, strlen(text));
	ck_assert_uint_eq(p->totals.peak_bytes, 7);
	ck_assert_uint_eq(bytes_of_stack(p, "f"), 7);
	ck_assert_uint_eq(p->n_snapshots, 2);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("massif", the_peak_is_what_the_program_held, a_tree_that_was_cut_does_not_count,
	 bytes_stay_where_no_caller_claims_them,
	 announced_callers_that_never_come_are_told)
