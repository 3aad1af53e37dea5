/* SPDX-License-Identifier: MIT */

/* Heap profiles of jemalloc and tcmalloc, against what the program allocated. */
#include <string.h>

#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

/* The sums of all sites with a frame at the offset OFFSET of the file /opt/blocks. */
static struct hs_site sums_through(const struct hs_profile *p, uint64_t offset)
{
	struct hs_site sum = {0};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		bool found = false;
		for (hs_stack s = p->sites[i].stack; s.i; s = p->stacks[s.i].parent) {
			const struct hs_frame_info *f =
				&p->frames[p->stacks[s.i].frame.i];
			const char *path = hs_string(p, p->modules[f->module.i].path);
			found |= f->offset == offset && !strcmp(path, "/opt/blocks");
		}
		if (!found)
			continue;
		sum.allocs += p->sites[i].allocs;
		sum.bytes += p->sites[i].bytes;
		sum.live_blocks += p->sites[i].live_blocks;
		sum.live_bytes += p->sites[i].live_bytes;
	}
	return sum;
}

/* Return addresses within keep(), burst() and table(), as objdump shows them. */
enum { KEEP = 0x1167, BURST = 0x11a7, TABLE = 0x11ec };

START_TEST(jemalloc_counts_usable_sizes)
{
	struct hs_profile *p = read_sample("jemalloc", "good-all.heap");
	ck_assert_uint_eq(p->totals.allocs, 171);
	ck_assert_uint_eq(p->totals.bytes, 120 * 1024 + 50 * 20480 + 81920);
	ck_assert_uint_eq(p->totals.live_blocks, 121);
	ck_assert_uint_eq(p->totals.live_bytes, 120 * 1024 + 81920);
	ck_assert_uint_eq(p->totals.frees, 50);
	ck_assert_uint_eq(sums_through(p, KEEP).allocs, 170);
	ck_assert_uint_eq(sums_through(p, TABLE).live_blocks, 120);
	ck_assert_uint_eq(sums_through(p, BURST).bytes, 50 * 20480);
	ck_assert_uint_eq(p->has, HS_HAS_LIVE | HS_HAS_TOTALS);
	ck_assert_str_eq(hs_string(p, p->process.exe), "/opt/blocks");
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

/* jeprof's own figures, but for what it cuts off of each. */
START_TEST(samples_stand_for_what_jeprof_says)
{
	const uint64_t jeprof_bytes = 211601, jeprof_objects = 127;
	struct hs_profile *p = read_sample("jemalloc", "good-sampled.heap");
	ck_assert_uint_le(jeprof_bytes, p->totals.live_bytes);
	ck_assert_uint_le(p->totals.live_bytes, jeprof_bytes + p->n_sites);
	ck_assert_uint_le(jeprof_objects, p->totals.live_blocks);
	ck_assert_uint_le(p->totals.live_blocks, jeprof_objects + p->n_sites);
	ck_assert_uint_eq(p->has, HS_HAS_LIVE);
	ck_assert_ptr_nonnull(strstr(p->warnings[0], "estimates"));
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(tcmalloc_counts_what_was_asked_for)
{
	struct hs_profile *p = read_sample("gperftools", "good-tcmalloc.heap");
	ck_assert_uint_eq(p->totals.allocs, 170);
	ck_assert_uint_eq(p->totals.bytes, 120 * 1000 + 50 * 20000);
	ck_assert_uint_eq(p->totals.live_blocks, 120);
	ck_assert_uint_eq(p->totals.live_bytes, 120 * 1000);
	ck_assert_uint_eq(sums_through(p, BURST).allocs, 50);
	ck_assert_uint_eq(sums_through(p, TABLE).live_bytes, 120000);
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

START_TEST(profiles_that_were_cut_are_told)
{
	struct hs_profile *p = read_sample("jemalloc", "good-cut.heap");
	ck_assert(!p->process.complete);
	ck_assert_uint_eq(p->totals.allocs, 50);
	hs_profile_free(p);
	p = read_sample("gperftools", "good-cut.heap");
	ck_assert(!p->process.complete);
	ck_assert_uint_gt(p->totals.allocs, 0);
	ck_assert_uint_lt(p->totals.allocs, 170);
	hs_profile_free(p);
}
END_TEST

/* One block of 1000 bytes, sampled once in 1000 bytes: 1 / (1 - 1/e) = 1.582. */
START_TEST(samples_are_weighted_by_their_size)
{
	static const char v2[] = "heap profile: 1: 1000 [1: 1000] @ heap_v2/1000\n"
				 "1: 1000 [1: 1000] @ 0x10\nMAPPED_LIBRARIES:\n";
	struct hs_profile *p = read_profile("gperftools", v2, strlen(v2));
	ck_assert_uint_eq(p->totals.live_bytes, 1582);
	ck_assert_uint_eq(p->totals.live_blocks, 2);
	hs_profile_free(p);

	/* Each 4000 bytes / 2, as pprof has it: it stands for 2000. */
	static const char v1[] = "heap profile: 1: 1000 [1: 1000] @ heap/4000\n"
				 "1: 1000 [1: 1000] @ 0x10\nMAPPED_LIBRARIES:\n";
	p = read_profile("gperftools", v1, strlen(v1));
	ck_assert_uint_eq(p->totals.live_bytes, 2000);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("allocprof", jemalloc_counts_usable_sizes, samples_stand_for_what_jeprof_says,
	 tcmalloc_counts_what_was_asked_for, profiles_that_were_cut_are_told,
	 samples_are_weighted_by_their_size)
