/* SPDX-License-Identifier: MIT */

/* The interval map of mappings, against a map with one entry per page. */
#include "src/mappings.h"

#include <stdlib.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/mapped.h"
#include "src/out.h"
#include "tests/lib/suite.h"

#define PAGES  256u
#define STACKS 5u
#define BASE   0x7f0000000000u

static uint64_t seed = 88172645463325252u;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* The truth: whose each page is; 0 nobody's. */
struct pages {
	uint32_t of[PAGES];
	uint64_t bytes, peak;
};

static void put(struct pages *p, unsigned first, unsigned n, uint32_t stack)
{
	p->bytes = 0;
	for (unsigned i = 0; i < n; i++)
		p->of[first + i] = stack;
	for (unsigned i = 0; i < PAGES; i++)
		p->bytes += p->of[i] ? 4096 : 0;
	p->peak = HS_MAX(p->peak, p->bytes);
}

static void compare(const struct hs_mappings *m, const struct pages *p)
{
	size_t n;
	struct hs_mapping *list = hs_mappings_list(m, &n);
	struct pages got = {0};
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_lt(list[i].start, list[i].end);
		ck_assert(i == 0 || list[i - 1].end <= list[i].start);
		for (uint64_t at = list[i].start; at < list[i].end; at += 4096)
			got.of[(at - BASE) / 4096] = list[i].stack;
	}
	ck_assert_mem_eq(got.of, p->of, sizeof(got.of));
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, p->bytes);
	ck_assert_uint_eq(hs_mappings_totals(m)->peak_bytes, p->peak);
	free(list);
}

START_TEST(random_calls_leave_what_a_map_of_pages_has)
{
	for (unsigned round = 0; round < 20; round++) {
		struct hs_mappings *m = hs_mappings_new();
		struct pages pages = {0};
		for (unsigned i = 0; i < 2000; i++) {
			unsigned first = below(PAGES);
			unsigned n = below(1 + below(PAGES - first));
			uint32_t stack = below(3) ? 1 + below(STACKS) : 0;
			uint64_t at = BASE + first * 4096ull;
			if (stack)
				hs_mappings_map(m, at, n * 4096ull, stack, i);
			else
				hs_mappings_unmap(m, at, n * 4096ull, i);
			put(&pages, first, n, stack);
			compare(m, &pages);
		}
		hs_mappings_free(m);
	}
}
END_TEST

START_TEST(ranges_beyond_all_addresses_are_cut)
{
	struct hs_mappings *m = hs_mappings_new();
	hs_mappings_map(m, UINT64_MAX - 4095, UINT64_MAX, 1, 1);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 4095);
	hs_mappings_map(m, 0, UINT64_MAX, 2, 2);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, UINT64_MAX);
	hs_mappings_unmap(m, 1, UINT64_MAX, 3);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 1);
	hs_mappings_free(m);
}
END_TEST

START_TEST(a_million_mappings_take_no_time_worth_mentioning)
{
	struct hs_mappings *m = hs_mappings_new();
	for (uint64_t i = 0; i < 1000000; i++)
		hs_mappings_map(m, (i * 7919 % 1000000) * 8192, 4096, 1, i);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 4096000000u);
	hs_mappings_unmap(m, 0, 1000000ull * 8192, UINT64_MAX);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 0);
	hs_mappings_free(m);
}
END_TEST

START_TEST(what_is_told_late_spares_what_came_after_it)
{
	struct hs_mappings *m = hs_mappings_new();
	size_t n;
	hs_mappings_map(m, 0x10000, 0x4000, 1, 10);
	hs_mappings_map(m, 0x11000, 0x1000, 2,
			30); /* its munmap, at 20, is still to come */
	hs_mappings_unmap(m, 0x10000, 0x3000, 20);
	struct hs_mapping *list = hs_mappings_list(m, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(list[0].start, 0x11000);
	ck_assert_uint_eq(list[0].end, 0x12000);
	ck_assert_uint_eq(list[0].stack, 2);
	ck_assert_uint_eq(list[1].start, 0x13000);
	ck_assert_uint_eq(list[1].end, 0x14000);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 0x2000);
	free(list);
	hs_mappings_unmap(m, 0, UINT64_MAX, 30);
	ck_assert_uint_eq(hs_mappings_totals(m)->bytes, 0);
	hs_mappings_free(m);
}
END_TEST

START_TEST(what_a_log_came_to_survives_encoding)
{
	const struct hs_capture_mapping calls[] = {
		{.op = HS_WIRE_MAP_MMAP,
		 .address = 0x10000,
		 .length = 0x4000,
		 .stack = 3,
		 .stamp = 5},
		{.op = HS_WIRE_MAP_MUNMAP,
		 .address = 0x11000,
		 .length = 0x1000,
		 .stamp = 6},
		{.op = HS_WIRE_MAP_RELEASE,
		 .address = 0x12000,
		 .length = 0x2000,
		 .stamp = 7},
		{.op = HS_WIRE_MAP_MREMAP,
		 .address = 0x50000,
		 .length = 0x2000,
		 .stack = 2,
		 .stamp = 8},
		{.op = 77, .address = 0, .length = UINT64_MAX, .stack = 9, .stamp = 9},
	};
	struct hs_mappings *m = hs_mappings_new(), *back;
	struct hs_out out;
	size_t size, n;
	hs_mapped_apply(m, calls, HS_COUNT(calls));
	hs_out_init(&out, -1);
	hs_mapped_encode(m, &out);
	char *bytes = hs_out_take(&out, &size);
	for (size_t cut = 0; cut < size; cut++) {
		struct hs_cursor in = hs_cursor(bytes, cut, NULL);
		back = hs_mappings_new();
		struct hs_error *err = hs_mapped_decode(&in, back);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
		hs_mappings_free(back);
	}
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	back = hs_mappings_new();
	ck_assert_ptr_null(hs_mapped_decode(&in, back));
	ck_assert_uint_eq(hs_mappings_totals(back)->calls, 3);
	ck_assert_uint_eq(hs_mappings_totals(back)->bytes, 0x3000);
	ck_assert_uint_eq(hs_mappings_totals(back)->peak_bytes, 0x4000);
	struct hs_mapping *list = hs_mappings_list(back, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(list[0].start, 0x10000);
	ck_assert_uint_eq(list[0].end, 0x11000);
	ck_assert_uint_eq(list[0].stack, 3);
	ck_assert_uint_eq(list[0].since, 5);
	ck_assert_uint_eq(list[1].start, 0x50000);
	ck_assert_uint_eq(list[1].since, 8);
	free(list);
	hs_mappings_free(m);
	hs_mappings_free(back);
	free(bytes);
}
END_TEST

START_TEST(ranges_that_cannot_be_are_refused)
{
	const uint64_t rows[][4] = {
		{UINT64_MAX - 1, 4096, 1, 1},           /* beyond all addresses */
		{0x1000, 0x1000, (uint64_t)1 << 32, 1}, /* no stack has this id */
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct hs_mappings *m = hs_mappings_new();
		struct hs_out out;
		size_t size;
		hs_out_init(&out, -1);
		hs_put_uleb(&out, 1);
		hs_put_uleb(&out, 1);
		hs_put_uleb(&out, 1);
		for (size_t k = 0; k < 4; k++)
			hs_put_uleb(&out, rows[i][k]);
		char *bytes = hs_out_take(&out, &size);
		struct hs_cursor in = hs_cursor(bytes, size, NULL);
		struct hs_error *err = hs_mapped_decode(&in, m);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
		hs_mappings_free(m);
		free(bytes);
	}
}
END_TEST

HS_SUITE("mappings", random_calls_leave_what_a_map_of_pages_has,
	 ranges_beyond_all_addresses_are_cut,
	 a_million_mappings_take_no_time_worth_mentioning,
	 what_is_told_late_spares_what_came_after_it,
	 what_a_log_came_to_survives_encoding, ranges_that_cannot_be_are_refused)
