/* SPDX-License-Identifier: MIT */

/* Suppressions: their syntax, what fits, what is hidden and what is counted. */
#include "src/suppress.h"

#include <string.h>

#include "src/findings.h"
#include "src/target.h"
#include "tests/lib/profbuild.h"

#include "tests/lib/suite.h"

START_TEST(patterns_fit_as_leaksanitizers_do)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{"foo", "foo", true},
		{"foo", "a_foo_b", true},
		{"foo", "fo", false},
		{"^foo", "foobar", true},
		{"^foo", "a_foo", false},
		{"foo$", "a_foo", true},
		{"foo$", "foo_a", false},
		{"foo$", "foo_foo", true},
		{"^foo$", "foo", true},
		{"^foo$", "foofoo", false},
		{"*", "x", true},
		{"*", "", false},
		{"", "", false},
		{"a*c", "abc", true},
		{"a*c", "ac", true},
		{"a*c", "ab", false},
		{"^a*c$", "a_c_c", true},
		{"^a*c$", "a_c_d", false},
		{"^a*b*c$", "axbxc", true},
		{"^a*b*c$", "axcxb", false},
		{"^aba*aba$", "aba", false},
		{"^*foo$", "a_foo", true},
		{"*.so$", "/usr/lib/libx.so", true},
		{"std::vector<*>::push_back", "void std::vector<int>::push_back(int)",
		 true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(hs_suppression_fits(cases[i].pattern, cases[i].text) ==
				      cases[i].fits,
			      "'%s' on '%s'", cases[i].pattern, cases[i].text);
}
END_TEST

/* A pattern with many asterisks on a text that nearly fits: no explosion. */
START_TEST(asterisks_do_not_multiply)
{
	char text[20001], pattern[2002];
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (size_t i = 0; i < 2000; i++)
		pattern[i] = i % 2 ? '*' : 'a';
	strcpy(pattern + 2000, "b");
	ck_assert(!hs_suppression_fits(pattern, text));
}
END_TEST

static struct hs_suppressions *parsed(const char *text)
{
	struct hs_suppressions *s = hs_suppressions_new();
	struct hs_error *err = hs_suppressions_parse(s, "my.supp", text, strlen(text));
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return s;
}

START_TEST(files_of_leaksanitizer_are_read_as_they_are)
{
	struct hs_suppressions *s = parsed("# libraries\r\n"
					   "leak:libfontconfig.so\n"
					   "\n"
					   "  leak:operator new(unsigned long) \t\n"
					   "#heapsnap leak-id:HS-k3v9x2m4qa\n"
					   "leak:cache max=64k");
	size_t n;
	const struct hs_suppression *rules = hs_suppressions_get(s, &n);
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(rules[0].pattern, "libfontconfig.so");
	ck_assert_uint_eq(rules[0].line, 2);
	ck_assert_uint_eq(rules[0].max_bytes, UINT64_MAX);
	ck_assert_str_eq(rules[1].pattern, "operator new(unsigned long)");
	ck_assert_int_eq(rules[2].kind, HS_SUPPRESS_ID);
	ck_assert_str_eq(rules[2].pattern, "HS-k3v9x2m4qa");
	ck_assert_str_eq(rules[3].pattern, "cache");
	ck_assert_uint_eq(rules[3].max_bytes, 65536);
	ck_assert_uint_eq(rules[3].line, 6);
	hs_suppressions_free(s);
}
END_TEST

static void expect_error(const char *text, size_t size, const char *part)
{
	struct hs_suppressions *s = hs_suppressions_new();
	struct hs_error *err = hs_suppressions_parse(s, "my.supp", text, size);
	ck_assert_msg(err != NULL, "'%s' was taken", text);
	ck_assert_msg(strstr(hs_error_message(err), part) != NULL, "%s",
		      hs_error_message(err));
	hs_error_free(err);
	hs_suppressions_free(s);
}

START_TEST(what_is_wrong_with_a_line_is_said_with_its_number)
{
	const struct {
		const char *text, *part;
	} cases[] = {
		{"leak:a\nrace:b\n", "my.supp:2: 'race:b'"},
		{"leak:", "my.supp:1: there is no pattern"},
		{"leak:x max=lots", "my.supp:1: max= wants a size"},
		{"leak:x max=", "my.supp:1: max= wants a size"},
		{"{\n   name\n   Memcheck:Leak\n}\n", "my.supp:1"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_error(cases[i].text, strlen(cases[i].text), cases[i].part);
	expect_error("leak:a\0b", 8, "no text");
}
END_TEST

/* BLOCKS never freed, of 10 bytes each. */
static void leak(struct prof *b, hs_stack stack, uint64_t blocks)
{
	prof_site(b, stack,
		  (struct hs_site){.allocs = blocks,
				   .bytes = 10 * blocks,
				   .live_blocks = blocks,
				   .live_bytes = 10 * blocks});
}

/*
 * main calls parse (1 block), load in libx.so (2), and run, which has cache
 * inlined (4).
 */
static struct hs_profile *example(void)
{
	struct prof *b = prof_new("app", 1);
	hs_stack top = prof_call(b, prof_root, "main", "main.c", 3, "/usr/bin/app");
	leak(b, prof_call(b, top, "parse(int)", "src/parse.c", 7, "/usr/bin/app"), 1);
	leak(b, prof_call(b, top, "load", "", 0, "/usr/lib/libx.so"), 2);
	leak(b, prof_call_inlined(b, top, "run", "cache", "run.c", 5, "/usr/bin/app"), 4);
	return prof_seal(b);
}

/* Blocks of the example that the rules in TEXT hide. */
static uint64_t hidden_by(const char *text, struct hs_suppressions **ret)
{
	struct hs_profile *p = example();
	struct hs_suppressions *s = parsed(text);
	struct hs_findings *findings = hs_findings_new();
	struct hs_target target = {.profile = p, .has = p->has};
	uint64_t blocks = 0;
	hs_suppressions_apply(s, findings, &target, 1);
	for (uint32_t i = 0; i < p->n_sites; i++)
		blocks += target.suppressed[i] ? p->sites[i].live_blocks : 0;
	hs_findings_free(findings);
	hs_profile_free(p);
	if (ret)
		*ret = s;
	else
		hs_suppressions_free(s);
	return blocks;
}

START_TEST(any_frames_function_file_or_module_may_fit)
{
	ck_assert_uint_eq(hidden_by("leak:parse", NULL), 1);
	ck_assert_uint_eq(hidden_by("leak:src/parse.c", NULL), 1);
	ck_assert_uint_eq(hidden_by("leak:libx.so", NULL), 2);
	ck_assert_uint_eq(hidden_by("leak:^cache$", NULL), 4);
	ck_assert_uint_eq(hidden_by("leak:^run$", NULL), 4);
	ck_assert_uint_eq(hidden_by("leak:^main$", NULL), 7);
	ck_assert_uint_eq(hidden_by("leak:nothing", NULL), 0);
	ck_assert_uint_eq(hidden_by("leak:load\nleak:cache", NULL), 6);
}
END_TEST

START_TEST(what_is_hidden_is_counted_once_by_the_first_rule_that_fits)
{
	struct hs_suppressions *s;
	ck_assert_uint_eq(hidden_by("leak:cache\nleak:main\nleak:unused", &s), 7);
	size_t n;
	const struct hs_suppression *rules = hs_suppressions_get(s, &n);
	ck_assert_uint_eq(rules[0].blocks, 4);
	ck_assert_uint_eq(rules[0].bytes, 40);
	ck_assert_uint_eq(rules[1].blocks, 3);
	ck_assert_uint_eq(rules[2].blocks, 0);
	hs_suppressions_free(s);
}
END_TEST

START_TEST(a_rule_hides_nothing_beyond_its_bound)
{
	struct hs_suppressions *s;
	ck_assert_uint_eq(hidden_by("leak:cache max=40", NULL), 4);
	ck_assert_uint_eq(hidden_by("leak:cache max=39\nleak:load", &s), 2);
	size_t n;
	ck_assert(hs_suppressions_get(s, &n)[0].exceeded);
	ck_assert(!hs_suppressions_get(s, &n)[1].exceeded);
	ck_assert_uint_eq(hs_suppressions_get(s, &n)[0].bytes, 40);
	hs_suppressions_free(s);
}
END_TEST

START_TEST(an_id_hides_its_finding)
{
	struct hs_profile *p = example();
	struct hs_findings *findings = hs_findings_new();
	char text[64] = "leak-id:";
	for (uint32_t i = 0; i < p->n_sites; i++)
		if (p->sites[i].live_blocks == 2)
			hs_finding_id(
				hs_findings_culprit(findings, p, p->sites[i].stack).key,
				text + strlen(text));
	hs_findings_free(findings);
	hs_profile_free(p);
	ck_assert_uint_eq(hidden_by(text, NULL), 2);
	ck_assert_uint_eq(hidden_by("leak-id:HS-2222222222", NULL), 0);
}
END_TEST

HS_SUITE("suppress", patterns_fit_as_leaksanitizers_do, asterisks_do_not_multiply,
	 files_of_leaksanitizer_are_read_as_they_are,
	 what_is_wrong_with_a_line_is_said_with_its_number,
	 any_frames_function_file_or_module_may_fit,
	 what_is_hidden_is_counted_once_by_the_first_rule_that_fits,
	 a_rule_hides_nothing_beyond_its_bound, an_id_hides_its_finding)
