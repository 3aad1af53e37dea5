/* SPDX-License-Identifier: MIT */

/*
 * Captures of memray.  The truth is what memray itself reported of the samples
 * in tests/files/memray, and arithmetic.
 */
#include "formats/format.h"

#include <stdio.h>
#include <string.h>

#include "src/build.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/profile.h"
#include "src/pymerge.h"
#include "src/source.h"
#include "tests/lib/suite.h"

static char *path_of(const char *name)
{
	const char *top = getenv("top_srcdir");
	return hs_xasprintf("%s/tests/files/memray/%s", top ? top : ".", name);
}

static struct hs_profile *read_sample(const char *name)
{
	char *path HS_CLEANUP(hs_freep) = path_of(name);
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	struct hs_builder *b = hs_build_new();
	err = hs_format_by_name("memray")->read(hs_source_cursor(source), b);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	hs_source_close(source);
	struct hs_profile *p = hs_build_seal(b);
	hs_merge_python(p);
	return p;
}

/* The stack, innermost first, as "f:1 g:2"; the caller frees it. */
static char *text_of(const struct hs_profile *p, hs_stack stack)
{
	char *text = hs_xstrdup("");
	for (; stack.i; stack = p->stacks[stack.i].parent) {
		const struct hs_frame_info *f = &p->frames[p->stacks[stack.i].frame.i];
		char *more = hs_xasprintf("%s%s%s:%u", text, *text ? " " : "",
					  hs_string(p, f->function), f->line);
		free(text);
		text = more;
	}
	return text;
}

/* The site that has most bytes of PEAK. */
static const struct hs_site *largest(const struct hs_profile *p)
{
	const struct hs_site *best = &p->sites[0];
	for (uint32_t i = 0; i < p->n_sites; i++)
		if (p->sites[i].peak_bytes > best->peak_bytes)
			best = &p->sites[i];
	return best;
}

START_TEST(figures_are_those_that_memray_reports)
{
	static const struct {
		const char *name;
		uint32_t pid;
		uint64_t peak, live, allocs, bytes; /* 0: not reported */
	} samples[] = {
		{"good-v9.bin", 3695, 17141193, 5141192, 0, 0},
		{"good-v9-native.bin", 0, 17141193, 5141192, 0, 0},
		{"good-v10-aggregate.bin", 22798, 17141237, 5141236, 0, 0},
		{"good-v11-raw.bin", 17601, 17141321, 5141320, 0, 0},
		{"good-v11-killed.bin", 14867, 10206265, 9912921, 0, 0},
		{"good-v13.bin", 11653, 1018716, 502444, 111, 1019350},
		{"good-v13-native.bin", 11663, 1018716, 502444, 111, 1019350},
		{"good-v13-child.bin.7068", 7068, 500005, 0, 5, 500005},
		{"good-v13-objects.bin", 21709, 1024, 1024, 4, 3232},
		{"good-v13-native-aggregate.bin", 0, 1024, 1024, 0, 0},
	};
	for (size_t i = 0; i < HS_COUNT(samples); i++) {
		struct hs_profile *p = read_sample(samples[i].name);
		ck_assert_str_eq(hs_string(p, p->process.source), "memray");
		ck_assert_uint_eq(p->totals.peak_bytes, samples[i].peak);
		ck_assert_uint_eq(p->totals.live_bytes, samples[i].live);
		if (samples[i].pid)
			ck_assert_uint_eq(p->process.pid, samples[i].pid);
		if (samples[i].allocs) {
			ck_assert_uint_eq(p->totals.allocs, samples[i].allocs);
			ck_assert_uint_eq(p->totals.bytes, samples[i].bytes);
		}
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(python_stacks_have_functions_and_lines)
{
	static const char *const names[] = {"good-v9.bin", "good-v11-raw.bin"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = read_sample(names[i]);
		const struct hs_site *s = largest(p);
		ck_assert_uint_eq(s->peak_bytes, 10000001);
		char *text HS_CLEANUP(hs_freep) = text_of(p, s->stack);
		ck_assert_msg(!strncmp(text, "build_big:9 main:17 <module>:21 ", 32),
			      "%s", text);
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(frames_outside_the_tracked_region_are_left_out)
{
	struct hs_profile *p = read_sample("good-v13.bin");
	bool main_seen = false, worker_seen = false;
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		char *text HS_CLEANUP(hs_freep) = text_of(p, s->stack);
		if (s->peak_bytes != 500050)
			continue;
		const char *thread = hs_string(p, p->threads[s->thread.i].name);
		if (!strcmp(text, "<listcomp>:4 work:4 inner:7")) {
			ck_assert_str_eq(thread, "");
			main_seen = true;
		}
		if (!strcmp(text, "<listcomp>:4 work:4 run:982 _bootstrap_inner:1045 "
				  "_bootstrap:1002")) {
			ck_assert_str_eq(thread, "worker");
			worker_seen = true;
		}
	}
	ck_assert(main_seen && worker_seen);
	hs_profile_free(p);
}
END_TEST

START_TEST(parts_of_mappings_are_unmapped_and_replaced)
{
	struct hs_profile *p = read_sample("good-v12-mappings.bin");
	const uint64_t page = 4096;
	/* 100 - 10 - 5 - 20 pages, of which 15 are replaced by 30; and 24 bytes. */
	ck_assert_uint_eq(p->totals.live_bytes,
			  (100 - 10 - 5 - 20 - 15 + 30) * page + 24);
	ck_assert_uint_eq(p->totals.peak_bytes, 100 * page);
	ck_assert_uint_eq(p->totals.allocs, 3);
	/* [10, 40), [60, 80), [80, 110) and the 24 bytes */
	ck_assert_uint_eq(p->totals.live_blocks, 4);
	ck_assert_uint_eq(p->totals.peak_blocks, 1);
	ck_assert_str_eq(hs_string(p, p->process.name), "maps.py");
	hs_profile_free(p);
}
END_TEST

START_TEST(what_has_no_end_mark_is_read_and_called_incomplete)
{
	struct hs_profile *p = read_sample("good-v11-killed.bin");
	ck_assert(!p->process.complete);
	ck_assert_uint_eq(p->n_warnings, 1);
	ck_assert_uint_eq(p->n_snapshots, 13);
	/* It lasted as long as there were samples of the resident set. */
	ck_assert_uint_eq(p->process.end_ns, 1795453641411000000);
	ck_assert_uint_eq(p->snapshots[12].rss_bytes, 41955328);
	ck_assert_uint_eq(p->snapshots[12].heap_bytes, 9908327);
	hs_profile_free(p);
	p = read_sample("good-v11-raw.bin");
	ck_assert(p->process.complete);
	ck_assert_uint_eq(p->n_warnings, 0);
	hs_profile_free(p);
}
END_TEST

/* How many allocations there are in the first N bytes; -1: not even a header. */
static int64_t allocations_in(const uint8_t *bytes, size_t n, bool *complete)
{
	struct hs_cursor in = hs_cursor(bytes, n, "cut");
	struct hs_builder *b = hs_build_new();
	struct hs_error *err = hs_format_by_name("memray")->read(&in, b);
	struct hs_profile *p = hs_build_seal(b);
	int64_t ret = err ? -1 : (int64_t)p->totals.allocs;
	*complete = p->process.complete;
	hs_error_free(err);
	hs_profile_free(p);
	return ret;
}

/* A file cut anywhere: a prefix of what it held, never more. */
START_TEST(a_cut_anywhere_leaves_what_is_before_it)
{
	static const char *const names[] = {"good-v11-raw.bin", "good-v12-mappings.bin"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		char *path HS_CLEANUP(hs_freep) = path_of(names[i]);
		struct hs_file file;
		struct hs_error *err = hs_file_open(path, 0, &file);
		ck_assert_ptr_null(err);
		bool complete;
		int64_t all = allocations_in(file.data, file.size, &complete), last = -1;
		ck_assert(complete);
		ck_assert_int_gt(all, 0);
		size_t useful = file.size;
		while (!file.data[useful - 1])
			useful--;
		for (size_t n = 0; n < useful; n++) {
			int64_t k = allocations_in(file.data, n, &complete);
			ck_assert_int_ge(k, last);
			ck_assert_int_le(k, all);
			ck_assert(!complete || k < 0);
			last = k;
		}
		ck_assert_int_eq(last, all);
		hs_file_close(&file);
	}
}
END_TEST

START_TEST(a_native_frame_that_calls_itself_is_no_endless_walk)
{
	/* Version 9, native; node 1 has the parent 1; a malloc from it. */
	uint8_t bytes[128] = "memray\0\x09\0\0\0\x01";
	static const uint8_t body[] = {0x05, 2, 2, 0x12, 2, 2, 0, 0x10};
	size_t n = 12 + 4 * 8 + 1 + 4 + 2 * 8 + 1; /* the other fields are 0 */
	memcpy(bytes + n, body, sizeof(body));
	bool complete;
	ck_assert_int_eq(allocations_in(bytes, n + sizeof(body), &complete), 1);
	ck_assert(complete);
}
END_TEST

HS_SUITE("memray", a_native_frame_that_calls_itself_is_no_endless_walk,
	 figures_are_those_that_memray_reports, python_stacks_have_functions_and_lines,
	 frames_outside_the_tracked_region_are_left_out,
	 parts_of_mappings_are_unmapped_and_replaced,
	 what_has_no_end_mark_is_read_and_called_incomplete,
	 a_cut_anywhere_leaves_what_is_before_it)
