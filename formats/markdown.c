/* SPDX-License-Identifier: MIT */

/*
 * The report as Markdown, for trackers that render it: the text's header as a list, its
 * leaks as a table.  Stacks come in fenced blocks, and only with --details, inside
 * <details>.  Whatever the recorded program chose, names above all, is escaped: none of
 * it becomes markup.
 */
#include "formats/format.h"

#include <string.h>

#include "config.h"
#include "formats/text_parts.h"

#define DEFAULT_TOP    10u /* rows of the table */
#define MOST_PROCESSES 4u  /* that have a section */

static void put_escaped(struct hs_out *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("\\`*_{}[]<>()#+!|~@&$", *s))
			hs_putc(out, '\\');
		hs_putc(out, *s);
	}
}

/* Whatever S has in it. */
static void put_name(struct hs_out *out, const char *s)
{
	struct hs_out plain;
	hs_out_init(&plain, -1);
	hs_put_plain(&plain, s);
	char *text = hs_out_take(&plain, NULL);
	put_escaped(out, text);
	free(text);
}

/* The lines that MAKE writes, "label  value" each, as items of a list. */
static void put_items(const struct hs_text *t, void (*make)(const struct hs_text *))
{
	struct hs_out lines;
	struct hs_text plain = *t;
	hs_out_init(&lines, -1);
	plain.out = &lines;
	make(&plain);
	char *all = hs_out_take(&lines, NULL);
	for (char *line = all, *rest; *line; line = rest) {
		rest = line + strcspn(line, "\n");
		if (*rest)
			*rest++ = '\0';
		size_t label = *line == ' ' ? 0 : strcspn(line, " ");
		hs_puts(t->out, label ? "- **" : "  ");
		if (label) {
			hs_put(t->out, line, label);
			hs_puts(t->out, "** ");
		}
		line += label;
		put_escaped(t->out, line + strspn(line, " "));
		hs_putc(t->out, '\n');
	}
	free(all);
}

/* Who is to blame for F, and who called that. */
static void put_culprit(const struct hs_text *t, const struct hs_finding *f)
{
	struct hs_out cell;
	struct hs_text plain = *t;
	hs_out_init(&cell, -1);
	plain.out = &cell;
	hs_text_culprit(&plain, f);
	char *s = hs_out_take(&cell, NULL);
	put_escaped(t->out, s);
	free(s);
}

static void put_moment(const struct hs_text *t, uint64_t ns)
{
	uint64_t start = t->p->process.start_ns;
	if (ns && ns >= start && (start || t->p->has & HS_HAS_TIME))
		hs_put_duration(t->out, ns - start);
	hs_puts(t->out, " | ");
}

static void put_row(const struct hs_text *t, const struct hs_finding *f)
{
	hs_printf(t->out, "| %s | %s, %s", f->id, hs_confidence_name(f->confidence),
		  f->kind == HS_LEAK_NEVER_FREED ? "never freed"
						 : hs_leak_kind_name(f->kind));
	if (f->pattern == HS_PATTERN_ONE_OFF)
		hs_puts(t->out, ", one-off");
	else if (f->pattern != HS_PATTERN_UNKNOWN)
		hs_printf(t->out, ", %s", hs_pattern_name(f->pattern));
	hs_puts(t->out, " | ");
	hs_put_size(t->out, f->bytes);
	hs_printf(t->out, " | %llu | ", (unsigned long long)f->blocks);
	if (f->bytes_per_hour) {
		hs_putc(t->out, '+');
		hs_put_size(t->out, f->bytes_per_hour);
	}
	hs_puts(t->out, " | ");
	put_moment(t, f->first_ns);
	put_moment(t, f->last_ns);
	put_culprit(t, f);
	hs_puts(t->out, " |\n");
}

/* Names may have backticks: the fence is longer than any run of them. */
static void put_stack(const struct hs_text *t, const struct hs_finding *f)
{
	struct hs_out stack;
	struct hs_text plain = *t;
	size_t run = 2, now = 0;
	hs_out_init(&stack, -1);
	plain.out = &stack;
	hs_text_stack(&plain, f);
	char *s = hs_out_take(&stack, NULL);
	for (const char *at = s; *at; at++) {
		now = *at == '`' ? now + 1 : 0;
		run = HS_MAX(run, now);
	}
	char *fence = hs_xcalloc(run + 2, 1);
	memset(fence, '`', run + 1);
	hs_printf(t->out, "\n<details><summary>%s</summary>\n\n%s\n", f->id, fence);
	hs_puts(t->out, s);
	hs_printf(t->out, "%s\n\n", fence);
	for (const char *const *e = f->evidence; e && *e; e++) {
		hs_puts(t->out, "- ");
		put_escaped(t->out, *e);
		hs_putc(t->out, '\n');
	}
	hs_puts(t->out, "\n</details>\n");
	free(fence);
	free(s);
}

static bool is_listed(const struct hs_text *t, const struct hs_finding *f)
{
	return f->profile == t->p && f->type == HS_FINDING_LEAK &&
	       (f->kind != HS_LEAK_REACHABLE || t->report->all);
}

static void put_leaks(const struct hs_text *t)
{
	size_t n, listed = 0, more = 0;
	unsigned top = t->report->top ? t->report->top : DEFAULT_TOP;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	for (size_t i = 0; i < n; i++) {
		if (!is_listed(t, &f[i]))
			continue;
		if (listed == top) {
			more++;
			continue;
		}
		if (!listed++)
			hs_puts(t->out, "\n| id | what | bytes | blocks | growth/h | "
					"first | last "
					"| culprit < callers "
					"|\n|---|---|---|---|---|---|---|---|\n");
		put_row(t, &f[i]);
	}
	if (!listed)
		hs_puts(t->out, "\nNothing is called a leak.\n");
	if (more)
		hs_printf(t->out, "\n%zu more are not listed (--top N).\n", more);
	for (size_t i = 0; i < n && t->report->details && listed; i++) {
		if (!is_listed(t, &f[i]))
			continue;
		put_stack(t, &f[i]);
		if (--listed == 0)
			break;
	}
}

static void put_process(const struct hs_text *t)
{
	hs_puts(t->out, "\n");
	put_items(t, hs_text_program);
	put_items(t, hs_text_recorded);
	put_items(t, hs_text_sampled);
	put_items(t, hs_text_live_and_peak);
	put_items(t, hs_text_traffic);
	put_items(t, hs_text_rss);
	put_items(t, hs_text_growth);
	put_items(t, hs_text_quality);
	put_leaks(t);
}

static void markdown_write(const struct hs_report *report, struct hs_out *out)
{
	struct hs_report plain = *report;
	plain.color = false;
	struct hs_text t = {.out = out, .report = &plain};
	size_t n = HS_MIN(report->n_targets, (size_t)MOST_PROCESSES);
	hs_puts(out, "## heapsnap " PACKAGE_VERSION " leak summary: ");
	put_name(out, report->title ? report->title : "");
	hs_putc(out, '\n');
	for (size_t i = 0; i < n; i++) {
		t.p = report->targets[i].profile;
		if (report->n_targets > 1) {
			hs_puts(out, "\n### ");
			put_name(out, hs_string(t.p, t.p->process.id));
			hs_putc(out, '\n');
		}
		put_process(&t);
	}
	if (n < report->n_targets)
		hs_printf(out, "\n%zu more processes (analyze one of them alone).\n",
			  report->n_targets - n);
	if (!report->details)
		hs_puts(out, "\nLeft out: arguments, directories, stacks (--details).\n");
}

const struct hs_format hs_format_markdown = {
	.name = "markdown",
	.summary = "the summary for trackers that render Markdown",
	.suffixes = (const char *const[]){".md", NULL},
	.write = markdown_write,
};
