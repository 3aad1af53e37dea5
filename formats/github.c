/* SPDX-License-Identifier: MIT */

/*
 * Leaks as workflow commands of GitHub Actions, which shows them beside the lines
 * of code.  It keeps ten of a kind for a step, so the worst ten are written, and
 * one more that says how many there are.  Escapes:
 * https://docs.github.com/actions/reference/workflow-commands, and the source of
 * its toolkit: % CR LF everywhere, : and , in properties.
 */
#include "formats/format.h"

#include <string.h>

#include "src/gate.h"
#include "src/out.h"
#include "src/report.h"

#define MAX_ANNOTATIONS 9u

static void put_escaped(struct hs_out *out, const char *s, bool property)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '%' || c == '\r' || c == '\n' ||
		    (property && (c == ':' || c == ',')))
			hs_printf(out, "%%%02X", c);
		else if (c >= 0x20)
			hs_putc(out, *s);
	}
}

/* The first frame from the culprit on that has a line. */
static const struct hs_frame_info *place_of(const struct hs_finding *f)
{
	const struct hs_profile *p = f->profile;
	size_t n = hs_stack_frames(p, f->stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	const struct hs_frame_info *found = NULL;
	hs_stack_frames(p, f->stack, frames, n);
	for (size_t i = f->culprit; i < n && !found; i++)
		if (p->frames[frames[i].i].line)
			found = &p->frames[frames[i].i];
	free(frames);
	return found;
}

static void put_message(struct hs_out *out, const struct hs_finding *f)
{
	struct hs_out text;
	hs_out_init(&text, -1);
	hs_put_size(&text, f->bytes);
	hs_printf(&text, " in %llu block%s, %s", (unsigned long long)f->blocks,
		  f->blocks == 1 ? "" : "s", hs_leak_kind_name(f->kind));
	for (const char *const *e = f->evidence; e && *e; e++) {
		hs_puts(&text, "; ");
		hs_put_plain(&text, *e);
	}
	char *s = hs_out_take(&text, NULL);
	put_escaped(out, s, false);
	free(s);
}

static void put_annotation(struct hs_out *out, const struct hs_report *report,
			   const struct hs_finding *f)
{
	const struct hs_profile *p = f->profile;
	const struct hs_frame_info *place = place_of(f);
	hs_puts(out, f->confidence == HS_HIGH     ? "::error "
		     : f->confidence == HS_MEDIUM ? "::warning "
						  : "::notice ");
	if (place) {
		hs_puts(out, "file=");
		char *path = hs_source_path(report, hs_string(p, place->file));
		put_escaped(out, path, true);
		free(path);
		hs_printf(out, ",line=%u,", place->line);
	}
	hs_puts(out, "title=");
	put_escaped(out, "memory leak ", true);
	put_escaped(out, f->id, true);
	hs_puts(out, "::");
	put_message(out, f);
	hs_putc(out, '\n');
}

static void github_write(const struct hs_report *report, struct hs_out *out)
{
	size_t n, listed = 0, total = 0;
	uint64_t bytes = 0;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (size_t i = 0; i < n; i++) {
		if (f[i].type != HS_FINDING_LEAK || f[i].kind == HS_LEAK_REACHABLE)
			continue;
		total++;
		bytes += f[i].bytes;
		if (listed++ < MAX_ANNOTATIONS)
			put_annotation(out, report, &f[i]);
	}
	if (total <= MAX_ANNOTATIONS)
		return;
	hs_printf(out, "::notice title=heapsnap::%zu leaks in all, ", total);
	hs_put_size(out, bytes);
	hs_putc(out, '\n');
}

const struct hs_format hs_format_github = {
	.name = "github",
	.summary = "leaks as annotations of GitHub Actions",
	.write = github_write,
};
