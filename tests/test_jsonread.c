/* SPDX-License-Identifier: MIT */

/* Reading JSON piece by piece. */
#include "src/jsonread.h"

#include "src/cursor.h"
#include "tests/lib/suite.h"

START_TEST(members_are_read_or_skipped)
{
	static const char text[] =
		" {\"a\" : 12 ,\n\"skip\":{\"x\":[1,[],{},\"]\\\"\"],"
		"\"y\":null},\"b\":[ ],\"c\":[true,\"v\"], \"d\":-1.5e1}";
	struct hs_cursor in = hs_cursor(text, strlen(text), NULL);
	struct hs_json j = hs_json(&in);
	struct hs_span key, value;
	uint64_t n;
	ck_assert(hs_json_open(&j, '{'));
	ck_assert(hs_json_key(&j, &key) && hs_span_is(key, "a"));
	ck_assert(hs_json_number(&j, &n) && n == 12);
	ck_assert(hs_json_key(&j, &key) && hs_span_is(key, "skip") && hs_json_skip(&j));
	ck_assert(hs_json_key(&j, &key) && hs_span_is(key, "b"));
	ck_assert(hs_json_open(&j, '[') && !hs_json_item(&j));
	ck_assert(hs_json_key(&j, &key) && hs_json_open(&j, '['));
	ck_assert(hs_json_item(&j) && hs_json_next(&j) == 't' && hs_json_skip(&j));
	ck_assert(hs_json_item(&j) && hs_json_string(&j, &value));
	ck_assert(hs_span_is(value, "v") && !hs_json_item(&j));
	ck_assert(hs_json_key(&j, &key) && hs_json_next(&j) == '0');
	ck_assert(hs_json_number(&j, &n) && n == 0);
	ck_assert(!hs_json_key(&j, &key) && !j.failed);
	ck_assert_int_eq(hs_json_next(&j), 0);
	hs_json_deinit(&j);
}
END_TEST

static void string_is(const char *json, const char *expected)
{
	struct hs_cursor in = hs_cursor(json, strlen(json), NULL);
	struct hs_json j = hs_json(&in);
	struct hs_span s;
	bool good = hs_json_string(&j, &s);
	ck_assert_msg(good == (expected != NULL), "%s", json);
	if (good)
		ck_assert_msg(hs_span_is(s, expected), "%s: %.*s", json,
			      (int)hs_span_size(s), s.at);
	hs_json_deinit(&j);
}

START_TEST(escapes_are_undone)
{
	string_is("\"\"", "");
	string_is("\"a\\n\\\"\\\\\\/\"", "a\n\"\\/");
	string_is("\"\\u0041\\u00b5\\u20ac\"", "A\xc2\xb5\xe2\x82\xac");
	string_is("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
	string_is("\"\\ud83dx\"", "\xef\xbf\xbdx");
	string_is("\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
					"A");
	string_is("\"\\ude00\"", "\xef\xbf\xbd");
	string_is("\"\\x\"", NULL);
	string_is("\"\\u12g4\"", NULL);
	string_is("\"no end", NULL);
	string_is("12", NULL);
}
END_TEST

static bool reads(const char *json)
{
	struct hs_cursor in = hs_cursor(json, strlen(json), NULL);
	struct hs_json j = hs_json(&in);
	bool good = hs_json_skip(&j) && !hs_json_next(&j);
	hs_json_deinit(&j);
	return good;
}

START_TEST(what_is_no_json_fails)
{
	ck_assert(reads("[1, 2.5, {\"a\": [[]]}, false]"));
	ck_assert(!reads("[1 2]"));
	ck_assert(!reads("[1,"));
	ck_assert(!reads("{\"a\" 1}"));
	ck_assert(!reads("{1:2}"));
	ck_assert(!reads("[1-2]"));
	ck_assert(!reads("nothing"));
	ck_assert(!reads(""));
	char deep[4096];
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	ck_assert(!reads(deep));
}
END_TEST

HS_SUITE("jsonread", members_are_read_or_skipped, escapes_are_undone,
	 what_is_no_json_fails)
