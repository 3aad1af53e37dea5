/* SPDX-License-Identifier: MIT */

/*
 * The gate: do the findings pass the limits that a build sets?  And the baseline:
 * the leaks of an earlier report, which are known and not to be held against it.
 *
 * Leaks of low confidence are shown, but pass every gate: a build must not fail for
 * what nobody is sure of.
 */
#ifndef HS_GATE_H
#define HS_GATE_H

#include "src/base.h"

struct hs_baseline;
struct hs_cursor;
struct hs_finding;
struct hs_findings;

struct hs_gate {
	bool limits_leaks, limits_growth;
	uint64_t max_leaked_bytes;
	uint64_t max_bytes_per_hour;
	const struct hs_baseline *baseline; /* or NULL */
};

struct hs_gate_result {
	uint64_t leaked_bytes; /* beyond the baseline */
	uint64_t known_bytes;  /* that the baseline has as well */
	uint64_t bytes_per_hour;
	uint32_t n_leaks, n_growing; /* places that these come from */
	bool leaks_failed, growth_failed;
};

struct hs_gate_result hs_gate_check(const struct hs_gate *gate,
				    const struct hs_findings *findings);

/* Does a gate look at F? */
bool hs_gate_counts(const struct hs_finding *f);

/*
 * Read the leaks of a JSON report of ours (doc/json.md); the rest is skipped.  An
 * error where IN is none.
 */
HS_MUST_USE struct hs_error *hs_baseline_read(struct hs_cursor *in,
					      struct hs_baseline **ret);
void hs_baseline_free(struct hs_baseline *baseline); /* accepts NULL */

/* Bytes of the leaks with ID, of all processes; false if there are none. */
bool hs_baseline_find(const struct hs_baseline *baseline, const char *id,
		      uint64_t *bytes_ret);

#endif /* HS_GATE_H */
