/* SPDX-License-Identifier: MIT */

/*
 * heapsnap run: a program under the tracker, with a recorder beside it, and a
 * report at its end.  What it must never do is to stand in the program's way:
 * from the moment it runs, everything that fails is told and nothing more.
 */
#include <dirent.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/cmd/command.h"
#include "src/cmd/launch.h"
#include "src/cmd/limits.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/place.h"
#include "src/cmd/program.h"
#include "src/cmd/progress.h"
#include "src/cmd/recording.h"
#include "src/log.h"
#include "src/units.h"
#include "src/weight.h"
#include "src/wire.h"

#define DEFAULT_DIR      "heapsnap_reports"
#define DEFAULT_INTERVAL "1s"
#define DEFAULT_MAX_DISK "1GiB"

enum {
	OPT_OUTPUT = 1,
	OPT_QUIET,
	OPT_INTERVAL,
	OPT_MAX_DISK,
	OPT_KEEP_LOG,
	OPT_SAMPLE,
	OPT_FREE_STACKS,
};

static const struct hs_option options[] = {
	{.id = OPT_OUTPUT,
	 .name = "output",
	 .letter = 'o',
	 .argument = "DIR",
	 .summary = "where captures and reports go [" DEFAULT_DIR "]"},
	{.id = OPT_QUIET,
	 .name = "quiet",
	 .letter = 'q',
	 .summary = "no summary at the end"},
	{.id = OPT_INTERVAL,
	 .name = "interval",
	 .argument = "TIME",
	 .summary = "time between snapshots [" DEFAULT_INTERVAL "]"},
	{.id = OPT_MAX_DISK,
	 .name = "max-disk",
	 .argument = "SIZE",
	 .summary = "bound on one process's capture [" DEFAULT_MAX_DISK "]"},
	{.id = OPT_KEEP_LOG,
	 .name = "keep-log",
	 .summary = "keep every event, not only what they add up to"},
	{.id = OPT_SAMPLE,
	 .name = "sample",
	 .argument = "SIZE",
	 .summary = "record one allocation in so many bytes instead of all"},
	{.id = OPT_FREE_STACKS,
	 .name = "free-stacks",
	 .summary = "record who frees, too"},
	HS_LIMIT_OPTIONS,
	{0},
};

struct settings {
	const char *dir; /* -o, or NULL: that of the environment */
	const char *interval, *max_disk, *sample;
	bool quiet, keep_log, free_stacks, report;
	struct hs_limits limits;
	char **argv; /* the program's */
	uint64_t interval_ns, max_disk_bytes, sample_bytes;
};

/* What is set in the environment; an empty variable is as good as none. */
static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value && *value ? value : otherwise;
}

static void read_environment(struct settings *s)
{
	const char *keep = from_environment("HEAPSNAP_KEEP_LOG", "0");
	s->interval = from_environment("HEAPSNAP_INTERVAL", DEFAULT_INTERVAL);
	s->max_disk = from_environment("HEAPSNAP_MAX_DISK", DEFAULT_MAX_DISK);
	s->sample = from_environment("HEAPSNAP_SAMPLE", "0");
	s->keep_log = !strcmp(keep, "1");
	s->free_stacks = !strcmp(from_environment("HEAPSNAP_FREE_STACKS", "0"), "1");
	s->report = strcmp(from_environment("HEAPSNAP_REPORT", "exit"), "none") != 0;
}

static void read_options(struct hs_options *o, struct settings *s)
{
	for (int id; (id = hs_options_next(o)) != HS_OPTION_END;) {
		if (hs_limits_read(&s->limits, o, id))
			continue;
		switch (id) {
		case OPT_OUTPUT:
			s->dir = o->value;
			break;
		case OPT_QUIET:
			s->quiet = true;
			break;
		case OPT_INTERVAL:
			s->interval = o->value;
			break;
		case OPT_MAX_DISK:
			s->max_disk = o->value;
			break;
		case OPT_KEEP_LOG:
			s->keep_log = true;
			break;
		case OPT_SAMPLE:
			s->sample = o->value;
			break;
		case OPT_FREE_STACKS:
			s->free_stacks = true;
			break;
		case HS_OPTION_OPERAND:
			s->argv = &o->argv[o->next - 1];
			return;
		default:
			break;
		}
	}
}

static void check_settings(struct hs_options *o, struct settings *s)
{
	if (o->stop)
		return;
	if (!hs_parse_time(s->interval, &s->interval_ns) || s->interval_ns < 1000000)
		hs_options_wrong(o,
				 "'%s' is no time between snapshots; say 500ms, 1s "
				 "or 2m",
				 s->interval);
	else if (!hs_parse_size(s->max_disk, &s->max_disk_bytes) ||
		 s->max_disk_bytes < 1 << 20)
		hs_options_wrong(o, "'%s' is no bound for a capture; say 64MiB or 2GiB",
				 s->max_disk);
	else if (!hs_parse_size(s->sample, &s->sample_bytes) ||
		 s->sample_bytes > HS_SAMPLE_MOST)
		hs_options_wrong(o,
				 "'%s' is no distance between samples; say 512KiB, or 0 "
				 "to record every allocation",
				 s->sample);
	else if (!s->argv)
		hs_options_wrong(o,
				 "which program? Name it, as in 'heapsnap run ./server'");
}

/* All that must be there before anything is started. */
struct plan {
	struct hs_program program;
	struct hs_place place;
	char *dir;
};

static void deinit_plan(struct plan *p)
{
	hs_program_deinit(&p->program);
	hs_place_deinit(&p->place);
	free(p->dir);
}

static struct hs_error *make_plan(const struct settings *s, struct plan *p)
{
	struct hs_error *err = hs_place_find(&p->place);
	if (!err)
		err = hs_program_find(s->argv[0], &p->program);
	if (err)
		return err;
	HS_CLEANUP(hs_freep)
	char *dir = s->dir ? hs_xstrdup(s->dir)
			   : hs_expand_dir(from_environment("HEAPSNAP_DIR", DEFAULT_DIR),
					   p->program.path);
	return hs_output_dir(dir, &p->dir);
}

/* Ours before the user's. */
static char *preload_list(const struct plan *p)
{
	const char *users = from_environment("LD_PRELOAD", "");
	return hs_xasprintf("%s%s%s", p->place.tracker, *users ? ":" : "", users);
}

/*
 * AddressSanitizer refuses to run where its library is not the first one.  It
 * need not be: the tracker passes every call on to it.  But if it were, nobody
 * would call the tracker.  Its operator new does not call malloc, either.
 */
static char *sanitizer_options(const struct settings *s, const struct plan *p)
{
	const char *users = from_environment("ASAN_OPTIONS", "");
	if (!s->quiet)
		hs_log_note("'%s' is built with AddressSanitizer: what it gets by "
			    "operator new is not recorded",
			    p->program.path);
	return hs_xasprintf("%s%sverify_asan_link_order=0", users, *users ? ":" : "");
}

/* The tracker expands %p, %n and %h in HEAPSNAP_DIR; a directory has a name. */
static char *escape(const char *dir)
{
	char *text = hs_xmalloc(2 * strlen(dir) + 1), *p = text;
	for (; *dir; dir++) {
		*p++ = *dir;
		if (*dir == '%')
			*p++ = '%';
	}
	*p = 0;
	return text;
}

static struct hs_error *launch(const struct settings *s, const struct plan *p,
			       struct hs_launch *ret)
{
	HS_CLEANUP(hs_freep) char *preload = preload_list(p);
	HS_CLEANUP(hs_freep) char *dir = escape(p->dir);
	HS_CLEANUP(hs_freep)
	char *sample = hs_xasprintf("%llu", (unsigned long long)s->sample_bytes);
	HS_CLEANUP(hs_freep) char *asan = NULL;
	if (p->program.sanitizer)
		asan = sanitizer_options(s, p);
	const struct hs_environment env[] = {
		{"LD_PRELOAD", preload},
		{"HEAPSNAP_DIR", dir},
		{"HEAPSNAP_INTERVAL", s->interval},
		{"HEAPSNAP_MAX_DISK", s->max_disk},
		{"HEAPSNAP_KEEP_LOG", s->keep_log ? "1" : "0"},
		{"HEAPSNAP_SAMPLE", sample},
		{"HEAPSNAP_FREE_STACKS", s->free_stacks ? "1" : "0"},
		{asan ? "ASAN_OPTIONS" : NULL, asan},
		{NULL, NULL},
	};
	return hs_launch(p->program.path, s->argv, env, ret);
}

static void wait_for_end(struct hs_launch *l, struct hs_recording *r)
{
	while (!hs_launch_signalled(l)) {
		/* poll() passes over a negative descriptor. */
		struct pollfd fds[] = {{.fd = l->signal_fd, .events = POLLIN},
				       {.fd = r->fd, .events = POLLIN}};
		if (poll(fds, HS_COUNT(fds), -1) > 0 && fds[1].revents)
			hs_recording_receive(r);
	}
}

/* Tell the recorder while the zombie can still be looked at.  Returns a status. */
static int end_of(struct hs_launch *l, struct hs_recording *r)
{
	siginfo_t end;
	hs_launch_look(l, &end);
	bool exited = end.si_code == CLD_EXITED;
	uint32_t how = exited                     ? HS_WIRE_HOW_EXIT
		       : end.si_status == SIGKILL ? HS_WIRE_HOW_KILLED
						  : HS_WIRE_HOW_SIGNAL;
	hs_recording_ended(r, l->pid, how, end.si_status);
	hs_launch_reap(l);
	return exited ? end.si_status : 128 + end.si_status;
}

/* Are the captures of this run all that the directory has? */
static bool has_only(const char *path, size_t n)
{
	DIR *dir = opendir(path);
	size_t found = 0;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		const char *ending = strrchr(e->d_name, '.');
		found += ending && !strcmp(ending, ".hsnap");
	}
	if (dir)
		closedir(dir);
	return found == n;
}

static struct hs_error *write_reports(const struct settings *s, const struct plan *p,
				      const struct hs_recording *r,
				      const struct hs_pipeline *all)
{
	struct hs_error *err = hs_pipeline_write_each(all);
	/* The report on a directory is on all of it, or it would mislead. */
	if (!err && has_only(p->dir, r->names.n))
		err = hs_pipeline_write_dir(all, p->dir);
	if (!err && !s->quiet) {
		bool color = hs_want_color(HS_COLOR_AUTO, STDERR_FILENO);
		HS_CLEANUP(hs_freep) char *text = hs_pipeline_summary(all, color);
		hs_progress_clear();
		(void)!write(STDERR_FILENO, text, strlen(text));
	}
	return err;
}

/* *VERDICT_RET: HS_LIMIT where a limit was passed. */
static struct hs_error *report(const struct settings *s, const struct plan *p,
			       const struct hs_recording *r, int *verdict_ret)
{
	const char **paths = hs_xcalloc(r->names.n + 1, sizeof(*paths));
	for (size_t i = 0; i < r->names.n; i++)
		paths[i] = hs_xasprintf("%s/%s", p->dir, r->names.at[i]);
	const struct hs_pipeline_options pipeline = {
		.suppressions = s->limits.suppressions,
		.no_embedded = s->limits.no_embedded,
		.gate = &s->limits.gate,
	};
	struct hs_pipeline *all = NULL;
	struct hs_error *err = hs_pipeline_open(paths, &pipeline, &all);
	if (!err && s->report)
		err = write_reports(s, p, r, all);
	if (all)
		*verdict_ret =
			hs_limits_judge(&s->limits, hs_pipeline_report(all)->findings);
	hs_pipeline_free(all);
	for (size_t i = 0; i < r->names.n; i++)
		free((void *)(uintptr_t)paths[i]);
	free(paths);
	return err;
}

static void tell_troubles(const struct settings *s, const struct plan *p,
			  const struct hs_recording *r)
{
	for (size_t i = 0; i < r->troubles.n; i++)
		hs_log_warning("%s", r->troubles.at[i]);
	if (r->fd < 0)
		hs_log_warning("the recorder ended too early or does not answer; the "
			       "captures in '%s' are not rewritten, but 'heapsnap "
			       "analyze' reads them as they are",
			       p->dir);
	else if (!r->names.n && !r->living)
		hs_log_warning("nothing was recorded: neither '%s' nor a program that "
			       "it started left a capture in '%s'; did it change "
			       "LD_PRELOAD, or has it no C library of its own?",
			       s->argv[0], p->dir);
	if (r->living && !s->quiet)
		hs_log_note("%u process%s of this run go%s on and stay%s recorded; "
			    "analyze '%s' again later",
			    r->living, r->living > 1 ? "es" : "",
			    r->living > 1 ? "" : "es", r->living > 1 ? "" : "s", p->dir);
}

static bool has_limits(const struct settings *s)
{
	return s->limits.gate.limits_leaks || s->limits.gate.limits_growth;
}

/* Say what went wrong, write the reports, and judge. */
static struct hs_error *conclude(const struct settings *s, const struct plan *p,
				 const struct hs_recording *r, int *verdict_ret)
{
	if (access(p->dir, F_OK) != 0)
		return hs_error("'%s' was removed while the program ran: what was "
				"recorded is lost; record again",
				p->dir);
	tell_troubles(s, p, r);
	bool wanted = s->report || has_limits(s);
	return wanted && r->names.n ? report(s, p, r, verdict_ret) : NULL;
}

static int run_program(const struct settings *s, const struct plan *p)
{
	struct hs_recording r;
	struct hs_launch l;
	struct hs_error *err = hs_recording_start(p->place.recorder, p->dir,
						  s->interval_ns, s->max_disk_bytes, &r);
	if (err)
		goto failed;
	err = launch(s, p, &l);
	if (err) {
		hs_recording_deinit(&r);
		goto failed;
	}
	hs_recording_main(&r, l.pid);
	wait_for_end(&l, &r);
	int status = end_of(&l, &r);
	hs_progress_enable(!s->quiet);
	hs_recording_finish(&r);
	/* What could not be judged has not passed. */
	int verdict = has_limits(s) ? HS_FAILED : HS_OK;
	err = conclude(s, p, &r, &verdict);
	hs_recording_deinit(&r);
	if (err)
		hs_log_warning("%s", hs_error_message(err));
	hs_error_free(err);
	return verdict == HS_OK ? status : verdict;
failed:
	hs_log_error("%s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

static int run(const struct hs_command *self, int argc, char **argv)
{
	struct settings s = {0};
	struct plan p = {0};
	struct hs_options o = hs_options(self, argc, argv);
	read_environment(&s);
	read_options(&o, &s);
	check_settings(&o, &s);
	struct hs_error *err = o.stop ? NULL : make_plan(&s, &p);
	int status = o.stop ? o.status : HS_FAILED;
	if (err)
		hs_log_error("%s", hs_error_message(err));
	else if (!o.stop)
		status = run_program(&s, &p);
	hs_error_free(err);
	deinit_plan(&p);
	hs_limits_deinit(&s.limits);
	return status;
}

const struct hs_command hs_command_run = {
	.name = "run",
	.synopsis = "[-o DIR] [OPTION...] [--] PROGRAM [ARG...]",
	.summary = "run a program under the tracker, then analyze it",
	.help = "The program's output and exit status stay its own (128+N after signal "
		"N); what it\n"
		"forks and executes is recorded, too. The reports NAME.PID.html and "
		"NAME.PID.txt\n"
		"are written beside each capture NAME.PID.hsnap, and the summary goes to "
		"stderr,\n"
		"unless HEAPSNAP_REPORT is 'none'.\n\n"
		"Examples\n"
		"  heapsnap run ./myserver --port 8080\n"
		"  heapsnap run -o out/ --interval 250ms -- python3 script.py\n"
		"  heapsnap run -q -o out/ -- sh -c 'make | tee log'\n",
	.options = options,
	.runs_program = true,
	.run = run,
};
