/* SPDX-License-Identifier: MIT */

/* Text and JSON of hand-built profiles, with figures known by arithmetic. */
#include "src/report.h"

#include <string.h>

#include "analyzers/analyzer.h"
#include "formats/format.h"
#include "src/out.h"
#include "tests/lib/profbuild.h"

#include "tests/lib/suite.h"

#define SECOND   1000000000u
#define START_NS (1764000000ull * SECOND) /* 2025-11-24T16:00:00Z */

static char *written(const char *format, struct hs_profile *const *profiles, size_t n,
		     bool details, bool color)
{
	struct hs_target *targets = hs_xcalloc(n, sizeof(*targets));
	struct hs_findings *findings = hs_findings_new();
	for (size_t i = 0; i < n; i++) {
		targets[i] = (struct hs_target){.profile = profiles[i],
						.has = profiles[i]->has};
		for (const struct hs_analyzer *const *a = hs_analyzers; *a; a++)
			if (((*a)->needs & targets[i].has) == (*a)->needs)
				(*a)->run(&targets[i], findings);
	}
	hs_findings_sort(findings);
	const struct hs_report report = {.targets = targets,
					 .n_targets = n,
					 .findings = findings,
					 .title = "test",
					 .details = details,
					 .color = color};
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_format_by_name(format)->write(&report, &out);
	hs_findings_free(findings);
	free(targets);
	return hs_out_take(&out, NULL);
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		ck_abort_msg("'%s' is not in:\n%s", part, text);
}

static void expect_not(const char *text, const char *part)
{
	if (strstr(text, part))
		ck_abort_msg("'%s' is in:\n%s", part, text);
}

/*
 * main calls load, which loses 3 blocks of 200 of its 10; and work, which
 * frees all its 90 blocks of 10, 45 of them at once.
 */
static struct hs_profile *server(uint32_t pid)
{
	struct prof *b = prof_new("server", pid);
	const char *app = "/usr/bin/server";
	hs_stack main_ = prof_call(b, prof_root, "main", "/src/server/main.c", 12, app);
	hs_stack load =
		prof_call(b, main_, "load<int>(int)", "/src/server/load.c", 34, app);
	hs_stack work = prof_call(b, main_, "work", "/src/server/work.c", 56, app);
	prof_site(b, load,
		  (struct hs_site){.allocs = 10,
				   .frees = 7,
				   .bytes = 2000,
				   .live_blocks = 3,
				   .live_bytes = 600,
				   .peak_blocks = 3,
				   .peak_bytes = 600});
	prof_site(b, work,
		  (struct hs_site){.allocs = 90,
				   .frees = 90,
				   .bytes = 900,
				   .peak_blocks = 70,
				   .peak_bytes = 700,
				   .temporaries = 45});
	struct hs_process_info *process = prof_process(b);
	process->start_ns = START_NS;
	process->end_ns = START_NS + 65 * (uint64_t)SECOND;
	process->code = 3;
	prof_peak_time(b, START_NS + 5 * (uint64_t)SECOND);
	return prof_seal(b);
}

START_TEST(the_text_tells_the_figures)
{
	struct hs_profile *p = server(42);
	char *s = written("text", &p, 1, false, false);
	expect(s, "2025-11-24T16:00:00Z to 2025-11-24T16:01:05Z (1m05s); exit status 3");
	expect(s, "live at the end 600 B in 3 blocks; peak 1.27 KiB after 5.0 s");
	expect(s, "2.83 KiB in 100 allocations, 97 frees; temporary 45 (45 %)");
	expect(s, "1 place, 600 B in 3 blocks");
	expect(s, "never_freed  600 B  3 blocks");
	expect(s, "3 of 10 blocks allocated here were not freed");
	expect(s, "100.0 % of 3 places named; lost events 0");
	expect(s, "* #0   load ");
	expect(s, "load.c:34");
	expect_not(s, "/src");
	expect_not(s, "\033");
	free(s);
	s = written("text", &p, 1, true, true);
	expect(s, "/src/server/load.c:34");
	expect(s, "load<int>(int)");
	expect(s, "\033[");
	free(s);
	hs_profile_free(p);
}
END_TEST

START_TEST(the_markdown_tells_the_figures_and_no_markup_of_others)
{
	struct hs_profile *p = server(42);
	char *s = written("markdown", &p, 1, false, false);
	expect(s, "## heapsnap ");
	expect(s, "\n- **heap** live at the end 600 B in 3 blocks; peak 1.27 KiB after");
	expect(s, "| medium, never freed | 600 B | 3 |");
	expect(s, "load \\(load.c:34\\)");
	expect_not(s, "/src");
	expect_not(s, "```");
	free(s);
	s = written("markdown", &p, 1, true, true);
	expect(s, "\n```\n  * #0   load<int>(int)");
	expect_not(s, "\033");
	free(s);
	hs_profile_free(p);
	struct prof *b = prof_new("</details>|x`*", 1);
	hs_stack evil = prof_call(b, prof_root, "a|b<img>```[x](y)", "c`.c", 1, "m");
	prof_site(b, evil,
		  (struct hs_site){.allocs = 1, .live_blocks = 1, .live_bytes = 9});
	p = prof_seal(b);
	s = written("markdown", &p, 1, true, true);
	expect(s, "a\\|b");
	expect(s, "\n````\n"); /* longer than the run inside */
	expect_not(s, "\n</details>|");
	free(s);
	hs_profile_free(p);
}
END_TEST

START_TEST(the_json_tells_the_figures)
{
	struct hs_profile *p = server(42);
	char *s = written("json", &p, 1, false, false);
	expect(s, "{\"schema\": \"heapsnap/1\"");
	expect(s, "\"id\": \"server.42\", \"pid\": 42, \"name\": \"server\"");
	expect(s, "\"start_ns\": 1764000000000000000, \"end_ns\": 1764000065000000000");
	expect(s, "\"end\": {\"how\": \"exit\", \"code\": 3}");
	expect(s, "\"complete\": true, \"lost_events\": 0");
	expect(s, "\"allocations\": 100, \"frees\": 97");
	expect(s, "\"allocated_bytes\": 2900, \"temporary_allocations\": 45");
	expect(s, "\"live_blocks\": 3, \"live_bytes\": 600");
	expect(s, "\"peak_bytes\": 1300, \"peak_ns\": 1764000005000000000");
	expect(s, "\"kind\": \"never_freed\", \"pattern\": \"unknown\", \"confidence\": "
		  "\"medium\", \"bytes\": 600, \"blocks\": 3");
	expect(s, "\"stack\": [{\"function\": \"load<int>(int)\", \"file\": "
		  "\"/src/server/load.c\", \"line\": 34, \"module\": \"server\"");
	expect(s, "\"by\": \"peak\", \"bytes\": 700, \"blocks\": 70");
	expect(s, "\"by\": \"temporary\", \"blocks\": 45");
	free(s);
	hs_profile_free(p);
}
END_TEST

START_TEST(what_is_unknown_is_absent)
{
	struct prof *b = prof_new("app", 1);
	prof_process(b)->end = HS_END_SIGNAL;
	prof_process(b)->signal = 11;
	prof_process(b)->complete = false;
	prof_process(b)->lost_events = 7;
	prof_warn(b, "the file was cut off at byte 4096");
	prof_site(b, prof_call_unnamed(b, prof_root, "/lib/a.so", 0x1a2b),
		  (struct hs_site){
			  .allocs = 1, .bytes = 8, .live_blocks = 1, .live_bytes = 8});
	struct hs_profile *p = prof_seal(b);
	char *s = written("json", &p, 1, false, false);
	expect(s, "\"end\": {\"how\": \"signal\", \"signal\": \"SIGSEGV\"}, "
		  "\"complete\": false, "
		  "\"lost_events\": 7");
	expect(s, "\"warnings\": [\"the file was cut off at byte 4096\"]");
	expect(s,
	       "{\"module\": \"a.so\", \"module_path\": \"/lib/a.so\", \"offset\": 6699");
	const char *const absent[] = {"start_ns", "end_ns",  "peak_ns", "rss",
				      "mmap",     "argv",    "parent",  "misuse",
				      "heap",     "threads", "crash",   "snapshots",
				      "function", "line"};
	for (size_t i = 0; i < HS_COUNT(absent); i++) {
		char *key = hs_xasprintf("\"%s\":", absent[i]);
		expect_not(s, key);
		free(key);
	}
	free(s);
	s = written("text", &p, 1, false, false);
	expect(s, "died of SIGSEGV");
	expect(s, "lost events 7; recording incomplete");
	expect(s, "! the file was cut off at byte 4096");
	expect(s, "0.0 % of 1 places named (the others mostly in a.so)");
	expect(s, "?? ");
	free(s);
	hs_profile_free(p);
}
END_TEST

START_TEST(hostile_names_are_harmless)
{
	struct prof *b = prof_new("a\"\033[31m\n<b>", 1);
	hs_stack s = prof_call(b, prof_root, "f\033]0;x\007\xe2\x80\xae", "\"\n.c", 1,
			       "m\xff");
	prof_site(b, s,
		  (struct hs_site){
			  .allocs = 1, .bytes = 8, .live_blocks = 1, .live_bytes = 8});
	struct hs_profile *p = prof_seal(b);
	const char *const formats[] = {"text", "json"};
	for (size_t i = 0; i < HS_COUNT(formats); i++) {
		char *out = written(formats[i], &p, 1, true, false);
		for (const char *c = out; *c; c++)
			ck_assert(*c == '\n' || (*c >= ' ' && *c != 0x7f) || (*c & 0x80));
		expect_not(out, "\xe2\x80\xae");
		expect_not(out, "\xff");
		free(out);
	}
	char *out = written("json", &p, 1, false, false);
	expect(out, "\"name\": \"a\\\"\\u001b[31m\\u000a<b>\"");
	free(out);
	hs_profile_free(p);
}
END_TEST

static unsigned count_lines(const char *s, size_t *widest_ret)
{
	unsigned n = 0;
	*widest_ret = 0;
	for (const char *eol; (eol = strchr(s, '\n')); s = eol + 1, n++)
		*widest_ret = HS_MAX(*widest_ret, (size_t)(eol - s));
	return n;
}

START_TEST(a_ticket_has_less_than_sixty_lines)
{
	struct prof *b = prof_new("app", 1);
	hs_stack main_ = prof_call(b, prof_root, "main", "main.c", 1, "app");
	for (unsigned i = 0; i < 200; i++) {
		char name[300];
		memset(name, 'f', sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		name[0] = (char)('a' + i % 26);
		name[1] = (char)('a' + i / 26);
		hs_stack s = main_;
		for (unsigned d = 0; d < 20; d++)
			s = prof_call(b, s, name, "x.c", d, "app");
		prof_site(b, s,
			  (struct hs_site){.allocs = i + 2,
					   .bytes = 100 * i + 100,
					   .frees = 1,
					   .live_blocks = i + 1,
					   .live_bytes = 100 * i + 50,
					   .temporaries = 1,
					   .peak_blocks = 1,
					   .peak_bytes = 50});
		prof_warn(b, "something is doubtful in a way that takes a rather long "
			     "sentence "
			     "to tell, longer than a line of a ticket has room for");
	}
	struct hs_profile *p = prof_seal(b);
	char *s = written("text", &p, 1, false, false);
	size_t widest;
	ck_assert_uint_lt(count_lines(s, &widest), 60);
	ck_assert_uint_le(widest, 130);
	expect(s, "195 places, ");
	free(s);
	hs_profile_free(p);
}
END_TEST

START_TEST(several_processes_have_a_table_and_sections)
{
	struct hs_profile *both[] = {server(1), server(2)};
	char *s = written("text", both, 2, false, false);
	expect(s, "processes   2, by what was live at the end");
	expect(s, "server.1 ");
	expect(s, "process     server.2\n");
	free(s);
	s = written("json", both, 2, false, false);
	expect(s, "\"process\": \"server.2\", \"pid\": 2");
	free(s);
	hs_profile_free(both[0]);
	hs_profile_free(both[1]);
}
END_TEST

START_TEST(the_same_profile_gives_the_same_bytes)
{
	const char *const formats[] = {"text", "json"};
	for (size_t i = 0; i < HS_COUNT(formats); i++) {
		struct hs_profile *p = server(1), *q = server(1);
		char *a = written(formats[i], &p, 1, false, false);
		char *b = written(formats[i], &q, 1, false, false);
		ck_assert_str_eq(a, b);
		free(a);
		free(b);
		hs_profile_free(p);
		hs_profile_free(q);
	}
}
END_TEST

static void expect_put(void (*put)(struct hs_out *, uint64_t), uint64_t v,
		       const char *text)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put(&out, v);
	char *s = hs_out_take(&out, NULL);
	ck_assert_str_eq(s, text);
	free(s);
}

START_TEST(times_durations_and_signals_have_their_words)
{
	expect_put(hs_put_time, 0, "1970-01-01T00:00:00Z");
	expect_put(hs_put_time, START_NS, "2025-11-24T16:00:00Z");
	expect_put(hs_put_duration, 999999, "999 us");
	expect_put(hs_put_duration, 850000000, "850 ms");
	expect_put(hs_put_duration, 12590000000, "12.5 s");
	expect_put(hs_put_duration, 2470ull * SECOND, "41m10s");
	expect_put(hs_put_duration, 10920ull * SECOND, "3h02m");
	char name[HS_SIGNAL_SIZE];
	hs_signal_name(6, name);
	ck_assert_str_eq(name, "SIGABRT");
	hs_signal_name(37, name);
	ck_assert_str_eq(name, "SIGRTMIN+3");
	hs_signal_name(-5, name);
	ck_assert_str_eq(name, "signal -5");
}
END_TEST

START_TEST(sources_below_the_root_are_told_relative_to_it)
{
	static const char *const cases[][2] = {
		{"/src/app/main.c", "main.c"},
		{"/src/app/_build/../lib/x.c", "lib/x.c"},
		{"/src/app/_build/sub/../../lib/./x.c", "lib/x.c"},
		{"/src/app2/main.c", "/src/app2/main.c"},
		{"/usr/../src/app/a.c", "a.c"},
		{"/../../x", "/x"},
		{"a/../b.c", "a/../b.c"},
		{"", ""},
	};
	const struct hs_report report = {.source_root = "/src/app"};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		char *path = hs_source_path(&report, cases[i][0]);
		ck_assert_str_eq(path, cases[i][1]);
		free(path);
	}
	char *path = hs_source_path(&(struct hs_report){0}, "/src/app/main.c");
	ck_assert_str_eq(path, "/src/app/main.c");
	free(path);
}
END_TEST

HS_SUITE("report", sources_below_the_root_are_told_relative_to_it,
	 the_text_tells_the_figures,
	 the_markdown_tells_the_figures_and_no_markup_of_others,
	 the_json_tells_the_figures, what_is_unknown_is_absent,
	 hostile_names_are_harmless, a_ticket_has_less_than_sixty_lines,
	 several_processes_have_a_table_and_sections,
	 the_same_profile_gives_the_same_bytes,
	 times_durations_and_signals_have_their_words)
