/* SPDX-License-Identifier: MIT */

/* Limits for builds: what counts, what a baseline excuses, what a baseline is. */
#include "src/gate.h"

#include <stdio.h>
#include <string.h>

#include "src/cursor.h"
#include "src/findings.h"
#include "tests/lib/profbuild.h"

#include "tests/lib/suite.h"

static struct hs_profile *profile;
static struct hs_findings *findings;

static void setup(void)
{
	struct prof *b = prof_new("app", 1);
	prof_site(b, prof_call(b, prof_root, "a", "a.c", 1, "/usr/bin/app"),
		  (struct hs_site){.allocs = 1, .bytes = 1});
	prof_site(b, prof_call(b, prof_root, "b", "b.c", 1, "/usr/bin/app"),
		  (struct hs_site){.allocs = 1, .bytes = 1});
	profile = prof_seal(b);
	findings = hs_findings_new();
}

static void teardown(void)
{
	hs_findings_free(findings);
	hs_profile_free(profile);
}

static const char *add(uint32_t site, enum hs_leak_kind kind,
		       enum hs_confidence confidence, uint64_t bytes, uint64_t rate)
{
	struct hs_finding *f = hs_findings_add(findings, HS_FINDING_LEAK, profile,
					       profile->sites[site].stack);
	f->kind = kind;
	f->confidence = confidence;
	f->bytes = bytes;
	f->bytes_per_hour = rate;
	return f->id;
}

START_TEST(only_leaks_that_somebody_is_sure_of_count)
{
	setup();
	struct hs_gate gate = {.limits_leaks = true, .max_leaked_bytes = 300};
	add(0, HS_LEAK_UNREACHABLE, HS_HIGH, 100, 0);
	add(0, HS_LEAK_NEVER_FREED, HS_MEDIUM, 200, 0);
	add(1, HS_LEAK_NEVER_FREED, HS_LOW, 1000, 0);
	add(1, HS_LEAK_REACHABLE, HS_HIGH, 1000, 0);
	struct hs_finding *spot = hs_findings_add(findings, HS_FINDING_HOTSPOT, profile,
						  profile->sites[1].stack);
	spot->bytes = 1000;
	struct hs_gate_result r = hs_gate_check(&gate, findings);
	ck_assert_uint_eq(r.leaked_bytes, 300);
	ck_assert_uint_eq(r.n_leaks, 2);
	ck_assert(!r.leaks_failed);
	gate.max_leaked_bytes = 299;
	ck_assert(hs_gate_check(&gate, findings).leaks_failed);
	gate.limits_leaks = false;
	ck_assert(!hs_gate_check(&gate, findings).leaks_failed);
	teardown();
}
END_TEST

START_TEST(rates_add_up)
{
	setup();
	struct hs_gate gate = {.limits_growth = true, .max_bytes_per_hour = 29};
	add(0, HS_LEAK_GROWTH, HS_HIGH, 100, 10);
	add(1, HS_LEAK_GROWTH, HS_MEDIUM, 100, 20);
	add(1, HS_LEAK_GROWTH, HS_LOW, 100, 40);
	struct hs_gate_result r = hs_gate_check(&gate, findings);
	ck_assert_uint_eq(r.bytes_per_hour, 30);
	ck_assert_uint_eq(r.n_growing, 2);
	ck_assert(r.growth_failed);
	gate.max_bytes_per_hour = 30;
	ck_assert(!hs_gate_check(&gate, findings).growth_failed);
	teardown();
}
END_TEST

static struct hs_error *read(const char *text, struct hs_baseline **ret)
{
	struct hs_cursor in = hs_cursor(text, strlen(text), "old.json");
	return hs_baseline_read(&in, ret);
}

START_TEST(a_baseline_excuses_as_many_bytes_as_it_has)
{
	setup();
	struct hs_gate gate = {.limits_leaks = true};
	const char *id = add(0, HS_LEAK_UNREACHABLE, HS_HIGH, 100, 7);
	char text[512], known[HS_ID_SIZE];
	strcpy(known, id);
	struct hs_baseline *b;
	snprintf(text, sizeof(text),
		 "{\"schema\": \"heapsnap/1\", \"processes\": [{\"x\": [1, {}]}],\n"
		 "\"leaks\": [{\"id\": \"%s\", \"bytes\": 60, \"stack\": [{}]},\n"
		 "{\"id\": \"HS-2222222222\", \"bytes\": 5},\n"
		 "{\"bytes\": 50, \"pid\": 2, \"id\": \"%s\"}], \"hotspots\": []}",
		 known, known);
	ck_assert(!read(text, &b));
	uint64_t bytes;
	ck_assert(hs_baseline_find(b, known, &bytes));
	ck_assert_uint_eq(bytes, 110);
	ck_assert(!hs_baseline_find(b, "HS-3333333333", &bytes));
	gate.baseline = b;
	struct hs_gate_result r = hs_gate_check(&gate, findings);
	ck_assert_uint_eq(r.known_bytes, 100);
	ck_assert_uint_eq(r.leaked_bytes, 0);
	ck_assert_uint_eq(r.bytes_per_hour, 0);
	ck_assert(!r.leaks_failed);
	/* A second process with the same leak: ten bytes are left of the 110. */
	add(0, HS_LEAK_UNREACHABLE, HS_HIGH, 30, 7);
	r = hs_gate_check(&gate, findings);
	ck_assert_uint_eq(r.known_bytes, 110);
	ck_assert_uint_eq(r.leaked_bytes, 20);
	ck_assert_uint_eq(r.n_leaks, 1);
	ck_assert(r.leaks_failed);
	hs_baseline_free(b);
	teardown();
}
END_TEST

START_TEST(what_is_no_report_is_no_baseline)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"leaks\": []}",
		"{\"schema\": \"other/1\", \"leaks\": []}",
		"{\"schema\": \"heapsnap/1\"}",
		"{\"schema\": \"heapsnap/1\", \"leaks\": [{\"id\": \"HS-22222222",
		"{\"schema\": \"heapsnap/1\", \"leaks\": [[[[]",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct hs_baseline *b = NULL;
		struct hs_error *err = read(texts[i], &b);
		ck_assert_msg(err != NULL, "%s", texts[i]);
		ck_assert_ptr_nonnull(strstr(hs_error_message(err), "analyze --json"));
		hs_error_free(err);
	}
}
END_TEST

HS_SUITE("gate", only_leaks_that_somebody_is_sure_of_count, rates_add_up,
	 a_baseline_excuses_as_many_bytes_as_it_has, what_is_no_report_is_no_baseline)
