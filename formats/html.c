/* SPDX-License-Identifier: MIT */

/*
 * The report as one HTML file that works from file:// and reaches for nothing.
 *
 *      head    policy that allows exactly our script and style, by hash
 *      body    summary, suspects and hotspots as plain markup: all there is
 *              to see without JavaScript, and what the script builds upon
 *              data block (html_data.h), script
 *
 * Strings of the recorded program get into the page through hs_put_html() and
 * the data block, nowhere else.
 */
#include "formats/format.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "formats/html_parts.h"
#include "src/out.h"
#include "src/report.h"
#include "src/suppress.h"
#include "src/viewer/viewer.h"

#define BUDGET_BYTES  8000000 /* what mail and bug trackers accept */
#define START_NODES   1200000 /* more never fit: do not even try */
#define MAX_SUSPECTS  50
#define MAX_STACKS    20 /* suspects whose stacks are in the markup, too */
#define MAX_HOTSPOTS  8  /* of each kind */
#define MAX_PROCESSES 200
#define MAX_CORES     20 /* whose heaps and threads are told of */

/* --- small pieces of markup --- */

/* Nothing where their number is not known. */
static void put_in_blocks(struct hs_out *out, uint64_t n)
{
	if (!n)
		return;
	hs_puts(out, " in ");
	hs_html_put_count(out, n);
	hs_puts(out, n == 1 ? " block" : " blocks");
}

static void put_time(struct hs_out *out, uint64_t ns)
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[64];
	if (gmtime_r(&t, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		hs_puts(out, text);
}

static void put_end(struct hs_out *out, const struct hs_process_info *p)
{
	switch (p->end) {
	case HS_END_EXIT:
		hs_printf(out, "exit %d", p->code);
		break;
	case HS_END_SIGNAL:
		hs_printf(out, "signal %d (", p->signal);
		hs_put_html(out, strsignal(p->signal));
		hs_putc(out, ')');
		break;
	case HS_END_KILLED:
		hs_puts(out, "killed");
		break;
	case HS_END_EXEC:
		hs_puts(out, "exec");
		break;
	case HS_END_RUNNING:
		hs_puts(out, "still running");
		break;
	case HS_END_UNKNOWN:
		hs_puts(out, "unknown");
		break;
	}
}

static const char *process_name(const struct hs_profile *p)
{
	const char *name = hs_string(p, p->process.name);
	name = *name ? name : hs_string(p, p->process.id);
	return *name ? name : "program";
}

/* Number of the process in the data block: targets with a profile count. */
static size_t process_number(const struct hs_html_page *page,
			     const struct hs_profile *profile)
{
	size_t n = 0;
	for (size_t i = 0; i < page->report->n_targets; i++) {
		if (page->report->targets[i].profile == profile)
			return n;
		n += page->trees[i] != NULL;
	}
	return 0;
}

static const struct hs_calltree *tree_of(const struct hs_html_page *page,
					 const struct hs_profile *profile)
{
	for (size_t i = 0; i < page->report->n_targets; i++)
		if (page->report->targets[i].profile == profile)
			return page->trees[i];
	return NULL;
}

static uint64_t size_of(const struct hs_profile *p)
{
	if (p->has & HS_HAS_PEAK)
		return p->totals.peak_bytes;
	return p->has & HS_HAS_LIVE ? p->totals.live_bytes : p->totals.bytes;
}

static int compare_sizes(const void *a, const void *b, void *context)
{
	const struct hs_target *targets = context;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint64_t size_x = size_of(targets[x].profile),
		 size_y = size_of(targets[y].profile);
	if (size_x != size_y)
		return size_x > size_y ? -1 : 1;
	return (x > y) - (x < y);
}

static void sort_processes(struct hs_html_page *page)
{
	const struct hs_report *r = page->report;
	page->by_size = hs_xcalloc(r->n_targets + 1, sizeof(*page->by_size));
	for (size_t i = 0; i < r->n_targets; i++)
		if (page->trees[i])
			page->by_size[page->n_processes++] = i;
	qsort_r(page->by_size, page->n_processes, sizeof(*page->by_size), compare_sizes,
		(void *)(uintptr_t)r->targets);
}

/* The profile of the process of rank I, the largest first. */
static const struct hs_profile *nth(const struct hs_html_page *page, size_t i)
{
	return page->report->targets[page->by_size[i]].profile;
}

/* --- stacks --- */

static void put_stack(struct hs_html_page *page, const struct hs_finding *f,
		      const hs_frame *frames, size_t n)
{
	hs_puts(page->out, "<details><summary>Stack</summary><ol class=\"stack\">\n");
	for (size_t i = 0; i < HS_MIN(n, (size_t)HS_HTML_MAX_FRAMES); i++) {
		hs_puts(page->out, i == f->culprit ? "<li class=\"culprit\">" : "<li>");
		hs_html_put_frame(page, f->profile, frames[i]);
		hs_puts(page->out, "</li>\n");
	}
	hs_puts(page->out, "</ol>");
	if (n > HS_HTML_MAX_FRAMES)
		hs_printf(page->out, "<p>and %zu more callers</p>",
			  n - HS_HTML_MAX_FRAMES);
	hs_puts(page->out, "</details>");
}

/* The culprit, then what DESCRIBE says of it, then the stack. */
static void put_place(struct hs_html_page *page, const struct hs_finding *f,
		      bool with_stack,
		      void (*describe)(struct hs_html_page *, const struct hs_finding *))
{
	size_t n = hs_stack_frames(f->profile, f->stack, NULL, 0);
	hs_frame *frames HS_CLEANUP(hs_freep) = hs_xcalloc(n + 1, sizeof(*frames));
	hs_stack_frames(f->profile, f->stack, frames, n);
	if (n) {
		hs_puts(page->out, "<p class=\"place\">");
		hs_html_put_frame(page, f->profile,
				  frames[HS_MIN((size_t)f->culprit, n - 1)]);
		hs_puts(page->out, "</p>\n");
	} else if (!(f->profile->has &
		     HS_HAS_STACKS)) { /* no core: its blocks have none */
		hs_puts(page->out, "<p class=\"place\">no stack</p>\n");
	}
	if (describe)
		describe(page, f);
	if (n && with_stack)
		put_stack(page, f, frames, n);
}

static void put_finding_target(struct hs_html_page *page, const struct hs_finding *f)
{
	const struct hs_calltree *t = tree_of(page, f->profile);
	if (t && f->stack.i && f->stack.i < t->n_stacks)
		hs_printf(page->out,
			  " data-process=\"%zu\" data-node=\"%u\" data-up=\"%u\"",
			  process_number(page, f->profile), t->of_stack[f->stack.i],
			  f->culprit);
}

/* --- sections --- */

/* "never_freed" -> "Never freed" */
static void put_kind(struct hs_out *out, enum hs_leak_kind kind)
{
	const char *name = hs_leak_kind_name(kind);
	hs_putc(out, (char)(*name - 'a' + 'A'));
	for (const char *s = name + 1; *s; s++)
		hs_putc(out, *s == '_' ? ' ' : *s);
}

static void put_evidence(struct hs_html_page *page, const struct hs_finding *f)
{
	struct hs_out *out = page->out;
	hs_puts(out, "<p class=\"why\">");
	put_kind(out, f->kind);
	if (f->pattern != HS_PATTERN_UNKNOWN)
		hs_printf(out, ", %s", hs_pattern_name(f->pattern));
	for (const char *const *e = f->evidence; e && *e; e++) {
		hs_puts(out, "; ");
		hs_html_put_text(out, *e);
	}
	hs_puts(out, "</p>\n<p class=\"label\">");
	hs_printf(out, "<span class=\"id\">%s</span>", f->id);
	if (f->n_stacks > 1)
		hs_printf(out, " <span class=\"soft\">%u stacks</span>", f->n_stacks);
	if (page->n_processes > 1) {
		hs_puts(out, " <span class=\"of\">");
		hs_html_put_text(out, hs_string(f->profile, f->profile->process.id));
		hs_puts(out, "</span>");
	}
	hs_puts(out, "</p>\n");
}

static void put_since(struct hs_out *out, const struct hs_finding *f)
{
	uint64_t start = f->profile->process.start_ns;
	if (!(f->profile->has & HS_HAS_TIME) || f->profile->process.clock.i ||
	    f->since_ns <= start)
		return;
	hs_puts(out, " <span class=\"soft\">since ");
	hs_put_duration(out, f->since_ns - start);
	hs_puts(out, "</span>");
}

static void put_suspect(struct hs_html_page *page, const struct hs_finding *f,
			bool with_stack)
{
	struct hs_out *out = page->out;
	const char *confidence = hs_confidence_name(f->confidence);
	hs_printf(out, "<li id=\"%s\" data-hs-id=\"%s\"", f->id, f->id);
	put_finding_target(page, f);
	hs_printf(out, ">\n<p class=\"facts\"><span class=\"badge %s\">%s</span> <b>",
		  confidence, confidence);
	hs_put_size(out, f->bytes);
	hs_put_margin(out, f->profile, f->bytes_variance);
	hs_puts(out, "</b>");
	put_in_blocks(out, f->blocks);
	if (f->bytes_per_hour) {
		hs_puts(out, ", +");
		hs_put_size(out, f->bytes_per_hour);
		hs_puts(out, "/h");
	}
	put_since(out, f);
	hs_puts(out, "</p>\n");
	hs_html_put_series(page, f);
	put_place(page, f, with_stack, put_evidence);
	hs_puts(out, "</li>\n");
}

static bool is_suspect(const struct hs_finding *f)
{
	return f->type == HS_FINDING_LEAK && f->kind != HS_LEAK_REACHABLE;
}

/* "11, 39.8 MiB" beside the title */
static bool knows_what_lived(const struct hs_html_page *page)
{
	for (size_t i = 0; i < page->n_processes; i++)
		if (nth(page, i)->has & HS_HAS_LIVE ||
		    page->report->targets[page->by_size[i]].graph)
			return true;
	return false;
}

static void put_suspects_title(struct hs_html_page *page, const struct hs_finding *f,
			       size_t n)
{
	uint64_t count = 0, bytes = 0;
	for (size_t i = 0; i < n; i++) {
		count += is_suspect(&f[i]);
		bytes += is_suspect(&f[i]) ? f[i].bytes : 0;
	}
	hs_puts(page->out, "<h2>Leak suspects");
	if (count) {
		hs_puts(page->out, " <span class=\"soft\">");
		hs_html_put_count(page->out, count);
		hs_puts(page->out, ", together ");
		hs_put_size(page->out, bytes);
		hs_puts(page->out, "</span>");
	}
	hs_puts(page->out, "</h2>\n");
	if (!count)
		hs_puts(page->out,
			knows_what_lived(page)
				? "<p class=\"none\">Nothing here looks like a "
				  "leak.</p>\n"
				: "<p class=\"none\">Unknown: the source does not "
				  "tell what lived at the end.</p>\n");
}

/* What rules hide is told as a number, at least. */
static void put_suppressed(struct hs_html_page *page)
{
	size_t n;
	if (!page->report->suppressions)
		return;
	const struct hs_suppression *rule =
		hs_suppressions_get(page->report->suppressions, &n);
	uint64_t blocks = 0, bytes = 0;
	for (size_t i = 0; i < n; i++) {
		blocks += rule[i].exceeded ? 0 : rule[i].blocks;
		bytes += rule[i].exceeded ? 0 : rule[i].bytes;
	}
	if (!blocks && !bytes)
		return;
	hs_printf(page->out,
		  "<p class=\"none\" data-hs=\"suppressed\" data-bytes=\"%llu\">"
		  "Hidden by suppressions: ",
		  (unsigned long long)bytes);
	hs_put_size(page->out, bytes);
	put_in_blocks(page->out, blocks);
	hs_puts(page->out, ".</p>\n");
}

static void put_suspects(struct hs_html_page *page)
{
	size_t n, shown = 0, left = 0;
	const struct hs_finding *f = hs_findings_get(page->report->findings, &n);
	hs_puts(page->out, "<section id=\"hs-suspects\" data-hs=\"suspects\">\n");
	put_suspects_title(page, f, n);
	hs_puts(page->out, "<ol class=\"suspects\">\n");
	for (size_t i = 0; i < n; i++) {
		if (!is_suspect(&f[i]))
			continue;
		if (shown < MAX_SUSPECTS)
			put_suspect(page, &f[i], shown++ < MAX_STACKS);
		else
			left++;
	}
	hs_puts(page->out, "</ol>\n");
	if (left)
		hs_printf(page->out,
			  "<p class=\"none\">%zu more; all of them are in the JSON of "
			  "<code>heapsnap analyze --json</code>.</p>\n",
			  left);
	put_suppressed(page);
	hs_puts(page->out, "</section>\n");
}

static void put_hotspot(struct hs_html_page *page, const struct hs_finding *f)
{
	hs_puts(page->out, "<li");
	put_finding_target(page, f);
	hs_puts(page->out, ">\n<p class=\"facts\">");
	if (f->by == HS_BY_PEAK || f->by == HS_BY_ALLOCATED) {
		hs_puts(page->out, "<b>");
		hs_put_size(page->out, f->bytes);
		hs_put_margin(page->out, f->profile, f->bytes_variance);
		hs_puts(page->out, "</b>");
		put_in_blocks(page->out, f->blocks);
	} else {
		hs_puts(page->out, "<b>");
		hs_html_put_count(page->out, f->blocks);
		hs_puts(page->out, "</b> allocations");
		if (f->bytes) {
			hs_puts(page->out, ", ");
			hs_put_size(page->out, f->bytes);
			hs_put_margin(page->out, f->profile, f->bytes_variance);
		}
	}
	hs_puts(page->out, "</p>\n");
	put_place(page, f, true, NULL);
	hs_puts(page->out, "</li>\n");
}

/* Of a core there is no recording, and its heap has a section of its own. */
static bool knows_figures(const struct hs_html_page *page)
{
	const uint32_t figures = HS_HAS_PEAK | HS_HAS_LIVE | HS_HAS_TOTALS | HS_HAS_RSS;
	for (size_t i = 0; i < page->n_processes; i++)
		if (nth(page, i)->has & figures || !(nth(page, i)->has & HS_HAS_STACKS))
			return true;
	return false;
}

static void put_hotspots(struct hs_html_page *page)
{
	static const char *const titles[] = {
		[HS_BY_PEAK] = "Live at the peak",
		[HS_BY_ALLOCATED] = "Most bytes allocated",
		[HS_BY_ALLOCATIONS] = "Most allocations",
		[HS_BY_TEMPORARY] = "Most temporary allocations",
	};
	size_t n;
	const struct hs_finding *f = hs_findings_get(page->report->findings, &n);
	hs_printf(page->out,
		  "<section id=\"hs-hotspots\"%s>\n<h2>Where memory goes</h2>\n",
		  knows_figures(page) ? "" : " hidden");
	for (unsigned by = 0; by < HS_COUNT(titles); by++) {
		unsigned shown = 0;
		for (size_t i = 0; i < n && shown < MAX_HOTSPOTS; i++) {
			if (f[i].type != HS_FINDING_HOTSPOT ||
			    f[i].by != (enum hs_hotspot_by)by)
				continue;
			if (!shown++)
				hs_printf(page->out,
					  "<section><h3>%s</h3>\n<ol class=\"hotspots\" "
					  "data-by=\"%s\">\n",
					  titles[by],
					  hs_hotspot_by_name((enum hs_hotspot_by)by));
			put_hotspot(page, &f[i]);
		}
		if (shown)
			hs_puts(page->out, "</ol></section>\n");
	}
	hs_puts(page->out, "</section>\n");
}

static void put_size_cell(struct hs_out *out, bool known, uint64_t bytes)
{
	hs_puts(out, "<td>");
	if (known)
		hs_put_size(out, bytes);
	hs_puts(out, "</td>");
}

static void put_estimate_cell(struct hs_out *out, const struct hs_profile *p, bool known,
			      uint64_t bytes, double variance)
{
	hs_puts(out, "<td>");
	if (known) {
		hs_put_size(out, bytes);
		hs_put_margin(out, p, variance);
	}
	hs_puts(out, "</td>");
}

static void put_count_cell(struct hs_out *out, bool known, uint64_t n)
{
	hs_puts(out, "<td>");
	if (known)
		hs_html_put_count(out, n);
	hs_puts(out, "</td>");
}

static uint64_t highest_rss(const struct hs_profile *p)
{
	uint64_t rss = 0;
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		rss = HS_MAX(rss, p->snapshots[i].rss_bytes);
	return rss;
}

static void put_process_row(struct hs_out *out, const struct hs_profile *p)
{
	const struct hs_totals *t = &p->totals;
	hs_puts(out, "<tr><th scope=\"row\">");
	hs_html_put_text(out, process_name(p));
	if (p->has & HS_HAS_PID)
		hs_printf(out, " <span class=\"pid\">%u</span>", p->process.pid);
	hs_puts(out, "</th>");
	put_estimate_cell(out, p, p->has & HS_HAS_PEAK, t->peak_bytes,
			  p->variance.peak_bytes);
	put_estimate_cell(out, p, p->has & HS_HAS_LIVE, t->live_bytes,
			  p->variance.live_bytes);
	put_count_cell(out, hs_has_counts(p, HS_HAS_LIVE), t->live_blocks);
	put_size_cell(out, p->has & HS_HAS_TOTALS, t->bytes);
	put_count_cell(out, hs_has_counts(p, HS_HAS_TOTALS), t->allocs);
	put_count_cell(out, p->has & HS_HAS_TEMPORARIES, t->temporaries);
	put_size_cell(out, p->has & HS_HAS_RSS, highest_rss(p));
	hs_puts(out, "<td>");
	if (p->has & HS_HAS_TIME && p->process.end_ns > p->process.start_ns)
		hs_put_duration(out, p->process.end_ns - p->process.start_ns);
	hs_puts(out, "</td><td>");
	put_end(out, &p->process);
	hs_puts(out, "</td></tr>\n");
}

static void put_whose(struct hs_html_page *page, const struct hs_profile *p)
{
	if (page->n_processes < 2)
		return;
	hs_html_put_text(page->out, hs_string(p, p->process.id));
	hs_puts(page->out, ": ");
}

/* What a process has beside its heap, and is no part of the figures above. */
static void put_beside(struct hs_html_page *page, const struct hs_profile *p)
{
	struct hs_out *out = page->out;
	const struct hs_mmap_totals *m = &p->mmap;
	if (p->has & HS_HAS_MMAP && m->calls) {
		hs_puts(out, "<li>");
		put_whose(page, p);
		hs_puts(out, "mapped by mmap: ");
		hs_put_size(out, m->mapped_bytes);
		hs_puts(out, " at the end, peak ");
		hs_put_size(out, m->peak_bytes);
		hs_puts(out, ", in ");
		hs_html_put_count(out, m->calls);
		hs_puts(out, m->calls == 1 ? " call</li>\n" : " calls</li>\n");
	}
	if (p->has & HS_HAS_INHERITED && p->inherited.blocks) {
		hs_puts(out, "<li>");
		put_whose(page, p);
		hs_puts(out, "inherited from the process it was forked from: ");
		if (p->has & HS_HAS_INHERITED_BYTES) {
			hs_put_size(out, p->inherited.bytes);
			hs_puts(out, " in ");
		}
		hs_html_put_count(out, p->inherited.blocks);
		hs_puts(out,
			p->inherited.blocks == 1 ? " block</li>\n" : " blocks</li>\n");
	}
}

static void put_processes(struct hs_html_page *page)
{
	hs_printf(page->out, "<section id=\"hs-processes\"%s>\n",
		  knows_figures(page) ? "" : " hidden");
	hs_puts(page->out,
		"<h2>Totals</h2>\n<div "
		"class=\"wide\"><table>\n"
		"<thead><tr><th scope=\"col\">Process</th><th scope=\"col\">Peak</th>"
		"<th scope=\"col\">Live at end</th><th scope=\"col\">Blocks</th>"
		"<th scope=\"col\">Allocated</th><th scope=\"col\">Allocations</th>"
		"<th scope=\"col\">Temporary</th><th scope=\"col\">Highest RSS</th>"
		"<th scope=\"col\">Ran for</th><th scope=\"col\">End</th></tr></thead>\n"
		"<tbody>\n");
	for (size_t i = 0; i < HS_MIN(page->n_processes, (size_t)MAX_PROCESSES); i++)
		put_process_row(page->out, nth(page, i));
	hs_puts(page->out, "</tbody></table></div>\n");
	if (page->n_processes > MAX_PROCESSES)
		hs_printf(page->out, "<p class=\"none\">%zu smaller ones.</p>\n",
			  page->n_processes - MAX_PROCESSES);
	hs_puts(page->out, "<ul class=\"beside\" data-hs=\"beside\">\n");
	for (size_t i = 0; i < HS_MIN(page->n_processes, (size_t)MAX_PROCESSES); i++)
		put_beside(page, nth(page, i));
	hs_puts(page->out, "</ul>\n</section>\n");
}

static void put_doubts_of(struct hs_html_page *page, const struct hs_profile *p)
{
	const char *id = page->n_processes > 1 ? hs_string(p, p->process.id) : "";
	const char *colon = *id ? ": " : "";
	for (uint32_t i = 0; i < p->n_warnings; i++) {
		hs_puts(page->out, "<li>");
		hs_html_put_text(page->out, id);
		hs_puts(page->out, colon);
		hs_html_put_text(page->out, p->warnings[i]);
		hs_puts(page->out, "</li>\n");
	}
	if (p->sample_mean) {
		hs_puts(page->out, "<li>");
		hs_html_put_text(page->out, id);
		hs_puts(page->out, colon);
		hs_puts(page->out, "sampled every ");
		hs_put_size(page->out, p->sample_mean);
		hs_puts(page->out,
			" on average: figures are estimates, in 95 of 100 cases within "
			"what stands behind ±");
		hs_puts(page->out, p->has & HS_HAS_EXACT_TOTALS
					   ? "; bytes and numbers of all allocations "
					     "above are exact.</li>\n"
					   : ".</li>\n");
	}
	if (p->process.lost_events) {
		hs_puts(page->out, "<li>");
		hs_html_put_text(page->out, id);
		hs_puts(page->out, colon);
		hs_html_put_count(page->out, p->process.lost_events);
		hs_puts(page->out, " events were lost: figures are too low.</li>\n");
	}
}

/* What is missing or doubtful, and what the page does not hold. */
static void put_doubts(struct hs_html_page *page)
{
	uint64_t folded = 0;
	hs_puts(page->out, "<ul id=\"hs-doubts\">\n");
	for (size_t i = 0; i < page->report->n_targets; i++) {
		if (!page->trees[i])
			continue;
		folded += page->trees[i]->n_folded;
		put_doubts_of(page, page->report->targets[i].profile);
	}
	if (folded) {
		hs_puts(page->out, "<li>");
		hs_html_put_count(page->out, folded);
		hs_printf(page->out,
			  " small calls are added up as \xe2\x80\x9c+N left "
			  "out\xe2\x80\x9d, to "
			  "keep this file below %u MB; every sum is exact.</li>\n",
			  BUDGET_BYTES / 1000000);
	}
	hs_puts(page->out, "</ul>\n");
}

/* "worker, sh and 3 more": distinct names, the largest process first. */
static void put_names(struct hs_html_page *page)
{
	const char *seen[3];
	size_t n = 0, more = 0;
	for (size_t i = 0; i < page->n_processes; i++) {
		const char *name = process_name(nth(page, i));
		bool known = false;
		for (size_t k = 0; k < n && !known; k++)
			known = !strcmp(seen[k], name);
		if (!known && n < HS_COUNT(seen))
			seen[n++] = name;
		else
			more += !known;
	}
	for (size_t i = 0; i < n; i++) {
		if (i)
			hs_puts(page->out, ", ");
		hs_html_put_text(page->out, seen[i]);
	}
	if (more)
		hs_printf(page->out, " and %zu more", more);
	if (!n)
		hs_html_put_text(page->out, page->report->title ? page->report->title
								: "no process");
}

static void put_origin(struct hs_html_page *page)
{
	if (!page->n_processes)
		return;
	const struct hs_profile *p = nth(page, 0);
	hs_puts(page->out, "<p id=\"hs-origin\">");
	if (page->n_processes > 1)
		hs_printf(page->out, "%zu processes", page->n_processes);
	else if (p->has & HS_HAS_PID)
		hs_printf(page->out, "pid %u", p->process.pid);
	if (p->has & HS_HAS_TIME && p->process.start_ns) {
		hs_puts(page->out, " <span>");
		put_time(page->out, p->process.start_ns);
		hs_puts(page->out, "</span>");
	}
	if (*hs_string(p, p->process.system)) {
		hs_puts(page->out, " <span>");
		hs_html_put_text(page->out, hs_string(p, p->process.system));
		hs_puts(page->out, "</span>");
	}
	hs_puts(page->out, "</p>\n");
}

/* --- the page --- */

static void put_head(struct hs_html_page *page)
{
	hs_printf(
		page->out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
		"'none'; "
		"script-src 'sha256-%s'; style-src 'sha256-%s'; img-src data: blob:; "
		"base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, "
		"initial-scale=1\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<meta name=\"generator\" content=\"heapsnap %s\">\n<title>",
		hs_viewer_script.sha256, hs_viewer_style.sha256, PACKAGE_VERSION);
	put_names(page);
	hs_puts(page->out, " \xe2\x80\x93 heapsnap</title>\n<style>");
	hs_put(page->out, hs_viewer_style.text, hs_viewer_style.size);
	hs_puts(page->out, "</style>\n</head>\n");
}

static void put_cores(struct hs_html_page *page)
{
	size_t n = HS_MIN(page->n_processes, (size_t)MAX_CORES);
	hs_puts(page->out, "<div id=\"hs-cores\">\n");
	for (size_t i = 0; i < n; i++)
		hs_html_put_core(page, &page->report->targets[page->by_size[i]]);
	hs_puts(page->out, "</div>\n");
}

/* All that reads without JavaScript. */
static void put_summary(struct hs_html_page *page)
{
	hs_puts(page->out,
		"<body>\n<header id=\"hs-header\">\n<h1><span class=\"brand\">heapsnap"
		"</span> <span id=\"hs-names\">");
	put_names(page);
	hs_puts(page->out, "</span></h1>\n");
	put_origin(page);
	hs_puts(page->out,
		"</header>\n<main id=\"hs-main\">\n"
		"<noscript><p>With JavaScript this page shows flame graphs, search and "
		"time lines; the summary below needs none.</p></noscript>\n");
	put_doubts(page);
	put_suspects(page);
	put_cores(page);
	put_processes(page);
	put_hotspots(page);
	hs_puts(page->out, "</main>\n");
}

static void put_data_and_script(struct hs_html_page *page)
{
	hs_printf(page->out,
		  "<script type=\"application/octet-stream\" id=\"hs-data\" "
		  "data-size=\"%zu\">",
		  page->data.raw_size);
	hs_html_put_base64(page->out, page->data.gzip, page->data.gzip_size);
	hs_puts(page->out, "</script>\n<script>");
	hs_put(page->out, hs_viewer_script.text, hs_viewer_script.size);
	hs_puts(page->out, "</script>\n</body>\n</html>\n");
}

/* Nodes of tree T that the markup leads to: they stay, however small. */
static size_t find_precious(const struct hs_html_page *page, const struct hs_calltree *t,
			    const struct hs_profile *profile, uint32_t *ret)
{
	size_t n, n_ret = 0, suspects = 0, hotspots[4] = {0};
	const struct hs_finding *f = hs_findings_get(page->report->findings, &n);
	for (size_t i = 0; i < n; i++) {
		bool listed = f[i].type == HS_FINDING_HOTSPOT
				      ? hotspots[f[i].by]++ < MAX_HOTSPOTS
				      : is_suspect(&f[i]) && suspects++ < MAX_SUSPECTS;
		if (listed && f[i].profile == profile)
			ret[n_ret++] = t->of_stack[f[i].stack.i];
	}
	return n_ret;
}

static void fold(struct hs_html_page *page, double share)
{
	uint32_t precious[MAX_SUSPECTS + 4 * MAX_HOTSPOTS];
	for (size_t i = 0; i < page->report->n_targets; i++) {
		struct hs_calltree *t = page->trees[i];
		if (!t)
			continue;
		size_t n = find_precious(page, t, page->report->targets[i].profile,
					 precious);
		uint32_t n_max = (uint32_t)((t->n - t->n_marks) * share);
		hs_calltree_fold(t, n_max, precious, n);
	}
}

/* Bytes of the page without its data block. */
static size_t measure(struct hs_html_page *page)
{
	struct hs_out *out = page->out, memory;
	size_t size;
	hs_out_init(&memory, -1);
	page->out = &memory;
	put_head(page);
	put_summary(page);
	put_data_and_script(page);
	page->out = out;
	free(hs_out_take(&memory, &size));
	return size;
}

/* Encode; fold the small parts of the trees until the data fit the budget. */
static void make_data(struct hs_html_page *page)
{
	double nodes = 0;
	for (size_t i = 0; i < page->report->n_targets; i++)
		nodes += page->trees[i] ? page->trees[i]->n : 0;
	if (nodes > START_NODES)
		fold(page, START_NODES / nodes);
	/* A little more, since the numbers in the markup change by folding. */
	double room = BUDGET_BYTES - (double)measure(page) * 1.01 - 1000;
	room = HS_MAX(room, BUDGET_BYTES / 8.0) / 4 * 3;
	for (unsigned attempt = 0;; attempt++) {
		page->data =
			hs_html_data_make(page->report, page->functions, page->trees);
		double size = (double)page->data.gzip_size;
		if (size <= room || attempt == 7)
			return;
		free(page->data.gzip);
		fold(page, room / size * 0.95);
	}
}

static void html_write(const struct hs_report *report, struct hs_out *out)
{
	struct hs_html_page page = {
		.out = out,
		.report = report,
		.functions = hs_functions_new(),
		.trees = hs_xcalloc(report->n_targets + 1, sizeof(*page.trees)),
	};
	for (size_t i = 0; i < report->n_targets; i++)
		if (report->targets[i].profile)
			page.trees[i] = hs_calltree_build(page.functions,
							  report->targets[i].profile);
	sort_processes(&page);
	hs_html_find_series(&page, MAX_SUSPECTS);
	make_data(&page);
	put_head(&page);
	put_summary(&page);
	put_data_and_script(&page);
	for (size_t i = 0; i < report->n_targets; i++)
		hs_calltree_free(page.trees[i]);
	hs_functions_free(page.functions);
	hs_html_free_series(&page);
	free(page.trees);
	free(page.by_size);
	free(page.data.gzip);
}

static const char *const html_suffixes[] = {".html", NULL};

const struct hs_format hs_format_html = {
	.name = "html",
	.summary = "interactive report, one file that needs no network",
	.suffixes = html_suffixes,
	.write = html_write,
};
