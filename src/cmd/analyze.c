/* SPDX-License-Identifier: MIT */

/* heapsnap analyze: any input to summary and reports. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/array.h"
#include "src/cmd/command.h"
#include "src/cmd/limits.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/progress.h"
#include "src/cmd/symbolfiles.h"
#include "src/log.h"
#include "src/out.h"

enum {
	OPT_OUTPUT = 1,
	OPT_HTML,
	OPT_JSON,
	OPT_TEXT,
	OPT_MARKDOWN,
	OPT_WRITE,
	OPT_TOP,
	OPT_DETAILS,
	OPT_ALL,
	OPT_REDACT,
	OPT_NO_REDACT,
	OPT_COLOR,
	OPT_EXE,
	OPT_SYSROOT,
	OPT_DEBUG_DIR,
	OPT_DEBUGINFOD,
	OPT_QUIET,
};

/* An output that was asked for by itself. */
struct single {
	const char *format;
	const char *path; /* "-" is stdout */
};

static const struct hs_option options[] = {
	{OPT_OUTPUT, "output", 'o', "DIR", "write report.html and summary.txt into DIR",
	 NULL},
	{OPT_HTML, "html", 0, "FILE", "write the report as a page, and nothing else",
	 NULL},
	{OPT_JSON, "json", 0, "FILE", "write it for programs; - is stdout", NULL},
	{OPT_TEXT, "text", 0, "FILE", "write the summary", NULL},
	{OPT_MARKDOWN, "markdown", 0, "FILE", "write it for a tracker", NULL},
	{OPT_WRITE, "write", 0, "FORMAT=FILE", "write sarif, junit, github, lsan ...",
	 NULL},
	{OPT_TOP, "top", 0, "N", "list N places in the summary", NULL},
	{OPT_DETAILS, "details", 0, NULL,
	 "whole stacks, paths and arguments in the summary", NULL},
	{OPT_ALL, "all", 0, NULL, "also list what is no leak", NULL},
	{OPT_REDACT, "redact", 0, NULL, "tell no arguments and no directories at all",
	 NULL},
	{OPT_NO_REDACT, "no-redact", 0, NULL, "tell them in any case", NULL},
	{OPT_COLOR, "color", 0, "WHEN", "auto, always or never; NO_COLOR is stronger",
	 "auto always never"},
	{OPT_EXE, "exe", 0, "FILE", "an executable that moved since; repeatable", NULL},
	{OPT_SYSROOT, "sysroot", 0, "DIR",
	 "where the files of the system lie; repeatable", NULL},
	{OPT_DEBUG_DIR, "debug-dir", 0, "DIR", "where debug files lie; repeatable", NULL},
	HS_LIMIT_OPTIONS,
	{OPT_DEBUGINFOD, "debuginfod", 0, NULL,
	 "fetch missing files from DEBUGINFOD_URLS", NULL},
	{OPT_QUIET, "quiet", 'q', NULL, "no summary, no progress, no warnings", NULL},
	{0},
};

/* An array of array.h; ends with NULL when it is handed on. */
struct strings {
	const char **at;
	size_t n, room;
};

struct request {
	struct strings paths;
	struct hs_symbolfiles files;
	struct hs_limits limits;
	const char *dir; /* -o */
	HS_ARRAY(struct single) singles;
	enum hs_color_choice color;
	unsigned top;
	bool details, all, quiet;
	enum hs_privacy privacy;
};

static void add_single(struct hs_options *o, struct request *r, const char *format,
		       const char *path)
{
	for (size_t i = 0; i < r->singles.n; i++)
		if (!strcmp(r->singles.at[i].format, format))
			hs_options_wrong(o, "the output %s was asked for twice", format);
	hs_array_push(&r->singles, ((struct single){format, path}));
}

/* --write FORMAT=FILE */
static void add_written(struct hs_options *o, struct request *r)
{
	const char *equals = strchr(o->value, '=');
	size_t n = equals ? (size_t)(equals - o->value) : 0;
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if ((*f)->write && n && equals[1] && strlen((*f)->name) == n &&
		    !memcmp((*f)->name, o->value, n)) {
			add_single(o, r, (*f)->name, equals + 1);
			return;
		}
	hs_options_wrong(o,
			 "--write wants FORMAT=FILE, as in sarif=leaks.sarif, not '%s'",
			 o->value);
}

static void set_top(struct hs_options *o, struct request *r)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(o->value, &end, 10);
	if (errno || *end || o->value[0] < '0' || o->value[0] > '9' || n < 1 ||
	    n > 1000000)
		hs_options_wrong(o, "--top wants a number from 1 to 1000000, not '%s'",
				 o->value);
	r->top = (unsigned)n;
}

static void read_option(struct hs_options *o, int id, struct request *r)
{
	if (hs_limits_read(&r->limits, o, id))
		return;
	switch (id) {
	case HS_OPTION_OPERAND:
		hs_array_push(&r->paths, o->value);
		break;
	case OPT_OUTPUT:
		if (r->dir)
			hs_options_wrong(o, "--output was given twice");
		r->dir = o->value;
		break;
	case OPT_HTML:
		add_single(o, r, "html", o->value);
		break;
	case OPT_JSON:
		add_single(o, r, "json", o->value);
		break;
	case OPT_TEXT:
		add_single(o, r, "text", o->value);
		break;
	case OPT_MARKDOWN:
		add_single(o, r, "markdown", o->value);
		break;
	case OPT_WRITE:
		add_written(o, r);
		break;
	case OPT_TOP:
		set_top(o, r);
		break;
	case OPT_DETAILS:
		r->details = true;
		break;
	case OPT_REDACT:
		r->privacy = HS_PRIVATE;
		break;
	case OPT_NO_REDACT:
		r->privacy = HS_OPEN;
		break;
	case OPT_ALL:
		r->all = true;
		break;
	case OPT_COLOR:
		if (!hs_parse_color(o->value, &r->color))
			hs_options_wrong(o, "--color is auto, always or never, not '%s'",
					 o->value);
		break;
	case OPT_EXE:
		hs_array_push(&r->files.exes, o->value);
		break;
	case OPT_SYSROOT:
		hs_array_push(&r->files.sysroots, o->value);
		break;
	case OPT_DEBUG_DIR:
		hs_array_push(&r->files.debug_dirs, o->value);
		break;
	case OPT_DEBUGINFOD:
		r->files.debuginfod = true;
		break;
	case OPT_QUIET:
		r->quiet = true;
		break;
	default:
		abort();
	}
}

static bool is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

static void check_request(struct hs_options *o, const struct request *r)
{
	unsigned to_stdout = 0;
	for (size_t i = 0; i < r->singles.n; i++)
		to_stdout += is_stdout(r->singles.at[i].path);
	if (o->stop)
		return;
	if (!r->paths.n)
		hs_options_wrong(o, "which captures? Name a directory or files");
	else if (to_stdout > 1)
		hs_options_wrong(o, "only one output can go to stdout");
	else if (r->dir && r->singles.n)
		hs_options_wrong(
			o, "--output writes all reports; give either that or single "
			   "outputs");
}

static int write_single(const struct hs_pipeline *p, const struct request *r,
			const char *format, const char *path)
{
	if (!path)
		return HS_OK;
	bool color = hs_want_color(r->color, is_stdout(path) ? STDOUT_FILENO : -1);
	return hs_fail(hs_pipeline_write(p, format, path, color));
}

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int write_files(const struct hs_pipeline *p, const struct request *r)
{
	if (r->dir) {
		if (mkdir(r->dir, 0777) != 0 && errno != EEXIST)
			return hs_fail(hs_error("cannot make the directory %s: %s",
						r->dir, strerror(errno)));
		return hs_fail(hs_pipeline_write_dir(p, r->dir));
	}
	if (r->paths.n > 1) {
		if (!r->quiet)
			hs_log_note("several paths: no report was written; -o DIR says "
				    "where to");
		return HS_OK;
	}
	struct hs_error *err = is_directory(r->paths.at[0])
				       ? hs_pipeline_write_dir(p, r->paths.at[0])
				       : hs_pipeline_write_each(p);
	if (!err)
		return HS_OK;
	hs_fail(err);
	hs_log_note("-o DIR writes the reports elsewhere");
	return HS_FAILED;
}

/* All outputs are tried; the worst status counts. */
static int write_outputs(const struct hs_pipeline *p, const struct request *r)
{
	int worst = HS_OK;
	for (size_t i = 0; i < r->singles.n; i++) {
		const struct single *single = &r->singles.at[i];
		int status = write_single(p, r, single->format, single->path);
		worst = HS_MAX(worst, status);
	}
	if (r->singles.n)
		return worst;
	int shown = r->quiet ? HS_OK : write_single(p, r, "text", "-");
	int written = write_files(p, r);
	return HS_MAX(shown, written);
}

static int analyze(struct request *r)
{
	struct hs_pipeline *p;
	const struct hs_pipeline_options how = {
		.exes = r->files.exes.at,
		.sysroots = r->files.sysroots.at,
		.debug_dirs = r->files.debug_dirs.at,
		.suppressions = r->limits.suppressions,
		.no_embedded = r->limits.no_embedded,
		.gate = &r->limits.gate,
		.debuginfod = r->files.debuginfod,
		.top = r->top,
		.details = r->details,
		.all = r->all,
		.privacy = r->privacy,
	};
	if (r->quiet)
		hs_log_set_level(HS_LOG_ERROR);
	hs_progress_enable(!r->quiet);
	struct hs_error *err = hs_symbolfiles_connect(&r->files);
	if (!err)
		err = hs_pipeline_open(r->paths.at, &how, &p);
	if (err)
		return hs_fail(err);
	int status = write_outputs(p, r);
	if (status == HS_OK)
		status = hs_limits_judge(&r->limits, hs_pipeline_report(p)->findings);
	hs_pipeline_free(p);
	return status;
}

static int analyze_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {0};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
		read_option(&o, id, &r);
	check_request(&o, &r);
	hs_symbolfiles_finish(&r.files);
	hs_array_push(&r.paths, NULL);
	r.paths.n--; /* the NULL is behind the end */
	int status = o.stop ? o.status : analyze(&r);
	hs_array_free(&r.paths);
	hs_symbolfiles_deinit(&r.files);
	hs_array_free(&r.singles);
	hs_limits_deinit(&r.limits);
	return status;
}

const struct hs_command hs_command_analyze = {
	.name = "analyze",
	.synopsis = "[OPTION...] PATH...",
	.summary = "tell where the memory went: summary, page, JSON",
	.options = options,
	.help = "PATH is a capture, or a directory: all captures in it. Prints the "
		"summary and\n"
		"writes report.html and summary.txt into the directory, NAME.PID.html "
		"and "
		".txt beside\n"
		"a single capture; with --html, --json, --text or --write nothing but "
		"these.\n\n"
		"Examples\n"
		"  heapsnap analyze out/\n"
		"  heapsnap analyze --html report.html myserver.4242.hsnap\n"
		"  heapsnap analyze --json - out/ | python3 -m json.tool\n",
	.run = analyze_run,
};
