/* SPDX-License-Identifier: MIT */

/*
 * The report as JSON, schema 1 (doc/json.md).  One process, leak or hotspot
 * is one line, so that two documents can be compared by line.  What a source
 * does not know is absent, never zero.
 */
#include "formats/format.h"

#include <string.h>

#include "config.h"
#include "src/array.h"
#include "src/freed.h"
#include "src/names.h"
#include "src/out.h"
#include "src/report.h"
#include "src/suppress.h"
#include "src/walked.h"
#include "src/weight.h"

/* More than these of one process are counted, not listed. */
#define MAX_LEAKS 1000

/* Stacks that have freed one stack's blocks. */
#define MAX_FREED_BY 10

struct json {
	struct hs_out *out;
	bool begun; /* the innermost object or list has an item */
};

static void put_separator(struct json *j)
{
	if (j->begun)
		hs_puts(j->out, ", ");
	j->begun = true;
}

static void put_key(struct json *j, const char *key)
{
	put_separator(j);
	hs_put_json_string(j->out, key);
	hs_puts(j->out, ": ");
}

static void put_text(struct json *j, const char *key, const char *value)
{
	put_key(j, key);
	hs_put_json_string(j->out, value);
}

/* Absent where VALUE is "". */
static void put_known(struct json *j, const char *key, const char *value)
{
	if (*value)
		put_text(j, key, value);
}

static void put_number(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	hs_printf(j->out, "%llu", (unsigned long long)value);
}

/* Half of the interval of 95 % around an estimate; absent if it is exact. */
static void put_bytes_margin(struct json *j, const struct hs_profile *p, const char *key,
			     double variance)
{
	if (p->sample_mean)
		put_number(j, key, hs_margin_of_bytes(variance, p->sample_mean));
}

/* Absent where there is nothing to tell it from, too. */
static void put_blocks_margin(struct json *j, const struct hs_profile *p, const char *key,
			      double variance, uint64_t blocks, uint64_t bytes)
{
	if (p->sample_mean && blocks && bytes)
		put_number(j, key,
			   hs_margin_of_blocks(variance, p->sample_mean, blocks, bytes));
}

static void put_address(struct json *j, const char *key, uint64_t address)
{
	put_key(j, key);
	hs_printf(j->out, "\"0x%llx\"", (unsigned long long)address);
}

static void put_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	hs_puts(j->out, value ? "true" : "false");
}

static void begin(struct json *j, const char *key, char bracket)
{
	if (key)
		put_key(j, key);
	else
		put_separator(j);
	hs_putc(j->out, bracket);
	j->begun = false;
}

static void end(struct json *j, char bracket)
{
	hs_putc(j->out, bracket);
	j->begun = true;
}

/* A list whose items have a line each: the lines and the end of it. */
static void put_line(struct json *j)
{
	hs_puts(j->out, j->begun ? ",\n  " : "\n  ");
	j->begun = false;
}

static void end_lines(struct json *j)
{
	hs_puts(j->out, j->begun ? "\n ]" : "]");
	j->begun = true;
}

static void begin_lines(struct json *j, const char *key)
{
	hs_puts(j->out, ",\n ");
	hs_put_json_string(j->out, key);
	hs_puts(j->out, ": [");
	j->begun = false;
}

static void put_frame(struct json *j, const struct hs_profile *p,
		      const struct hs_frame_info *f)
{
	const struct hs_module_info *m = &p->modules[f->module.i];
	begin(j, NULL, '{');
	put_known(j, "function", hs_string(p, f->function));
	put_known(j, "file", hs_string(p, f->file));
	if (f->line)
		put_number(j, "line", f->line);
	if (f->module.i) {
		const char *path = hs_string(p, m->path);
		put_known(j, "module", hs_base_name(path));
		put_known(j, "module_path", path);
		put_known(j, "build_id", hs_string(p, m->build_id));
		if (!m->unplaced)
			put_number(j, "offset", f->offset);
	}
	if (f->offset && (!f->module.i || m->unplaced))
		put_address(j, "address", f->offset);
	if (f->how != HS_FRAME_BY_TABLES)
		put_text(j, "how", hs_frame_how_name(f->how));
	put_bool(j, "inlined", f->inlined);
	end(j, '}');
}

static void put_stack(struct json *j, const struct hs_profile *p, hs_stack stack)
{
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(p, stack, frames, n);
	begin(j, "stack", '[');
	for (size_t i = 0; i < n; i++)
		put_frame(j, p, &p->frames[frames[i].i]);
	end(j, ']');
	free(frames);
}

static void put_end_of(struct json *j, const struct hs_process_info *process)
{
	begin(j, "end", '{');
	put_text(j, "how", hs_end_name(process->end));
	if (process->end == HS_END_EXIT) {
		put_key(j, "code");
		hs_printf(j->out, "%d", process->code);
	}
	if (process->end == HS_END_SIGNAL && process->signal) {
		char name[HS_SIGNAL_SIZE];
		hs_signal_name(process->signal, name);
		put_text(j, "signal", name);
	}
	end(j, '}');
}

/* Without a date, a time counts from the start and has a name that says so. */
static void put_moment(struct json *j, const struct hs_profile *p, const char *key,
		       uint64_t time_ns)
{
	char *relative = NULL;
	if (p->process.clock.i) /* no time at all */
		return;
	if (!p->process.start_ns)
		relative = hs_xasprintf("%.*s_after_ns", (int)strlen(key) - 3, key);
	put_number(j, relative ? relative : key, time_ns);
	free(relative);
}

static void put_totals(struct json *j, const struct hs_profile *p)
{
	const struct hs_totals *t = &p->totals;
	const struct hs_site_variance *v = &p->variance;
	bool exact = p->has & HS_HAS_EXACT_TOTALS;
	begin(j, "totals", '{');
	if (p->has & HS_HAS_TOTALS) {
		if (hs_has_counts(p, HS_HAS_TOTALS))
			put_number(j, "allocations", t->allocs);
		if (!exact)
			put_blocks_margin(j, p, "allocations_margin", v->allocs,
					  t->allocs, t->bytes);
		if (hs_has_frees(p))
			put_number(j, "frees", t->frees);
		if (hs_has_frees(p) && !p->sample_mean)
			put_number(j, "unmatched_frees", t->unmatched_frees);
		put_number(j, "allocated_bytes", t->bytes);
		if (!exact)
			put_bytes_margin(j, p, "allocated_bytes_margin", v->bytes);
	}
	if (p->has & HS_HAS_TEMPORARIES)
		put_number(j, "temporary_allocations", t->temporaries);
	if (p->has & HS_HAS_LIVE) {
		if (hs_has_counts(p, HS_HAS_LIVE))
			put_number(j, "live_blocks", t->live_blocks);
		put_blocks_margin(j, p, "live_blocks_margin", v->live_blocks,
				  t->live_blocks, t->live_bytes);
		put_number(j, "live_bytes", t->live_bytes);
		put_bytes_margin(j, p, "live_bytes_margin", v->live_bytes);
	}
	if (p->has & HS_HAS_PEAK) {
		if (hs_has_counts(p, HS_HAS_PEAK))
			put_number(j, "peak_blocks", t->peak_blocks);
		put_blocks_margin(j, p, "peak_blocks_margin", v->peak_blocks,
				  t->peak_blocks, t->peak_bytes);
		put_number(j, "peak_bytes", t->peak_bytes);
		put_bytes_margin(j, p, "peak_bytes_margin", v->peak_bytes);
		if (t->peak_ns)
			put_moment(j, p, "peak_ns", t->peak_ns);
	}
	end(j, '}');
}

static void put_rss(struct json *j, const struct hs_profile *p)
{
	if (!(p->has & HS_HAS_RSS) || !p->n_snapshots)
		return;
	uint64_t peak = 0;
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		peak = HS_MAX(peak, p->snapshots[i].rss_bytes);
	begin(j, "rss", '{');
	put_number(j, "end_bytes", p->snapshots[p->n_snapshots - 1].rss_bytes);
	put_number(j, "peak_bytes", peak);
	end(j, '}');
}

static void put_inherited(struct json *j, const struct hs_profile *p)
{
	if (p->has & HS_HAS_INHERITED)
		put_number(j, "inherited_blocks", p->inherited.blocks);
	if (p->has & HS_HAS_INHERITED_BYTES)
		put_number(j, "inherited_bytes", p->inherited.bytes);
	if (p->process.forked && !p->sample_mean)
		put_number(j, "inherited_frees", p->inherited.frees);
}

static void put_mmap(struct json *j, const struct hs_profile *p)
{
	if (!(p->has & HS_HAS_MMAP))
		return;
	begin(j, "mmap", '{');
	put_number(j, "mapped_bytes", p->mmap.mapped_bytes);
	put_number(j, "peak_bytes", p->mmap.peak_bytes);
	put_number(j, "calls", p->mmap.calls);
	end(j, '}');
}

static void put_argv(struct json *j, const struct hs_profile *p)
{
	if (!p->process.n_argv)
		return;
	begin(j, "argv", '[');
	for (uint32_t i = 0; i < p->process.n_argv; i++) {
		put_separator(j);
		hs_put_json_string(j->out, hs_string(p, p->process.argv[i]));
	}
	end(j, ']');
}

static void put_warnings(struct json *j, const struct hs_profile *p)
{
	if (!p->n_warnings)
		return;
	begin(j, "warnings", '[');
	for (uint32_t i = 0; i < p->n_warnings; i++) {
		put_separator(j);
		hs_put_json_string(j->out, p->warnings[i]);
	}
	end(j, ']');
}

static void put_sampling(struct json *j, const struct hs_profile *p)
{
	static const char *const exact[] = {"allocations", "frees", "allocated_bytes"};
	begin(j, "sampling", '{');
	put_number(j, "mean_bytes", p->sample_mean);
	begin(j, "exact", '[');
	for (size_t i = 0; p->has & HS_HAS_EXACT_TOTALS && i < HS_COUNT(exact); i++) {
		put_separator(j);
		hs_put_json_string(j->out, exact[i]);
	}
	end(j, ']');
	end(j, '}');
}

static void put_process(struct json *j, const struct hs_profile *p)
{
	const struct hs_process_info *i = &p->process;
	put_line(j);
	begin(j, NULL, '{');
	put_text(j, "id", hs_string(p, i->id));
	if (p->has & HS_HAS_PID)
		put_number(j, "pid", i->pid);
	put_known(j, "parent", hs_string(p, i->parent));
	put_text(j, "name", hs_string(p, i->name));
	put_known(j, "exe", hs_string(p, i->exe));
	put_argv(j, p);
	put_known(j, "build_id", hs_string(p, i->build_id));
	put_text(j, "source", hs_string(p, i->source));
	put_known(j, "source_version", hs_string(p, i->version));
	put_known(j, "system", hs_string(p, i->system));
	if (i->start_ns)
		put_number(j, "start_ns", i->start_ns);
	if (i->end_ns)
		put_moment(j, p, "end_ns", i->end_ns);
	put_end_of(j, i);
	put_known(j, "core", hs_string(p, i->core));
	put_known(j, "capture", hs_string(p, i->capture));
	put_bool(j, "complete", i->complete);
	put_number(j, "lost_events", i->lost_events);
	if (p->has & HS_HAS_SNAPSHOTS)
		put_number(j, "snapshots", p->n_snapshots);
	if (p->sample_mean)
		put_sampling(j, p);
	put_totals(j, p);
	put_inherited(j, p);
	put_mmap(j, p);
	put_rss(j, p);
	put_warnings(j, p);
	end(j, '}');
}

static void put_finding_process(struct json *j, const struct hs_finding *f)
{
	put_text(j, "process", hs_string(f->profile, f->profile->process.id));
	if (f->profile->has & HS_HAS_PID)
		put_number(j, "pid", f->profile->process.pid);
}

static void put_amounts(struct json *j, const struct hs_finding *f)
{
	if (f->type != HS_FINDING_HOTSPOT || f->by != HS_BY_TEMPORARY) {
		put_number(j, "bytes", f->bytes);
		put_bytes_margin(j, f->profile, "bytes_margin", f->bytes_variance);
	}
	if (!f->blocks)
		return;
	put_number(j, "blocks", f->blocks);
	put_blocks_margin(j, f->profile, "blocks_margin", f->blocks_variance, f->blocks,
			  f->bytes);
}

static void put_freed_by(struct json *j, const struct hs_finding *f)
{
	struct hs_frees rows[MAX_FREED_BY];
	if (!(f->profile->has & HS_HAS_FREE_STACKS))
		return;
	size_t n = hs_freed_by(f->profile, f->stack, rows, MAX_FREED_BY);
	begin(j, "freed_by", '[');
	for (size_t i = 0; i < n && i < MAX_FREED_BY; i++) {
		begin(j, NULL, '{');
		put_number(j, "frees", rows[i].frees);
		put_number(j, "bytes", rows[i].bytes);
		put_stack(j, f->profile, rows[i].stack);
		end(j, '}');
	}
	end(j, ']');
}

/* Of 1000 blocks, with three decimals. */
static void put_stay_rate(struct json *j, const struct hs_finding *f)
{
	if (f->kind != HS_LEAK_GROWTH || !f->blocks || f->allocs < f->blocks)
		return;
	unsigned __int128 thousandths = (unsigned __int128)f->blocks * 1000000;
	unsigned long long rate = (unsigned long long)(thousandths / f->allocs);
	put_key(j, "blocks_per_1000_allocations");
	hs_printf(j->out, "%llu.%03llu", rate / 1000, rate % 1000);
}

static void put_leak(struct json *j, const struct hs_finding *f)
{
	put_line(j);
	begin(j, NULL, '{');
	put_text(j, "id", f->id);
	put_finding_process(j, f);
	put_text(j, "kind", hs_leak_kind_name(f->kind));
	put_text(j, "pattern", hs_pattern_name(f->pattern));
	put_text(j, "confidence", hs_confidence_name(f->confidence));
	put_amounts(j, f);
	put_number(j, "stacks", f->n_stacks);
	if (f->bytes_per_hour)
		put_number(j, "bytes_per_hour", f->bytes_per_hour);
	if (f->since_ns)
		put_moment(j, f->profile, "since_ns", f->since_ns);
	put_stay_rate(j, f);
	if (f->first_ns)
		put_moment(j, f->profile, "first_ns", f->first_ns);
	if (f->last_ns)
		put_moment(j, f->profile, "last_ns", f->last_ns);
	put_number(j, "culprit", f->culprit);
	put_freed_by(j, f);
	begin(j, "evidence", '[');
	for (const char *const *e = f->evidence; e && *e; e++) {
		put_separator(j);
		hs_put_json_string(j->out, *e);
	}
	end(j, ']');
	put_stack(j, f->profile, f->stack);
	end(j, '}');
}

static void put_hotspot(struct json *j, const struct hs_finding *f)
{
	put_line(j);
	begin(j, NULL, '{');
	put_text(j, "id", f->id);
	put_finding_process(j, f);
	put_text(j, "by", hs_hotspot_by_name(f->by));
	put_amounts(j, f);
	put_number(j, "stacks", f->n_stacks);
	put_number(j, "culprit", f->culprit);
	put_freed_by(j, f);
	put_stack(j, f->profile, f->stack);
	end(j, '}');
}

/* What a process has in more leaks than are listed. */
struct rest {
	uint64_t listed, blocks, bytes, leaks;
};

static size_t target_of(const struct hs_report *report, const struct hs_profile *profile)
{
	size_t i = 0;
	while (i < report->n_targets && report->targets[i].profile != profile)
		i++;
	return i;
}

static void put_leaks(struct json *j, const struct hs_report *report)
{
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	struct rest *rests = hs_xcalloc(report->n_targets + 1, sizeof(*rests));
	begin_lines(j, "leaks");
	for (; n--; f++) {
		if (f->type != HS_FINDING_LEAK ||
		    (f->kind == HS_LEAK_REACHABLE && !report->all))
			continue;
		struct rest *rest = &rests[target_of(report, f->profile)];
		if (rest->listed++ < MAX_LEAKS) {
			put_leak(j, f);
			continue;
		}
		rest->leaks++;
		rest->blocks += f->blocks;
		rest->bytes += f->bytes;
	}
	end_lines(j);
	begin_lines(j, "leaks_not_listed");
	for (size_t i = 0; i < report->n_targets; i++) {
		if (!rests[i].leaks)
			continue;
		const struct hs_profile *p = report->targets[i].profile;
		put_line(j);
		begin(j, NULL, '{');
		put_text(j, "process", hs_string(p, p->process.id));
		put_number(j, "leaks", rests[i].leaks);
		put_number(j, "bytes", rests[i].bytes);
		put_number(j, "blocks", rests[i].blocks);
		end(j, '}');
	}
	end_lines(j);
	free(rests);
}

/* Absent where there are no rules. */
static void put_suppressions(struct json *j, const struct hs_report *report)
{
	size_t n;
	if (!report->suppressions)
		return;
	const struct hs_suppression *rule = hs_suppressions_get(report->suppressions, &n);
	begin_lines(j, "suppressions");
	for (; n--; rule++) {
		put_line(j);
		begin(j, NULL, '{');
		put_text(j, "kind", rule->kind == HS_SUPPRESS_ID ? "leak-id" : "leak");
		put_text(j, "pattern", rule->pattern);
		put_text(j, "origin", rule->origin);
		put_number(j, "line", rule->line);
		put_number(j, "bytes", rule->bytes);
		put_number(j, "blocks", rule->blocks);
		if (rule->max_bytes != UINT64_MAX)
			put_number(j, "max_bytes", rule->max_bytes);
		put_bool(j, "exceeded", rule->exceeded);
		end(j, '}');
	}
	end_lines(j);
}

/* The first target that died: with several cores, each thread says whose it is. */
static void put_crash(struct json *j, const struct hs_report *report)
{
	size_t i = 0;
	while (i < report->n_targets && !(report->targets[i].has & HS_HAS_CRASH))
		i++;
	if (i == report->n_targets)
		return;
	const struct hs_profile *p = report->targets[i].profile;
	const struct hs_crash *c = &p->process.crash;
	char name[HS_SIGNAL_SIZE];
	hs_signal_name(p->process.signal, name);
	hs_puts(j->out, ",\n ");
	j->begun = false;
	begin(j, "crash", '{');
	put_text(j, "process", hs_string(p, p->process.id));
	put_text(j, "signal", name);
	put_known(j, "code", hs_string(p, c->code));
	put_known(j, "meaning", hs_string(p, c->meaning));
	if (c->has_address)
		put_address(j, "address", c->address);
	if (c->thread.i)
		put_number(j, "thread", p->threads[c->thread.i].tid);
	put_known(j, "message", hs_string(p, c->message));
	end(j, '}');
}

static void put_thread(struct json *j, const struct hs_profile *p,
		       const struct hs_thread_info *t)
{
	put_line(j);
	begin(j, NULL, '{');
	put_text(j, "process", hs_string(p, p->process.id));
	put_number(j, "tid", t->tid);
	put_known(j, "name", hs_string(p, t->name));
	put_stack(j, p, t->stack);
	end(j, '}');
}

static void put_walked_count(struct json *j, const char *blocks, const char *bytes,
			     const struct hs_walked_count *c)
{
	put_number(j, blocks, c->blocks);
	put_number(j, bytes, c->bytes);
}

static void put_arenas(struct json *j, const struct hs_walked *w)
{
	begin(j, "arenas", '[');
	for (size_t i = 0; i < w->arenas.n; i++) {
		const struct hs_walked_arena *a = &w->arenas.at[i];
		put_line(j);
		begin(j, NULL, '{');
		put_address(j, "address", a->addr);
		put_bool(j, "main", a->main);
		put_bool(j, "damaged", a->damaged);
		put_number(j, "system_bytes", a->system_bytes);
		put_number(j, "top_bytes", a->top_bytes);
		put_walked_count(j, "used_blocks", "used_bytes", &a->used);
		put_walked_count(j, "free_blocks", "free_bytes", &a->free);
		put_walked_count(j, "cached_blocks", "cached_bytes", &a->cached);
		end(j, '}');
	}
	end(j, ']');
}

/* Of the first target that has one; absent where none has. */
static void put_heap(struct json *j, const struct hs_report *report)
{
	size_t i = 0;
	while (i < report->n_targets && !report->targets[i].walked)
		i++;
	if (i == report->n_targets)
		return;
	const struct hs_walked *w = report->targets[i].walked;
	const struct hs_profile *p = report->targets[i].profile;
	hs_puts(j->out, ",\n ");
	j->begun = false;
	begin(j, "heap", '{');
	put_text(j, "process", hs_string(p, p->process.id));
	put_text(j, "allocator", w->allocator);
	put_walked_count(j, "used_blocks", "used_bytes", &w->used);
	put_walked_count(j, "free_blocks", "free_bytes", &w->free);
	put_walked_count(j, "cached_blocks", "cached_bytes", &w->cached);
	put_walked_count(j, "mapped_blocks", "mapped_bytes", &w->mapped);
	put_arenas(j, w);
	begin(j, "corruption", '[');
	for (size_t k = 0; k < w->corruption.n; k++) {
		const struct hs_corruption *c = &w->corruption.at[k];
		put_line(j);
		begin(j, NULL, '{');
		put_text(j, "kind", hs_corruption_name(c->kind));
		put_address(j, "address", c->address);
		put_text(j, "detail", c->detail);
		end(j, '}');
	}
	end(j, ']');
	end(j, '}');
}

/* Absent where no source has stacks of threads. */
static void put_threads(struct json *j, const struct hs_report *report)
{
	bool begun = false;
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		if (!(p->has & HS_HAS_STACKS))
			continue;
		if (!begun)
			begin_lines(j, "threads");
		begun = true;
		for (uint32_t k = 1; k < p->n_threads; k++)
			put_thread(j, p, &p->threads[k]);
	}
	if (begun)
		end_lines(j);
}

static void json_write(const struct hs_report *report, struct hs_out *out)
{
	struct json j = {.out = out};
	hs_puts(out, "{\"schema\": \"heapsnap/1\",\n \"tool\": {\"name\": \"heapsnap\", "
		     "\"version\": \"" PACKAGE_VERSION "\"}");
	begin_lines(&j, "processes");
	for (size_t i = 0; i < report->n_targets; i++)
		put_process(&j, report->targets[i].profile);
	end_lines(&j);
	put_leaks(&j, report);
	put_suppressions(&j, report);
	begin_lines(&j, "hotspots");
	size_t n;
	const struct hs_finding *f = hs_findings_get(report->findings, &n);
	for (; n--; f++)
		if (f->type == HS_FINDING_HOTSPOT)
			put_hotspot(&j, f);
	end_lines(&j);
	put_crash(&j, report);
	put_heap(&j, report);
	put_threads(&j, report);
	hs_puts(out, "\n}\n");
}

const struct hs_format hs_format_json = {
	.name = "json",
	.summary = "the report for programs",
	.suffixes = (const char *const[]){".json", NULL},
	.write = json_write,
};
