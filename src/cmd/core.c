/* SPDX-License-Identifier: MIT */

/* heapsnap core: why a process died, and where its threads were. */
#include <unistd.h>

#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/progress.h"
#include "src/cmd/symbolfiles.h"
#include "src/log.h"

enum {
	OPT_JSON = 1,
	OPT_DETAILS,
	OPT_COLOR,
	OPT_EXE,
	OPT_SYSROOT,
	OPT_DEBUG_DIR,
	OPT_DEBUGINFOD,
	OPT_QUIET,
};

static const struct hs_option options[] = {
	{OPT_JSON, "json", 0, NULL, "write it for programs", NULL},
	{OPT_DETAILS, "details", 0, NULL, "whole paths, signatures, stacks and lists",
	 NULL},
	{OPT_COLOR, "color", 0, "WHEN", "auto, always or never; NO_COLOR is stronger",
	 "auto always never"},
	{OPT_EXE, "exe", 0, "FILE", "the executable, if it moved since; repeatable",
	 NULL},
	{OPT_SYSROOT, "sysroot", 0, "DIR",
	 "where the files of the system lie; repeatable", NULL},
	{OPT_DEBUG_DIR, "debug-dir", 0, "DIR", "where debug files lie; repeatable", NULL},
	{OPT_DEBUGINFOD, "debuginfod", 0, NULL,
	 "fetch missing files from DEBUGINFOD_URLS", NULL},
	{OPT_QUIET, "quiet", 'q', NULL, "no progress, no warnings", NULL},
	{0},
};

struct request {
	const char *path;
	struct hs_symbolfiles files;
	enum hs_color_choice color;
	bool json, details, quiet;
};

static void read_option(struct hs_options *o, int id, struct request *r)
{
	switch (id) {
	case HS_OPTION_OPERAND:
		if (r->path)
			hs_options_wrong(o, "one core at a time; 'heapsnap analyze' "
					    "takes several");
		r->path = o->value;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case OPT_DETAILS:
		r->details = true;
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

static struct hs_error *show(const struct request *r)
{
	const char *const paths[] = {r->path, NULL};
	const struct hs_pipeline_options how = {
		.exes = r->files.exes.at,
		.sysroots = r->files.sysroots.at,
		.debug_dirs = r->files.debug_dirs.at,
		.debuginfod = r->files.debuginfod,
		.details = r->details,
	};
	struct hs_pipeline *p;
	if (r->quiet)
		hs_log_set_level(HS_LOG_ERROR);
	hs_progress_enable(!r->quiet);
	struct hs_error *err = hs_symbolfiles_connect(&r->files);
	if (!err)
		err = hs_pipeline_open(paths, &how, &p);
	if (err)
		return err;
	err = hs_pipeline_write(p, r->json ? "json" : "text", "-",
				hs_want_color(r->color, STDOUT_FILENO));
	hs_pipeline_free(p);
	return err;
}

static int core_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {0};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
		read_option(&o, id, &r);
	if (!o.stop && !r.path)
		hs_options_wrong(&o, "which core, or which process?");
	hs_symbolfiles_finish(&r.files);
	struct hs_error *err = o.stop ? NULL : show(&r);
	hs_symbolfiles_deinit(&r.files);
	return o.stop ? o.status : hs_fail(err);
}

const struct hs_command hs_command_core = {
	.name = "core",
	.synopsis = "[OPTION...] CORE|PID",
	.summary = "tell why a process died, or where its threads are",
	.options = options,
	.help = "CORE is a core file of x86-64 or AArch64, written by the kernel, "
		"systemd-coredump\n"
		"or gcore; it may be packed with gzip, zstd, LZ4 or xz, and it may be "
		"cut off.\n"
		"Neither gdb nor the machine it comes from is needed: --sysroot names a "
		"folder\n"
		"with the files of that machine. Files are compared by build-id.\n"
		"PID is a living process, which is stopped for some milliseconds.\n\n"
		"Frames marked 'by frame pointer' or '?' were not found by unwind "
		"tables.\n\n"
		"Examples\n"
		"  heapsnap core core.4242\n"
		"  heapsnap core --exe ./myserver --sysroot image/ core.4242.zst\n"
		"  heapsnap core 4242\n"
		"  heapsnap core --json core.4242 | python3 -m json.tool\n",
	.run = core_run,
};
