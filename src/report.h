/* SPDX-License-Identifier: MIT */

/* A report: targets + findings + choices of presentation.  Borrows all of it. */
#ifndef HS_REPORT_H
#define HS_REPORT_H

#include "src/findings.h"
#include "src/target.h"

struct hs_report {
	const struct hs_target *targets;
	size_t n_targets;
	const struct hs_findings *findings;

	const char *title; /* "myserver.4242", or the folder's name */
	unsigned top;      /* leaks and hotspots to list in text; 0: default */
	bool color;        /* text for a terminal */
	bool details;      /* text: whole stacks, library frames included */
};

#endif /* HS_REPORT_H */
