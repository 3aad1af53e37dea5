/* SPDX-License-Identifier: MIT */

/* heapsnap merge: many recordings into one profile, one at a time. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/format.h"
#include "src/array.h"
#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/output.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/progress.h"
#include "src/cmd/symbolfiles.h"
#include "src/log.h"
#include "src/merging.h"
#include "src/names.h"

enum { OPT_OUTPUT = 1, OPT_EXE, OPT_SYSROOT, OPT_DEBUG_DIR, OPT_QUIET };

static const struct hs_option options[] = {
	{OPT_OUTPUT, "output", 'o', "FILE", "the profile to write; - is stdout", NULL},
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
	const char *output;
	bool quiet;
};

struct merge {
	const struct request *request;
	struct hs_merging *sum;
	size_t n_read, n_failed;
};

static void add_file(struct merge *m, const char *path)
{
	const struct hs_pipeline_options o = {
		.exes = m->request->files.exes.at,
		.sysroots = m->request->files.sysroots.at,
		.debug_dirs = m->request->files.debug_dirs.at,
		.figures_alone = true,
	};
	struct hs_pipeline *p = NULL;
	struct hs_error *err =
		hs_pipeline_open((const char *const[]){path, NULL}, &o, &p);
	if (err) {
		m->n_failed++;
		hs_log_warning("left out: %s", hs_error_message(err));
		hs_error_free(err);
		return;
	}
	const struct hs_report *report = hs_pipeline_report(p);
	for (size_t i = 0; i < report->n_targets; i++)
		hs_merging_add(m->sum, report->targets[i].profile);
	m->n_read += report->n_targets;
	hs_pipeline_free(p);
}

static int is_capture(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strstr(entry->d_name, ".hsnap") != NULL;
}

/* Its captures one by one, in the order of their names. */
static void add_dir(struct merge *m, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_capture, alphasort);
	if (n < 0) {
		m->n_failed++;
		hs_log_warning("left out: cannot read %s: %s", dir, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		char *path = hs_path_join(dir, entries[i]->d_name);
		add_file(m, path);
		free(path);
		free(entries[i]);
	}
	if (n == 0)
		hs_log_warning("%s holds no capture (*.hsnap); name other profiles", dir);
	free(entries);
}

static struct hs_error *write_sum(const struct request *r, struct hs_profile *p)
{
	const struct hs_format *format = hs_format_by_name("pprof");
	const struct hs_target target = {.profile = p, .has = p->has};
	const struct hs_report report = {.targets = &target,
					 .n_targets = 1,
					 .title = "merged",
					 .measure = HS_MEASURE_LEAKED};
	struct hs_output output;
	struct hs_error *err = format->check(&report);
	if (!err)
		err = hs_output_open(r->output, &output);
	if (err)
		return err;
	format->write(&report, &output.out);
	return hs_output_close(&output);
}

static struct hs_error *merge(const struct request *r)
{
	struct merge m = {.request = r, .sum = hs_merging_new()};
	struct stat st;
	for (size_t i = 0; i < r->paths.n; i++) {
		if (stat(r->paths.at[i], &st) == 0 && S_ISDIR(st.st_mode))
			add_dir(&m, r->paths.at[i]);
		else
			add_file(&m, r->paths.at[i]);
	}
	if (!m.n_read) {
		hs_merging_free(m.sum);
		return hs_error("nothing could be read");
	}
	if (m.n_failed)
		hs_log_warning("%zu inputs could not be read; the sum is that of the "
			       "other %zu processes",
			       m.n_failed, m.n_read);
	struct hs_profile *p = hs_merging_seal(m.sum);
	struct hs_error *err = write_sum(r, p);
	hs_profile_free(p);
	return err;
}

static int merge_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {0};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;) {
		if (id == HS_OPTION_OPERAND)
			hs_array_push(&r.paths, o.value);
		else if (id == OPT_OUTPUT)
			r.output = o.value;
		else if (id == OPT_QUIET)
			r.quiet = true;
		else if (id == OPT_EXE)
			hs_array_push(&r.files.exes, o.value);
		else if (id == OPT_SYSROOT)
			hs_array_push(&r.files.sysroots, o.value);
		else
			hs_array_push(&r.files.debug_dirs, o.value);
	}
	if (!o.stop && !r.paths.n)
		hs_options_wrong(&o, "which captures? Name files or directories");
	else if (!o.stop && !r.output)
		hs_options_wrong(&o, "where to? -o FILE");
	hs_symbolfiles_finish(&r.files);
	if (!o.stop && r.quiet)
		hs_log_set_level(HS_LOG_ERROR);
	if (!o.stop)
		hs_progress_enable(!r.quiet);
	struct hs_error *err = o.stop ? NULL : merge(&r);
	hs_array_free(&r.paths);
	hs_symbolfiles_deinit(&r.files);
	if (!err)
		return o.stop ? o.status : HS_OK;
	hs_log_error("cannot merge: %s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

const struct hs_command hs_command_merge = {
	.name = "merge",
	.synopsis = "-o FILE [OPTION...] PATH...",
	.summary = "add many recordings up to one profile",
	.options = options,
	.help = "PATH is a capture or foreign profile, or a directory, which stands for "
		"its "
		"captures\n"
		"(*.hsnap). They are read one at a time: memory grows with the stacks "
		"that "
		"differ,\n"
		"not with their number. FILE is a profile of pprof, which analyze and "
		"diff "
		"read.\n\n"
		"Examples\n"
		"  heapsnap merge -o fleet.pb.gz host1/ host2/ host3/\n"
		"  heapsnap merge -o monday.pb.gz captures/2026-11-23/\n"
		"  heapsnap analyze --html fleet.html fleet.pb.gz\n",
	.run = merge_run,
};
