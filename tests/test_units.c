/* SPDX-License-Identifier: MIT */

/* Sizes and times as people write them. */
#include "src/units.h"

#include "tests/lib/suite.h"

START_TEST(sizes_are_powers_of_1024)
{
	const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0},
		    {"4096", 4096},
		    {"512k", 512 << 10},
		    {"1MiB", 1 << 20},
		    {"2GB", UINT64_C(2) << 30},
		    {"1.5g", UINT64_C(3) << 29},
		    {"3TIB", UINT64_C(3) << 40},
		    {"7b", 7}};
	for (size_t i = 0; i < HS_COUNT(good); i++) {
		uint64_t bytes = 1;
		ck_assert_msg(hs_parse_size(good[i].text, &bytes), "%s", good[i].text);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
	const char *const bad[] = {"",
				   "k",
				   "-1",
				   "1x",
				   "1kk",
				   "1 k",
				   "1.5",
				   "1i",
				   "1iB",
				   "99999999999999999999",
				   "17179869184g"};
	for (size_t i = 0; i < HS_COUNT(bad); i++) {
		uint64_t bytes;
		ck_assert_msg(!hs_parse_size(bad[i], &bytes), "%s", bad[i]);
	}
}
END_TEST

START_TEST(times_are_nanoseconds)
{
	const struct {
		const char *text;
		uint64_t ns;
	} good[] = {{"1s", 1000000000},
		    {"10", UINT64_C(10000000000)},
		    {"250ms", 250000000},
		    {"0.5s", 500000000},
		    {"1.5m", UINT64_C(90000000000)},
		    {"2h", UINT64_C(7200000000000)},
		    {"1d", UINT64_C(86400000000000)}};
	for (size_t i = 0; i < HS_COUNT(good); i++) {
		uint64_t ns = 1;
		ck_assert_msg(hs_parse_time(good[i].text, &ns), "%s", good[i].text);
		ck_assert_uint_eq(ns, good[i].ns);
	}
	const char *const bad[] = {
		"", "s", "-1s", "1y", "1s1", "soon", "9999999999999999d"};
	for (size_t i = 0; i < HS_COUNT(bad); i++) {
		uint64_t ns;
		ck_assert_msg(!hs_parse_time(bad[i], &ns), "%s", bad[i]);
	}
}
END_TEST

HS_SUITE("units", sizes_are_powers_of_1024, times_are_nanoseconds)
