/* SPDX-License-Identifier: MIT */

/*
 * --suppressions, --baseline, --fail-on-leaks and --fail-on-growth: what run and
 * analyze have in common for builds that want a verdict.
 */
#ifndef HS_LIMITS_H
#define HS_LIMITS_H

#include "src/cmd/options.h"
#include "src/gate.h"
#include "src/suppress.h"

enum {
	HS_OPT_SUPPRESSIONS = 1000, /* above those that a command numbers itself */
	HS_OPT_NO_EMBEDDED,
	HS_OPT_BASELINE,
	HS_OPT_FAIL_ON_LEAKS,
	HS_OPT_FAIL_ON_GROWTH,
};

/* For a command's table of options. */
/* clang-format off */
#define HS_LIMIT_OPTIONS                                                                \
	{.id = HS_OPT_SUPPRESSIONS, .name = "suppressions", .argument = "FILE",         \
	 .summary = "hide the leaks that FILE names; repeatable"},                      \
	{.id = HS_OPT_NO_EMBEDDED, .name = "no-embedded-suppressions",                  \
	 .summary = "not those that the program has in itself"},                        \
	{.id = HS_OPT_BASELINE, .name = "baseline", .argument = "FILE",                 \
	 .summary = "leaks in this JSON report are known"},                             \
	{.id = HS_OPT_FAIL_ON_LEAKS, .name = "fail-on-leaks", .argument = "SIZE",       \
	 .summary = "exit with 3 where more than SIZE leaked"},                         \
	{.id = HS_OPT_FAIL_ON_GROWTH, .name = "fail-on-growth", .argument = "RATE",     \
	 .summary = "exit with 3 where leaks grow faster, as 1MiB/h"}
/* clang-format on */

struct hs_limits {
	struct hs_suppressions *suppressions; /* NULL: no file was named */
	bool no_embedded;
	struct hs_baseline *baseline; /* or NULL */
	struct hs_gate gate;
};

/* Is ID one of these?  Then it was read, or O is stopped. */
bool hs_limits_read(struct hs_limits *l, struct hs_options *o, int id);
void hs_limits_deinit(struct hs_limits *l);

/* Say which limits the FINDINGS pass.  Returns HS_LIMIT if any, else HS_OK. */
int hs_limits_judge(const struct hs_limits *l, const struct hs_findings *findings);

#endif /* HS_LIMITS_H */
