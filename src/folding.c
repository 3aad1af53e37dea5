/* SPDX-License-Identifier: MIT */

/*
 * Folding a capture.  A state is restored from SEGMENTs (sums per site), PEAK,
 * LIVE_SET and FOLDED; then events go on from there.  History is kept short:
 * what does not end with a snapshot joins its successor, and when there are too
 * many segments the older ones join in pairs, so it gets coarser with age.
 */
#include "src/folding.h"

#include "src/cursor.h"
#include "src/fold.h"
#include "src/hash.h"
#include "src/mapped.h"
#include "src/out.h"
#include "src/segment.h"
#include "src/sitefacts.h"

/* Events between an event and the one whose block is fetched into the cache. */
#define AHEAD ((size_t)12)

/* A segment is a point in a chart and a row of sums: more tell nothing more. */
#define MOST_SEGMENTS ((size_t)1024)

struct folding {
	struct hs_folding pub; /* first: the two are cast into each other */
	struct hs_segments *cutter;
	HS_ARRAY(struct hs_capture_text) segments;
	HS_ARRAY(uint8_t *) buffers; /* segments of our own */
	uint64_t cut_stamp;          /* end of the last segment */
	bool restored;               /* there are records of a state */

	/* While the state is restored. */
	HS_ARRAY(struct hs_fold_site) sites;
	struct hs_map site_of;                       /* (stack, kind) -> index */
	HS_ARRAY(uint32_t) fold_sites;               /* index in `sites` -> the fold's */
	HS_ARRAY(struct hs_fold_variance) variances; /* of the first ones of `sites` */
	HS_ARRAY(struct hs_fold_frees) frees;        /* their sites are indices, too */
	HS_ARRAY(struct hs_live_row) live;
	HS_ARRAY(struct hs_spread_row) spreads;
	struct hs_map thread_of; /* tid -> index */
	struct hs_fold_totals totals;
};

static struct hs_fold_site *site_at(struct folding *f, uint32_t stack, uint32_t kind)
{
	bool fresh;
	uint32_t *i = hs_map_put(&f->site_of, (uint64_t)kind << 32 | stack, &fresh);
	if (fresh) {
		*i = (uint32_t)f->sites.n;
		struct hs_fold_site *site = hs_array_add(&f->sites);
		site->stack = stack;
		site->kind = kind;
		site->thread = HS_FOLD_MANY;
	}
	return &f->sites.at[*i];
}

static uint32_t thread_of(const struct folding *f, uint64_t tid)
{
	const uint32_t *i = tid <= UINT32_MAX ? hs_map_get(&f->thread_of, tid) : NULL;
	return i ? *i : HS_FOLD_MANY;
}

static struct hs_error *take_segment(struct folding *f, struct hs_cursor *in)
{
	struct hs_segment s;
	struct hs_error *err = hs_segment_decode(in, &s);
	if (err)
		return err;
	for (size_t i = 0; i < s.n_sites; i++) {
		const struct hs_segment_site *change = &s.sites[i];
		struct hs_fold_site *site = site_at(f, change->stack, change->kind);
		site->allocs += change->allocs;
		site->bytes += change->bytes;
		site->frees += (uint64_t)change->frees;
		site->temporaries += (uint64_t)change->temporaries;
		site->thread = thread_of(f, change->thread - 1);
	}
	f->totals.unmatched_frees += (uint64_t)s.unmatched_frees;
	f->cut_stamp = f->pub.last_stamp = s.to_stamp;
	f->pub.has_totals = true;
	free((void *)(uintptr_t)s.sites);
	return NULL;
}

static struct hs_error *take_peak(struct folding *f, struct hs_cursor *in)
{
	struct hs_peak p;
	struct hs_error *err = hs_peak_decode(in, &p);
	if (err)
		return err;
	for (size_t i = 0; i < p.n; i++) {
		struct hs_fold_site *site = site_at(f, p.rows[i].stack, p.rows[i].kind);
		site->peak_blocks += p.rows[i].blocks;
		site->peak_bytes += p.rows[i].bytes;
	}
	f->totals.peak_time = p.stamp;
	f->totals.peak_blocks = p.blocks;
	f->totals.peak_bytes = p.bytes;
	f->pub.has_peak = true;
	free(p.rows);
	return NULL;
}

static struct hs_error *take_live_set(struct folding *f, struct hs_cursor *in)
{
	struct hs_live_row *rows;
	size_t n;
	struct hs_error *err = hs_live_set_decode(in, &rows, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		(void)site_at(f, rows[i].stack, rows[i].kind);
		hs_array_push(&f->live, rows[i]);
	}
	f->pub.has_live = true;
	free(rows);
	return NULL;
}

static struct hs_error *take_weights(struct folding *f, struct hs_cursor *in)
{
	struct hs_weights_row *rows;
	size_t n;
	struct hs_error *err = hs_weights_decode(in, &rows, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *site = site_at(f, rows[i].stack, rows[i].kind);
		while (f->variances.n < f->sites.n)
			(void)hs_array_add(&f->variances);
		f->variances.at[site - f->sites.at] = rows[i].variance;
	}
	free(rows);
	return NULL;
}

static struct hs_error *take_frees(struct folding *f, struct hs_cursor *in)
{
	struct hs_frees_row *rows;
	size_t n;
	struct hs_error *err = hs_frees_decode(in, &rows, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *site = site_at(f, rows[i].stack, rows[i].kind);
		struct hs_fold_frees row = {(uint32_t)(site - f->sites.at), rows[i].by,
					    rows[i].frees, rows[i].bytes};
		hs_array_push(&f->frees, row);
	}
	free(rows);
	return NULL;
}

static struct hs_error *take_spreads(struct folding *f, struct hs_cursor *in)
{
	struct hs_spread_row *rows;
	size_t n;
	struct hs_error *err = hs_spreads_decode(in, &rows, &n);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		(void)site_at(f, rows[i].stack, rows[i].kind);
		hs_array_push(&f->spreads, rows[i]);
	}
	f->pub.has_spreads = true;
	free(rows);
	return NULL;
}

static struct hs_error *take_mapped(struct folding *f, struct hs_cursor *in)
{
	/* Of several the last one counts. */
	hs_mappings_free(f->pub.mappings);
	f->pub.mappings = hs_mappings_new();
	f->pub.has_mappings = true;
	return hs_mapped_decode(in, f->pub.mappings);
}

static struct hs_error *take_forks(struct folding *f, struct hs_cursor *in)
{
	f->pub.forks.list.n = 0;
	return hs_forks_decode(in, &f->pub.forks);
}

static void take_records(struct folding *f)
{
	const struct hs_capture *c = f->pub.capture;
	for (size_t i = 0; i < c->n_records; i++) {
		const struct hs_capture_record *r = &c->records[i];
		if (r->tag == HS_WIRE_MAPS || r->tag == HS_WIRE_SCAN ||
		    r->tag == HS_WIRE_SCAN_BLOCKS)
			continue; /* no part of the state */
		f->restored = true;
		struct hs_cursor in = hs_cursor(r->payload.at, r->payload.n, NULL);
		struct hs_error *err = NULL;
		if (r->tag == HS_WIRE_SEGMENT)
			err = take_segment(f, &in);
		else if (r->tag == HS_WIRE_PEAK)
			err = take_peak(f, &in);
		else if (r->tag == HS_WIRE_LIVE_SET)
			err = take_live_set(f, &in);
		else if (r->tag == HS_WIRE_WEIGHTS)
			err = take_weights(f, &in);
		else if (r->tag == HS_WIRE_FREE_STACKS)
			err = take_frees(f, &in);
		else if (r->tag == HS_WIRE_SPREADS)
			err = take_spreads(f, &in);
		else if (r->tag == HS_WIRE_MAPPED)
			err = take_mapped(f, &in);
		else if (r->tag == HS_WIRE_FORKS)
			err = take_forks(f, &in);
		if (r->tag == HS_WIRE_SEGMENT && !err)
			hs_array_push(&f->segments, r->payload);
		f->pub.damaged += err != NULL;
		hs_error_free(err);
	}
}

static void restore_block(struct folding *f, struct hs_fold_block *block, uint32_t stack,
			  uint32_t kind)
{
	size_t i = (size_t)(site_at(f, stack, kind) - f->sites.at);
	/* A site that only FOLDED names. */
	while (f->fold_sites.n <= i)
		hs_array_push(
			&f->fold_sites,
			hs_fold_restore_site(f->pub.fold, &f->sites.at[f->fold_sites.n]));
	block->site = f->fold_sites.at[i];
}

static void restore_lasts(struct folding *f)
{
	const struct hs_capture *c = f->pub.capture;
	for (size_t i = 0; i < c->n_lasts; i++) {
		const struct hs_capture_last *l = &c->lasts[i];
		struct hs_fold_last last = {
			.lives = l->flags & HS_WIRE_LAST_LIVES,
			.released = l->flags & HS_WIRE_LAST_RELEASED,
			.unknown = l->flags & HS_WIRE_LAST_UNKNOWN,
			.was_last = l->flags & HS_WIRE_LAST_WAS_LAST,
			.no_later = l->flags & HS_WIRE_LAST_NO_LATER,
			.last = l->last,
			.block = {.addr = l->addr,
				  .size = l->size,
				  .born = l->born,
				  .thread = l->owner},
		};
		if (last.released)
			restore_block(f, &last.block, l->stack, l->kind);
		hs_fold_restore_last(f->pub.fold, l->thread, &last);
	}
}

/* What the records told, into the fold. */
static void restore(struct folding *f)
{
	const struct hs_capture *c = f->pub.capture;
	for (size_t i = 0; i < f->sites.n; i++)
		hs_array_push(&f->fold_sites,
			      hs_fold_restore_site(f->pub.fold, &f->sites.at[i]));
	for (size_t i = 0; i < f->variances.n && hs_fold_variances(f->pub.fold); i++)
		hs_fold_restore_variance(f->pub.fold, f->fold_sites.at[i],
					 &f->variances.at[i]);
	for (size_t i = 0; i < f->frees.n; i++) {
		struct hs_fold_frees row = f->frees.at[i];
		row.site = f->fold_sites.at[row.site];
		hs_fold_restore_frees(f->pub.fold, &row);
	}
	for (size_t i = 0; i < f->spreads.n; i++) {
		const struct hs_spread_row *row = &f->spreads.at[i];
		size_t site = (size_t)(site_at(f, row->stack, row->kind) - f->sites.at);
		hs_fold_restore_spread(f->pub.fold, f->fold_sites.at[site], &row->spread);
	}
	hs_fold_reserve(f->pub.fold, f->live.n);
	for (size_t i = 0; i < f->live.n; i++) {
		const struct hs_live_row *row = &f->live.at[i];
		if (i + AHEAD < f->live.n)
			hs_fold_prefetch(f->pub.fold, f->live.at[i + AHEAD].addr);
		struct hs_fold_block block = {.addr = row->addr,
					      .size = row->size,
					      .born = row->born,
					      .thread = thread_of(f, row->tid)};
		if (block.thread == HS_FOLD_MANY)
			continue; /* a thread that no record tells of: damaged */
		restore_block(f, &block, row->stack, row->kind);
		hs_fold_restore_block(f->pub.fold, &block);
	}
	f->totals.overlaps = c->overlaps;
	hs_fold_restore_totals(f->pub.fold, &f->totals);
	restore_lasts(f);
	hs_segments_start(f->cutter, f->pub.fold);
}

static void restore_state(struct folding *f)
{
	const struct hs_capture *c = f->pub.capture;
	for (size_t i = 0; i < c->n_threads; i++)
		*hs_map_put(&f->thread_of, c->threads[i].tid, NULL) = (uint32_t)i;
	take_records(f);
	f->restored |= c->folded;
	if (f->restored)
		restore(f);
	else
		f->pub.has_totals = f->pub.has_live = f->pub.has_peak =
			f->pub.has_spreads = true;
	hs_array_free(&f->sites);
	hs_array_free(&f->fold_sites);
	hs_array_free(&f->variances);
	hs_array_free(&f->frees);
	hs_array_free(&f->live);
	hs_array_free(&f->spreads);
	hs_map_deinit(&f->site_of);
	hs_map_deinit(&f->thread_of);
}

/* S as a segment of our own; takes over nothing. */
static struct hs_capture_text keep_segment(struct folding *f, const struct hs_segment *s)
{
	struct hs_out out;
	size_t n;
	hs_out_init(&out, -1);
	hs_segment_encode(s, &out);
	uint8_t *bytes = (uint8_t *)hs_out_take(&out, &n);
	hs_array_push(&f->buffers, bytes);
	return (struct hs_capture_text){bytes, n};
}

static void end_segment(struct folding *f, const struct hs_capture_snapshot *at,
			uint64_t stamp, uint64_t time_ns)
{
	struct hs_segment s;
	hs_segments_cut(f->cutter, f->pub.fold, f->pub.capture->threads, &s);
	s.from_stamp = f->cut_stamp;
	s.to_stamp = f->cut_stamp = HS_MAX(stamp, f->cut_stamp);
	s.time_ns = time_ns;
	if (at) {
		s.flags |= HS_SEGMENT_SNAPSHOT;
		s.rss = at->rss;
		s.anon = at->anon;
		s.file = at->file;
		s.shmem = at->shmem;
	}
	hs_array_push(&f->segments, keep_segment(f, &s));
}

static void fold_event(struct folding *f, const struct hs_capture_event *e)
{
	struct hs_fold *fold = f->pub.fold;
	const struct hs_capture_snapshot *s;
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
		hs_fold_dealloc_by(fold, e->addr, e->stack, e->stamp);
		break;
	case HS_WIRE_GONE:
		hs_fold_gone(fold, e->thread, e->stack, e->stamp);
		break;
	case HS_WIRE_FORK:
		hs_forks_note(&f->pub.forks, fold, e->stamp);
		break;
	case HS_WIRE_RELEASE:
		hs_fold_release(fold, e->thread, e->addr, e->stamp);
		break;
	case HS_WIRE_RETAIN:
		hs_fold_retain(fold, e->thread, e->stamp);
		break;
	case HS_CAPTURE_SNAPSHOT:
		s = &f->pub.capture->snapshots[e->stack];
		end_segment(f, s, s->stamp, s->time_ns);
		break;
	default:
		break;
	}
}

/* All events, which also makes the capture's tables complete.  False: none is left. */
static bool fold_events(struct folding *f)
{
	const struct hs_capture_event *events;
	/* Of a final capture only the snapshots come, which are in its segments. */
	bool final = f->restored && !f->pub.capture->folded;
	for (size_t n; (n = hs_capture_next(f->pub.capture, &events));) {
		for (size_t i = 0; i < n && !final; i++) {
			if (i + AHEAD < n)
				hs_fold_prefetch(f->pub.fold, events[i + AHEAD].addr);
			fold_event(f, &events[i]);
		}
		f->pub.last_stamp = events[n - 1].stamp;
	}
	return !final;
}

static bool decode(struct hs_capture_text text, struct hs_segment *ret)
{
	struct hs_cursor in = hs_cursor(text.at, text.n, NULL);
	struct hs_error *err = hs_segment_decode(&in, ret);
	hs_error_free(err);
	return !err;
}

/* Segments I and I + 1 become one, at I + 1.  False: I is damaged. */
static bool join(struct folding *f, size_t i)
{
	struct hs_segment a, b;
	if (!decode(f->segments.at[i], &a))
		return false;
	bool fine = decode(f->segments.at[i + 1], &b);
	if (fine) {
		const struct hs_segment_site *sites = b.sites;
		hs_segment_merge(&a, &b);
		f->segments.at[i + 1] = keep_segment(f, &b);
		free((void *)(uintptr_t)b.sites);
		free((void *)(uintptr_t)sites);
	}
	free((void *)(uintptr_t)a.sites);
	return fine;
}

static bool ends_with_snapshot(struct hs_capture_text text)
{
	struct hs_cursor in = hs_cursor(text.at, text.n, NULL);
	(void)hs_cur_uleb(&in); /* from */
	(void)hs_cur_uleb(&in); /* to */
	return hs_cur_uleb(&in) & HS_SEGMENT_SNAPSHOT;
}

/* Join what was cut off by a checkpoint with what came after it. */
static void close_segments(struct folding *f)
{
	size_t kept = 0;
	for (size_t i = 0; i < f->segments.n; i++) {
		bool last = i + 1 == f->segments.n;
		if (!last && !ends_with_snapshot(f->segments.at[i]) && join(f, i))
			continue;
		f->segments.at[kept++] = f->segments.at[i];
	}
	f->segments.n = kept;
}

/* Join the older half in pairs until there are few enough. */
static void thin_segments(struct folding *f)
{
	while (f->segments.n > MOST_SEGMENTS) {
		size_t half = f->segments.n / 4 * 2, kept = 0;
		for (size_t i = 0; i < f->segments.n; i++)
			if (i >= half || i % 2 || !join(f, i))
				f->segments.at[kept++] = f->segments.at[i];
		if (kept == f->segments.n)
			break;
		f->segments.n = kept;
	}
}

struct hs_folding *hs_folding_run(struct hs_capture *c, bool end)
{
	struct folding *f = hs_xcalloc(1, sizeof(*f));
	f->pub.capture = c;
	f->pub.fold = hs_fold_new();
	if (c->sample_mean)
		hs_fold_sample(f->pub.fold, c->sample_mean);
	if (c->header.flags & HS_WIRE_FREES_BY)
		hs_fold_tell_frees(f->pub.fold);
	f->pub.mappings = hs_mappings_new();
	f->cutter = hs_segments_new();
	restore_state(f);
	bool log = fold_events(f);
	hs_mapped_apply(f->pub.mappings, c->mappings, c->n_mappings);
	f->pub.has_mappings |= c->n_mappings > 0;
	if (end)
		hs_fold_settle(f->pub.fold);
	else
		hs_fold_catch_up(f->pub.fold);
	if (log)
		end_segment(f, NULL, f->pub.last_stamp,
			    hs_capture_time(c, f->pub.last_stamp));
	close_segments(f);
	thin_segments(f);
	f->pub.segments = f->segments.at;
	f->pub.n_segments = f->segments.n;
	return &f->pub;
}

void hs_folding_free(struct hs_folding *pub)
{
	struct folding *f = (struct folding *)pub;
	if (!f)
		return;
	for (size_t i = 0; i < f->buffers.n; i++)
		free(f->buffers.at[i]);
	hs_array_free(&f->buffers);
	hs_array_free(&f->segments);
	hs_segments_free(f->cutter);
	hs_array_free(&f->pub.forks.list);
	hs_mappings_free(f->pub.mappings);
	hs_fold_free(f->pub.fold);
	free(f);
}

static void encode_last(const struct hs_folding *f, uint32_t tid,
			const struct hs_fold_last *l, struct hs_out *out)
{
	const struct hs_fold_block *b = &l->block;
	hs_put_uleb(out, tid);
	hs_put_uleb(out, (l->lives ? HS_WIRE_LAST_LIVES : 0) |
				 (l->released ? HS_WIRE_LAST_RELEASED : 0) |
				 (l->unknown ? HS_WIRE_LAST_UNKNOWN : 0) |
				 (l->was_last ? HS_WIRE_LAST_WAS_LAST : 0) |
				 (l->no_later ? HS_WIRE_LAST_NO_LATER : 0));
	hs_put_uleb(out, l->last);
	if (!l->released)
		return;
	size_t n;
	const struct hs_fold_site *site = &hs_fold_sites(f->fold, &n)[b->site];
	hs_put_uleb(out, b->addr);
	hs_put_uleb(out, b->size);
	hs_put_uleb(out, b->born);
	hs_put_uleb(out, site->stack);
	hs_put_uleb(out, site->kind);
	hs_put_uleb(out, f->capture->threads[b->thread].tid);
}

void hs_folded_encode(const struct hs_folding *f, uint64_t horizon, struct hs_out *out)
{
	const struct hs_capture *c = f->capture;
	struct hs_fold_last last;
	uint32_t n = 0;
	hs_put_uleb(out, horizon);
	hs_put_uleb(out, hs_fold_totals(f->fold)->overlaps);
	hs_put_uleb(out, c->n_positions);
	for (size_t i = 0; i < c->n_positions; i++) {
		hs_put_uleb(out, c->positions[i].stream);
		hs_put_uleb(out, c->positions[i].sequence);
		hs_put_uleb(out, c->positions[i].bytes);
	}
	while (n < c->n_threads && hs_fold_get_last(f->fold, n, &last))
		n++;
	hs_put_uleb(out, n);
	for (uint32_t i = 0; i < n; i++) {
		hs_fold_get_last(f->fold, i, &last);
		encode_last(f, c->threads[i].tid, &last, out);
	}
}
