/* SPDX-License-Identifier: MIT */

/* The report page: markup, data block, hostile names, size. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "src/cursor.h"
#include "tests/lib/invented.h"
#include "tests/lib/profbuild.h"
#include "tests/lib/suite.h"

/* The page of one profile, which is freed. */
static char *page_of(struct hs_profile *profile, size_t *size_ret)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	invented_report(&profile, 1, "test", &out);
	hs_profile_free(profile);
	return hs_out_take(&out, size_ret);
}

/* Behind the N-th (from 0) START in PAGE up to END: a copy. */
static char *between(const char *page, unsigned n, const char *start, const char *end)
{
	const char *s = page;
	for (unsigned i = 0; i <= n; i++) {
		s = strstr(s, start);
		ck_assert_ptr_nonnull(s);
		s += strlen(start);
	}
	const char *e = strstr(s, end);
	ck_assert_ptr_nonnull(e);
	char *copy = hs_xcalloc((size_t)(e - s) + 1, 1);
	memcpy(copy, s, (size_t)(e - s));
	return copy;
}

static size_t count(const char *page, const char *what)
{
	size_t n = 0;
	for (const char *s = page; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

/* The page without style, script and data block: what foreign strings reach. */
static char *markup_of(const char *page)
{
	char *markup = hs_xcalloc(strlen(page) + 1, 1), *to = markup;
	for (const char *s = page; *s;) {
		const char *end = !strncmp(s, "<style>", 7)   ? "</style>"
				  : !strncmp(s, "<script", 7) ? "</script>"
							      : NULL;
		if (end)
			s = strstr(s, end) + strlen(end);
		else
			*to++ = *s++;
	}
	return markup;
}

static unsigned char digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, c);
	ck_assert_msg(c && at, "not base64: %c", c);
	return (unsigned char)(at - digits);
}

/* The data block, decompressed by zlib. */
static unsigned char *data_of(const char *page, size_t *size_ret)
{
	char *text = between(page, 0, "<script type=\"application/octet-stream\"",
			     "</script>");
	size_t size = strtoul(strstr(text, "data-size=\"") + 11, NULL, 10);
	const char *base64 = strchr(text, '>') + 1;
	size_t length = strlen(base64), n = 0;
	unsigned char *packed = hs_xcalloc(length + 1, 1);
	ck_assert_uint_eq(length % 4, 0);
	for (size_t i = 0; i < length && base64[i] != '='; i++) {
		unsigned char d = digit(base64[i]);
		packed[n] |= (unsigned char)(i % 4 == 0   ? d << 2
					     : i % 4 == 1 ? d >> 4
					     : i % 4 == 2 ? d >> 2
							  : d);
		if (i % 4)
			packed[++n] = (unsigned char)(i % 4 == 1   ? d << 4
						      : i % 4 == 2 ? d << 6
								   : 0);
	}
	unsigned char *data = hs_xcalloc(size + 1, 1);
	z_stream z = {.next_in = packed,
		      .avail_in = (uInt)n,
		      .next_out = data,
		      .avail_out = (uInt)size + 1};
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.total_out, size);
	inflateEnd(&z);
	free(packed);
	free(text);
	*size_ret = size;
	return data;
}

/* A cursor over the first section called TAG. */
static struct hs_cursor section(const unsigned char *data, size_t size, const char *tag)
{
	struct hs_cursor c = hs_cursor(data, size, "data block");
	ck_assert_mem_eq(hs_cur_bytes(&c, 4), "hsv\1", 4);
	for (;;) {
		const uint8_t *name = hs_cur_bytes(&c, 4);
		ck_assert_msg(name != NULL, "no section %s", tag);
		struct hs_cursor body = hs_cur_sub(&c, hs_cur_u32(&c));
		ck_assert(!hs_cur_failed(&c));
		if (!memcmp(name, tag, 4))
			return body;
	}
}

static uint64_t sum_column(struct hs_cursor *c, uint64_t n)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i < n; i++)
		sum += hs_cur_uleb(c);
	return sum;
}

static void check_tree(struct hs_cursor c, const uint64_t totals[7])
{
	uint64_t n = hs_cur_uleb(&c), k = hs_cur_uleb(&c);
	ck_assert_uint_eq(hs_cur_uleb(&c), 127); /* all figures are known */
	sum_column(&c, n - 1);                   /* depths */
	sum_column(&c, n - 1);                   /* frames */
	ck_assert_uint_lt(sum_column(&c, k), n); /* the last node that allocates */
	for (unsigned f = 0; f < 7; f++)
		ck_assert_uint_eq(sum_column(&c, k), totals[f]);
	ck_assert(!hs_cur_failed(&c));
	ck_assert_uint_eq(hs_cur_left(&c), 0);
}

START_TEST(the_data_block_holds_the_totals_of_a_tree_added_up_by_hand)
{
	/* See invented.h: 400 + 3000 + 500, 4 + 3 + 50, and so on. */
	const uint64_t totals[7] = {3900, 57, 4100, 7, 9000, 119, 92};
	size_t size;
	char *page = page_of(invented_known(), NULL);
	unsigned char *data = data_of(page, &size);
	check_tree(section(data, size, "TREE"), totals);
	free(data);
	free(page);
}
END_TEST

START_TEST(the_data_block_holds_the_totals_of_a_large_profile)
{
	struct hs_profile *profile = invented_tree(30000);
	const struct hs_totals *t = &profile->totals;
	const uint64_t totals[7] = {t->peak_bytes,  t->peak_blocks, t->live_bytes,
				    t->live_blocks, t->bytes,       t->allocs,
				    t->temporaries};
	size_t size;
	char *page = page_of(profile, NULL);
	unsigned char *data = data_of(page, &size);
	check_tree(section(data, size, "TREE"), totals);
	free(data);
	free(page);
}
END_TEST

START_TEST(unknown_figures_are_absent_not_zero)
{
	struct prof *b = prof_new("p", 1);
	prof_site(b, prof_call(b, prof_root, "main", "a.c", 1, "p"),
		  (struct hs_site){.bytes = 12, .allocs = 3});
	struct hs_profile *profile = prof_seal(b);
	profile->has = HS_HAS_TOTALS;
	size_t size;
	char *page = page_of(profile, NULL);
	unsigned char *data = data_of(page, &size);
	struct hs_cursor c = section(data, size, "TREE");
	ck_assert_uint_eq(hs_cur_uleb(&c), 2);
	ck_assert_uint_eq(hs_cur_uleb(&c), 1);
	ck_assert_uint_eq(hs_cur_uleb(&c), 1u << 4 | 1u << 5);
	ck_assert_uint_eq(hs_cur_left(&c), 5); /* depth, frame, gap, 12, 3 */
	free(data);
	free(page);
}
END_TEST

START_TEST(figures_beyond_what_javascript_counts_are_cut_to_it)
{
	struct prof *b = prof_new("p", 1);
	prof_site(b, prof_call(b, prof_root, "main", "a.c", 1, "p"),
		  (struct hs_site){.bytes = UINT64_MAX, .allocs = 1});
	struct hs_profile *profile = prof_seal(b);
	profile->has = HS_HAS_TOTALS;
	size_t size;
	char *page = page_of(profile, NULL);
	unsigned char *data = data_of(page, &size);
	struct hs_cursor c = section(data, size, "TREE");
	for (unsigned i = 0; i < 6; i++)
		hs_cur_uleb(&c);
	ck_assert_uint_eq(hs_cur_uleb(&c), (UINT64_C(1) << 53) - 1);
	free(data);
	free(page);
}
END_TEST

/* Skip the tag at *S; its name into NAME.  Returns false for a closing tag. */
static bool read_tag(const char **s, char name[16])
{
	const char *p = *s + 1;
	bool opens = *p != '/';
	size_t n = strspn(p + !opens, "abcdefghijklmnopqrstuvwxyz123456");
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, 16);
	memcpy(name, p + !opens, n);
	name[n] = '\0';
	for (p += n + !opens; *p != '>'; p++) {
		ck_assert_int_ne(*p, '<');
		ck_assert_int_ne(*p, '\0');
		if (*p == '"') {
			p = strchr(p + 1, '"');
			ck_assert_ptr_nonnull(p);
		}
	}
	*s = p + 1;
	return opens;
}

static void check_balanced(const char *markup)
{
	char open[64][16], name[16];
	unsigned depth = 0;
	const char *s = strchr(markup + 1, '<'); /* behind the document type */
	for (; s; s = strchr(s, '<')) {
		if (!read_tag(&s, name)) {
			ck_assert_uint_gt(depth, 0);
			ck_assert_str_eq(name, open[--depth]);
		} else if (strcmp(name, "meta") != 0) {
			ck_assert_uint_lt(depth, 64);
			memcpy(open[depth++], name, sizeof(name));
		}
	}
	ck_assert_uint_eq(depth, 0);
}

START_TEST(the_markup_is_balanced)
{
	struct hs_profile *(*const profiles[])(void) = {invented_known, invented_server,
							invented_hostile};
	for (size_t i = 0; i < HS_COUNT(profiles); i++) {
		char *page = page_of(profiles[i](), NULL);
		char *markup = markup_of(page);
		check_balanced(markup);
		free(markup);
		free(page);
	}
}
END_TEST

START_TEST(hostile_names_are_text_and_nothing_else)
{
	size_t size;
	char *page = page_of(invented_hostile(), &size);
	ck_assert_uint_eq(strlen(page), size); /* no NUL */
	ck_assert_uint_eq(count(page, "<script"), 2);
	ck_assert_uint_eq(count(page, "</script>"), 2);
	ck_assert_uint_eq(count(page, "<style>"), 1);
	char *markup = markup_of(page);
	static const char *const raw[] = {"<img", "<svg",       "<b>.so",
					  "<!--", "onerror=\"", "\"><svg"};
	for (size_t i = 0; i < HS_COUNT(raw); i++)
		ck_assert_msg(!strstr(markup, raw[i]), "%s is there unescaped", raw[i]);
	ck_assert_ptr_nonnull(strstr(markup, "&#60;img src=x"));
	ck_assert(!strstr(markup, "\xe2\x80\xae")); /* the override of direction */
	for (const char *s = markup; *s; s++)
		ck_assert_msg((unsigned char)*s >= 0x20 || *s == '\n' || *s == '\t',
			      "control character %d", *s);
	free(markup);
	free(page);
}
END_TEST

START_TEST(a_name_of_a_megabyte_does_not_make_a_page_of_megabytes)
{
	size_t size;
	free(page_of(invented_hostile(), &size));
	ck_assert_uint_lt(size, 300000);
}
END_TEST

START_TEST(the_policy_allows_two_hashes_and_no_more)
{
	char *page = page_of(invented_known(), NULL);
	char *policy = between(page, 0,
			       "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
	ck_assert_ptr_eq(strstr(policy, "default-src 'none'"), policy);
	ck_assert_uint_eq(count(policy, "'sha256-"), 2);
	ck_assert(!strstr(policy, "unsafe"));
	ck_assert(!strstr(policy, "http"));
	ck_assert(!strstr(policy, "connect-src"));
	ck_assert_uint_eq(count(page, " style=\""), 0);
	ck_assert_uint_eq(count(page, "http://"),
			  count(page, "'http://www.w3.org/2000/svg'"));
	ck_assert_uint_eq(count(page, "https://"), 0);
	free(policy);
	free(page);
}
END_TEST

START_TEST(the_same_report_is_the_same_bytes)
{
	char *first = page_of(invented_server(), NULL);
	char *second = page_of(invented_server(), NULL);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}
END_TEST

START_TEST(without_script_the_page_tells_totals_suspects_and_hotspots)
{
	char *page = page_of(invented_server(), NULL);
	char *markup = markup_of(page);
	char *title = between(markup, 0, "<title>", "</title>");
	ck_assert(strstr(title, "orderd") && strstr(title, "heapsnap"));
	/* 88120 blocks of 371 bytes are 31.18 MiB. */
	ck_assert_ptr_nonnull(strstr(markup, "<b>31.2 MiB</b> in 88,120 blocks"));
	ck_assert_ptr_nonnull(strstr(markup, "data-hs-id=\"HS-"));
	ck_assert_ptr_nonnull(strstr(markup, "orders::Cache::node_new()"));
	ck_assert_ptr_nonnull(strstr(markup, "src/cache.cpp:88"));
	ck_assert_ptr_nonnull(strstr(markup, "2026-01-01 00:00:00 UTC"));
	ck_assert_ptr_nonnull(strstr(markup, "41m10s"));
	ck_assert_ptr_nonnull(strstr(markup, "no debug file with this build-id"));
	free(title);
	free(markup);
	free(page);
}
END_TEST

START_TEST(a_profile_of_nothing_makes_a_page)
{
	char *page = page_of(prof_seal(prof_new("idle", 1)), NULL);
	size_t size;
	unsigned char *data = data_of(page, &size);
	ck_assert_ptr_nonnull(strstr(page, "Nothing here looks like a leak."));
	free(data);
	free(page);
}
END_TEST

START_TEST(threads_of_a_core_are_told_with_frames_that_allocate_nothing)
{
	char name[32];
	struct prof *b = prof_new("core", 1);
	for (uint32_t i = 1; i <= 90; i++) {
		snprintf(name, sizeof(name), "waits_%u", i);
		prof_thread(b, i, prof_call(b, prof_root, name, "wait.c", i, "core"));
	}
	char *page = page_of(prof_seal(b), NULL);
	for (uint32_t i = 1; i <= 90; i++) {
		snprintf(name, sizeof(name), "<code>waits_%u</code>", i);
		ck_assert_ptr_nonnull(strstr(page, name));
	}
	free(page);
}
END_TEST

START_TEST(a_report_of_nothing_makes_a_page)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	invented_report(NULL, 0, "empty", &out);
	char *page = hs_out_take(&out, NULL);
	ck_assert_ptr_nonnull(strstr(page, "<title>empty"));
	free(page);
}
END_TEST

/* N sites whose figures are noise, which does not compress. */
static struct hs_profile *noise(unsigned n)
{
	struct prof *b = prof_new("noise", 1);
	uint64_t seed = 1;
	hs_stack outer = {0};
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%u", i % 400);
		if (i % 400 == 0) {
			char caller[16];
			snprintf(caller, sizeof(caller), "g%u", i / 400);
			outer = prof_call(b, prof_root, caller, "a.c", 1, "p");
		}
		uint64_t v[7];
		for (unsigned k = 0; k < HS_COUNT(v); k++)
			v[k] = (seed = seed * 6364136223846793005u +
				       1442695040888963407u) >>
			       16;
		prof_site(b, prof_call(b, outer, name, "a.c", 1, "p"),
			  (struct hs_site){.allocs = v[0],
					   .bytes = v[1],
					   .live_blocks = v[2],
					   .live_bytes = v[3],
					   .peak_blocks = v[4],
					   .peak_bytes = v[5],
					   .temporaries = v[6]});
	}
	return prof_seal(b);
}

START_TEST(a_report_stays_below_its_budget_and_says_what_it_left_out)
{
	size_t size;
	/* Seven figures of 48 bits: 42 bytes each, 56 in base64. */
	char *page = page_of(noise(200000), &size);
	ck_assert_uint_lt(size, 8000000);
	ck_assert_uint_gt(size, 6000000);
	ck_assert_ptr_nonnull(strstr(page, "every sum is exact"));
	free(page);
}
END_TEST

HS_SUITE("html", the_data_block_holds_the_totals_of_a_tree_added_up_by_hand,
	 the_data_block_holds_the_totals_of_a_large_profile,
	 unknown_figures_are_absent_not_zero,
	 figures_beyond_what_javascript_counts_are_cut_to_it, the_markup_is_balanced,
	 hostile_names_are_text_and_nothing_else,
	 a_name_of_a_megabyte_does_not_make_a_page_of_megabytes,
	 the_policy_allows_two_hashes_and_no_more, the_same_report_is_the_same_bytes,
	 without_script_the_page_tells_totals_suspects_and_hotspots,
	 a_profile_of_nothing_makes_a_page,
	 threads_of_a_core_are_told_with_frames_that_allocate_nothing,
	 a_report_of_nothing_makes_a_page,
	 a_report_stays_below_its_budget_and_says_what_it_left_out)
