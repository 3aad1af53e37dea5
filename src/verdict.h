/* SPDX-License-Identifier: MIT */

/*
 * Verdicts: what to call memory that lives in the end, and how sure of that we are.
 * Weighs what the witnesses saw (reachability, trend, age, frees) by the rules of
 * doc/leaks.md; a pure function.
 */
#ifndef HS_VERDICT_H
#define HS_VERDICT_H

#include "src/findings.h"
#include "src/survival.h"
#include "src/trend.h"

/* What is known of the blocks of one place. */
struct hs_facts {
	uint64_t blocks, bytes; /* alive in the end */
	uint64_t allocs, frees;
	uint64_t in_flight_blocks, in_flight_bytes; /* younger than usual; 0 at an exit */
	bool kept;                                  /* by libc or the loader, by design */
	bool found;                                 /* there is a frame to blame */
	struct hs_trend trend;
	struct hs_survival survival;
	/* Of the process. */
	enum hs_end end;
	bool lost;    /* events are missing: frees may be among them */
	bool sampled; /* figures are estimates */
	/* From a scan, if there was one; counts of `blocks`. */
	bool scanned;
	uint64_t unreachable_blocks, unreachable_bytes, indirect_blocks, indirect_bytes;
};

struct hs_verdict {
	enum hs_leak_kind kind;
	enum hs_confidence confidence;
	enum hs_excuse excuse;  /* why it is no leak, if it is none */
	uint64_t blocks, bytes; /* that are meant */
};

struct hs_verdict hs_verdict_of(const struct hs_facts *facts);

#endif /* HS_VERDICT_H */
