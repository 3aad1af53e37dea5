/* SPDX-License-Identifier: MIT */

/*
 * What the places that a suspect stands for held over time: a small picture beside
 * it.  Knows levels and marks of the profile; judges nothing.
 */
#include <string.h>

#include "formats/html_parts.h"

#define WIDTH      120u /* of the picture's own units */
#define HEIGHT     24u
#define MAX_POINTS 60u

struct hs_html_series {
	const struct hs_finding *finding;
	uint64_t *held; /* by mark */
};

static struct hs_html_series *series_of(struct hs_html_page *page,
					const struct hs_profile *p, const char *id)
{
	for (size_t i = 0; i < page->n_series; i++)
		if (page->series[i].finding->profile == p &&
		    !strcmp(page->series[i].finding->id, id))
			return &page->series[i];
	return NULL;
}

/* The N levels of one site, from mark to mark, added to SERIES. */
static void add_levels(const struct hs_profile *p, const struct hs_level *level, size_t n,
		       uint64_t *held)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t until = i + 1 < n ? level[i + 1].mark : p->n_marks;
		for (uint32_t m = level[i].mark; m < until; m++)
			held[m] += HS_MIN(level[i].bytes, UINT64_MAX - held[m]);
	}
}

static void add_target(struct hs_html_page *page, const struct hs_target *target)
{
	const struct hs_profile *p = target->profile;
	/* Who is to blame was found when leaks were looked for; this asks again. */
	struct hs_findings *findings = (void *)(uintptr_t)page->report->findings;
	for (uint32_t i = 0, n; i < p->n_levels; i += n) {
		uint32_t site = p->levels[i].site;
		char id[HS_ID_SIZE];
		for (n = 1; i + n < p->n_levels && p->levels[i + n].site == site;)
			n++;
		if (target->suppressed && target->suppressed[site])
			continue;
		hs_finding_id(hs_findings_culprit(findings, p, p->sites[site].stack).key,
			      id);
		struct hs_html_series *of = series_of(page, p, id);
		if (of)
			add_levels(p, &p->levels[i], n, of->held);
	}
}

static bool has_series(const struct hs_profile *p)
{
	return p->has & HS_HAS_LEVELS && p->n_marks > 2 &&
	       p->marks[p->n_marks - 1].time_ns > p->marks[0].time_ns;
}

void hs_html_find_series(struct hs_html_page *page, size_t max)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(page->report->findings, &n);
	page->series = hs_xcalloc(HS_MIN(n, max) + 1, sizeof(*page->series));
	for (size_t i = 0, seen = 0; i < n && seen < max; i++) {
		if (f[i].type != HS_FINDING_LEAK || f[i].kind == HS_LEAK_REACHABLE)
			continue;
		seen++;
		if (has_series(f[i].profile) && f[i].stack.i)
			page->series[page->n_series++] = (struct hs_html_series){
				&f[i],
				hs_xcalloc(f[i].profile->n_marks, sizeof(uint64_t))};
	}
	for (size_t i = 0; i < page->report->n_targets && page->n_series; i++) {
		const struct hs_profile *p = page->report->targets[i].profile;
		if (p && has_series(p))
			add_target(page, &page->report->targets[i]);
	}
}

void hs_html_free_series(struct hs_html_page *page)
{
	for (size_t i = 0; i < page->n_series; i++)
		free(page->series[i].held);
	free(page->series);
}

static void put_label(struct hs_out *out, const struct hs_profile *p,
		      const uint64_t *held, uint64_t top)
{
	hs_puts(out, "held over time: ");
	hs_put_size(out, held[0]);
	hs_puts(out, " at first, at most ");
	hs_put_size(out, top);
	hs_puts(out, ", ");
	hs_put_size(out, held[p->n_marks - 1]);
	hs_puts(out, " at the end");
}

/* The highest of each few marks, so that a short rise is seen. */
static void put_points(struct hs_out *out, const struct hs_profile *p,
		       const uint64_t *held, uint64_t top)
{
	uint32_t step = (p->n_marks - 1) / MAX_POINTS + 1;
	double start = (double)p->marks[0].time_ns;
	double width = (double)p->marks[p->n_marks - 1].time_ns - start;
	for (uint32_t i = 0, n; i < p->n_marks; i += n) {
		uint64_t most = 0;
		n = HS_MIN(step, p->n_marks - i);
		for (uint32_t k = i; k < i + n; k++)
			most = HS_MAX(most, held[k]);
		double x = ((double)p->marks[i + n - 1].time_ns - start) / width * WIDTH;
		double y = 1 + (1 - (double)most / (double)top) * (HEIGHT - 2);
		hs_printf(out, "%s%.1f,%.1f", i ? " " : "", HS_MAX(x, 0.0), y);
	}
}

void hs_html_put_series(struct hs_html_page *page, const struct hs_finding *f)
{
	const struct hs_profile *p = f->profile;
	const struct hs_html_series *of = series_of(page, p, f->id);
	uint64_t top = 0;
	for (uint32_t i = 0; of && i < p->n_marks; i++)
		top = HS_MAX(top, of->held[i]);
	if (!top)
		return;
	hs_printf(page->out,
		  "<svg class=\"spark\" data-hs=\"spark\" data-bytes=\"%llu\" "
		  "viewBox=\"0 0 %u %u\" "
		  "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
		  (unsigned long long)of->held[p->n_marks - 1], WIDTH, HEIGHT);
	put_label(page->out, p, of->held, top);
	hs_puts(page->out, "\"><title>");
	put_label(page->out, p, of->held, top);
	hs_puts(page->out, "</title><polyline points=\"");
	put_points(page->out, p, of->held, top);
	hs_puts(page->out, "\"/></svg>\n");
}
