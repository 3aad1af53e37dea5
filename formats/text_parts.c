/* SPDX-License-Identifier: MIT */

/* Words, columns, frames and stacks of the text report. */
#include "formats/text_parts.h"

#include <string.h>

#include "src/freed.h"
#include "src/names.h"

#define STACK_ROWS     3u /* unless --details */
#define FUNCTION_WIDTH 44
#define CULPRIT_WIDTH  (HS_TEXT_WIDTH - 31) /* what follows the figures of a hotspot */

void hs_text_paint(const struct hs_text *t, const char *color)
{
	if (t->report->color)
		hs_puts(t->out, color);
}

void hs_text_unpaint(const struct hs_text *t)
{
	hs_text_paint(t, "\033[0m");
}

void hs_text_label(const struct hs_text *t, const char *label)
{
	hs_text_paint(t, HS_TEXT_BOLD);
	hs_printf(t->out, "%-11s ", label);
	hs_text_unpaint(t);
}

int hs_text_cut(const struct hs_text *t, const char *s, size_t width)
{
	size_t n = strlen(s);
	char *copy = hs_xstrdup(s);
	if (n > width) {
		n = width - 3;
		while (n && (copy[n] & 0xc0) == 0x80)
			n--;
		strcpy(copy + n, "...");
		n += 3;
	}
	hs_put_plain(t->out, copy);
	free(copy);
	return (int)n;
}

void hs_text_spaces(const struct hs_text *t, int n)
{
	if (n > 0)
		hs_printf(t->out, "%*s", n, "");
}

bool hs_text_is_open(const struct hs_text *t)
{
	return t->report->privacy == HS_OPEN ||
	       (t->report->privacy == HS_PRIVATE_BRIEF && t->report->details);
}

const char *hs_text_path(const struct hs_text *t, hs_str path)
{
	const char *s = hs_string(t->p, path);
	return hs_text_is_open(t) ? s : hs_base_name(s);
}

void hs_text_count(const struct hs_text *t, uint64_t n, const char *one, const char *many)
{
	hs_printf(t->out, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

unsigned hs_text_percent(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned)((double)part / (double)whole * 100 + 0.5) : 0;
}

static void put_place(const struct hs_text *t, const struct hs_frame_info *f)
{
	if (f->file.i) {
		hs_puts(t->out, "  ");
		hs_put_plain(t->out, hs_text_path(t, f->file));
		if (f->line)
			hs_printf(t->out, ":%u", f->line);
	}
	hs_text_paint(t, HS_TEXT_DIM);
	const struct hs_module_info *m = &t->p->modules[f->module.i];
	if (f->module.i || f->offset)
		hs_puts(t->out, "  ");
	hs_put_plain(t->out, hs_text_path(t, m->path));
	if (f->module.i && f->offset)
		hs_putc(t->out, m->unplaced ? ' ' : '+');
	if (f->offset)
		hs_printf(t->out, "0x%llx", (unsigned long long)f->offset);
	if (f->inlined)
		hs_puts(t->out, " (inlined)");
	if (f->how == HS_FRAME_BY_POINTER)
		hs_puts(t->out, " (by frame pointer)");
	if (f->how == HS_FRAME_BY_SCAN)
		hs_puts(t->out, " (?: found on the stack)");
	hs_text_unpaint(t);
}

/* Without parameters and template arguments, unless --details. */
static void put_function(const struct hs_text *t, const struct hs_frame_info *f, int pad)
{
	const char *name = hs_string(t->p, f->function);
	if (!*name) {
		hs_text_spaces(t, pad - hs_text_cut(t, "??", FUNCTION_WIDTH));
	} else if (t->report->details) {
		hs_put_plain(t->out, name);
		hs_text_spaces(t, pad - (int)strlen(name));
	} else {
		char *base = hs_function_base(name);
		hs_text_spaces(t, pad - hs_text_cut(t, base, FUNCTION_WIDTH));
		free(base);
	}
}

void hs_text_frame(const struct hs_text *t, char mark, size_t number,
		   const struct hs_frame_info *f)
{
	hs_printf(t->out, "  %c #%-3zu ", mark, number);
	put_function(t, f, 28);
	put_place(t, f);
	hs_putc(t->out, '\n');
}

void hs_text_stack(const struct hs_text *t, const struct hs_finding *finding)
{
	bool all = t->report->details;
	size_t n = hs_stack_frames(t->p, finding->stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(t->p, finding->stack, frames, n);
	unsigned rows = 0;
	for (size_t i = all ? 0 : finding->culprit; i < n && (all || rows < STACK_ROWS);
	     i++) {
		const struct hs_frame_info *f = &t->p->frames[frames[i].i];
		if (!all && i != finding->culprit && hs_frame_is_library(t->p, frames[i]))
			continue;
		hs_text_frame(t, i == finding->culprit ? '*' : ' ', i, f);
		rows++;
	}
	free(frames);
}

/* "parse", "??" or, for callers that have no name, "libz.so.1+0x1a2b"; malloc'ed. */
static char *short_name(const struct hs_text *t, const struct hs_frame_info *f)
{
	const char *name = hs_string(t->p, f->function);
	if (*name)
		return hs_function_base(name);
	if (!f->module.i)
		return hs_xstrdup("??");
	return hs_xasprintf(
		"%s+0x%llx",
		hs_base_name(hs_string(t->p, t->p->modules[f->module.i].path)),
		(unsigned long long)f->offset);
}

/*
 * Callers of CULPRIT (whose name this consumes) that are not library, as long
 * as the line has room.
 */
static void put_callers(const struct hs_text *t, char *culprit, const hs_frame *frames,
			size_t n, size_t room)
{
	char *before = culprit;
	for (size_t i = 0; i < n && room > 12; i++) {
		if (hs_frame_is_library(t->p, frames[i]))
			continue;
		char *name = short_name(t, &t->p->frames[frames[i].i]);
		if (strcmp(name, before) != 0) {
			hs_puts(t->out, " < ");
			room -= 3 + (size_t)hs_text_cut(t, name, room - 3);
		}
		free(before);
		before = name;
	}
	free(before);
}

void hs_text_culprit(const struct hs_text *t, const struct hs_finding *finding)
{
	size_t n = hs_stack_frames(t->p, finding->stack, NULL, 0);
	if (finding->culprit >= n) {
		hs_puts(t->out, "(no stack)");
		return;
	}
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(t->p, finding->stack, frames, n);
	size_t next = finding->culprit + 1;
	const struct hs_frame_info *f = &t->p->frames[frames[finding->culprit].i];
	char *name = short_name(t, f);
	size_t used = (size_t)hs_text_cut(t, name, FUNCTION_WIDTH);
	if (f->file.i) {
		char *place = hs_xasprintf(" (%s:%u)", hs_text_path(t, f->file), f->line);
		hs_put_plain(t->out, place);
		used += strlen(place);
		free(place);
	}
	size_t room = t->report->details ? SIZE_MAX : CULPRIT_WIDTH;
	put_callers(t, name, frames + next, n - next, used < room ? room - used : 0);
	free(frames);
}

#define FREED_ROWS 3u

/* The first frame of STACK that is the program's own, and who called it. */
static void put_free_place(const struct hs_text *t, hs_stack stack)
{
	struct hs_finding f = {.profile = t->p, .stack = stack};
	size_t n = hs_stack_frames(t->p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(t->p, stack, frames, n);
	while (f.culprit + 1 < n && hs_frame_is_library(t->p, frames[f.culprit]))
		f.culprit++;
	free(frames);
	hs_text_culprit(t, &f);
}

void hs_text_freed_by(const struct hs_text *t, const struct hs_finding *finding)
{
	struct hs_frees rows[FREED_ROWS];
	if (!t->report->details || !(t->p->has & HS_HAS_FREE_STACKS))
		return;
	size_t n = hs_freed_by(t->p, finding->stack, rows, FREED_ROWS);
	for (size_t i = 0; i < n && i < FREED_ROWS; i++) {
		hs_puts(t->out, "      freed ");
		hs_text_count(t, rows[i].frees, "block", "blocks");
		hs_puts(t->out, ", ");
		hs_put_size(t->out, rows[i].bytes);
		hs_puts(t->out, ": ");
		put_free_place(t, rows[i].stack);
		hs_putc(t->out, '\n');
	}
	if (n > FREED_ROWS)
		hs_printf(t->out, "      freed by %zu more stacks (--json)\n",
			  n - FREED_ROWS);
}
