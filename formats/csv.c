/* SPDX-License-Identifier: MIT */

/*
 * A table with a row for each site, in the layout of `memray transform csv`.
 * There, stacks are "function;file;line|...", innermost first.
 */
#include "formats/format.h"

#include <string.h>

#include "src/findings.h"
#include "src/out.h"
#include "src/report.h"
#include "src/stacktree.h"

/* memray's words, and ours for what it does not tell apart. */
static const char *kind_name(enum hs_alloc_kind kind)
{
	static const char *const names[HS_ALLOC_KINDS] = {
		[HS_ALLOC_MALLOC] = "MALLOC",
		[HS_ALLOC_CALLOC] = "CALLOC",
		[HS_ALLOC_REALLOC] = "REALLOC",
		[HS_ALLOC_ALIGNED] = "ALIGNED_ALLOC",
		[HS_ALLOC_NEW] = "NEW",
		[HS_ALLOC_NEW_ARRAY] = "NEW_ARRAY",
		[HS_ALLOC_MMAP] = "MMAP",
		[HS_ALLOC_PYMALLOC] = "PYMALLOC_MALLOC",
		[HS_ALLOC_PYCALLOC] = "PYMALLOC_CALLOC",
		[HS_ALLOC_PYREALLOC] = "PYMALLOC_REALLOC",
	};
	return names[kind];
}

/* Inside of quotes: a quote is doubled, an end of line becomes a space. */
static void put_quoted(struct hs_out *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"')
			hs_putc(out, '"');
		hs_putc(out, (unsigned char)*s < ' ' ? ' ' : *s);
	}
}

/* The same, without what separates the parts of a stack. */
static void put_part(struct hs_out *out, const char *s)
{
	for (; *s; s++) {
		if (*s == ';' || *s == '|')
			hs_puts(out, *s == ';' ? ":" : "\xc2\xa6");
		else
			put_quoted(out, (const char[]){*s, 0});
	}
}

static void put_frame(struct hs_out *out, const struct hs_profile *p, hs_frame frame,
		      char **scratch)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	const char *file = hs_string(p, f->file);
	put_part(out, hs_frame_label(p, frame, scratch));
	hs_putc(out, ';');
	put_part(out, *file ? file : hs_string(p, p->modules[f->module.i].path));
	hs_printf(out, ";%u", f->line);
}

static void put_stack(struct hs_out *out, const struct hs_profile *p, hs_stack stack)
{
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(HS_MAX(n, (size_t)1), sizeof(*frames));
	char *scratch = NULL;
	hs_stack_frames(p, stack, frames, n);
	for (size_t i = 0; i < n; i++) {
		if (i)
			hs_putc(out, '|');
		put_frame(out, p, frames[i], &scratch);
	}
	free(scratch);
	free(frames);
}

static void put_site(struct hs_out *out, const struct hs_profile *p,
		     const struct hs_site *s, enum hs_measure measure)
{
	const struct hs_thread_info *t = &p->threads[s->thread.i];
	struct hs_amount amount = hs_measure_amount(s, measure);
	if (!amount.blocks && !amount.bytes)
		return;
	hs_printf(out, "%s,%llu,%llu,%u,\"", kind_name(s->kind),
		  (unsigned long long)amount.blocks, (unsigned long long)amount.bytes,
		  t->tid);
	put_quoted(out, hs_string(p, t->name));
	hs_puts(out, "\",\"");
	put_stack(out, p, s->stack);
	hs_puts(out, "\"\n");
}

static void csv_write(const struct hs_report *report, struct hs_out *out)
{
	hs_puts(out, "allocator,num_allocations,size,tid,thread_name,stack_trace\n");
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		for (uint32_t k = 0; k < p->n_sites; k++)
			put_site(out, p, &p->sites[k], report->measure);
	}
}

static struct hs_error *csv_check(const struct hs_report *report)
{
	return hs_report_knows(report, report->measure);
}

const struct hs_format hs_format_csv = {
	.name = "csv",
	.summary = "a table with a row for each stack, as memray's",
	.suffixes = (const char *const[]){".csv", NULL},
	.check = csv_check,
	.figures_alone = true,
	.by_measure = true,
	.write = csv_write,
};
