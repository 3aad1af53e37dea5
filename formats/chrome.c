/* SPDX-License-Identifier: MIT */

/*
 * Counters over time, as Chrome's trace viewer and Perfetto show them: the JSON of
 * trace events ("C"), a track for each process.  Times are microseconds from the
 * earliest start of all processes; where recordings have no dates, each has its own.
 */
#include "formats/format.h"

#include "src/out.h"
#include "src/report.h"

struct writing {
	struct hs_out *out;
	uint64_t start_ns; /* the earliest */
	bool begun;
};

static void begin_event(struct writing *w, const char *phase, const char *name,
			size_t process)
{
	hs_printf(w->out,
		  "%s\n{\"ph\": \"%s\", \"name\": \"%s\", \"pid\": %zu, \"tid\": 0",
		  w->begun ? "," : "", phase, name, process);
	w->begun = true;
}

static void put_name(struct writing *w, const struct hs_profile *p, size_t process)
{
	begin_event(w, "M", "process_name", process);
	hs_puts(w->out, ", \"args\": {\"name\": ");
	hs_put_json_string(w->out, hs_string(p, p->process.id));
	hs_puts(w->out, "}}");
}

static void begin_counter(struct writing *w, const struct hs_profile *p, const char *name,
			  size_t process, uint64_t time_ns)
{
	uint64_t from = p->process.start_ns ? w->start_ns : 0;
	uint64_t ns = time_ns > from ? time_ns - from : 0;
	begin_event(w, "C", name, process);
	hs_printf(w->out, ", \"ts\": %llu.%03u, \"args\": {",
		  (unsigned long long)(ns / 1000), (unsigned)(ns % 1000));
}

static void put_snapshot(struct writing *w, const struct hs_profile *p, size_t process,
			 const struct hs_snapshot *s)
{
	begin_counter(w, p, "heap", process, s->time_ns);
	hs_printf(w->out, "\"bytes\": %llu}}", (unsigned long long)s->heap_bytes);
	if (hs_has_counts(p, HS_HAS_LIVE)) {
		begin_counter(w, p, "blocks", process, s->time_ns);
		hs_printf(w->out, "\"blocks\": %llu}}",
			  (unsigned long long)s->heap_blocks);
	}
	if (p->has & HS_HAS_RSS) {
		begin_counter(w, p, "resident", process, s->time_ns);
		hs_printf(w->out, "\"bytes\": %llu}}", (unsigned long long)s->rss_bytes);
	}
}

static bool has_time_line(const struct hs_profile *p)
{
	return p->has & HS_HAS_SNAPSHOTS && p->n_snapshots && !p->process.clock.i;
}

static void chrome_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {.out = out, .start_ns = UINT64_MAX};
	for (size_t i = 0; i < report->n_targets; i++) {
		uint64_t start = report->targets[i].profile->process.start_ns;
		if (start)
			w.start_ns = HS_MIN(w.start_ns, start);
	}
	hs_puts(out, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [");
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		/* Pids may be unknown, or of several processes: tracks are counted. */
		put_name(&w, p, i + 1);
		for (uint32_t k = 0; has_time_line(p) && k < p->n_snapshots; k++)
			put_snapshot(&w, p, i + 1, &p->snapshots[k]);
	}
	hs_puts(out, "\n]}\n");
}

static struct hs_error *chrome_check(const struct hs_report *report)
{
	for (size_t i = 0; i < report->n_targets; i++)
		if (has_time_line(report->targets[i].profile))
			return NULL;
	return hs_error("the recording has no line of time");
}

const struct hs_format hs_format_chrome = {
	.name = "chrome",
	.summary = "heap and RSS over time, for Perfetto and chrome://tracing",
	.suffixes = (const char *const[]){".trace.json", NULL},
	.check = chrome_check,
	.figures_alone = true,
	.write = chrome_write,
};
