/* SPDX-License-Identifier: MIT */

/* Leaks in the text report: the ranked list, what is not in it, how it all grows. */
#include <string.h>

#include "formats/text_parts.h"

static bool is_listed(const struct hs_text *t, const struct hs_finding *f)
{
	return f->profile == t->p && f->type == HS_FINDING_LEAK &&
	       (f->kind != HS_LEAK_REACHABLE || t->report->all);
}

static void put_confidence(const struct hs_text *t, enum hs_confidence confidence)
{
	static const char *const words[] = {"HIGH", "MEDIUM", "LOW"};
	static const char *const colors[] = {HS_TEXT_BOLD HS_TEXT_RED,
					     HS_TEXT_BOLD HS_TEXT_YELLOW, HS_TEXT_DIM};
	hs_text_paint(t, colors[confidence]);
	hs_printf(t->out, "%-6s", words[confidence]);
	hs_text_unpaint(t);
}

static void put_leak_line(const struct hs_text *t, const struct hs_finding *f,
			  unsigned rank)
{
	hs_printf(t->out, "S%-3u", rank);
	put_confidence(t, f->confidence);
	hs_printf(t->out, "  %s  %s", f->id, hs_leak_kind_name(f->kind));
	if (f->pattern != HS_PATTERN_UNKNOWN)
		hs_printf(t->out, ", %s", hs_pattern_name(f->pattern));
	hs_puts(t->out, "  ");
	hs_put_size(t->out, f->bytes);
	hs_put_margin(t->out, t->p, f->bytes_variance);
	if (f->blocks) {
		hs_puts(t->out, "  ");
		hs_text_count(t, f->blocks, "block", "blocks");
	}
	if (f->bytes_per_hour) {
		hs_puts(t->out, "  +");
		hs_put_size(t->out, f->bytes_per_hour);
		hs_puts(t->out, "/h");
	}
}

static void put_births(const struct hs_text *t, const struct hs_finding *f)
{
	uint64_t start = t->p->process.start_ns;
	if (!f->first_ns || !(start || t->p->has & HS_HAS_TIME) || f->first_ns < start ||
	    f->last_ns < f->first_ns)
		return;
	bool at_once = f->last_ns - f->first_ns < 1000000; /* or it would read alike */
	hs_puts(t->out, at_once ? "; after " : "; from ");
	hs_put_duration(t->out, f->first_ns - start);
	if (at_once)
		return;
	hs_puts(t->out, " to ");
	hs_put_duration(t->out, f->last_ns - start);
}

/* The first sentences that fit on a line, or two; all of them with --details. */
static void put_why(const struct hs_text *t, const struct hs_finding *f)
{
	const char *before = "    why: ";
	size_t column = 0, lines = 1, most = f->kind == HS_LEAK_GROWTH ? 2 : 1;
	for (const char *const *e = f->evidence; e && *e; e++) {
		size_t width = strlen(before) + strlen(*e);
		if (column && column + width > HS_TEXT_WIDTH) {
			if (++lines > most && !t->report->details)
				break;
			hs_puts(t->out, ";");
			before = "\n         ";
			column = 0;
		}
		hs_puts(t->out, before);
		hs_put_plain(t->out, *e);
		column += strlen(before) + strlen(*e);
		before = "; ";
	}
	hs_putc(t->out, '\n');
}

struct sums {
	uint64_t leaks, blocks, bytes;
};

static void add_to(struct sums *s, const struct hs_finding *f)
{
	s->leaks++;
	s->blocks += f->blocks;
	s->bytes += f->bytes;
}

static void put_sums(const struct hs_text *t, const struct sums *s, const char *what)
{
	if (!s->leaks)
		return;
	hs_text_count(t, s->leaks, "place", "places");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, s->bytes);
	hs_printf(t->out, ": %s\n", what);
}

static const char *const excuses[HS_EXCUSES] = {
	[HS_EXCUSE_KEPT] = "kept by the C library or the loader by design, no leaks",
	[HS_EXCUSE_EXEC] = "alive when the process became another program, no leaks",
	[HS_EXCUSE_IN_FLIGHT] = "in flight when the process was stopped, no leaks",
	[HS_EXCUSE_PATTERN] = "level, slowing down or falling back, no leaks (--all)",
	[HS_EXCUSE_HELD] = "still held at the end and not growing, no leaks (--all)",
};

static void put_leak(const struct hs_text *t, const struct hs_finding *f, unsigned rank)
{
	put_leak_line(t, f, rank);
	put_births(t, f);
	hs_putc(t->out, '\n');
	put_why(t, f);
	hs_text_stack(t, f);
	hs_text_freed_by(t, f);
}

static void put_sum_of_all(const struct hs_text *t, const struct sums *all)
{
	hs_text_count(t, all->leaks, "place", "places");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, all->bytes);
	if (hs_has_counts(t->p, HS_HAS_LIVE)) {
		hs_puts(t->out, " in ");
		hs_text_count(t, all->blocks, "block", "blocks");
	}
	hs_putc(t->out, '\n');
}

void hs_text_leaks(const struct hs_text *t, unsigned top)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	struct sums all = {0}, rest = {0}, excused[HS_EXCUSES] = {0};
	unsigned rank = 0;
	for (size_t i = 0; i < n; i++)
		if (f[i].profile == t->p && f[i].type == HS_FINDING_LEAK)
			add_to(f[i].kind == HS_LEAK_REACHABLE ? &excused[f[i].excuse]
							      : &all,
			       &f[i]);
	hs_text_label(t, "not freed");
	if (!(t->p->has & HS_HAS_LIVE)) {
		hs_puts(t->out,
			"unknown: the source does not tell what lived at the end\n");
		return;
	}
	put_sum_of_all(t, &all);
	for (size_t i = 0; i < n; i++) {
		if (!is_listed(t, &f[i]))
			continue;
		if (rank < top)
			put_leak(t, &f[i], ++rank);
		else
			add_to(&rest, &f[i]);
	}
	put_sums(t, &rest, "not listed (--top N)");
	for (unsigned i = 0; i < HS_EXCUSES; i++)
		put_sums(t, &excused[i], excuses[i]);
}

void hs_text_growth(const struct hs_text *t)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	uint64_t per_hour = 0, places = 0, since = UINT64_MAX;
	for (; n--; f++) {
		if (f->profile != t->p || f->type != HS_FINDING_LEAK ||
		    !f->bytes_per_hour)
			continue;
		per_hour += HS_MIN(f->bytes_per_hour, UINT64_MAX - per_hour);
		since = HS_MIN(since, f->since_ns);
		places++;
	}
	if (!places)
		return;
	hs_text_label(t, "growth");
	hs_putc(t->out, '+');
	hs_put_size(t->out, per_hour);
	hs_puts(t->out, "/h in ");
	hs_text_count(t, places, "place", "places");
	if (since > t->p->process.start_ns) {
		hs_puts(t->out, ", since ");
		hs_put_duration(t->out, since - t->p->process.start_ns);
	}
	hs_putc(t->out, '\n');
}
