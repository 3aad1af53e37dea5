/* SPDX-License-Identifier: MIT */

/* Scanning lines, words and numbers. */
#include "src/scan.h"

#include "src/cursor.h"
#include "tests/lib/suite.h"

static struct hs_span span(const char *s)
{
	return (struct hs_span){s, s + strlen(s)};
}

START_TEST(lines_end_with_lf_or_cr_lf_or_the_file)
{
	static const char text[] = "one\n\ntwo\r\nthr";
	struct hs_cursor in = hs_cursor(text, strlen(text), NULL);
	struct hs_span line;
	bool whole;
	ck_assert(hs_scan_line(&in, &line, &whole) && whole && hs_span_is(line, "one"));
	ck_assert(hs_scan_line(&in, &line, &whole) && whole && hs_span_is(line, ""));
	ck_assert(hs_scan_line(&in, &line, &whole) && whole && hs_span_is(line, "two"));
	ck_assert(hs_scan_line(&in, &line, &whole) && !whole && hs_span_is(line, "thr"));
	ck_assert(!hs_scan_line(&in, &line, &whole));
}
END_TEST

START_TEST(numbers_are_read_up_to_64_bits)
{
	uint64_t n = 7;
	struct hs_span s = span("ffffffffffffffff fg");
	ck_assert(hs_scan_hex(&s, &n) && n == UINT64_MAX && hs_span_is(s, " fg"));
	ck_assert(!hs_scan_hex(&s, &n));
	hs_scan_spaces(&s);
	ck_assert(hs_scan_hex(&s, &n) && n == 15 && hs_span_is(s, "g"));
	s = span("18446744073709551615,1a");
	ck_assert(hs_scan_decimal(&s, &n) && n == UINT64_MAX && hs_scan_prefix(&s, ","));
	ck_assert(hs_scan_decimal(&s, &n) && n == 1 && hs_span_is(s, "a"));
	s = span("18446744073709551616");
	ck_assert(!hs_scan_decimal(&s, &n) && n == 1 && hs_span_size(s) == 20);
	s = span("10000000000000000");
	ck_assert(!hs_scan_hex(&s, &n));
	s = span("@`G:/");
	for (; s.at < s.end; s.at++)
		ck_assert(!hs_scan_hex(&s, &n));
}
END_TEST

START_TEST(words_end_at_a_character_or_the_end)
{
	struct hs_span s = span("a;bc;");
	ck_assert(hs_span_is(hs_scan_until(&s, ';'), "a"));
	ck_assert(hs_span_is(hs_scan_until(&s, ';'), "bc"));
	ck_assert(hs_span_is(hs_scan_until(&s, ';'), ""));
	ck_assert(hs_span_is(hs_span_trim(span(" \tx y\t")), "x y"));
	ck_assert(hs_span_is(hs_span_trim(span("   ")), ""));
}
END_TEST

HS_SUITE("scan", lines_end_with_lf_or_cr_lf_or_the_file, numbers_are_read_up_to_64_bits,
	 words_end_at_a_character_or_the_end)
