/* SPDX-License-Identifier: MIT */

/*
 * The report as text that fits a ticket: about 60 lines for one process, 100
 * columns, no colour, no arguments and no directories unless asked for.  A
 * ticket is read by strangers.
 */
#include "formats/format.h"

#include <string.h>

#include "config.h"
#include "formats/text_parts.h"

#define DEFAULT_TOP  5u  /* leaks with their stacks */
#define HOTSPOT_ROWS 3u  /* for each way of looking, unless --top says more */
#define MAX_OVERVIEW 30u /* rows of the table of processes */
#define MAX_BRIEFS   8u  /* processes that get a section of their own */

/* ---- hotspots ---- */

static void put_row(const struct hs_text *t, const struct hs_finding *f, uint64_t whole)
{
	bool counted = f->by == HS_BY_ALLOCATIONS || f->by == HS_BY_TEMPORARY;
	struct hs_out cell;
	hs_out_init(&cell, -1);
	if (f->by == HS_BY_TEMPORARY)
		hs_printf(&cell, "%llu", (unsigned long long)f->blocks);
	else
		hs_put_size(&cell, f->bytes);
	if (f->by != HS_BY_TEMPORARY)
		hs_put_margin(&cell, t->p, f->bytes_variance);
	char *amount = hs_out_take(&cell, NULL);
	if (f->by == HS_BY_TEMPORARY)
		hs_printf(t->out, "  %21s", amount);
	else if (f->blocks)
		hs_printf(t->out, "  %10s %10llu", amount, (unsigned long long)f->blocks);
	else
		hs_printf(t->out, "  %10s %10s", amount, "-");
	hs_printf(t->out, " %3u %%  ",
		  hs_text_percent(counted ? f->blocks : f->bytes, whole));
	free(amount);
	hs_text_culprit(t, f);
	hs_putc(t->out, '\n');
}

static void put_hotspots_by(const struct hs_text *t, enum hs_hotspot_by by, unsigned rows)
{
	static const char *const titles[] = {
		[HS_BY_PEAK] = "held at the peak: bytes, blocks, share",
		[HS_BY_ALLOCATED] = "allocated most bytes: bytes, allocations, share",
		[HS_BY_ALLOCATIONS] = "allocated most often: bytes, allocations, share",
		[HS_BY_TEMPORARY] =
			"temporary, freed before the next: allocations, share",
	};
	const struct hs_totals *s = &t->p->totals;
	const uint64_t wholes[] = {
		[HS_BY_PEAK] = s->peak_bytes,
		[HS_BY_ALLOCATED] = s->bytes,
		[HS_BY_ALLOCATIONS] = s->allocs,
		[HS_BY_TEMPORARY] = s->temporaries,
	};
	size_t n;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	unsigned listed = 0;
	for (; n-- && listed < rows; f++) {
		if (f->profile != t->p || f->type != HS_FINDING_HOTSPOT || f->by != by)
			continue;
		if (!listed++) {
			hs_text_paint(t, HS_TEXT_BOLD);
			hs_printf(t->out, "%s\n", titles[by]);
			hs_text_unpaint(t);
		}
		put_row(t, f, wholes[by]);
		hs_text_freed_by(t, f);
	}
}

/* ---- whole processes ---- */

/* A core or a live process: no history, but threads. */
static void put_image(const struct hs_text *t)
{
	hs_text_program(t);
	hs_text_crash(t);
	hs_text_warnings(t);
	hs_text_threads(t);
	hs_text_heap(t);
}

static void put_one(const struct hs_text *t)
{
	unsigned top = t->report->top;
	if (t->p->has & HS_HAS_STACKS) {
		put_image(t);
		return;
	}
	hs_text_program(t);
	hs_text_recorded(t);
	hs_text_sampled(t);
	hs_text_core(t);
	hs_text_live_and_peak(t);
	hs_text_traffic(t);
	hs_text_inherited(t);
	hs_text_mapped(t);
	hs_text_rss(t);
	hs_text_quality(t);
	hs_putc(t->out, '\n');
	hs_text_growth(t);
	hs_text_leaks(t, top ? top : DEFAULT_TOP);
	hs_putc(t->out, '\n');
	for (enum hs_hotspot_by by = HS_BY_PEAK; by <= HS_BY_TEMPORARY; by++)
		put_hotspots_by(t, by, top ? top : HOTSPOT_ROWS);
}

static void put_brief(const struct hs_text *t)
{
	unsigned top = t->report->top;
	hs_putc(t->out, '\n');
	hs_text_label(t, "process");
	hs_put_plain(t->out, hs_string(t->p, t->p->process.id));
	hs_putc(t->out, '\n');
	hs_text_sampled(t);
	if (t->p->has & HS_HAS_STACKS) {
		put_image(t);
		return;
	}
	hs_text_core(t);
	hs_text_live_and_peak(t);
	hs_text_traffic(t);
	hs_text_inherited(t);
	hs_text_quality(t);
	hs_text_leaks(t, top ? top : 2);
	put_hotspots_by(t, HS_BY_PEAK, top ? top : 2);
}

static void put_size_cell(const struct hs_text *t, bool known, uint64_t bytes)
{
	struct hs_out cell;
	hs_out_init(&cell, -1);
	if (known)
		hs_put_size(&cell, bytes);
	else
		hs_putc(&cell, '-');
	char *s = hs_out_take(&cell, NULL);
	hs_printf(t->out, "  %10s", s);
	free(s);
}

static void put_overview_row(const struct hs_text *t)
{
	const struct hs_totals *s = &t->p->totals;
	uint32_t has = t->p->has;
	hs_text_spaces(t, 30 - hs_text_cut(t, hs_string(t->p, t->p->process.id), 30));
	put_size_cell(t, has & HS_HAS_LIVE, s->live_bytes);
	put_size_cell(t, has & HS_HAS_PEAK, s->peak_bytes);
	if (hs_has_counts(t->p, HS_HAS_TOTALS))
		hs_printf(t->out, " %12llu  ", (unsigned long long)s->allocs);
	else
		hs_printf(t->out, " %12s  ", "-");
	hs_put_end(t->out, &t->p->process);
	hs_puts(t->out, t->p->process.complete ? "\n" : ", incomplete\n");
}

static uint64_t weight(const struct hs_profile *p)
{
	return p->has & HS_HAS_LIVE ? p->totals.live_bytes : p->totals.bytes;
}

/* Heaviest first; those that weigh the same in the order of their names. */
static int compare_targets(const void *pa, const void *pb)
{
	const struct hs_profile *a = *(const struct hs_profile *const *)pa;
	const struct hs_profile *b = *(const struct hs_profile *const *)pb;
	uint64_t wa = weight(a), wb = weight(b);
	if (wa != wb)
		return wa < wb ? 1 : -1;
	return strcmp(hs_string(a, a->process.id), hs_string(b, b->process.id));
}

static void put_many(struct hs_text *t)
{
	size_t n = t->report->n_targets;
	const struct hs_profile **order = hs_xcalloc(n, sizeof(struct hs_profile *));
	for (size_t i = 0; i < n; i++)
		order[i] = t->report->targets[i].profile;
	qsort(order, n, sizeof(struct hs_profile *), compare_targets);
	hs_text_label(t, "processes");
	hs_printf(t->out, "%zu, by what was live at the end\n", n);
	hs_printf(t->out, "%-30s  %10s  %10s %12s  %s\n", "", "live", "peak",
		  "allocations", "end");
	for (size_t i = 0; i < n && i < MAX_OVERVIEW; i++) {
		t->p = order[i];
		put_overview_row(t);
	}
	if (n > MAX_OVERVIEW)
		hs_printf(t->out,
			  "%zu more processes (analyze one of them alone, or --json)\n",
			  n - MAX_OVERVIEW);
	for (size_t i = 0; i < n && i < MAX_BRIEFS; i++) {
		t->p = order[i];
		put_brief(t);
	}
	free(order);
}

/* Is there a recording among the targets, or only cores and live processes? */
static bool has_history(const struct hs_report *report)
{
	for (size_t i = 0; i < report->n_targets; i++)
		if (!(report->targets[i].has & HS_HAS_STACKS))
			return true;
	return false;
}

static void text_write(const struct hs_report *report, struct hs_out *out)
{
	struct hs_text t = {.out = out, .report = report};
	hs_text_paint(&t, HS_TEXT_BOLD);
	hs_puts(out, "heapsnap " PACKAGE_VERSION);
	hs_puts(out, has_history(report) ? " leak summary  " : " threads  ");
	hs_put_plain(out, report->title ? report->title : "");
	hs_text_unpaint(&t);
	hs_putc(out, '\n');
	if (report->n_targets == 1) {
		t.p = report->targets[0].profile;
		put_one(&t);
	} else {
		put_many(&t);
	}
	hs_text_suppressed(&t);
	if (!report->details)
		hs_puts(out, "\nleft out: arguments, directories, library frames "
			     "(--details)\n");
}

const struct hs_format hs_format_text = {
	.name = "text",
	.summary = "the summary for people and tickets",
	.suffixes = (const char *const[]){".txt", NULL},
	.write = text_write,
};
