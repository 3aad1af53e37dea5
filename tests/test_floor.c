/* SPDX-License-Identifier: MIT */

/* The floor: errors, pools, arrays, maps, cursors, output. */
#include "src/arena.h"
#include "src/array.h"
#include "src/cursor.h"
#include "src/hash.h"
#include "src/huge.h"
#include "src/out.h"

#include "tests/lib/suite.h"

START_TEST(an_error_is_built_outward)
{
	struct hs_error *err = hs_error("no %s", "luck");
	err = hs_error_in(err, "reading %s", "x");
	ck_assert_str_eq(hs_error_message(err), "reading x: no luck");
	hs_error_free(err);
	ck_assert_ptr_null(hs_error_in(NULL, "nothing"));
}
END_TEST

START_TEST(pool_memory_is_zeroed_aligned_and_distinct)
{
	struct hs_arena *a = hs_arena_new();
	char *last = NULL;
	for (size_t size = 1; size < 200000; size = size * 3 + 1) {
		char *p = hs_arena_alloc(a, size);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			ck_assert_int_eq(p[i], 0);
		memset(p, 0xff, size);
		ck_assert_ptr_ne(p, last);
		last = p;
	}
	hs_arena_free(a);
}
END_TEST

START_TEST(an_array_keeps_what_was_pushed)
{
	HS_ARRAY(int) a = {0};
	for (int i = 0; i < 1000; i++)
		hs_array_push(&a, i * i);
	ck_assert_uint_eq(a.n, 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(a.at[i], i * i);
	hs_array_free(&a);
	ck_assert_ptr_null(a.at);
}
END_TEST

START_TEST(a_map_finds_every_key_and_no_other)
{
	struct hs_map m = {0};
	ck_assert_ptr_null(hs_map_get(&m, 1));
	for (uint64_t k = 0; k < 5000; k++) {
		bool fresh;
		*hs_map_put(&m, k << 32, &fresh) = (uint32_t)k;
		ck_assert(fresh);
	}
	for (uint64_t k = 0; k < 5000; k++)
		ck_assert_uint_eq(*hs_map_get(&m, k << 32), k);
	ck_assert_ptr_null(hs_map_get(&m, 7));
	hs_map_deinit(&m);
}
END_TEST

START_TEST(a_cursor_fails_for_good_past_the_end)
{
	const uint8_t data[] = {1, 2, 3, 4, 5, 6};
	struct hs_cursor c = hs_cursor(data, sizeof(data), "data");
	ck_assert_uint_eq(hs_cur_u32(&c), 0x04030201);
	ck_assert_ptr_null(hs_cur_check(&c, "word"));
	ck_assert_uint_eq(hs_cur_u32(&c), 0);
	struct hs_error *err = hs_cur_check(&c, "word");
	ck_assert_str_eq(hs_error_message(err),
			 "data: offset 0x4: truncated or damaged word");
	hs_error_free(err);
	ck_assert_uint_eq(hs_cur_u8(&c), 0);
}
END_TEST

START_TEST(leb128_round_trips_and_overlong_forms_fail)
{
	const uint64_t values[] = {0,         1, 127, 128, 300, 1u << 31, UINT64_MAX - 1,
				   UINT64_MAX};
	for (size_t i = 0; i < HS_COUNT(values); i++) {
		struct hs_out out;
		hs_out_init(&out, -1);
		hs_put_uleb(&out, values[i]);
		size_t n;
		char *bytes = hs_out_take(&out, &n);
		struct hs_cursor c = hs_cursor(bytes, n, NULL);
		ck_assert_uint_eq(hs_cur_uleb(&c), values[i]);
		ck_assert(!hs_cur_failed(&c));
		ck_assert_uint_eq(hs_cur_left(&c), 0);
		free(bytes);
	}
	uint8_t endless[16];
	memset(endless, 0x80, sizeof(endless));
	struct hs_cursor c = hs_cursor(endless, sizeof(endless), NULL);
	hs_cur_uleb(&c);
	ck_assert(hs_cur_failed(&c));
}
END_TEST

START_TEST(a_count_that_the_bytes_cannot_pay_for_fails)
{
	const uint8_t data[] = {200, 1, 0, 0};
	struct hs_cursor c = hs_cursor(data, sizeof(data), NULL);
	ck_assert_uint_eq(hs_cur_count(&c, 8), 0);
	ck_assert(hs_cur_failed(&c));
}
END_TEST

static char *escaped(void (*put)(struct hs_out *, const char *), const char *s)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put(&out, s);
	return hs_out_take(&out, NULL);
}

START_TEST(hostile_strings_are_harmless_in_every_output)
{
	char *s = escaped(hs_put_json_string, "a\"\\\n\x80\xe2\x80\xae"
					      "b");
	ck_assert_str_eq(s, "\"a\\\"\\\\\\u000a\xef\xbf\xbd\\u202e"
			    "b\"");
	free(s);
	s = escaped(hs_put_html, "<a href='x'>&\x01");
	ck_assert_str_eq(s, "&#60;a href=&#39;x&#39;&#62;&#38;\xef\xbf\xbd");
	free(s);
	s = escaped(hs_put_plain, "a\033[31m\xe2\x80\xae");
	ck_assert_str_eq(s, "a\\x1b[31m\\u202e");
	free(s);
}
END_TEST

START_TEST(sizes_have_three_digits)
{
	const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"},
		     {999, "999 B"},
		     {1024, "1.00 KiB"},
		     {1536, "1.50 KiB"},
		     {102400, "100 KiB"},
		     {1048575, "1.00 MiB"},
		     {UINT64_MAX, "16.0 EiB"}};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		struct hs_out out;
		hs_out_init(&out, -1);
		hs_put_size(&out, cases[i].bytes);
		char *s = hs_out_take(&out, NULL);
		ck_assert_str_eq(s, cases[i].text);
		free(s);
	}
}
END_TEST

/* Whatever a table of N pages becomes, what it held is there, and the rest is zero. */
START_TEST(memory_that_grows_keeps_its_bytes_and_adds_zeros)
{
	const size_t least = (size_t)64 << 10, most = (size_t)16 << 20;
	unsigned char *p = hs_huge_grow(NULL, 0, least);
	size_t size = least;
	memset(p, 0xa5, least);
	while (size < most) {
		p = hs_huge_grow(p, size, 2 * size);
		for (size_t i = 0; i < 2 * size; i += 64)
			ck_assert_uint_eq(p[i], i < size ? 0xa5 : 0);
		memset(p, 0xa5, 2 * size);
		size *= 2;
	}
	hs_huge_free(p, size);
}
END_TEST

HS_SUITE("floor", an_error_is_built_outward, pool_memory_is_zeroed_aligned_and_distinct,
	 an_array_keeps_what_was_pushed, a_map_finds_every_key_and_no_other,
	 a_cursor_fails_for_good_past_the_end, leb128_round_trips_and_overlong_forms_fail,
	 a_count_that_the_bytes_cannot_pay_for_fails,
	 hostile_strings_are_harmless_in_every_output, sizes_have_three_digits,
	 memory_that_grows_keeps_its_bytes_and_adds_zeros)
