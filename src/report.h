/* SPDX-License-Identifier: MIT */

/*
 * A report: targets + findings + choices of presentation.  Borrows all of it.
 * Also the words and figures that every writer of reports needs.
 */
#ifndef HS_REPORT_H
#define HS_REPORT_H

#include "src/findings.h"
#include "src/measure.h"
#include "src/target.h"

struct hs_gate;
struct hs_out;
struct hs_suppressions;

/* Text and Markdown: arguments and directories. */
enum hs_privacy {
	HS_PRIVATE_BRIEF, /* only with details */
	HS_PRIVATE,       /* never */
	HS_OPEN,          /* always */
};

struct hs_report {
	const struct hs_target *targets;
	size_t n_targets;
	const struct hs_findings *findings;

	const struct hs_suppressions *suppressions; /* that were applied, or NULL */
	const struct hs_gate *gate;                 /* limits of a build, or NULL */

	/* Sources below it are told relative to it where code reviews want that; or NULL.
	 */
	const char *source_root;

	const char *title; /* "myserver.4242", or the folder's name */
	unsigned top;      /* leaks and hotspots to list in text; 0: default */
	bool color;        /* text for a terminal */
	bool details;      /* text: whole stacks, library frames included */

	enum hs_measure measure; /* by what stacks are weighed in exports */
	bool all;                /* also list what is no leak */
	enum hs_privacy privacy;
};

/* How many places in the stacks have a function's name. */
struct hs_naming {
	uint64_t named, total;
	hs_module worst; /* where most of those without one are; or none */
};
struct hs_naming hs_count_named(const struct hs_profile *profile);

/* "SIGSEGV", "SIGRTMIN+3"; "signal 99" for what is none. */
#define HS_SIGNAL_SIZE 24
void hs_signal_name(int number, char ret[HS_SIGNAL_SIZE]);

/*
 * PATH without REPORT's source root, if it lies below that; malloc'ed.  "a/../" in it is
 * resolved: compilers put together where they were called and what they were given.
 */
char *hs_source_path(const struct hs_report *report, const char *path);

/* Does any of the profiles know MEASURE?  Else an error that says what they know. */
HS_MUST_USE struct hs_error *hs_report_knows(const struct hs_report *report,
					     enum hs_measure measure);

/* An error unless the report is on one process, which FORMAT_NAME is about. */
HS_MUST_USE struct hs_error *hs_report_single(const struct hs_report *report,
					      const char *format_name);

/* "malloc", "calloc", ... "pymalloc" */
const char *hs_alloc_kind_name(enum hs_alloc_kind kind);

/* Word of interface.md: "exit", "signal" ... */
const char *hs_end_name(enum hs_end end);

/* Word of doc/json.md: "tables", "frame_pointer", "scan". */
const char *hs_frame_how_name(enum hs_frame_how how);

/* "exit status 3", "died of SIGSEGV", "still running" ... */
void hs_put_end(struct hs_out *out, const struct hs_process_info *process);

/* "2026-11-23T14:02:11Z" */
void hs_put_time(struct hs_out *out, uint64_t epoch_ns);

/* "64 us", "850 ms", "12.5 s", "41m10s", "3h02m" */
void hs_put_duration(struct hs_out *out, uint64_t ns);

/*
 * " ± 1.2 MiB": half of the interval of 95 % around an estimate of P's with this
 * variance; nothing where P knows it exactly.
 */
void hs_put_margin(struct hs_out *out, const struct hs_profile *p, double variance);

#endif /* HS_REPORT_H */
