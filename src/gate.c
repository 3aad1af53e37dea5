/* SPDX-License-Identifier: MIT */

/* Limits and baselines. */
#include "src/gate.h"

#include <string.h>

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/jsonread.h"

struct baseline_leak {
	char id[HS_ID_SIZE];
	uint64_t bytes;
};

struct hs_baseline {
	HS_ARRAY(struct baseline_leak) leaks;
	struct hs_map by_id;
};

static uint64_t key_of(const char *id)
{
	return hs_hash_bytes(HS_HASH_INIT, id, strlen(id));
}

static void add_leak(struct hs_baseline *b, const char id[HS_ID_SIZE], uint64_t bytes)
{
	bool fresh;
	uint32_t *slot = hs_map_put(&b->by_id, key_of(id), &fresh);
	if (fresh) {
		*slot = (uint32_t)b->leaks.n;
		memcpy(hs_array_add(&b->leaks)->id, id, HS_ID_SIZE);
	}
	uint64_t *sum = &b->leaks.at[*slot].bytes;
	if (__builtin_add_overflow(*sum, bytes, sum))
		*sum = UINT64_MAX;
}

static void read_leak(struct hs_baseline *b, struct hs_json *j)
{
	struct hs_span key, text;
	char id[HS_ID_SIZE] = "";
	uint64_t bytes = 0;
	hs_json_open(j, '{');
	while (hs_json_key(j, &key)) {
		if (hs_span_is(key, "id") && hs_json_next(j) == '"') {
			if (hs_json_string(j, &text) &&
			    hs_span_size(text) == HS_ID_SIZE - 1)
				memcpy(id, text.at, HS_ID_SIZE - 1);
		} else if (hs_span_is(key, "bytes") && hs_json_next(j) == '0') {
			hs_json_number(j, &bytes);
		} else {
			hs_json_skip(j);
		}
	}
	if (*id && !j->failed)
		add_leak(b, id, bytes);
}

/* Returns whether J is one of our reports, as far as it can be read. */
static bool read_report(struct hs_baseline *b, struct hs_json *j)
{
	struct hs_span key, text;
	bool is_ours = false, has_leaks = false;
	hs_json_open(j, '{');
	while (hs_json_key(j, &key)) {
		if (hs_span_is(key, "schema") && hs_json_next(j) == '"') {
			is_ours = hs_json_string(j, &text) && hs_span_size(text) > 9 &&
				  !memcmp(text.at, "heapsnap/", 9);
		} else if (hs_span_is(key, "leaks") && hs_json_next(j) == '[') {
			has_leaks = hs_json_open(j, '[');
			while (hs_json_item(j))
				read_leak(b, j);
		} else {
			hs_json_skip(j);
		}
	}
	return is_ours && has_leaks && !j->failed;
}

struct hs_error *hs_baseline_read(struct hs_cursor *in, struct hs_baseline **ret)
{
	struct hs_baseline *b = hs_xcalloc(1, sizeof(*b));
	struct hs_json j = hs_json(in);
	bool good = read_report(b, &j);
	hs_json_deinit(&j);
	if (good) {
		*ret = b;
		return NULL;
	}
	hs_baseline_free(b);
	return hs_error("this is no report of heapsnap, or not a whole one; "
			"'heapsnap analyze --json FILE' writes what a baseline is");
}

void hs_baseline_free(struct hs_baseline *b)
{
	if (!b)
		return;
	hs_array_free(&b->leaks);
	hs_map_deinit(&b->by_id);
	free(b);
}

bool hs_baseline_find(const struct hs_baseline *b, const char *id, uint64_t *bytes_ret)
{
	uint32_t *slot = hs_map_get(&b->by_id, key_of(id));
	if (!slot || strcmp(b->leaks.at[*slot].id, id) != 0)
		return false;
	*bytes_ret = b->leaks.at[*slot].bytes;
	return true;
}

bool hs_gate_counts(const struct hs_finding *f)
{
	return f->type == HS_FINDING_LEAK && f->kind != HS_LEAK_REACHABLE &&
	       f->confidence != HS_LOW;
}

/*
 * Several processes may have a leak of one id, and the baseline knows only their
 * sum: it is used up by one after another, in the order of the findings.
 */
static uint64_t use_up(const struct hs_baseline *b, uint64_t *used,
		       const struct hs_finding *f)
{
	uint32_t *slot = b ? hs_map_get(&b->by_id, key_of(f->id)) : NULL;
	if (!slot || strcmp(b->leaks.at[*slot].id, f->id) != 0)
		return 0;
	uint64_t left = b->leaks.at[*slot].bytes - used[*slot];
	uint64_t known = HS_MIN(left, f->bytes);
	used[*slot] += known;
	return known;
}

struct hs_gate_result hs_gate_check(const struct hs_gate *gate,
				    const struct hs_findings *findings)
{
	struct hs_gate_result r = {0};
	const struct hs_baseline *b = gate->baseline;
	uint64_t *used = hs_xcalloc(b ? b->leaks.n : 0, sizeof(*used));
	size_t n;
	const struct hs_finding *f = hs_findings_get(findings, &n);
	for (const struct hs_finding *end = f + n; f < end; f++) {
		if (!hs_gate_counts(f))
			continue;
		uint64_t known = use_up(b, used, f);
		r.known_bytes += known;
		r.leaked_bytes += f->bytes - known;
		r.n_leaks += f->bytes > known;
		if (f->bytes > known) {
			r.bytes_per_hour += f->bytes_per_hour;
			r.n_growing += f->bytes_per_hour > 0;
		}
	}
	free(used);
	r.leaks_failed = gate->limits_leaks && r.leaked_bytes > gate->max_leaked_bytes;
	r.growth_failed =
		gate->limits_growth && r.bytes_per_hour > gate->max_bytes_per_hour;
	return r;
}
