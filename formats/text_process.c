/* SPDX-License-Identifier: MIT */

/* The header of a process in the text report: who, when, how much, how well. */
#include <string.h>

#include "formats/text_parts.h"
#include "src/names.h"

#define MAX_WARNINGS 3u
#define WELL_NAMED   950 /* per mille of places with a name */

void hs_text_program(const struct hs_text *t)
{
	const struct hs_process_info *i = &t->p->process;
	hs_text_label(t, "program");
	hs_put_plain(t->out,
		     i->exe.i ? hs_text_path(t, i->exe) : hs_string(t->p, i->name));
	if (i->exe.i &&
	    strcmp(hs_base_name(hs_string(t->p, i->exe)), hs_string(t->p, i->name))) {
		hs_puts(t->out, " (");
		hs_text_cut(t, hs_string(t->p, i->name), 32);
		hs_puts(t->out, ")");
	}
	if (t->p->has & HS_HAS_PID)
		hs_printf(t->out, "  pid %u", i->pid);
	if (i->parent.i) {
		hs_puts(t->out, "  forked from ");
		hs_text_cut(t, hs_string(t->p, i->parent), 32);
	}
	if (i->build_id.i) {
		hs_puts(t->out, "  build-id ");
		hs_put_plain(t->out, hs_string(t->p, i->build_id));
	}
	hs_putc(t->out, '\n');
	if (!hs_text_is_open(t) || !i->n_argv)
		return;
	hs_text_label(t, "arguments");
	for (uint32_t a = 0; a < i->n_argv; a++) {
		hs_puts(t->out, a ? " " : "");
		hs_put_plain(t->out, hs_string(t->p, i->argv[a]));
	}
	hs_putc(t->out, '\n');
}

void hs_text_recorded(const struct hs_text *t)
{
	const struct hs_process_info *i = &t->p->process;
	if (i->system.i) {
		hs_text_label(t, "system");
		hs_put_plain(t->out, hs_string(t->p, i->system));
		hs_putc(t->out, '\n');
	}
	hs_text_label(t, "recorded");
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
	} else if (t->p->has & HS_HAS_TIME && i->end_ns) {
		hs_put_duration(t->out, i->end_ns);
		hs_puts(t->out, ", date unknown; ");
	}
	hs_put_end(t->out, i);
	if (t->p->has & HS_HAS_SNAPSHOTS) {
		hs_puts(t->out, "; ");
		hs_text_count(t, t->p->n_snapshots, "snapshot", "snapshots");
	}
	hs_puts(t->out, "; source ");
	hs_put_plain(t->out, hs_string(t->p, i->source));
	hs_puts(t->out, i->version.i ? " " : "");
	hs_put_plain(t->out, hs_string(t->p, i->version));
	hs_putc(t->out, '\n');
}

void hs_text_live_and_peak(const struct hs_text *t)
{
	const struct hs_totals *n = &t->p->totals;
	hs_text_label(t, "heap");
	if (t->p->has & HS_HAS_LIVE) {
		hs_puts(t->out, t->p->process.end == HS_END_RUNNING ? "live now "
								    : "live at the end ");
		hs_put_size(t->out, n->live_bytes);
		hs_put_margin(t->out, t->p, t->p->variance.live_bytes);
		if (hs_has_counts(t->p, HS_HAS_LIVE)) {
			hs_puts(t->out, " in ");
			hs_text_count(t, n->live_blocks, "block", "blocks");
		}
		hs_puts(t->out, t->p->has & HS_HAS_PEAK ? "; " : "");
	}
	if (t->p->has & HS_HAS_PEAK) {
		hs_puts(t->out, "peak ");
		hs_put_size(t->out, n->peak_bytes);
		hs_put_margin(t->out, t->p, t->p->variance.peak_bytes);
		if (n->peak_ns && n->peak_ns >= t->p->process.start_ns &&
		    (t->p->process.start_ns || t->p->has & HS_HAS_TIME)) {
			hs_puts(t->out, " after ");
			hs_put_duration(t->out, n->peak_ns - t->p->process.start_ns);
		}
	}
	hs_putc(t->out, '\n');
}

void hs_text_traffic(const struct hs_text *t)
{
	const struct hs_totals *n = &t->p->totals;
	if (!(t->p->has & HS_HAS_TOTALS))
		return;
	hs_text_label(t, "traffic");
	hs_put_size(t->out, n->bytes);
	if (!(t->p->has & HS_HAS_EXACT_TOTALS))
		hs_put_margin(t->out, t->p, t->p->variance.bytes);
	if (hs_has_counts(t->p, HS_HAS_TOTALS)) {
		hs_puts(t->out, " in ");
		hs_text_count(t, n->allocs, "allocation", "allocations");
	}
	if (hs_has_frees(t->p)) {
		hs_puts(t->out, ", ");
		hs_text_count(t, n->frees, "free", "frees");
	}
	if (t->p->has & HS_HAS_TEMPORARIES)
		hs_printf(t->out, "; temporary %llu (%u %%)",
			  (unsigned long long)n->temporaries,
			  hs_text_percent(n->temporaries, n->allocs));
	if (n->unmatched_frees && !t->p->sample_mean)
		hs_printf(t->out, "; %llu frees of unknown blocks",
			  (unsigned long long)n->unmatched_frees);
	hs_putc(t->out, '\n');
}

void hs_text_sampled(const struct hs_text *t)
{
	if (!t->p->sample_mean)
		return;
	hs_text_label(t, "sampled");
	hs_puts(t->out, "every ");
	hs_put_size(t->out, t->p->sample_mean);
	hs_puts(t->out,
		" on average: figures are estimates, in 95 of 100 cases within ±");
	if (t->p->has & HS_HAS_EXACT_TOTALS)
		hs_puts(t->out, "; traffic is exact");
	hs_putc(t->out, '\n');
}

/* Of a forked process; its parent's totals have these blocks. */
void hs_text_inherited(const struct hs_text *t)
{
	const struct hs_inherited *n = &t->p->inherited;
	bool known = t->p->has & HS_HAS_INHERITED;
	if (!known && (!n->frees || t->p->sample_mean))
		return;
	hs_text_label(t, "inherited");
	if (known && t->p->has & HS_HAS_INHERITED_BYTES) {
		hs_put_size(t->out, n->bytes);
		hs_puts(t->out, " in ");
	}
	if (known) {
		hs_text_count(t, n->blocks, "block", "blocks");
		hs_puts(t->out, " from the process it was forked from; ");
		if (!t->p->sample_mean) {
			hs_text_count(t, n->frees, "was", "were");
			hs_puts(t->out, " freed here; ");
		}
		hs_puts(t->out, "not part of the heap above\n");
	} else {
		hs_text_count(t, n->frees, "block", "blocks");
		hs_puts(t->out, " of the process it was forked from freed here; how many "
				"there were is in that one's capture\n");
	}
}

void hs_text_mapped(const struct hs_text *t)
{
	const struct hs_mmap_totals *n = &t->p->mmap;
	if (!(t->p->has & HS_HAS_MMAP))
		return;
	hs_text_label(t, "mapped");
	hs_put_size(t->out, n->mapped_bytes);
	hs_puts(t->out, " by mmap at the end; peak ");
	hs_put_size(t->out, n->peak_bytes);
	hs_puts(t->out, "; ");
	hs_text_count(t, n->calls, "call", "calls");
	hs_puts(t->out, "; not part of the heap\n");
}

void hs_text_rss(const struct hs_text *t)
{
	if (!(t->p->has & HS_HAS_RSS) || !t->p->n_snapshots)
		return;
	uint64_t peak = 0;
	for (uint32_t i = 0; i < t->p->n_snapshots; i++)
		peak = HS_MAX(peak, t->p->snapshots[i].rss_bytes);
	hs_text_label(t, "RSS");
	hs_put_size(t->out, t->p->snapshots[t->p->n_snapshots - 1].rss_bytes);
	hs_puts(t->out, " at the last snapshot; peak of the snapshots ");
	hs_put_size(t->out, peak);
	hs_putc(t->out, '\n');
}

static void put_naming(const struct hs_text *t)
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

void hs_text_core(const struct hs_text *t)
{
	if (!t->p->process.core.i)
		return;
	hs_text_label(t, "core");
	hs_put_plain(t->out, hs_text_path(t, t->p->process.core));
	hs_puts(t->out, "  ('heapsnap core' tells where its threads were)\n");
}

void hs_text_quality(const struct hs_text *t)
{
	const struct hs_process_info *i = &t->p->process;
	hs_text_label(t, "quality");
	put_naming(t);
	hs_printf(t->out, "lost events %llu", (unsigned long long)i->lost_events);
	hs_puts(t->out, i->complete ? "\n" : "; recording incomplete\n");
	hs_text_warnings(t);
}

void hs_text_warnings(const struct hs_text *t)
{
	uint32_t shown = t->report->details ? t->p->n_warnings
					    : HS_MIN(t->p->n_warnings, MAX_WARNINGS);
	for (uint32_t w = 0; w < shown; w++) {
		hs_puts(t->out, "            ! ");
		if (t->report->details)
			hs_put_plain(t->out, t->p->warnings[w]);
		else
			hs_text_cut(t, t->p->warnings[w], HS_TEXT_WIDTH - 14);
		hs_putc(t->out, '\n');
	}
	if (shown < t->p->n_warnings)
		hs_printf(t->out, "            ! %u more warnings (--details)\n",
			  t->p->n_warnings - shown);
}
