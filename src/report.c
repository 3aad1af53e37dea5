/* SPDX-License-Identifier: MIT */

/* Words and figures that all writers of reports share. */
#include "src/report.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/out.h"
#include "src/weight.h"

struct hs_naming hs_count_named(const struct hs_profile *profile)
{
	struct hs_naming n = {0};
	uint64_t *unnamed = hs_xcalloc(profile->n_modules, sizeof(*unnamed));
	for (uint32_t i = 1; i < profile->n_stacks; i++) {
		const struct hs_frame_info *f =
			&profile->frames[profile->stacks[i].frame.i];
		n.total++;
		n.named += f->function.i != 0;
		unnamed[f->module.i] += f->function.i == 0;
	}
	for (uint32_t m = 1; m < profile->n_modules; m++)
		if (unnamed[m] > unnamed[n.worst.i] || (!n.worst.i && unnamed[m]))
			n.worst = (hs_module){m};
	free(unnamed);
	return n;
}

void hs_signal_name(int number, char ret[HS_SIGNAL_SIZE])
{
	const char *name = sigabbrev_np(number);
	/* The kernel's first real-time signal; glibc keeps 32 and 33 for itself. */
	if (name)
		snprintf(ret, HS_SIGNAL_SIZE, "SIG%.16s", name);
	else if (number >= 34 && number <= 64)
		snprintf(ret, HS_SIGNAL_SIZE, "SIGRTMIN+%d", number - 34);
	else
		snprintf(ret, HS_SIGNAL_SIZE, "signal %d", number);
}

/* Resolve "." and ".." in the absolute PATH, in place. */
static void resolve_dots(char *path)
{
	char *to = path; /* what is kept ends here, without a slash */
	for (const char *from = path; *from;) {
		size_t n = strcspn(from + 1, "/");
		if (n == 2 && !memcmp(from, "/..", 3)) {
			while (to > path && *--to != '/')
				;
		} else if (n && !(n == 1 && from[1] == '.')) {
			memmove(to, from, n + 1);
			to += n + 1;
		}
		from += n + 1;
	}
	*to = 0;
}

char *hs_source_path(const struct hs_report *report, const char *path)
{
	const char *root = report->source_root;
	size_t n = root ? strlen(root) : 0;
	char *whole = hs_xstrdup(path);
	if (*path == '/')
		resolve_dots(whole);
	if (!n || strncmp(whole, root, n) != 0 || whole[n] != '/' || !whole[n + 1])
		return whole;
	char *below = hs_xstrdup(whole + n + 1);
	free(whole);
	return below;
}

const char *hs_end_name(enum hs_end end)
{
	static const char *const names[] = {
		[HS_END_UNKNOWN] = "unknown", [HS_END_EXIT] = "exit",
		[HS_END_SIGNAL] = "signal",   [HS_END_KILLED] = "killed",
		[HS_END_EXEC] = "exec",       [HS_END_RUNNING] = "running",
	};
	return names[end];
}

const char *hs_frame_how_name(enum hs_frame_how how)
{
	static const char *const names[] = {
		[HS_FRAME_BY_TABLES] = "tables",
		[HS_FRAME_BY_POINTER] = "frame_pointer",
		[HS_FRAME_BY_SCAN] = "scan",
	};
	return names[how];
}

void hs_put_end(struct hs_out *out, const struct hs_process_info *process)
{
	char name[HS_SIGNAL_SIZE];
	switch (process->end) {
	case HS_END_EXIT:
		hs_printf(out, "exit status %d", process->code);
		return;
	case HS_END_SIGNAL:
		hs_signal_name(process->signal, name);
		hs_printf(out, "died of %s", name);
		return;
	case HS_END_KILLED:
		hs_puts(out, "killed (SIGKILL)");
		return;
	case HS_END_EXEC:
		hs_puts(out, "started another program");
		return;
	case HS_END_RUNNING:
		hs_puts(out, "still running");
		return;
	case HS_END_UNKNOWN:
		break;
	}
	hs_puts(out, "end unknown");
}

void hs_put_time(struct hs_out *out, uint64_t epoch_ns)
{
	time_t t = (time_t)(epoch_ns / 1000000000u);
	struct tm tm;
	if (!gmtime_r(&t, &tm)) {
		hs_puts(out, "?");
		return;
	}
	hs_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void hs_put_duration(struct hs_out *out, uint64_t ns)
{
	unsigned long long s = ns / 1000000000u;
	if (ns < 1000000)
		hs_printf(out, "%llu us", (unsigned long long)(ns / 1000));
	else if (s < 1)
		hs_printf(out, "%llu ms", (unsigned long long)(ns / 1000000));
	else if (s < 60)
		hs_printf(out, "%llu.%llu s", s,
			  (unsigned long long)(ns / 100000000 % 10));
	else if (s < 3600)
		hs_printf(out, "%llum%02llus", s / 60, s % 60);
	else
		hs_printf(out, "%lluh%02llum", s / 3600, s / 60 % 60);
}

void hs_put_margin(struct hs_out *out, const struct hs_profile *p, double variance)
{
	if (!p->sample_mean)
		return;
	hs_puts(out, " ± ");
	hs_put_size(out, hs_margin_of_bytes(variance, p->sample_mean));
}

static bool any_knows(const struct hs_report *report, enum hs_measure measure)
{
	for (size_t i = 0; i < report->n_targets; i++)
		if (hs_measure_known(report->targets[i].profile, measure))
			return true;
	return false;
}

struct hs_error *hs_report_knows(const struct hs_report *report, enum hs_measure measure)
{
	struct hs_out out;
	unsigned n = 0;
	if (any_knows(report, measure))
		return NULL;
	hs_out_init(&out, -1);
	for (int m = 0; m < HS_MEASURES; m++)
		if (any_knows(report, (enum hs_measure)m))
			hs_printf(&out, "%s%s", n++ ? ", " : "",
				  hs_measure_name((enum hs_measure)m));
	char *known = hs_out_take(&out, NULL);
	struct hs_error *err =
		n ? hs_error("the recording does not tell %s, only what --by knows as %s",
			     hs_measure_phrase(measure), known)
		  : hs_error("the recording tells nothing of a heap");
	free(known);
	return err;
}

struct hs_error *hs_report_single(const struct hs_report *report, const char *format_name)
{
	if (report->n_targets == 1)
		return NULL;
	return hs_error("a file of %s is about one process, and these are %zu; choose "
			"one with --process, or name one capture",
			format_name, report->n_targets);
}

const char *hs_alloc_kind_name(enum hs_alloc_kind kind)
{
	static const char *const names[HS_ALLOC_KINDS] = {
		[HS_ALLOC_MALLOC] = "malloc",     [HS_ALLOC_CALLOC] = "calloc",
		[HS_ALLOC_REALLOC] = "realloc",   [HS_ALLOC_ALIGNED] = "aligned",
		[HS_ALLOC_NEW] = "new",           [HS_ALLOC_NEW_ARRAY] = "new_array",
		[HS_ALLOC_MMAP] = "mmap",         [HS_ALLOC_PYMALLOC] = "pymalloc",
		[HS_ALLOC_PYCALLOC] = "pycalloc", [HS_ALLOC_PYREALLOC] = "pyrealloc",
	};
	return names[kind];
}
