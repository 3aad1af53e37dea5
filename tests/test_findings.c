/* SPDX-License-Identifier: MIT */

/* Culprits, ids, and the two analyzers of profiles, on hand-built stacks. */
#include "src/findings.h"

#include <stdio.h>
#include <string.h>

#include "analyzers/analyzer.h"
#include "src/build.h"
#include "src/target.h"
#include "tests/lib/profbuild.h"

#include "tests/lib/suite.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#define LDSO "/lib64/ld-linux-x86-64.so.2"

static hs_stack call(struct prof *b, hs_stack caller, const char *function)
{
	return prof_call(b, caller, function, "", 0, "/usr/bin/app");
}

/* Live bytes, all of them never freed, one block. */
static void leak(struct prof *b, hs_stack stack, uint64_t bytes)
{
	prof_site(b, stack,
		  (struct hs_site){.allocs = 1,
				   .bytes = bytes,
				   .live_blocks = 1,
				   .live_bytes = bytes,
				   .peak_blocks = 1,
				   .peak_bytes = bytes});
}

static struct hs_findings *analyzed(const struct hs_profile *p, const char *analyzer)
{
	const struct hs_target target = {.profile = p, .has = p->has};
	struct hs_findings *findings = hs_findings_new();
	for (const struct hs_analyzer *const *a = hs_analyzers; *a; a++)
		if (!strcmp((*a)->name, analyzer))
			(*a)->run(&target, findings);
	hs_findings_sort(findings);
	return findings;
}

/* The culprit of a profile with one stack, as "NAME at INDEX". */
static void expect_culprit(struct prof *b, hs_stack stack, const char *function,
			   uint32_t index)
{
	leak(b, stack, 1);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = hs_findings_new();
	struct hs_culprit c = hs_findings_culprit(findings, p, p->sites[0].stack);
	hs_frame frames[16];
	ck_assert_uint_gt(hs_stack_frames(p, p->sites[0].stack, frames, 16), c.index);
	ck_assert_str_eq(hs_string(p, p->frames[frames[c.index].i].function), function);
	ck_assert_uint_eq(c.index, index);
	hs_findings_free(findings);
	hs_profile_free(p);
}

START_TEST(the_culprit_is_behind_wrappers_containers_and_libc)
{
	struct prof *b = prof_new("app", 1);
	hs_stack s = call(b, call(b, prof_root, "main"), "load_config(char const*)");
	s = call(b, s,
		 "void std::vector<int, std::allocator<int> >::push_back(int const&)");
	s = call(b, call(b, s, "operator new(unsigned long)"), "xmalloc");
	expect_culprit(b, s, "load_config(char const*)", 3);

	b = prof_new("app", 1);
	s = call(b, call(b, prof_root, "main"), "read_lines");
	s = prof_call(b, s, "getdelim", "", 0, LIBC);
	expect_culprit(b, prof_call_unnamed(b, s, LIBC, 0x1234), "read_lines", 2);
}
END_TEST

START_TEST(an_inlined_culprit_is_counted)
{
	struct prof *b = prof_new("app", 1);
	hs_stack s = call(b, prof_root, "main");
	s = prof_call_inlined(b, s, "serve", "parse", "a.c", 7, "/usr/bin/app");
	expect_culprit(b, call(b, s, "xstrdup"), "parse", 1);
	b = prof_new("app", 1);
	s = call(b, prof_root, "main");
	s = prof_call_inlined(b, s, "serve", "std::string::string(char const*)", "a.c", 7,
			      "/usr/bin/app");
	expect_culprit(b, s, "serve", 1);
}
END_TEST

/* main -> DEPTH times walk -> FUNCTION -> malloc; LINE differs from build to build. */
static void id_of(const char *module, const char *function, unsigned depth, uint32_t line,
		  char id[HS_ID_SIZE])
{
	struct prof *b = prof_new("app", 1);
	hs_stack s = prof_call(b, prof_root, "main", "main.c", line, module);
	for (unsigned i = 0; i < depth; i++) {
		s = prof_call(b, s, "visit(Node*)", "walk.c", line + i, module);
		s = prof_call(b, s, "children(Node*)", "walk.c", line + 50 + i, module);
	}
	s = prof_call(b, s, function, "x.c", line + 2, module);
	leak(b, prof_call(b, s, "malloc", "", 0, LIBC), 1);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 1);
	memcpy(id, f->id, HS_ID_SIZE);
	hs_findings_free(findings);
	hs_profile_free(p);
}

START_TEST(ids_survive_a_rebuild_and_know_functions_and_modules)
{
	char a[HS_ID_SIZE], b[HS_ID_SIZE];
	id_of("/usr/bin/app", "get<int>(int)", 1, 10, a);
	ck_assert_uint_eq(strlen(a), 13);
	ck_assert(!strncmp(a, "HS-", 3));
	id_of("/opt/new/app", "get<long>(long)", 1, 900, b);
	ck_assert_str_eq(a, b);
	id_of("/usr/bin/app", "put<int>(int)", 1, 10, b);
	ck_assert_str_ne(a, b);
	id_of("/usr/bin/other", "get<int>(int)", 1, 10, b);
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(recursion_however_deep_has_one_id)
{
	char a[HS_ID_SIZE], b[HS_ID_SIZE];
	id_of("/usr/bin/app", "get", 1, 10, a);
	id_of("/usr/bin/app", "get", 2, 10, b);
	ck_assert_str_eq(a, b);
	id_of("/usr/bin/app", "get", 400, 10, b);
	ck_assert_str_eq(a, b);
}
END_TEST

START_TEST(a_place_without_name_is_build_id_and_offset)
{
	uint64_t keys[3];
	const uint64_t offsets[] = {0x100, 0x100, 0x200};
	for (size_t i = 0; i < 3; i++) {
		struct prof *b = prof_new("app", 1);
		leak(b,
		     prof_call_unnamed(b, call(b, prof_root, "main"), "/lib/stripped.so",
				       offsets[i]),
		     1);
		struct hs_profile *p = prof_seal(b);
		struct hs_findings *findings = hs_findings_new();
		struct hs_culprit c = hs_findings_culprit(findings, p, p->sites[0].stack);
		ck_assert(c.found);
		ck_assert_uint_eq(c.index, 0);
		keys[i] = c.key;
		hs_findings_free(findings);
		hs_profile_free(p);
	}
	ck_assert_uint_eq(keys[0], keys[1]);
	ck_assert_uint_ne(keys[0], keys[2]);
}
END_TEST

START_TEST(sites_that_differ_below_the_culprit_are_one_leak)
{
	struct prof *b = prof_new("app", 1);
	hs_stack add = call(b, call(b, prof_root, "main"), "add");
	leak(b, call(b, add, "std::vector<int>::reserve(unsigned long)"), 100);
	leak(b, call(b, add, "std::vector<int>::push_back(int const&)"), 300);
	leak(b, call(b, call(b, prof_root, "other"), "add"), 50);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(f[0].bytes, 400);
	ck_assert_uint_eq(f[0].blocks, 2);
	ck_assert_uint_eq(f[0].n_stacks, 2);
	ck_assert_uint_eq(f[0].culprit, 1);
	ck_assert_int_eq(f[0].kind, HS_LEAK_NEVER_FREED);
	ck_assert_int_eq(f[0].confidence, HS_MEDIUM);
	ck_assert_uint_eq(f[1].bytes, 50);
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

START_TEST(what_libc_and_the_loader_keep_is_no_leak_and_ranks_last)
{
	struct prof *b = prof_new("app", 1);
	hs_stack main_ = call(b, prof_root, "main");
	leak(b, call(b, main_, "forget"), 10);
	hs_stack s = prof_call(b, main_, "puts", "", 0, LIBC);
	leak(b, prof_call(b, s, "_IO_file_doallocate", "", 0, LIBC), 1024);
	s = prof_call_unnamed(b, prof_root, LDSO, 0x100);
	leak(b, prof_call(b, s, "", "", 0, "/lib/x86_64-linux-gnu/libstdc++.so.6"),
	     72704);
	/* No frame of the program, but not the loader's start-up either. */
	leak(b, prof_call_unnamed(b, prof_root, LIBC, 0x500), 5000);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 4);
	ck_assert_uint_eq(f[0].bytes, 10);
	ck_assert_int_eq(f[0].confidence, HS_MEDIUM);
	for (size_t i = 1; i < n; i++) {
		ck_assert_int_eq(f[i].confidence, HS_LOW);
		ck_assert_int_eq(f[i].kind, f[i].bytes == 5000 ? HS_LEAK_NEVER_FREED
							       : HS_LEAK_REACHABLE);
	}
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_killed_process_is_accused_with_low_confidence)
{
	struct prof *b = prof_new("app", 1);
	prof_process(b)->end = HS_END_KILLED;
	leak(b, call(b, prof_root, "main"), 10);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(f->confidence, HS_LOW);
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

START_TEST(what_another_program_took_away_is_no_leak)
{
	struct prof *b = prof_new("app", 1);
	prof_process(b)->end = HS_END_EXEC;
	leak(b, call(b, prof_root, "main"), 10);
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(f->kind, HS_LEAK_REACHABLE);
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

START_TEST(hotspots_rank_by_what_they_are_by)
{
	struct prof *b = prof_new("app", 1);
	hs_stack big = call(b, prof_root, "big"), often = call(b, prof_root, "often");
	prof_site(b, big,
		  (struct hs_site){.allocs = 2,
				   .frees = 2,
				   .bytes = 900,
				   .peak_blocks = 1,
				   .peak_bytes = 450});
	prof_site(b, often,
		  (struct hs_site){.allocs = 50,
				   .frees = 50,
				   .bytes = 100,
				   .peak_blocks = 3,
				   .peak_bytes = 6,
				   .temporaries = 40});
	struct hs_profile *p = prof_seal(b);
	struct hs_findings *findings = analyzed(p, "top");
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	const uint64_t expected[][3] = {
		{HS_BY_PEAK, 450, 1},         {HS_BY_PEAK, 6, 3},
		{HS_BY_ALLOCATED, 900, 2},    {HS_BY_ALLOCATED, 100, 50},
		{HS_BY_ALLOCATIONS, 100, 50}, {HS_BY_ALLOCATIONS, 900, 2},
		{HS_BY_TEMPORARY, 0, 40},
	};
	ck_assert_uint_eq(n, HS_COUNT(expected));
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(f[i].by, expected[i][0]);
		ck_assert_uint_eq(f[i].bytes, expected[i][1]);
		ck_assert_uint_eq(f[i].blocks, expected[i][2]);
	}
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

/* A trie as deep as a hostile file may make it, every frame another. */
START_TEST(a_very_deep_trie_is_not_slow)
{
	struct hs_builder *b = hs_build_new();
	hs_stack s = {0};
	for (uint32_t i = 0; i < 100000; i++)
		s = hs_build_stack(b, s, hs_build_location(b, (hs_module){0}, i + 1));
	hs_build_alloc(b, (hs_thread){0}, HS_ALLOC_MALLOC, s, 0x10, 1, 1);
	struct hs_profile *p = hs_build_seal(b);
	struct hs_findings *findings = analyzed(p, "leaks");
	size_t n;
	hs_findings_get(findings, &n);
	ck_assert_uint_eq(n, 1);
	hs_findings_free(findings);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("findings", the_culprit_is_behind_wrappers_containers_and_libc,
	 an_inlined_culprit_is_counted,
	 ids_survive_a_rebuild_and_know_functions_and_modules,
	 recursion_however_deep_has_one_id, a_place_without_name_is_build_id_and_offset,
	 sites_that_differ_below_the_culprit_are_one_leak,
	 what_libc_and_the_loader_keep_is_no_leak_and_ranks_last,
	 a_killed_process_is_accused_with_low_confidence,
	 what_another_program_took_away_is_no_leak, hotspots_rank_by_what_they_are_by,
	 a_very_deep_trie_is_not_slow)
