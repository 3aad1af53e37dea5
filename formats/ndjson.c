/* SPDX-License-Identifier: MIT */

/*
 * One JSON object in each line, for jq, DuckDB, ClickHouse and their like: "type" is
 * process, site or snapshot.  What is not known is absent.
 */
#include "formats/format.h"

#include "src/findings.h"
#include "src/names.h"
#include "src/out.h"
#include "src/report.h"
#include "src/stacktree.h"

static void put_number(struct hs_out *out, const char *key, uint64_t value)
{
	hs_printf(out, ", \"%s\": %llu", key, (unsigned long long)value);
}

static void put_text(struct hs_out *out, const char *key, const char *value)
{
	if (!*value)
		return;
	hs_printf(out, ", \"%s\": ", key);
	hs_put_json_string(out, value);
}

static void begin(struct hs_out *out, const char *type, const struct hs_profile *p)
{
	hs_printf(out, "{\"type\": \"%s\", \"process\": ", type);
	hs_put_json_string(out, hs_string(p, p->process.id));
	if (p->has & HS_HAS_PID)
		put_number(out, "pid", p->process.pid);
}

/* The same keys for a process and a site. */
static void put_figures(struct hs_out *out, const struct hs_profile *p,
			const struct hs_site *s)
{
	if (hs_has_counts(p, HS_HAS_TOTALS))
		put_number(out, "allocations", s->allocs);
	if (hs_has_frees(p))
		put_number(out, "frees", s->frees);
	if (p->has & HS_HAS_TOTALS)
		put_number(out, "allocated_bytes", s->bytes);
	if (p->has & HS_HAS_TEMPORARIES)
		put_number(out, "temporary_allocations", s->temporaries);
	if (hs_has_counts(p, HS_HAS_LIVE))
		put_number(out, "live_blocks", s->live_blocks);
	if (p->has & HS_HAS_LIVE)
		put_number(out, "live_bytes", s->live_bytes);
	if (hs_has_counts(p, HS_HAS_PEAK))
		put_number(out, "peak_blocks", s->peak_blocks);
	if (p->has & HS_HAS_PEAK)
		put_number(out, "peak_bytes", s->peak_bytes);
}

static void put_process(struct hs_out *out, const struct hs_profile *p)
{
	const struct hs_process_info *i = &p->process;
	const struct hs_totals *t = &p->totals;
	const struct hs_site sums = {
		.allocs = t->allocs,
		.frees = t->frees,
		.bytes = t->bytes,
		.temporaries = t->temporaries,
		.live_blocks = t->live_blocks,
		.live_bytes = t->live_bytes,
		.peak_blocks = t->peak_blocks,
		.peak_bytes = t->peak_bytes,
	};
	begin(out, "process", p);
	put_text(out, "name", hs_string(p, i->name));
	put_text(out, "exe", hs_string(p, i->exe));
	put_text(out, "build_id", hs_string(p, i->build_id));
	put_text(out, "source", hs_string(p, i->source));
	if (i->start_ns && !i->clock.i) {
		put_number(out, "start_ns", i->start_ns);
		put_number(out, "end_ns", i->end_ns);
	}
	put_text(out, "end", hs_end_name(i->end));
	hs_printf(out, ", \"complete\": %s", i->complete ? "true" : "false");
	put_figures(out, p, &sums);
	hs_puts(out, "}\n");
}

static void put_frame(struct hs_out *out, const struct hs_profile *p, hs_frame frame,
		      char **scratch)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	const struct hs_module_info *m = &p->modules[f->module.i];
	hs_puts(out, "{\"function\": ");
	hs_put_json_string(out, hs_frame_label(p, frame, scratch));
	put_text(out, "file", hs_string(p, f->file));
	if (f->line)
		put_number(out, "line", f->line);
	put_text(out, "module", hs_base_name(hs_string(p, m->path)));
	put_text(out, "build_id", hs_string(p, m->build_id));
	hs_puts(out, "}");
}

static void put_site(struct hs_out *out, const struct hs_profile *p,
		     const struct hs_site *s)
{
	size_t n = hs_stack_frames(p, s->stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(HS_MAX(n, (size_t)1), sizeof(*frames));
	char *scratch = NULL;
	hs_stack_frames(p, s->stack, frames, n);
	begin(out, "site", p);
	put_text(out, "kind", hs_alloc_kind_name(s->kind));
	if (s->thread.i)
		put_number(out, "tid", p->threads[s->thread.i].tid);
	put_figures(out, p, s);
	hs_puts(out, ", \"stack\": [");
	for (size_t i = 0; i < n; i++) {
		hs_puts(out, i ? ", " : "");
		put_frame(out, p, frames[i], &scratch);
	}
	hs_puts(out, "]}\n");
	free(scratch);
	free(frames);
}

static void put_snapshot(struct hs_out *out, const struct hs_profile *p,
			 const struct hs_snapshot *s)
{
	begin(out, "snapshot", p);
	put_number(out, "time_ns", s->time_ns);
	put_number(out, "heap_bytes", s->heap_bytes);
	if (p->has & HS_HAS_RSS)
		put_number(out, "rss_bytes", s->rss_bytes);
	hs_puts(out, "}\n");
}

static void ndjson_write(const struct hs_report *report, struct hs_out *out)
{
	for (size_t i = 0; i < report->n_targets; i++)
		put_process(out, report->targets[i].profile);
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		for (uint32_t k = 0; k < p->n_sites; k++)
			put_site(out, p, &p->sites[k]);
		for (uint32_t k = 0; k < p->n_snapshots; k++)
			put_snapshot(out, p, &p->snapshots[k]);
	}
}

const struct hs_format hs_format_ndjson = {
	.name = "ndjson",
	.summary = "an object in each line: processes, sites, snapshots",
	.suffixes = (const char *const[]){".ndjson", NULL},
	.figures_alone = true,
	.write = ndjson_write,
};
