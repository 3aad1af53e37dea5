/* SPDX-License-Identifier: MIT */

/* pprof's format, against the values in tests/files/pprof/generate.py. */
#include <string.h>

#include "formats/format.h"
#include "src/cursor.h"
#include "tests/lib/readprofile.h"
#include "tests/lib/suite.h"

static void check_heap(const char *name)
{
	struct hs_profile *p = read_sample("pprof", name);
	ck_assert_uint_eq(p->totals.allocs, 10 + 20 + 1);
	ck_assert_uint_eq(p->totals.bytes, 1000 + 5000 + 300);
	ck_assert_uint_eq(p->totals.frees, 6 + 20);
	ck_assert_uint_eq(p->totals.live_blocks, 4 + 1);
	ck_assert_uint_eq(p->totals.live_bytes, 400 + 300);
	ck_assert_uint_eq(p->has, HS_HAS_TOTALS | HS_HAS_LIVE);
	ck_assert_uint_eq(site_of_stack(p, "main;parse;copy").bytes, 5000);
	ck_assert_uint_eq(site_of_stack(p, "main").live_bytes, 400);
	ck_assert_uint_eq(site_of_stack(p, "main;").live_bytes, 300);
	ck_assert(p->process.complete);
	ck_assert_str_eq(hs_string(p, p->process.exe), "/usr/bin/server");
	ck_assert_str_eq(hs_string(p, p->process.build_id), "0123abcd");
	ck_assert_uint_eq(p->process.end_ns - p->process.start_ns, 60000000000);
	hs_profile_free(p);
}

START_TEST(all_sample_types_of_a_heap_are_read)
{
	check_heap("good-heap.pb");
	check_heap("good-heap.pb.gz");
	check_heap("good-unpacked.pb");
}
END_TEST

START_TEST(inlined_functions_and_places_without_names_are_kept_apart)
{
	struct hs_profile *p = read_sample("pprof", "good-heap.pb");
	bool inlined = false, nameless = false;
	for (uint32_t i = 1; i < p->n_frames; i++) {
		const struct hs_frame_info *f = &p->frames[i];
		const char *name = hs_string(p, f->function);
		if (!strcmp(name, "copy")) {
			inlined = f->inlined && f->line == 31 &&
				  p->frames[f->caller.i].line == 22;
			ck_assert_str_eq(hs_string(p, f->file), "server.c");
		}
		if (!*name) {
			nameless = true;
			/* The address is within the call; it returns behind it. */
			ck_assert_uint_eq(f->offset, 0x403001 - 0x400000 + 0x1000);
			ck_assert(p->modules[f->module.i].by_file_offset);
		}
	}
	ck_assert(inlined && nameless);
	hs_profile_free(p);
}
END_TEST

START_TEST(bytes_without_counts_are_bytes_alone)
{
	struct hs_profile *p = read_sample("pprof", "good-space.pb");
	ck_assert_uint_eq(p->has, HS_HAS_LIVE | HS_BYTES_ALONE);
	ck_assert_uint_eq(p->totals.live_bytes, 700);
	hs_profile_free(p);
}
END_TEST

START_TEST(missing_places_are_told)
{
	struct hs_profile *p = read_sample("pprof", "good-unknown-place.pb");
	ck_assert(!p->process.complete);
	ck_assert_uint_eq(p->totals.live_bytes, 701);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("pprof", all_sample_types_of_a_heap_are_read,
	 inlined_functions_and_places_without_names_are_kept_apart,
	 bytes_without_counts_are_bytes_alone, missing_places_are_told)
