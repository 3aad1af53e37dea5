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
#include "src/hash.h"
#include "src/mapped.h"
#include "src/segment.h"

/* A site on its way into the builder, from whichever source. */
struct row {
	uint32_t stack, kind; /* raw id, enum hs_wire_kind */
	struct hs_site site;
};

struct reading {
	struct hs_builder *b;
	struct hs_capture *c;
	bool folded; /* the recorder has folded the log */

	hs_thread *threads; /* by the capture's index */
	hs_module *modules;
	struct hs_map thread_of; /* tid -> index */
	/* Nodes as stacks, 0 while not needed; below a mark in stacks that were cut. */
	hs_stack *plain, *cut;
	hs_stack cut_mark;
	uint64_t undefined_stacks, unknown_kinds;

	HS_ARRAY(struct row) rows;
	struct hs_map row_of;  /* (stack, kind) -> index */
	struct hs_totals peak; /* peak_ns and unmatched frees */
	uint64_t last_stamp;
	bool rss;
};

/* Events looked ahead, so that the slot of a block is there when it is needed. */
#define AHEAD ((size_t)12)

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

/* Snapshots while events are folded. */
static void take_snapshot(struct reading *r, struct hs_fold *fold,
			  const struct hs_capture_snapshot *s)
{
	const struct hs_fold_totals *t = hs_fold_totals(fold);
	const struct hs_snapshot snapshot = {.time_ns = s->time_ns,
					     .heap_bytes = t->live_bytes,
					     .heap_blocks = t->live_blocks,
					     .peak_bytes = hs_fold_take_high_water(fold),
					     .allocs = t->allocs,
					     .rss_bytes = s->rss,
					     .anon_bytes = s->anon,
					     .file_bytes = s->file,
					     .shmem_bytes = s->shmem};
	r->rss |= s->rss != 0;
	hs_build_snapshot(r->b, &snapshot, true);
}

static void fold_event(struct reading *r, struct hs_fold *fold,
		       const struct hs_capture_event *e)
{
	switch (e->kind) {
	case HS_WIRE_MALLOC:
	case HS_WIRE_CALLOC:
	case HS_WIRE_ALIGNED:
	case HS_WIRE_REALLOC:
	case HS_WIRE_NEW:
	case HS_WIRE_NEW_ARRAY:
		hs_fold_alloc(fold, e->thread, e->kind, e->stack, e->addr, e->size,
			      e->stamp);
		break;
	case HS_WIRE_FREE:
	case HS_WIRE_DELETE:
	case HS_WIRE_DELETE_ARRAY:
		hs_fold_dealloc(fold, e->addr);
		break;
	case HS_WIRE_RELEASE:
		hs_fold_release(fold, e->thread, e->addr);
		break;
	case HS_WIRE_RETAIN:
		hs_fold_retain(fold, e->thread);
		break;
	case HS_CAPTURE_SNAPSHOT:
		take_snapshot(r, fold, &r->c->snapshots[e->stack]);
		break;
	default:
		break;
	}
}

/* Read all events; also completes the capture's tables. */
static void read_events(struct reading *r, struct hs_fold *fold)
{
	const struct hs_capture_event *events;
	for (size_t n; (n = hs_capture_next(r->c, &events));) {
		for (size_t i = 0; i < n && !r->folded; i++) {
			if (i + AHEAD < n)
				hs_fold_prefetch(fold, events[i + AHEAD].addr);
			fold_event(r, fold, &events[i]);
		}
		r->last_stamp = events[n - 1].stamp;
	}
}

static struct row *row_at(struct reading *r, uint32_t stack, uint32_t kind)
{
	bool fresh;
	uint32_t *i = hs_map_put(&r->row_of, (uint64_t)kind << 32 | stack, &fresh);
	if (fresh) {
		*i = (uint32_t)r->rows.n;
		struct row *row = hs_array_add(&r->rows);
		row->stack = stack;
		row->kind = kind;
	}
	return &r->rows.at[*i];
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
		*hs_map_put(&r->thread_of, t->tid, NULL) = (uint32_t)i;
	}
}

static hs_thread thread_with(const struct reading *r, uint64_t tid)
{
	const uint32_t *i = tid <= UINT32_MAX ? hs_map_get(&r->thread_of, tid) : NULL;
	return i ? r->threads[*i] : (hs_thread){0};
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

static void add_live(struct reading *r, const struct row *row,
		     const struct hs_live *block)
{
	enum hs_alloc_kind kind;
	if (kind_of(row->kind, &kind))
		hs_build_live(r->b, row->site.stack, kind, block);
}

static void add_rows(struct reading *r)
{
	for (size_t i = 0; i < r->rows.n; i++) {
		struct row *row = &r->rows.at[i];
		row->site.stack = stack_with(r, row->stack);
		if (kind_of(row->kind, &row->site.kind))
			hs_build_site(r->b, &row->site);
		else
			r->unknown_kinds++;
	}
}

/* What the fold found, into the builder. */
static void add_fold(struct reading *r, struct hs_fold *fold)
{
	size_t n_sites, n_live;
	hs_fold_settle(fold);
	const struct hs_fold_site *sites = hs_fold_sites(fold, &n_sites);
	for (size_t i = 0; i < n_sites; i++) {
		const struct hs_fold_site *s = &sites[i];
		hs_array_push(&r->rows,
			      ((struct row){.stack = s->stack,
					    .kind = s->kind,
					    .site = {.allocs = s->allocs,
						     .frees = s->frees,
						     .bytes = s->bytes,
						     .temporaries = s->temporaries,
						     .live_blocks = s->live_blocks,
						     .live_bytes = s->live_bytes,
						     .peak_blocks = s->peak_blocks,
						     .peak_bytes = s->peak_bytes}}));
		if (s->thread != HS_FOLD_MANY)
			r->rows.at[i].site.thread = r->threads[s->thread];
	}
	add_rows(r);
	struct hs_fold_block *live HS_CLEANUP(hs_freep) = hs_fold_live(fold, &n_live);
	for (size_t i = 0; i < n_live; i++) {
		const struct hs_live block = {.addr = live[i].addr,
					      .size = live[i].size,
					      .born_ns =
						      hs_capture_time(r->c, live[i].born),
					      .thread = r->threads[live[i].thread]};
		add_live(r, &r->rows.at[live[i].site], &block);
	}
	const struct hs_fold_totals *t = hs_fold_totals(fold);
	r->peak.unmatched_frees = t->unmatched_frees;
	r->peak.peak_ns = hs_capture_time(r->c, t->peak_time);
	hs_build_has(r->b, HS_HAS_TOTALS | HS_HAS_TEMPORARIES | HS_HAS_LIVE |
				   HS_HAS_LIVE_BLOCKS | HS_HAS_PEAK);
	if (t->overlaps)
		hs_build_warn(
			r->b,
			"%llu allocations returned an address that was still in use: "
			"that many frees are missing from the recording.",
			(unsigned long long)t->overlaps);
}

static struct hs_error *add_segment(struct reading *r, struct hs_cursor *in,
				    uint64_t *allocs)
{
	struct hs_segment s;
	struct hs_error *err = hs_segment_decode(in, &s);
	if (err)
		return err;
	for (size_t i = 0; i < s.n_sites; i++) {
		const struct hs_segment_site *change = &s.sites[i];
		struct hs_site *site = &row_at(r, change->stack, change->kind)->site;
		site->allocs += change->allocs;
		site->bytes += change->bytes;
		site->frees += (uint64_t)change->frees;
		site->temporaries += (uint64_t)change->temporaries;
		site->thread = thread_with(r, change->thread - 1);
		*allocs += change->allocs;
	}
	const struct hs_snapshot snapshot = {.time_ns = s.time_ns,
					     .heap_bytes = s.live_bytes,
					     .heap_blocks = s.live_blocks,
					     .peak_bytes = s.peak_bytes,
					     .allocs = *allocs,
					     .rss_bytes = s.rss,
					     .anon_bytes = s.anon,
					     .file_bytes = s.file,
					     .shmem_bytes = s.shmem};
	if (s.flags & HS_SEGMENT_SNAPSHOT) {
		r->rss |= s.rss != 0;
		hs_build_snapshot(r->b, &snapshot, true);
	}
	r->peak.unmatched_frees += (uint64_t)s.unmatched_frees;
	r->last_stamp = s.to_stamp;
	hs_build_has(r->b, HS_HAS_TOTALS | HS_HAS_TEMPORARIES);
	free((void *)(uintptr_t)s.sites);
	return NULL;
}

static struct hs_error *add_peak(struct reading *r, struct hs_cursor *in)
{
	struct hs_peak p;
	struct hs_error *err = hs_peak_decode(in, &p);
	if (err)
		return err;
	for (size_t i = 0; i < p.n; i++) {
		struct row *row = row_at(r, p.rows[i].stack, p.rows[i].kind);
		row->site.peak_blocks += p.rows[i].blocks;
		row->site.peak_bytes += p.rows[i].bytes;
	}
	r->peak.peak_ns = hs_capture_time(r->c, p.stamp);
	hs_build_has(r->b, HS_HAS_PEAK);
	free(p.rows);
	return NULL;
}

static void add_mapped(struct reading *r, const struct hs_mappings *m)
{
	const struct hs_mapped *t = hs_mappings_totals(m);
	const struct hs_mmap_totals totals = {
		.mapped_bytes = t->bytes, .peak_bytes = t->peak_bytes, .calls = t->calls};
	hs_build_mmap(r->b, &totals);
}

static struct hs_error *add_mapped_record(struct reading *r, struct hs_cursor *in)
{
	struct hs_mappings *m = hs_mappings_new();
	struct hs_error *err = hs_mapped_decode(in, m);
	if (!err)
		add_mapped(r, m);
	hs_mappings_free(m);
	return err;
}

static void add_mappings(struct reading *r)
{
	if (!r->c->n_mappings)
		return;
	struct hs_mappings *m = hs_mappings_new();
	hs_mapped_apply(m, r->c->mappings, r->c->n_mappings);
	add_mapped(r, m);
	hs_mappings_free(m);
}

/* One LIVE_SET record, decoded. */
struct live_set {
	struct hs_live_row *rows;
	size_t n;
};

/* Count live blocks at their sites; they themselves are added by add_live_set(). */
static struct hs_error *count_live_set(struct reading *r, struct hs_cursor *in,
				       struct live_set *set)
{
	struct hs_error *err = hs_live_set_decode(in, &set->rows, &set->n);
	if (err)
		return err;
	for (size_t i = 0; i < set->n; i++) {
		const struct hs_live_row *block = &set->rows[i];
		struct hs_site *site = &row_at(r, block->stack, block->kind)->site;
		site->live_blocks++;
		site->live_bytes += block->size;
	}
	hs_build_has(r->b, HS_HAS_LIVE | HS_HAS_LIVE_BLOCKS);
	return NULL;
}

static void add_live_set(struct reading *r, const struct live_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct hs_live_row *row = &set->rows[i];
		const struct hs_live block = {.addr = row->addr,
					      .size = row->size,
					      .born_ns = hs_capture_time(r->c, row->born),
					      .thread = thread_with(r, row->tid)};
		add_live(r, row_at(r, row->stack, row->kind), &block);
	}
}

/* What the recorder has folded, into the builder. */
static void add_folded(struct reading *r)
{
	HS_ARRAY(struct live_set) sets = {0};
	uint64_t allocs = 0;
	for (size_t i = 0; i < r->c->n_records; i++) {
		const struct hs_capture_record *record = &r->c->records[i];
		struct hs_cursor in =
			hs_cursor(record->payload.at, record->payload.n, NULL);
		struct hs_error *err = NULL;
		if (record->tag == HS_WIRE_SEGMENT)
			err = add_segment(r, &in, &allocs);
		else if (record->tag == HS_WIRE_PEAK)
			err = add_peak(r, &in);
		else if (record->tag == HS_WIRE_LIVE_SET)
			err = count_live_set(r, &in, hs_array_add(&sets));
		else if (record->tag == HS_WIRE_MAPPED)
			err = add_mapped_record(r, &in);
		r->c->loss.damaged_records += err != NULL;
		hs_error_free(err);
	}
	add_rows(r);
	for (size_t i = 0; i < sets.n; i++) {
		add_live_set(r, &sets.at[i]);
		free(sets.at[i].rows);
	}
	hs_array_free(&sets);
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
	p->name = string_of(r->b, c->name);
	p->exe = string_of(r->b, c->exe);
	p->version = string_of(r->b, c->version);
	p->system = joined(r->b, c->system);
	read_arguments(r);
	p->pid = h->pid;
	p->ppid = h->ppid;
	p->start_ns = h->start_ns;
	p->forked = h->flags & HS_WIRE_FORKED;
	p->lost_events = h->lost_events;
	hs_build_has(r->b, HS_HAS_PID);
	if (c->n_clock > 1)
		hs_build_has(r->b, HS_HAS_TIME);
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
	p->end_ns = c->ended ? c->end_ns : hs_capture_time(c, r->last_stamp);
}

#define COUNT(n) (unsigned long long)(n), (n) == 1 ? "" : "s"

static void say_what_is_missing(struct reading *r)
{
	const struct hs_capture_loss *loss = &r->c->loss;
	struct hs_process_info *p = hs_build_process(r->b);
	p->complete = !loss->cut && !loss->damaged_records && !loss->damaged_pieces &&
		      !loss->missing_pieces && !loss->unknown_events && !p->lost_events &&
		      !r->unknown_kinds && !r->undefined_stacks;
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

static bool has_folded_records(const struct hs_capture *c)
{
	for (size_t i = 0; i < c->n_records; i++)
		if (c->records[i].tag != HS_WIRE_MAPS)
			return true;
	return false;
}

static void add_log(struct reading *r, struct hs_fold *fold)
{
	add_fold(r, fold);
	add_mappings(r);
}

static void read_capture(struct reading *r, const char *file_name)
{
	struct hs_fold *fold = hs_fold_new();
	r->folded = has_folded_records(r->c);
	read_events(r, fold);
	read_identity(r, file_name);
	read_modules(r);
	read_threads(r);
	r->plain = hs_xcalloc(r->c->n_nodes, sizeof(*r->plain));
	r->cut = hs_xcalloc(r->c->n_nodes, sizeof(*r->cut));
	if (r->folded)
		add_folded(r);
	else
		add_log(r, fold);
	hs_build_totals(r->b, &r->peak);
	if (r->rss)
		hs_build_has(r->b, HS_HAS_RSS);
	read_end(r);
	say_what_is_missing(r);
	hs_fold_free(fold);
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
	hs_array_free(&r.rows);
	hs_map_deinit(&r.thread_of);
	hs_map_deinit(&r.row_of);
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
