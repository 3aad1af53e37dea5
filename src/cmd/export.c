/* SPDX-License-Identifier: MIT */

/* heapsnap export: any input to any format that is written. */
#include <string.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/array.h"
#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/progress.h"
#include "src/cmd/symbolfiles.h"
#include "src/log.h"
#include "src/measure.h"
#include "src/out.h"

enum {
	OPT_TO = 1,
	OPT_BY,
	OPT_OUTPUT,
	OPT_PROCESS,
	OPT_LIST,
	OPT_EXE,
	OPT_SYSROOT,
	OPT_DEBUG_DIR,
	OPT_QUIET,
};

static const struct hs_option options[] = {
	{OPT_TO, "to", 't', "FORMAT", "what to write; -l tells what there is", NULL},
	{OPT_BY, "by", 0, "BY", "peak, leaked, allocated, allocations or temporary",
	 "peak leaked allocated allocations temporary"},
	{OPT_OUTPUT, "output", 'o', "FILE", "where to; - or nothing is stdout", NULL},
	{OPT_PROCESS, "process", 0, "ID", "of this process alone, by its id or pid",
	 NULL},
	{OPT_LIST, "list", 'l', NULL, "list the formats that can be written", NULL},
	{OPT_EXE, "exe", 0, "FILE", "an executable that moved since; repeatable", NULL},
	{OPT_SYSROOT, "sysroot", 0, "DIR",
	 "where the files of the system lie; repeatable", NULL},
	{OPT_DEBUG_DIR, "debug-dir", 0, "DIR", "where debug files lie; repeatable", NULL},
	{OPT_QUIET, "quiet", 'q', NULL, "no progress, no warnings", NULL},
	{0},
};

struct request {
	HS_ARRAY(const char *) paths;
	struct hs_symbolfiles files;
	const struct hs_format *to;
	const char *output, *process;
	enum hs_measure by;
	bool has_by, list, quiet;
};

static const char *writer_name(const void *context HS_UNUSED, size_t i)
{
	return hs_formats[i]->name;
}

static void set_format(struct hs_options *o, struct request *r)
{
	size_t n = 0;
	while (hs_formats[n])
		n++;
	r->to = hs_format_by_name(o->value);
	if (r->to && r->to->write)
		return;
	if (r->to)
		hs_options_wrong(o, "%s is read only; --list tells what can be written",
				 o->value);
	else {
		const char *near = hs_nearest(o->value, writer_name, NULL, n);
		hs_options_wrong(o, "unknown format '%s'%s%s%s", o->value,
				 near ? " (did you mean " : "", near ? near : "",
				 near ? "?)" : "; --list tells what can be written");
	}
}

static void read_option(struct hs_options *o, int id, struct request *r)
{
	switch (id) {
	case HS_OPTION_OPERAND:
		hs_array_push(&r->paths, o->value);
		break;
	case OPT_TO:
		set_format(o, r);
		break;
	case OPT_BY:
		r->has_by = true;
		if (!hs_measure_by_name(o->value, &r->by))
			hs_options_wrong(
				o,
				"--by is peak, leaked, allocated, allocations or "
				"temporary, not '%s'",
				o->value);
		break;
	case OPT_OUTPUT:
		r->output = o->value;
		break;
	case OPT_PROCESS:
		r->process = o->value;
		break;
	case OPT_LIST:
		r->list = true;
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
	case OPT_QUIET:
		r->quiet = true;
		break;
	default:
		abort();
	}
}

static int list_formats(void)
{
	struct hs_out out;
	hs_out_init(&out, STDOUT_FILENO);
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if ((*f)->write)
			hs_printf(&out, "%-12s %s%s\n", (*f)->name, (*f)->summary,
				  (*f)->by_measure ? "; --by" : "");
	struct hs_error *err = hs_out_finish(&out, "the list to stdout");
	if (!err)
		return HS_OK;
	hs_log_error("%s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

/* What of the request will have no effect, or less than it seems. */
static void warn(const struct request *r, const struct hs_report *report)
{
	if (r->has_by && !r->to->by_measure)
		hs_log_warning("%s tells all figures; --by changes nothing", r->to->name);
	if (!r->to->by_measure)
		return;
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		if (!hs_measure_known(p, r->by))
			hs_log_warning("%s does not tell %s and is left out",
				       hs_string(p, p->process.id),
				       hs_measure_phrase(r->by));
	}
}

static struct hs_error *export_to(const struct request *r, struct hs_pipeline *p)
{
	struct hs_error *err = NULL;
	if (r->process)
		err = hs_pipeline_choose(p, r->process);
	if (!err && r->to->check)
		err = r->to->check(hs_pipeline_report(p));
	if (err)
		return err;
	warn(r, hs_pipeline_report(p));
	return hs_pipeline_write(p, r->to->name, r->output ? r->output : "-", false);
}

static int export(const struct request *r)
{
	const struct hs_pipeline_options o = {
		.exes = r->files.exes.at,
		.sysroots = r->files.sysroots.at,
		.debug_dirs = r->files.debug_dirs.at,
		.figures_alone = r->to->figures_alone,
		.measure = r->by,
	};
	struct hs_pipeline *p = NULL;
	if (r->quiet)
		hs_log_set_level(HS_LOG_ERROR);
	hs_progress_enable(!r->quiet);
	struct hs_error *err = hs_pipeline_open(r->paths.at, &o, &p);
	if (!err)
		err = export_to(r, p);
	hs_pipeline_free(p);
	if (!err)
		return HS_OK;
	hs_log_error("cannot export to %s: %s", r->to->name, hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

static int export_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {0};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
		read_option(&o, id, &r);
	if (!o.stop && !r.list && !r.to)
		hs_options_wrong(&o, "to which format? --to FORMAT; --list tells them");
	else if (!o.stop && !r.list && !r.paths.n)
		hs_options_wrong(&o, "which capture or directory?");
	hs_symbolfiles_finish(&r.files);
	hs_array_push(&r.paths, NULL);
	int status = o.stop ? o.status : r.list ? list_formats() : export(&r);
	hs_array_free(&r.paths);
	hs_symbolfiles_deinit(&r.files);
	return status;
}

const struct hs_command hs_command_export = {
	.name = "export",
	.synopsis = "--to FORMAT [OPTION...] PATH...",
	.summary = "write captures in the formats of other tools",
	.options = options,
	.help = "PATH is a capture or foreign profile, or a directory of them. Formats "
		"that hold one\n"
		"figure for each stack (csv, folded, speedscope) hold the one that --by "
		"names: peak\n"
		"(bytes live at the highest point; the default), leaked (live at the "
		"end), allocated,\n"
		"allocations (a count) or temporary (a count).\n\n"
		"Examples\n"
		"  heapsnap export --list\n"
		"  heapsnap export --to pprof -o heap.pb.gz out/\n"
		"  heapsnap export --to folded --by leaked out/ | flamegraph.pl > "
		"leaks.svg\n",
	.run = export_run,
};
