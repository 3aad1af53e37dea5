/* SPDX-License-Identifier: MIT */

/*
 * Folded records.  Tables are written column by column, as differences where
 * neighbours are alike; a site is named by one number, its key: the stack id
 * times 16 plus the kind, as small as the two can be together.
 */
#include "src/segment.h"

#include <string.h>

#include "src/array.h"
#include "src/capture.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "src/out.h"

#define KIND_BITS 4

struct hs_segments {
	HS_ARRAY(struct hs_fold_site) before; /* by the fold's index, at the last cut */
	HS_ARRAY(struct hs_segment_site) sites;
	uint64_t unmatched_frees;
};

static uint64_t key_of(uint32_t stack, uint32_t kind)
{
	return (uint64_t)stack << KIND_BITS | kind;
}

static void put_zigzag(struct hs_out *out, int64_t v)
{
	hs_put_uleb(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

/* The keys of N sorted rows, each as the difference to the one before. */
#define PUT_KEYS(out, rows, n)                                                     \
	do {                                                                       \
		uint64_t last_ = 0;                                                \
		for (size_t i_ = 0; i_ < (n); i_++) {                              \
			uint64_t key_ = key_of((rows)[i_].stack, (rows)[i_].kind); \
			hs_put_uleb((out), key_ - last_);                          \
			last_ = key_;                                              \
		}                                                                  \
	} while (0)

#define PUT_COLUMN(out, rows, n, field)                       \
	do {                                                  \
		for (size_t i_ = 0; i_ < (n); i_++)           \
			hs_put_uleb((out), (rows)[i_].field); \
	} while (0)

#define PUT_SIGNED(out, rows, n, field)                      \
	do {                                                 \
		for (size_t i_ = 0; i_ < (n); i_++)          \
			put_zigzag((out), (rows)[i_].field); \
	} while (0)

static bool split_key(struct hs_cursor *in, uint64_t key, uint32_t *stack, uint32_t *kind)
{
	*kind = (uint32_t)(key & ((1u << KIND_BITS) - 1));
	*stack = (uint32_t)(key >> KIND_BITS);
	if (key >> KIND_BITS > UINT32_MAX)
		hs_cur_fail(in);
	return !hs_cur_failed(in);
}

#define GET_KEYS(in, rows, n)                                                            \
	do {                                                                             \
		uint64_t key_ = 0;                                                       \
		for (size_t i_ = 0; i_ < (n); i_++) {                                    \
			key_ += hs_cur_uleb(in);                                         \
			if (!split_key((in), key_, &(rows)[i_].stack, &(rows)[i_].kind)) \
				break;                                                   \
		}                                                                        \
	} while (0)

#define GET_COLUMN(in, rows, n, field)                      \
	do {                                                \
		for (size_t i_ = 0; i_ < (n); i_++)         \
			(rows)[i_].field = hs_cur_uleb(in); \
	} while (0)

#define GET_SIGNED(in, rows, n, field)                        \
	do {                                                  \
		for (size_t i_ = 0; i_ < (n); i_++)           \
			(rows)[i_].field = hs_cur_zigzag(in); \
	} while (0)

struct hs_segments *hs_segments_new(void)
{
	return hs_xcalloc(1, sizeof(struct hs_segments));
}

void hs_segments_free(struct hs_segments *s)
{
	if (!s)
		return;
	hs_array_free(&s->before);
	hs_array_free(&s->sites);
	free(s);
}

static int compare_sites(const struct hs_segment_site *x, const struct hs_segment_site *y)
{
	uint64_t kx = key_of(x->stack, x->kind), ky = key_of(y->stack, y->kind);
	return (kx > ky) - (kx < ky);
}

static int by_key(const void *a, const void *b)
{
	return compare_sites(a, b);
}

static uint64_t only_thread(const struct hs_capture_thread *threads, uint32_t thread)
{
	return thread == HS_FOLD_MANY ? 0 : (uint64_t)threads[thread].tid + 1;
}

static struct hs_segment_site changes(const struct hs_fold_site *before,
				      const struct hs_fold_site *now, uint64_t low,
				      const struct hs_capture_thread *threads)
{
	return (struct hs_segment_site){
		.stack = now->stack,
		.kind = now->kind,
		.allocs = now->allocs - before->allocs,
		.bytes = now->bytes - before->bytes,
		.frees = (int64_t)(now->frees - before->frees),
		.temporaries = (int64_t)(now->temporaries - before->temporaries),
		.thread = only_thread(threads, now->thread),
		.live_bytes = now->live_bytes,
		.drop = now->live_bytes - low,
	};
}

void hs_segments_cut(struct hs_segments *s, struct hs_fold *f,
		     const struct hs_capture_thread *threads, struct hs_segment *ret)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	s->sites.n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *now = &sites[i];
		if (i == s->before.n)
			(void)hs_array_add(&s->before);
		struct hs_fold_site *before = &s->before.at[i];
		uint64_t low = hs_fold_take_low(f, (uint32_t)i);
		if (now->allocs == before->allocs && now->frees == before->frees &&
		    now->temporaries == before->temporaries &&
		    now->live_bytes == before->live_bytes)
			continue;
		*hs_array_add(&s->sites) = changes(before, now, low, threads);
		*before = *now;
	}
	if (s->sites.n)
		qsort(s->sites.at, s->sites.n, sizeof(*s->sites.at), by_key);
	const struct hs_fold_totals *t = hs_fold_totals(f);
	*ret = (struct hs_segment){
		.flags = HS_SEGMENT_LEVELS,
		.live_bytes = t->live_bytes,
		.live_blocks = t->live_blocks,
		.peak_bytes = hs_fold_take_high_water(f),
		.unmatched_frees = (int64_t)(t->unmatched_frees - s->unmatched_frees),
		.sites = s->sites.at,
		.n_sites = s->sites.n,
	};
	s->unmatched_frees = t->unmatched_frees;
}

void hs_segments_start(struct hs_segments *s, const struct hs_fold *f)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	s->before.n = 0;
	for (size_t i = 0; i < n; i++)
		hs_array_push(&s->before, sites[i]);
	s->unmatched_frees = hs_fold_totals(f)->unmatched_frees;
}

/* A site in both: its thread is "the only one ever", so the later word counts. */
static struct hs_segment_site both(const struct hs_segment_site *x,
				   const struct hs_segment_site *y)
{
	struct hs_segment_site s = *y;
	uint64_t low = HS_MIN(x->live_bytes - x->drop, y->live_bytes - y->drop);
	s.drop = y->live_bytes - low;
	s.allocs += x->allocs;
	s.bytes += x->bytes;
	s.frees = (int64_t)((uint64_t)s.frees + (uint64_t)x->frees);
	s.temporaries = (int64_t)((uint64_t)s.temporaries + (uint64_t)x->temporaries);
	return s;
}

void hs_segment_merge(const struct hs_segment *a, struct hs_segment *b)
{
	struct hs_segment_site *sites =
		hs_xcalloc(a->n_sites + b->n_sites, sizeof(*sites));
	size_t n = 0, i = 0, k = 0;
	while (i < a->n_sites || k < b->n_sites) {
		const struct hs_segment_site *x = &a->sites[i], *y = &b->sites[k];
		int order = i == a->n_sites   ? 1
			    : k == b->n_sites ? -1
					      : compare_sites(x, y);
		sites[n++] = order < 0 ? *x : order > 0 ? *y : both(x, y);
		i += order <= 0;
		k += order >= 0;
	}
	b->from_stamp = a->from_stamp;
	if (!(a->flags & HS_SEGMENT_LEVELS))
		b->flags &= ~(uint64_t)HS_SEGMENT_LEVELS;
	b->peak_bytes = HS_MAX(a->peak_bytes, b->peak_bytes);
	b->unmatched_frees =
		(int64_t)((uint64_t)a->unmatched_frees + (uint64_t)b->unmatched_frees);
	b->sites = sites;
	b->n_sites = n;
}

void hs_segment_encode(const struct hs_segment *s, struct hs_out *out)
{
	hs_put_uleb(out, s->from_stamp);
	hs_put_uleb(out, s->to_stamp);
	hs_put_uleb(out, s->flags);
	hs_put_uleb(out, s->time_ns);
	hs_put_uleb(out, s->live_bytes);
	hs_put_uleb(out, s->live_blocks);
	hs_put_uleb(out, s->peak_bytes);
	put_zigzag(out, s->unmatched_frees);
	hs_put_uleb(out, s->rss);
	hs_put_uleb(out, s->anon);
	hs_put_uleb(out, s->file);
	hs_put_uleb(out, s->shmem);
	hs_put_uleb(out, s->n_sites);
	PUT_KEYS(out, s->sites, s->n_sites);
	PUT_COLUMN(out, s->sites, s->n_sites, allocs);
	PUT_SIGNED(out, s->sites, s->n_sites, frees);
	PUT_COLUMN(out, s->sites, s->n_sites, bytes);
	PUT_SIGNED(out, s->sites, s->n_sites, temporaries);
	PUT_COLUMN(out, s->sites, s->n_sites, thread);
	if (!(s->flags & HS_SEGMENT_LEVELS))
		return;
	PUT_COLUMN(out, s->sites, s->n_sites, live_bytes);
	PUT_COLUMN(out, s->sites, s->n_sites, drop);
}

struct hs_error *hs_segment_decode(struct hs_cursor *in, struct hs_segment *ret)
{
	struct hs_segment s = {.from_stamp = hs_cur_uleb(in)};
	s.to_stamp = hs_cur_uleb(in);
	s.flags = hs_cur_uleb(in);
	s.time_ns = hs_cur_uleb(in);
	s.live_bytes = hs_cur_uleb(in);
	s.live_blocks = hs_cur_uleb(in);
	s.peak_bytes = hs_cur_uleb(in);
	s.unmatched_frees = hs_cur_zigzag(in);
	s.rss = hs_cur_uleb(in);
	s.anon = hs_cur_uleb(in);
	s.file = hs_cur_uleb(in);
	s.shmem = hs_cur_uleb(in);
	s.n_sites = hs_cur_count(in, 6);
	struct hs_segment_site *sites HS_CLEANUP(hs_freep) =
		hs_xcalloc(s.n_sites, sizeof(*sites));
	GET_KEYS(in, sites, s.n_sites);
	GET_COLUMN(in, sites, s.n_sites, allocs);
	GET_SIGNED(in, sites, s.n_sites, frees);
	GET_COLUMN(in, sites, s.n_sites, bytes);
	GET_SIGNED(in, sites, s.n_sites, temporaries);
	GET_COLUMN(in, sites, s.n_sites, thread);
	if (s.flags & HS_SEGMENT_LEVELS) {
		GET_COLUMN(in, sites, s.n_sites, live_bytes);
		GET_COLUMN(in, sites, s.n_sites, drop);
	}
	for (size_t i = 0; i < s.n_sites; i++)
		sites[i].drop = HS_MIN(sites[i].drop, sites[i].live_bytes);
	struct hs_error *err = hs_cur_check(in, "segment");
	if (err)
		return err;
	s.sites = HS_TAKE(sites);
	*ret = s;
	return NULL;
}

void hs_live_set_encode(const struct hs_fold *f, const struct hs_fold_block *live,
			size_t n, const struct hs_capture_thread *threads,
			struct hs_out *out)
{
	size_t n_sites;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n_sites);
	uint64_t addr = 0, born = 0;
	uint32_t tid = 0;
	hs_put_uleb(out, n);
	for (size_t i = 0; i < n; addr = live[i++].addr)
		hs_put_uleb(out, live[i].addr - addr);
	PUT_COLUMN(out, live, n, size);
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *s = &sites[live[i].site];
		hs_put_uleb(out, key_of(s->stack, s->kind));
	}
	for (size_t i = 0; i < n; tid = threads[live[i++].thread].tid)
		put_zigzag(out, (int64_t)threads[live[i].thread].tid - (int64_t)tid);
	for (size_t i = 0; i < n; born = live[i++].born)
		put_zigzag(out, (int64_t)(live[i].born - born));
}

struct hs_error *hs_live_set_decode(struct hs_cursor *in, struct hs_live_row **ret,
				    size_t *n_ret)
{
	size_t n = hs_cur_count(in, 5);
	struct hs_live_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	uint64_t addr = 0, born = 0;
	uint32_t tid = 0;
	for (size_t i = 0; i < n; i++)
		rows[i].addr = addr += hs_cur_uleb(in);
	GET_COLUMN(in, rows, n, size);
	for (size_t i = 0; i < n; i++)
		if (!split_key(in, hs_cur_uleb(in), &rows[i].stack, &rows[i].kind))
			break;
	for (size_t i = 0; i < n; i++)
		rows[i].tid = tid += (uint32_t)hs_cur_zigzag(in);
	for (size_t i = 0; i < n; i++)
		rows[i].born = born += (uint64_t)hs_cur_zigzag(in);
	struct hs_error *err = hs_cur_check(in, "live set");
	if (err)
		return err;
	*ret = HS_TAKE(rows);
	*n_ret = n;
	return NULL;
}

static int by_peak_key(const void *a, const void *b)
{
	const struct hs_peak_row *x = a, *y = b;
	uint64_t kx = key_of(x->stack, x->kind), ky = key_of(y->stack, y->kind);
	return (kx > ky) - (kx < ky);
}

void hs_peak_encode(const struct hs_fold *f, struct hs_out *out)
{
	size_t n_sites, n = 0;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n_sites);
	const struct hs_fold_totals *t = hs_fold_totals(f);
	struct hs_peak_row *rows HS_CLEANUP(hs_freep) =
		hs_xcalloc(n_sites, sizeof(*rows));
	for (size_t i = 0; i < n_sites; i++) {
		const struct hs_fold_site *s = &sites[i];
		if (s->peak_blocks)
			rows[n++] = (struct hs_peak_row){s->stack, s->kind,
							 s->peak_blocks, s->peak_bytes};
	}
	qsort(rows, n, sizeof(*rows), by_peak_key);
	hs_put_uleb(out, t->peak_time);
	hs_put_uleb(out, t->peak_blocks);
	hs_put_uleb(out, t->peak_bytes);
	hs_put_uleb(out, n);
	PUT_KEYS(out, rows, n);
	PUT_COLUMN(out, rows, n, blocks);
	PUT_COLUMN(out, rows, n, bytes);
}

struct hs_error *hs_peak_decode(struct hs_cursor *in, struct hs_peak *ret)
{
	struct hs_peak p = {.stamp = hs_cur_uleb(in)};
	p.blocks = hs_cur_uleb(in);
	p.bytes = hs_cur_uleb(in);
	p.n = hs_cur_count(in, 3);
	struct hs_peak_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(p.n, sizeof(*rows));
	GET_KEYS(in, rows, p.n);
	GET_COLUMN(in, rows, p.n, blocks);
	GET_COLUMN(in, rows, p.n, bytes);
	struct hs_error *err = hs_cur_check(in, "peak");
	if (err)
		return err;
	p.rows = HS_TAKE(rows);
	*ret = p;
	return NULL;
}

/* Which of N classes have anything, and how much. */
static void put_classes(struct hs_out *out, const uint32_t *classes, uint32_t n)
{
	uint64_t mask = 0;
	for (uint32_t i = 0; i < n; i++)
		mask |= (uint64_t)(classes[i] != 0) << i;
	hs_put_uleb(out, mask);
	for (uint32_t i = 0; i < n; i++)
		if (classes[i])
			hs_put_uleb(out, classes[i]);
}

static void get_classes(struct hs_cursor *in, uint32_t *classes, uint32_t n)
{
	uint64_t mask = hs_cur_uleb(in);
	if (mask >> n)
		hs_cur_fail(in);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t count = mask >> i & 1 ? hs_cur_uleb(in) : 0;
		classes[i] = (uint32_t)HS_MIN(count, UINT32_MAX);
	}
}

void hs_spreads_encode(const struct hs_fold *f, size_t first, size_t count,
		       struct hs_out *out)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	const struct hs_spread *spreads = hs_fold_spreads(f);
	hs_put_uleb(out, count);
	for (size_t i = first; i < first + count; i++) {
		hs_put_uleb(out, key_of(sites[i].stack, sites[i].kind));
		hs_put_uleb(out, spreads[i].oldest);
		put_classes(out, spreads[i].sizes, HS_SPREAD_SIZES);
		put_classes(out, spreads[i].ages, HS_SPREAD_AGES);
	}
}

struct hs_error *hs_spreads_decode(struct hs_cursor *in, struct hs_spread_row **ret,
				   size_t *n_ret)
{
	size_t n = hs_cur_count(in, 4);
	struct hs_spread_row *rows HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*rows));
	for (size_t i = 0; i < n && !hs_cur_failed(in); i++) {
		struct hs_spread_row *row = &rows[i];
		if (!split_key(in, hs_cur_uleb(in), &row->stack, &row->kind))
			break;
		row->spread.oldest = hs_cur_uleb(in);
		get_classes(in, row->spread.sizes, HS_SPREAD_SIZES);
		get_classes(in, row->spread.ages, HS_SPREAD_AGES);
	}
	struct hs_error *err = hs_cur_check(in, "spreads");
	if (err)
		return err;
	*ret = HS_TAKE(rows);
	*n_ret = n;
	return NULL;
}
