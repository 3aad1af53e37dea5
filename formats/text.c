/* SPDX-License-Identifier: MIT */

/*
 * The report as text that fits a ticket: about 60 lines for one process, 100
 * columns, no colour, no arguments and no directories unless asked for.  A
 * ticket is read by strangers.
 */
#include "formats/format.h"

#include <string.h>

#include "config.h"
#include "src/array.h"
#include "src/names.h"
#include "src/out.h"
#include "src/report.h"

#define DEFAULT_TOP    5u /* leaks with their stacks */
#define HOTSPOT_ROWS   3u /* for each way of looking, unless --top says more */
#define STACK_ROWS     3u /* from the culprit outward, unless --details */
#define MAX_WARNINGS   3u
#define MAX_OVERVIEW   30u /* rows of the table of processes */
#define MAX_BRIEFS     8u  /* processes that get a section of their own */
#define FUNCTION_WIDTH 44
#define CULPRIT_WIDTH  (WIDTH - 31) /* what follows the figures of a hotspot */
#define WIDTH          100
#define WELL_NAMED     950 /* per mille of places with a name */

#define BOLD   "\033[1m"
#define DIM    "\033[2m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"

struct text {
	struct hs_out *out;
	const struct hs_report *report;
	const struct hs_profile *p; /* the process that is being told of */
};

static void paint(const struct text *t, const char *color)
{
	if (t->report->color)
		hs_puts(t->out, color);
}

static void unpaint(const struct text *t)
{
	paint(t, "\033[0m");
}

static void put_label(const struct text *t, const char *label)
{
	paint(t, BOLD);
	hs_printf(t->out, "%-11s ", label);
	unpaint(t);
}

/* At most WIDTH bytes of S, cut between characters; returns how many. */
static int put_cut(const struct text *t, const char *s, size_t width)
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

static void put_spaces(const struct text *t, int n)
{
	if (n > 0)
		hs_printf(t->out, "%*s", n, "");
}

/* Whole paths only with --details. */
static const char *shown_path(const struct text *t, hs_str path)
{
	const char *s = hs_string(t->p, path);
	return t->report->details ? s : hs_base_name(s);
}

static void put_count(const struct text *t, uint64_t n, const char *one, const char *many)
{
	hs_printf(t->out, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned)((double)part / (double)whole * 100 + 0.5) : 0;
}

/* ---- header ---- */

static void put_program(const struct text *t)
{
	const struct hs_process_info *i = &t->p->process;
	put_label(t, "program");
	hs_put_plain(t->out, i->exe.i ? shown_path(t, i->exe) : hs_string(t->p, i->name));
	if (i->exe.i &&
	    strcmp(hs_base_name(hs_string(t->p, i->exe)), hs_string(t->p, i->name))) {
		hs_puts(t->out, " (");
		put_cut(t, hs_string(t->p, i->name), 32);
		hs_puts(t->out, ")");
	}
	if (t->p->has & HS_HAS_PID)
		hs_printf(t->out, "  pid %u", i->pid);
	if (i->parent.i) {
		hs_puts(t->out, "  forked from ");
		put_cut(t, hs_string(t->p, i->parent), 32);
	}
	if (i->build_id.i) {
		hs_puts(t->out, "  build-id ");
		hs_put_plain(t->out, hs_string(t->p, i->build_id));
	}
	hs_putc(t->out, '\n');
	if (!t->report->details || !i->n_argv)
		return;
	put_label(t, "arguments");
	for (uint32_t a = 0; a < i->n_argv; a++) {
		hs_puts(t->out, a ? " " : "");
		hs_put_plain(t->out, hs_string(t->p, i->argv[a]));
	}
	hs_putc(t->out, '\n');
}

static void put_recorded(const struct text *t)
{
	const struct hs_process_info *i = &t->p->process;
	if (i->system.i) {
		put_label(t, "system");
		hs_put_plain(t->out, hs_string(t->p, i->system));
		hs_putc(t->out, '\n');
	}
	put_label(t, "recorded");
	if (i->start_ns) {
		hs_put_time(t->out, i->start_ns);
		if (i->end_ns > i->start_ns) {
			hs_puts(t->out, " to ");
			hs_put_time(t->out, i->end_ns);
			hs_puts(t->out, " (");
			hs_put_duration(t->out, i->end_ns - i->start_ns);
			hs_puts(t->out, ")");
		}
		hs_puts(t->out, "; ");
	}
	hs_put_end(t->out, i);
	if (t->p->has & HS_HAS_SNAPSHOTS) {
		hs_puts(t->out, "; ");
		put_count(t, t->p->n_snapshots, "snapshot", "snapshots");
	}
	hs_puts(t->out, "; source ");
	hs_put_plain(t->out, hs_string(t->p, i->source));
	hs_puts(t->out, i->version.i ? " " : "");
	hs_put_plain(t->out, hs_string(t->p, i->version));
	hs_putc(t->out, '\n');
}

static void put_live_and_peak(const struct text *t)
{
	const struct hs_totals *n = &t->p->totals;
	put_label(t, "heap");
	if (t->p->has & HS_HAS_LIVE) {
		hs_puts(t->out, t->p->process.end == HS_END_RUNNING ? "live now "
								    : "live at the end ");
		hs_put_size(t->out, n->live_bytes);
		hs_puts(t->out, " in ");
		put_count(t, n->live_blocks, "block", "blocks");
		hs_puts(t->out, "; ");
	}
	if (t->p->has & HS_HAS_PEAK) {
		hs_puts(t->out, "peak ");
		hs_put_size(t->out, n->peak_bytes);
		if (n->peak_ns && n->peak_ns >= t->p->process.start_ns &&
		    t->p->process.start_ns) {
			hs_puts(t->out, " after ");
			hs_put_duration(t->out, n->peak_ns - t->p->process.start_ns);
		}
	}
	hs_putc(t->out, '\n');
}

static void put_traffic(const struct text *t)
{
	const struct hs_totals *n = &t->p->totals;
	if (!(t->p->has & HS_HAS_TOTALS))
		return;
	put_label(t, "traffic");
	hs_put_size(t->out, n->bytes);
	hs_puts(t->out, " in ");
	put_count(t, n->allocs, "allocation", "allocations");
	hs_puts(t->out, ", ");
	put_count(t, n->frees, "free", "frees");
	if (t->p->has & HS_HAS_TEMPORARIES)
		hs_printf(t->out, "; temporary %llu (%u %%)",
			  (unsigned long long)n->temporaries,
			  percent(n->temporaries, n->allocs));
	if (n->unmatched_frees)
		hs_printf(t->out, "; %llu frees of unknown blocks",
			  (unsigned long long)n->unmatched_frees);
	hs_putc(t->out, '\n');
}

static void put_rss(const struct text *t)
{
	if (!(t->p->has & HS_HAS_RSS) || !t->p->n_snapshots)
		return;
	uint64_t peak = 0;
	for (uint32_t i = 0; i < t->p->n_snapshots; i++)
		peak = HS_MAX(peak, t->p->snapshots[i].rss_bytes);
	put_label(t, "RSS");
	hs_put_size(t->out, t->p->snapshots[t->p->n_snapshots - 1].rss_bytes);
	hs_puts(t->out, " at the last snapshot; peak of the snapshots ");
	hs_put_size(t->out, peak);
	hs_putc(t->out, '\n');
}

static void put_naming(const struct text *t)
{
	struct hs_naming naming = hs_count_named(t->p);
	if (!naming.total)
		return;
	uint64_t permille = naming.named * 1000 / naming.total;
	hs_printf(t->out, "%llu.%llu %% of %llu places named",
		  (unsigned long long)(permille / 10),
		  (unsigned long long)(permille % 10), (unsigned long long)naming.total);
	if (permille < WELL_NAMED && naming.worst.i) {
		hs_puts(t->out, " (the others mostly in ");
		hs_put_plain(t->out, hs_base_name(hs_string(
					     t->p, t->p->modules[naming.worst.i].path)));
		hs_puts(t->out, ")");
	}
	hs_puts(t->out, "; ");
}

static void put_quality(const struct text *t)
{
	const struct hs_process_info *i = &t->p->process;
	put_label(t, "quality");
	put_naming(t);
	hs_printf(t->out, "lost events %llu", (unsigned long long)i->lost_events);
	hs_puts(t->out, i->complete ? "\n" : "; recording incomplete\n");
	uint32_t shown = t->report->details ? t->p->n_warnings
					    : HS_MIN(t->p->n_warnings, MAX_WARNINGS);
	for (uint32_t w = 0; w < shown; w++) {
		hs_puts(t->out, "            ! ");
		if (t->report->details)
			hs_put_plain(t->out, t->p->warnings[w]);
		else
			put_cut(t, t->p->warnings[w], WIDTH - 14);
		hs_putc(t->out, '\n');
	}
	if (shown < t->p->n_warnings)
		hs_printf(t->out, "            ! %u more warnings (--details)\n",
			  t->p->n_warnings - shown);
}

/* ---- stacks ---- */

static void put_place(const struct text *t, const struct hs_frame_info *f)
{
	if (f->file.i) {
		hs_puts(t->out, "  ");
		hs_put_plain(t->out, shown_path(t, f->file));
		if (f->line)
			hs_printf(t->out, ":%u", f->line);
	}
	if (!f->module.i)
		return;
	paint(t, DIM);
	hs_puts(t->out, "  ");
	hs_put_plain(t->out, shown_path(t, t->p->modules[f->module.i].path));
	hs_printf(t->out, "+0x%llx", (unsigned long long)f->offset);
	if (f->inlined)
		hs_puts(t->out, " (inlined)");
	unpaint(t);
}

/* Without parameters and template arguments, unless --details. */
static void put_function(const struct text *t, const struct hs_frame_info *f, int pad)
{
	const char *name = hs_string(t->p, f->function);
	if (!*name) {
		put_spaces(t, pad - put_cut(t, "??", FUNCTION_WIDTH));
	} else if (t->report->details) {
		hs_put_plain(t->out, name);
		put_spaces(t, pad - (int)strlen(name));
	} else {
		char *base = hs_function_base(name);
		put_spaces(t, pad - put_cut(t, base, FUNCTION_WIDTH));
		free(base);
	}
}

/* From the culprit outward, a few; with --details all. */
static void put_stack(const struct text *t, const struct hs_finding *finding)
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
		hs_printf(t->out, "  %c #%-3zu ", i == finding->culprit ? '*' : ' ', i);
		put_function(t, f, 28);
		put_place(t, f);
		hs_putc(t->out, '\n');
		rows++;
	}
	free(frames);
}

/* ---- leaks ---- */

static bool is_listed(const struct text *t, const struct hs_finding *f)
{
	return f->profile == t->p && f->type == HS_FINDING_LEAK &&
	       f->kind != HS_LEAK_REACHABLE;
}

static void put_confidence(const struct text *t, enum hs_confidence confidence)
{
	static const char *const words[] = {"HIGH", "MEDIUM", "LOW"};
	static const char *const colors[] = {BOLD RED, BOLD YELLOW, DIM};
	paint(t, colors[confidence]);
	hs_printf(t->out, "%-6s", words[confidence]);
	unpaint(t);
}

static void put_leak_line(const struct text *t, const struct hs_finding *f, unsigned rank)
{
	hs_printf(t->out, "S%-3u", rank);
	put_confidence(t, f->confidence);
	hs_printf(t->out, "  %s  %s", f->id, hs_leak_kind_name(f->kind));
	if (f->pattern != HS_PATTERN_UNKNOWN)
		hs_printf(t->out, ", %s", hs_pattern_name(f->pattern));
	hs_puts(t->out, "  ");
	hs_put_size(t->out, f->bytes);
	hs_puts(t->out, "  ");
	put_count(t, f->blocks, "block", "blocks");
	if (f->bytes_per_hour) {
		hs_puts(t->out, "  +");
		hs_put_size(t->out, f->bytes_per_hour);
		hs_puts(t->out, "/h");
	}
}

static void put_births(const struct text *t, const struct hs_finding *f)
{
	uint64_t start = t->p->process.start_ns;
	if (!f->first_ns || !start || f->first_ns < start || f->last_ns < f->first_ns)
		return;
	hs_puts(t->out, f->first_ns == f->last_ns ? "; after " : "; from ");
	hs_put_duration(t->out, f->first_ns - start);
	if (f->first_ns == f->last_ns)
		return;
	hs_puts(t->out, " to ");
	hs_put_duration(t->out, f->last_ns - start);
}

/* The first sentences that fit on a line; all of them with --details. */
static void put_why(const struct text *t, const struct hs_finding *f)
{
	const char *separator = "    why: ";
	size_t column = 0;
	for (const char *const *e = f->evidence; e && *e; e++) {
		column += strlen(separator) + strlen(*e);
		if (e != f->evidence && column > WIDTH && !t->report->details)
			break;
		hs_puts(t->out, separator);
		hs_put_plain(t->out, *e);
		separator = "; ";
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

static void put_sums(const struct text *t, const struct sums *s, const char *what)
{
	if (!s->leaks)
		return;
	put_count(t, s->leaks, "place", "places");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, s->bytes);
	hs_printf(t->out, ": %s\n", what);
}

static void put_leaks(const struct text *t, unsigned top)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	struct sums all = {0}, rest = {0}, kept = {0};
	unsigned rank = 0;
	for (size_t i = 0; i < n; i++)
		if (is_listed(t, &f[i]))
			add_to(&all, &f[i]);
	put_label(t, "not freed");
	put_count(t, all.leaks, "place", "places");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, all.bytes);
	hs_puts(t->out, " in ");
	put_count(t, all.blocks, "block", "blocks");
	hs_putc(t->out, '\n');
	for (size_t i = 0; i < n; i++) {
		if (f[i].profile == t->p && f[i].type == HS_FINDING_LEAK &&
		    f[i].kind == HS_LEAK_REACHABLE)
			add_to(&kept, &f[i]);
		if (!is_listed(t, &f[i]))
			continue;
		if (!top) {
			add_to(&rest, &f[i]);
			continue;
		}
		top--;
		put_leak_line(t, &f[i], ++rank);
		put_births(t, &f[i]);
		hs_putc(t->out, '\n');
		put_why(t, &f[i]);
		put_stack(t, &f[i]);
	}
	put_sums(t, &rest, "not listed (--top N)");
	put_sums(t, &kept,
		 t->p->process.end == HS_END_EXEC
			 ? "alive when the process became another program, no leaks"
			 : "kept by the C library or the loader by design, no leaks");
}

/* ---- hotspots ---- */

/* "parse", "??" or, for callers that have no name, "libz.so.1+0x1a2b"; malloc'ed. */
static char *short_name(const struct text *t, const struct hs_frame_info *f)
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
static void put_callers(const struct text *t, char *culprit, const hs_frame *frames,
			size_t n, size_t room)
{
	char *before = culprit;
	for (size_t i = 0; i < n && room > 12; i++) {
		if (hs_frame_is_library(t->p, frames[i]))
			continue;
		char *name = short_name(t, &t->p->frames[frames[i].i]);
		if (strcmp(name, before) != 0) {
			hs_puts(t->out, " < ");
			room -= 3 + (size_t)put_cut(t, name, room - 3);
		}
		free(before);
		before = name;
	}
	free(before);
}

/* The culprit and who called it, on one line. */
static void put_culprit(const struct text *t, const struct hs_finding *finding)
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
	size_t used = (size_t)put_cut(t, name, FUNCTION_WIDTH);
	if (f->file.i) {
		char *place = hs_xasprintf(" (%s:%u)", shown_path(t, f->file), f->line);
		hs_put_plain(t->out, place);
		used += strlen(place);
		free(place);
	}
	size_t room = t->report->details ? SIZE_MAX : CULPRIT_WIDTH;
	put_callers(t, name, frames + next, n - next, used < room ? room - used : 0);
	free(frames);
}

static void put_row(const struct text *t, const struct hs_finding *f, uint64_t whole)
{
	bool counted = f->by == HS_BY_ALLOCATIONS || f->by == HS_BY_TEMPORARY;
	struct hs_out cell;
	hs_out_init(&cell, -1);
	if (f->by == HS_BY_TEMPORARY)
		hs_printf(&cell, "%llu", (unsigned long long)f->blocks);
	else
		hs_put_size(&cell, f->bytes);
	char *amount = hs_out_take(&cell, NULL);
	if (f->by == HS_BY_TEMPORARY)
		hs_printf(t->out, "  %21s", amount);
	else
		hs_printf(t->out, "  %10s %10llu", amount, (unsigned long long)f->blocks);
	hs_printf(t->out, " %3u %%  ", percent(counted ? f->blocks : f->bytes, whole));
	free(amount);
	put_culprit(t, f);
	hs_putc(t->out, '\n');
}

static void put_hotspots_by(const struct text *t, enum hs_hotspot_by by, unsigned rows)
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
			paint(t, BOLD);
			hs_printf(t->out, "%s\n", titles[by]);
			unpaint(t);
		}
		put_row(t, f, wholes[by]);
	}
}

/* ---- whole processes ---- */

static void put_one(const struct text *t)
{
	unsigned top = t->report->top;
	put_program(t);
	put_recorded(t);
	put_live_and_peak(t);
	put_traffic(t);
	put_rss(t);
	put_quality(t);
	hs_putc(t->out, '\n');
	put_leaks(t, top ? top : DEFAULT_TOP);
	hs_putc(t->out, '\n');
	for (enum hs_hotspot_by by = HS_BY_PEAK; by <= HS_BY_TEMPORARY; by++)
		put_hotspots_by(t, by, top ? top : HOTSPOT_ROWS);
}

static void put_brief(const struct text *t)
{
	unsigned top = t->report->top;
	hs_putc(t->out, '\n');
	put_label(t, "process");
	hs_put_plain(t->out, hs_string(t->p, t->p->process.id));
	hs_putc(t->out, '\n');
	put_live_and_peak(t);
	put_traffic(t);
	put_quality(t);
	put_leaks(t, top ? top : 2);
	put_hotspots_by(t, HS_BY_PEAK, top ? top : 2);
}

static void put_size_cell(const struct text *t, bool known, uint64_t bytes)
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

static void put_overview_row(const struct text *t)
{
	const struct hs_totals *s = &t->p->totals;
	uint32_t has = t->p->has;
	put_spaces(t, 30 - put_cut(t, hs_string(t->p, t->p->process.id), 30));
	put_size_cell(t, has & HS_HAS_LIVE, s->live_bytes);
	put_size_cell(t, has & HS_HAS_PEAK, s->peak_bytes);
	if (has & HS_HAS_TOTALS)
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

static void put_many(struct text *t)
{
	size_t n = t->report->n_targets;
	const struct hs_profile **order = hs_xcalloc(n, sizeof(struct hs_profile *));
	for (size_t i = 0; i < n; i++)
		order[i] = t->report->targets[i].profile;
	qsort(order, n, sizeof(struct hs_profile *), compare_targets);
	put_label(t, "processes");
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

static void text_write(const struct hs_report *report, struct hs_out *out)
{
	struct text t = {.out = out, .report = report};
	paint(&t, BOLD);
	hs_puts(out, "heapsnap " PACKAGE_VERSION " leak summary  ");
	hs_put_plain(out, report->title ? report->title : "");
	unpaint(&t);
	hs_putc(out, '\n');
	if (report->n_targets == 1) {
		t.p = report->targets[0].profile;
		put_one(&t);
	} else {
		put_many(&t);
	}
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
