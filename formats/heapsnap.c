/* SPDX-License-Identifier: MIT */

/*
 * heapsnap's own captures.  src/capture.c knows the bytes; this file knows
 * what they mean for a profile: raw stacks become frames in modules, the log
 * is folded (or was folded already, by the recorder), stamps become times, and
 * whatever is missing is said.
 */
#include "formats/format.h"

#include <signal.h>
#include <string.h>

#include "src/array.h"
#include "src/build.h"
#include "src/capture.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "src/folding.h"
#include "src/hash.h"
#include "src/mapped.h"
#include "src/scanned.h"
#include "src/segment.h"

struct reading {
	struct hs_scanned scan;
	bool has_scan;
	struct hs_builder *b;
	struct hs_capture *c;
	const struct hs_folding *f;

	hs_thread *threads; /* by the capture's index */
	hs_module *modules;
	/* Nodes as stacks, 0 while not needed; below a mark in stacks that were cut. */
	hs_stack *plain, *cut;
	hs_stack cut_mark;
	uint64_t undefined_stacks, unknown_kinds;

	struct hs_site *sites;   /* by the fold's index */
	struct hs_map held_of;   /* (stack, kind) -> index in `held` */
	HS_ARRAY(uint64_t) held; /* bytes at the boundary before */
	struct hs_totals peak;   /* peak_ns and unmatched frees */
	bool rss;
};

static hs_str string_of(struct hs_builder *b, struct hs_capture_text t)
{
	return hs_build_string(b, (const char *)t.at, t.n);
}

static hs_str hex_of(struct hs_builder *b, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * 64];
	n = HS_MIN(n, sizeof(hex) / 2);
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	return hs_build_string(b, hex, 2 * n);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	while (n && !bytes[n - 1])
		n--;
	return n == 0;
}

/* Kinds of allocations; false for what is none. */
static bool kind_of(uint32_t wire, enum hs_alloc_kind *ret)
{
	static const uint8_t kinds[] = {
		[HS_WIRE_MALLOC] = 1 + HS_ALLOC_MALLOC,
		[HS_WIRE_CALLOC] = 1 + HS_ALLOC_CALLOC,
		[HS_WIRE_ALIGNED] = 1 + HS_ALLOC_ALIGNED,
		[HS_WIRE_REALLOC] = 1 + HS_ALLOC_REALLOC,
		[HS_WIRE_NEW] = 1 + HS_ALLOC_NEW,
		[HS_WIRE_NEW_ARRAY] = 1 + HS_ALLOC_NEW_ARRAY,
	};
	if (wire >= HS_COUNT(kinds) || !kinds[wire])
		return false;
	*ret = (enum hs_alloc_kind)(kinds[wire] - 1);
	return true;
}

static void read_modules(struct reading *r)
{
	const struct hs_capture *c = r->c;
	struct hs_process_info *process = hs_build_process(r->b);
	r->modules = hs_xcalloc(c->n_modules, sizeof(*r->modules));
	for (size_t i = 0; i < c->n_modules; i++) {
		const struct hs_capture_module *m = &c->modules[i];
		const struct hs_module_info info = {
			.path = string_of(r->b, m->path),
			.build_id = hex_of(r->b, m->build_id.at, m->build_id.n),
			.mapped = {m->start, m->end},
			.bias = m->bias,
			.epoch = m->epoch,
		};
		r->modules[i] = hs_build_module(r->b, &info);
		if (process->exe.i && hs_str_eq(info.path, process->exe))
			process->build_id = info.build_id;
	}
}

static void read_threads(struct reading *r)
{
	const struct hs_capture *c = r->c;
	r->threads = hs_xcalloc(c->n_threads, sizeof(*r->threads));
	for (size_t i = 0; i < c->n_threads; i++) {
		const struct hs_capture_thread *t = &c->threads[i];
		r->threads[i] = hs_build_thread(r->b, t->tid, string_of(r->b, t->name));
	}
}

static hs_frame frame_of(const struct reading *r, const struct hs_capture_node *node)
{
	const struct hs_capture_module *m =
		hs_capture_find_module(r->c, node->epoch, node->pc);
	if (!m)
		return hs_build_location(r->b, (hs_module){0}, node->pc);
	return hs_build_location(r->b, r->modules[m - r->c->modules], node->pc - m->bias);
}

/* The mark above the outermost frame that is known of a stack that was cut. */
static hs_stack cut_mark(struct reading *r)
{
	if (!r->cut_mark.i) {
		const struct hs_frame_info frame = {
			.function = hs_build_cstring(r->b, "[stack was cut here]")};
		r->cut_mark = hs_build_stack(r->b, (hs_stack){0},
					     hs_build_named_frame(r->b, &frame));
	}
	return r->cut_mark;
}

/*
 * NODE as a stack.  KNOWN remembers each node's, so that all calls together
 * visit each node once: first up to a known one, then down again.
 */
static hs_stack stack_of_node(struct reading *r, hs_stack *known, hs_stack root,
			      uint32_t node)
{
	HS_ARRAY(uint32_t) way = {0};
	for (; node && !known[node].i; node = r->c->nodes[node].parent)
		hs_array_push(&way, node);
	hs_stack stack = node ? known[node] : root;
	while (way.n) {
		uint32_t i = way.at[--way.n];
		stack = hs_build_stack(r->b, stack, frame_of(r, &r->c->nodes[i]));
		known[i] = stack;
	}
	hs_array_free(&way);
	return stack;
}

static hs_stack stack_with(struct reading *r, uint32_t id)
{
	const struct hs_capture_stack *s = hs_capture_stack(r->c, id);
	if (!s) {
		r->undefined_stacks += id != 0;
		return (hs_stack){0};
	}
	if (s->flags & HS_WIRE_STACK_CUT)
		return stack_of_node(r, r->cut, cut_mark(r), s->node);
	return stack_of_node(r, r->plain, (hs_stack){0}, s->node);
}

static struct hs_site site_of(struct reading *r, const struct hs_fold_site *s)
{
	struct hs_site site = {.stack = stack_with(r, s->stack),
			       .allocs = s->allocs,
			       .frees = s->frees,
			       .bytes = s->bytes,
			       .temporaries = s->temporaries,
			       .live_blocks = s->live_blocks,
			       .live_bytes = s->live_bytes,
			       .peak_blocks = s->peak_blocks,
			       .peak_bytes = s->peak_bytes};
	if (s->thread != HS_FOLD_MANY)
		site.thread = r->threads[s->thread];
	return site;
}

/* How sure the figures of the fold's site number I are. */
static struct hs_site_variance variance_of(const struct reading *r, size_t i)
{
	const struct hs_fold_variance *v = hs_fold_variances(r->f->fold);
	if (!v)
		return (struct hs_site_variance){0};
	return (struct hs_site_variance){.allocs = v[i].allocs,
					 .bytes = v[i].bytes,
					 .live_blocks = v[i].live_blocks,
					 .live_bytes = v[i].live_bytes,
					 .peak_blocks = v[i].peak_blocks,
					 .peak_bytes = v[i].peak_bytes};
}

static void add_frees(struct reading *r)
{
	size_t n, n_sites;
	const struct hs_fold_frees *frees = hs_fold_frees(r->f->fold, &n);
	const struct hs_fold_site *sites = hs_fold_sites(r->f->fold, &n_sites);
	if (!(r->c->header.flags & HS_WIRE_FREES_BY))
		return;
	hs_build_has(r->b, HS_HAS_FREE_STACKS);
	for (size_t i = 0; i < n; i++) {
		enum hs_alloc_kind kind;
		if (kind_of(sites[frees[i].site].kind, &kind))
			hs_build_frees(r->b, r->sites[frees[i].site].stack, kind,
				       stack_with(r, frees[i].stack), frees[i].frees,
				       frees[i].bytes);
	}
}

static void add_sampled(struct reading *r)
{
	const struct hs_wire_counters *n = &r->c->counts;
	const struct hs_totals exact = {
		.allocs = n->allocations, .frees = n->frees, .bytes = n->bytes};
	if (r->c->sample_mean)
		hs_build_sampled(r->b, r->c->sample_mean,
				 r->c->has_counts ? &exact : NULL);
}

static void add_sites(struct reading *r)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(r->f->fold, &n);
	const struct hs_spread *spreads = hs_fold_spreads(r->f->fold);
	r->sites = hs_xcalloc(n, sizeof(*r->sites));
	for (size_t i = 0; i < n; i++) {
		r->sites[i] = site_of(r, &sites[i]);
		r->sites[i].spread = spreads[i];
		r->sites[i].variance = variance_of(r, i);
		if (kind_of(sites[i].kind, &r->sites[i].kind))
			hs_build_site(r->b, &r->sites[i]);
		else
			r->unknown_kinds++;
	}
}

/* The blocks that the scan does not name are reachable, if they are older than it. */
static void add_reach(struct reading *r, const struct hs_fold_block *block)
{
	struct hs_reach_count retained = {1, block->size};
	if (!r->has_scan || block->born > r->scan.stamp)
		return;
	const struct hs_scanned_block *s = hs_scanned_find(&r->scan, block->addr);
	if (s && s->reach == HS_REACH_DIRECT)
		retained = s->retained;
	hs_build_reach(r->b, s ? s->reach : HS_REACH_REACHABLE, &retained);
}

/* What the last scan of the process's memory found. */
static void add_scan(struct reading *r)
{
	if (!hs_scanned_decode(r->c->records, r->c->n_records, &r->scan))
		return;
	if (r->scan.flags & HS_SCANNED_FAILED) {
		hs_build_warn(r->b,
			      "Whether anything still held its memory is not known: "
			      "%s.",
			      r->scan.why);
		return;
	}
	struct hs_scan scan = {.time_ns = hs_capture_time(r->c, r->scan.stamp),
			       .duration_ns = r->scan.duration_ns,
			       .at_exit = r->scan.flags & HS_SCANNED_AT_EXIT,
			       .cautious = r->scan.flags & HS_SCANNED_CAUTIOUS,
			       .partial = (r->scan.flags & HS_SCANNED_PARTIAL) ||
					  r->scan.unread_root_bytes ||
					  r->scan.unread_block_bytes};
	memcpy(scan.counts, r->scan.counts, sizeof(scan.counts));
	hs_build_scan(r->b, &scan);
	r->has_scan = true;
}

static void add_live(struct reading *r)
{
	size_t n, n_sites;
	struct hs_fold_block *live HS_CLEANUP(hs_freep) = hs_fold_live(r->f->fold, &n);
	const struct hs_fold_site *sites = hs_fold_sites(r->f->fold, &n_sites);
	for (size_t i = 0; i < n; i++) {
		const struct hs_live block = {.addr = live[i].addr,
					      .size = live[i].size,
					      .born_ns =
						      hs_capture_time(r->c, live[i].born),
					      .thread = r->threads[live[i].thread]};
		const struct hs_weight weight = hs_fold_weight(r->f->fold, &live[i]);
		enum hs_alloc_kind kind;
		if (!kind_of(sites[live[i].site].kind, &kind))
			continue;
		hs_build_live_sample(r->b, r->sites[live[i].site].stack, kind, &block,
				     &weight);
		add_reach(r, &live[i]);
	}
}

static void add_snapshot(struct reading *r, const struct hs_segment *s, uint64_t allocs)
{
	const struct hs_snapshot snapshot = {.time_ns = s->time_ns,
					     .heap_bytes = s->live_bytes,
					     .heap_blocks = s->live_blocks,
					     .peak_bytes = s->peak_bytes,
					     .allocs = allocs,
					     .rss_bytes = s->rss,
					     .anon_bytes = s->anon,
					     .file_bytes = s->file,
					     .shmem_bytes = s->shmem};
	if (!(s->flags & HS_SEGMENT_SNAPSHOT))
		return;
	r->rss |= s->rss != 0;
	hs_build_snapshot(r->b, &snapshot, true);
}

static void add_change(struct reading *r, const struct hs_segment_site *s)
{
	struct hs_change change = {.blocks = (int64_t)(s->allocs - (uint64_t)s->frees),
				   .drop = s->drop,
				   .allocs = s->allocs};
	if (!kind_of(s->kind, &change.kind))
		return;
	bool fresh;
	uint32_t *index =
		hs_map_put(&r->held_of, (uint64_t)s->stack << 8 | s->kind, &fresh);
	if (fresh) {
		*index = (uint32_t)r->held.n;
		hs_array_push(&r->held, 0);
	}
	change.bytes = (int64_t)(s->live_bytes - r->held.at[*index]);
	r->held.at[*index] = s->live_bytes;
	change.stack = stack_with(r, s->stack);
	hs_build_change(r->b, &change);
}

static void add_levels(struct reading *r, const struct hs_segment *s)
{
	if (!(s->flags & HS_SEGMENT_LEVELS))
		return;
	hs_build_mark(r->b, s->time_ns, s->flags & HS_SEGMENT_SNAPSHOT);
	for (size_t k = 0; k < s->n_sites; k++)
		add_change(r, &s->sites[k]);
}

static void add_segments(struct reading *r)
{
	uint64_t allocs = 0;
	for (size_t i = 0; i < r->f->n_segments; i++) {
		struct hs_cursor in =
			hs_cursor(r->f->segments[i].at, r->f->segments[i].n, NULL);
		struct hs_segment s;
		struct hs_error *err = hs_segment_decode(&in, &s);
		if (err) {
			hs_error_free(err);
			continue; /* counted as damaged when it was folded */
		}
		for (size_t k = 0; k < s.n_sites; k++)
			allocs += s.sites[k].allocs;
		add_snapshot(r, &s, allocs);
		add_levels(r, &s);
		free((void *)(uintptr_t)s.sites);
	}
}

static void add_mappings(struct reading *r)
{
	const struct hs_mapped *t = hs_mappings_totals(r->f->mappings);
	const struct hs_mmap_totals totals = {
		.mapped_bytes = t->bytes, .peak_bytes = t->peak_bytes, .calls = t->calls};
	if (r->f->has_mappings)
		hs_build_mmap(r->b, &totals);
}

/* What the fold found, into the builder. */
static void add_fold(struct reading *r)
{
	const struct hs_fold_totals *t = hs_fold_totals(r->f->fold);
	add_sampled(r);
	add_sites(r);
	add_frees(r);
	add_scan(r);
	add_live(r);
	add_segments(r);
	r->peak.unmatched_frees = t->unmatched_frees;
	r->peak.peak_ns = hs_capture_time(r->c, t->peak_time);
	hs_build_has(r->b,
		     (r->f->has_totals ? HS_HAS_TOTALS : 0) |
			     (r->f->has_spreads ? HS_HAS_SPREADS : 0) |
			     (r->f->has_totals && !r->c->sample_mean ? HS_HAS_TEMPORARIES
								     : 0) |
			     (r->f->has_live ? HS_HAS_LIVE | HS_HAS_LIVE_BLOCKS : 0) |
			     (r->f->has_peak ? HS_HAS_PEAK : 0));
	if (t->overlaps)
		hs_build_warn(
			r->b,
			"%llu allocations returned an address that was still in use: "
			"that many frees are missing from the recording.",
			(unsigned long long)t->overlaps);
}

static void read_arguments(struct reading *r)
{
	struct hs_capture_text argv = r->c->argv;
	while (argv.n) {
		size_t n = strnlen((const char *)argv.at, argv.n);
		hs_build_argument(r->b, hs_build_string(r->b, (const char *)argv.at, n));
		n = HS_MIN(n + 1, argv.n);
		argv.at += n;
		argv.n -= n;
	}
}

/* Texts that are separated by NULs, as one line. */
static hs_str joined(struct hs_builder *b, struct hs_capture_text parts)
{
	char line[512];
	size_t n = 0;
	for (size_t i = 0; i < parts.n && n + 3 < sizeof(line); i++) {
		if (parts.at[i]) {
			line[n++] = (char)parts.at[i];
		} else if (i + 1 < parts.n) {
			memcpy(line + n, " / ", 3);
			n += 3;
		}
	}
	return hs_build_string(b, line, n);
}

/* The capture's file name without folder and ending. */
static hs_str stem_of(struct hs_builder *b, const char *name)
{
	if (!name)
		return (hs_str){0};
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	const char *ending = strstr(base, ".hsnap");
	return hs_build_string(b, base, ending ? (size_t)(ending - base) : strlen(base));
}

/* What a stamp counts in, on the average of the run. */
static uint64_t ticks_per_second(const struct hs_capture *c)
{
	if (c->n_clock < 2)
		return 0;
	const struct hs_capture_moment *first = c->clock,
				       *last = &c->clock[c->n_clock - 1];
	uint64_t ns = last->time_ns - first->time_ns;
	unsigned __int128 ticks = last->stamp - first->stamp;
	ticks = ns ? ticks * 1000000000 / ns : 0;
	return ticks < UINT64_MAX ? (uint64_t)ticks : 0;
}

static void read_identity(struct reading *r, const char *file_name)
{
	const struct hs_capture *c = r->c;
	const struct hs_wire_header *h = &c->header;
	struct hs_process_info *p = hs_build_process(r->b);
	p->id = stem_of(r->b, file_name);
	p->source = hs_build_cstring(r->b, "heapsnap");
	p->uid = hex_of(r->b, h->id, sizeof(h->id));
	if (!is_zero(h->parent_id, sizeof(h->parent_id)))
		p->parent_uid = hex_of(r->b, h->parent_id, sizeof(h->parent_id));
	if (!is_zero(h->at_random, sizeof(h->at_random)))
		p->at_random = hex_of(r->b, h->at_random, sizeof(h->at_random));
	p->name = string_of(r->b, c->name);
	p->exe = string_of(r->b, c->exe);
	p->version = string_of(r->b, c->version);
	p->system = joined(r->b, c->system);
	read_arguments(r);
	p->pid = h->pid;
	p->ppid = h->ppid;
	p->start_ns = h->start_ns;
	p->forked = h->flags & HS_WIRE_FORKED;
	p->fork_stamp = c->fork_stamp;
	p->lost_events = h->lost_events;
	hs_build_has(r->b, HS_HAS_PID);
	if (c->n_clock > 1)
		hs_build_has(r->b, HS_HAS_TIME);
	hs_build_ticks(r->b, ticks_per_second(c));
}

static void read_end(struct reading *r)
{
	const struct hs_capture *c = r->c;
	const struct hs_wire_header *h = &c->header;
	struct hs_process_info *p = hs_build_process(r->b);
	static const uint8_t ends[] = {
		[HS_WIRE_HOW_EXIT] = HS_END_EXIT,
		[HS_WIRE_HOW_SIGNAL] = HS_END_SIGNAL,
		[HS_WIRE_HOW_KILLED] = HS_END_KILLED,
		[HS_WIRE_HOW_EXEC] = HS_END_EXEC,
		[HS_WIRE_HOW_RUNNING] = HS_END_RUNNING,
	};
	if (c->ended && c->end_how < HS_COUNT(ends))
		p->end = (enum hs_end)ends[c->end_how];
	if (p->end == HS_END_EXIT)
		p->code = (int)c->end_code;
	else if (p->end == HS_END_SIGNAL)
		p->signal = (int)c->end_code;
	else if (p->end == HS_END_KILLED)
		p->signal = SIGKILL;
	if (p->end == HS_END_UNKNOWN && h->exit_kind) {
		p->end = HS_END_EXIT;
		p->code = h->exit_code;
	}
	p->end_ns = c->ended ? c->end_ns : hs_capture_time(c, r->f->last_stamp);
}

#define COUNT(n) (unsigned long long)(n), (n) == 1 ? "" : "s"

static void say_what_is_missing(struct reading *r)
{
	const struct hs_capture_loss *loss = &r->c->loss;
	struct hs_process_info *p = hs_build_process(r->b);
	p->complete = !loss->cut && !loss->damaged_records && !loss->damaged_pieces &&
		      !loss->missing_pieces && !loss->unknown_events && !p->lost_events &&
		      !r->unknown_kinds && !r->undefined_stacks;
	if (r->c->header.flags & HS_WIRE_OUTRUN && !hs_fold_totals(r->f->fold)->allocs)
		hs_build_warn(r->b,
			      "The process has a malloc of its own, which comes before "
			      "heapsnap's: its heap was not recorded.");
	if (loss->cut)
		hs_build_warn(r->b,
			      "The capture was cut off: what came after is missing.");
	if (loss->damaged_records)
		hs_build_warn(
			r->b,
			"%llu section%s of the capture could not be read to the end.",
			COUNT(loss->damaged_records));
	if (loss->damaged_pieces)
		hs_build_warn(
			r->b,
			"%llu piece%s of the event log could not be read to the end.",
			COUNT(loss->damaged_pieces));
	if (loss->missing_pieces)
		hs_build_warn(r->b, "%llu piece%s of the event log %s missing.",
			      COUNT(loss->missing_pieces),
			      loss->missing_pieces == 1 ? "is" : "are");
	if (p->lost_events)
		hs_build_warn(r->b,
			      "%llu event%s could not be recorded: figures are too low.",
			      COUNT(p->lost_events));
	if (loss->unknown_events || r->unknown_kinds)
		hs_build_warn(r->b,
			      "The capture has events of kinds that this heapsnap does "
			      "not know; they are not counted.");
	if (r->undefined_stacks)
		hs_build_warn(r->b,
			      "The stack of %llu allocation site%s is missing from the "
			      "capture.",
			      COUNT(r->undefined_stacks));
}

static void read_capture(struct reading *r, const char *file_name)
{
	struct hs_folding *f = hs_folding_run(r->c, true);
	r->f = f;
	r->c->loss.damaged_records += f->damaged;
	read_identity(r, file_name);
	read_modules(r);
	read_threads(r);
	r->plain = hs_xcalloc(r->c->n_nodes, sizeof(*r->plain));
	r->cut = hs_xcalloc(r->c->n_nodes, sizeof(*r->cut));
	add_fold(r);
	add_mappings(r);
	hs_build_totals(r->b, &r->peak);
	hs_build_forks(r->b, f->forks.list.at, f->forks.list.n);
	if (r->rss)
		hs_build_has(r->b, HS_HAS_RSS);
	read_end(r);
	say_what_is_missing(r);
	hs_folding_free(f);
}

static enum hs_match heapsnap_probe(const uint8_t *data, size_t size)
{
	return hs_capture_probe(data, size) ? HS_MATCH_MAGIC : HS_MATCH_NO;
}

static struct hs_error *heapsnap_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b};
	struct hs_error *err = hs_capture_open(in, &r.c);
	if (err)
		return in->name ? hs_error_in(err, "%s", in->name) : err;
	read_capture(&r, in->name);
	free(r.threads);
	free(r.modules);
	free(r.plain);
	free(r.cut);
	free(r.sites);
	hs_scanned_deinit(&r.scan);
	hs_map_deinit(&r.held_of);
	hs_array_free(&r.held);
	hs_capture_free(r.c);
	return NULL;
}

const struct hs_format hs_format_heapsnap = {
	.name = "heapsnap",
	.summary = "heapsnap's own capture",
	.suffixes = (const char *const[]){".hsnap", NULL},
	.probe = heapsnap_probe,
	.read = heapsnap_read,
};
