/* SPDX-License-Identifier: MIT */

/*
 * From paths to what the user sees: find the files, guess their formats, read,
 * seal, symbolize, analyze, sort, write.  The only place that knows all tables.
 *
 * What cannot be read is said on stderr (src/log.h) and left out; the rest is
 * used.  So a pipeline fails only when nothing at all could be read.
 */
#ifndef HS_PIPELINE_H
#define HS_PIPELINE_H

#include "src/base.h"
#include "src/report.h"
#include "src/suppress.h"

struct hs_pipeline_options {
	/* Where symbols come from: NULL-terminated lists, or NULL. */
	const char *const *exes, *const *sysroots, *const *debug_dirs;

	/* Of the user, or NULL; those that programs have in themselves join them. */
	struct hs_suppressions *suppressions;
	bool no_embedded;           /* ... unless */
	const struct hs_gate *gate; /* or NULL */
	bool debuginfod;            /* ask its servers, too */

	unsigned top; /* see struct hs_report */
	bool details;
	enum hs_measure measure;

	bool figures_alone; /* nobody will ask for findings */
	bool all;
	enum hs_privacy privacy;
};

struct hs_pipeline;

/*
 * Read PATHS (NULL-terminated): files, and directories, which stand for every
 * capture and foreign profile in them, in the order of their names.
 */
HS_MUST_USE struct hs_error *hs_pipeline_open(const char *const *paths,
					      const struct hs_pipeline_options *options,
					      struct hs_pipeline **ret);
void hs_pipeline_free(struct hs_pipeline *p); /* accepts NULL */

/* The report on all processes together; good until the pipeline is freed. */
const struct hs_report *hs_pipeline_report(const struct hs_pipeline *p);

/* Leave all processes out but the one with this id, or else this pid. */
HS_MUST_USE struct hs_error *hs_pipeline_choose(struct hs_pipeline *p, const char *id);

/*
 * Write the report on all processes as FORMAT ("text", "html", "json") to
 * PATH; "-" is stdout.  An ordinary file appears under its name only when it
 * is whole; what was there before stays until then.
 */
HS_MUST_USE struct hs_error *hs_pipeline_write(const struct hs_pipeline *p,
					       const char *format, const char *path,
					       bool color);

/* report.html and summary.txt in DIR. */
HS_MUST_USE struct hs_error *hs_pipeline_write_dir(const struct hs_pipeline *p,
						   const char *dir);

/* NAME.PID.html and NAME.PID.txt beside each NAME.PID.hsnap that was read. */
HS_MUST_USE struct hs_error *hs_pipeline_write_each(const struct hs_pipeline *p);

/* The report on all processes as text; malloc'ed. */
char *hs_pipeline_summary(const struct hs_pipeline *p, bool color);

#endif /* HS_PIPELINE_H */
