/* SPDX-License-Identifier: MIT */

/* Folded records: what was put in comes out, and the sums are the model's. */
#include "src/segment.h"

#include <string.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "src/out.h"
#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

static const struct hs_capture_thread threads[MODEL_THREADS] = {
	{.tid = 100}, {.tid = 7}, {.tid = UINT32_MAX}, {.tid = 0}};

static void feed(struct hs_fold *f, struct model *m, const struct model_event *e)
{
	model_apply(m, e);
	if (e->what == MODEL_ALLOC)
		hs_fold_alloc(f, e->thread, e->kind, e->stack, e->addr, e->size, e->time);
	else if (e->what == MODEL_FREE)
		hs_fold_dealloc(f, e->addr, e->time);
	else if (e->what == MODEL_RELEASE)
		hs_fold_release(f, e->thread, e->addr, e->time);
	else
		hs_fold_retain(f, e->thread, e->time);
}

/* Encode, decode, and compare with what the model says. */
static void cut(struct hs_segments *cutter, struct hs_fold *f, struct model *m,
		struct model_site sums[MODEL_STACKS][MODEL_KINDS])
{
	struct hs_segment s, back;
	struct hs_out out;
	size_t size;
	bool told[MODEL_STACKS][MODEL_KINDS] = {0};
	hs_segments_cut(cutter, f, threads, &s);
	s.to_stamp = m->now;
	s.rss = 12345;
	s.flags |= HS_SEGMENT_SNAPSHOT;
	hs_out_init(&out, -1);
	hs_segment_encode(&s, &out);
	char *bytes = hs_out_take(&out, &size);
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	ck_assert_ptr_null(hs_segment_decode(&in, &back));
	ck_assert_uint_eq(hs_cur_left(&in), 0);
	ck_assert_uint_eq(back.live_bytes, m->sum.live_bytes);
	ck_assert_uint_eq(back.live_blocks, m->sum.live_blocks);
	ck_assert_uint_eq(back.peak_bytes, model_take_water(m));
	ck_assert_uint_eq(back.to_stamp, m->now);
	ck_assert_uint_eq(back.rss, 12345);
	ck_assert_uint_eq(back.flags, HS_SEGMENT_SNAPSHOT | HS_SEGMENT_LEVELS);
	ck_assert_uint_eq(back.n_sites, s.n_sites);
	for (size_t i = 0; i < back.n_sites; i++) {
		const struct hs_segment_site *site = &back.sites[i];
		ck_assert_mem_eq(site, &s.sites[i], sizeof(*site));
		struct model_site *sum = &sums[site->stack][site->kind];
		sum->allocs += site->allocs;
		sum->bytes += site->bytes;
		sum->frees += (uint64_t)site->frees;
		sum->temporaries += (uint64_t)site->temporaries;
		struct model_site *of = &m->sites[site->stack][site->kind];
		ck_assert_uint_eq(site->live_bytes, of->live_bytes);
		ck_assert_uint_eq(site->live_bytes - site->drop, model_take_low(of));
		told[site->stack][site->kind] = true;
	}
	/* Of what the others did nothing remains. */
	for (size_t i = 0; i < (size_t)MODEL_STACKS * MODEL_KINDS; i++)
		if (!told[i / MODEL_KINDS][i % MODEL_KINDS])
			(void)model_take_low(&m->sites[i / MODEL_KINDS][i % MODEL_KINDS]);
	free((void *)(uintptr_t)back.sites);
	free(bytes);
}

static void check_live_set(const struct hs_fold *f, const struct model *m)
{
	struct hs_out out;
	struct hs_live_row *rows;
	size_t size, n;
	struct hs_fold_block *live = hs_fold_live(f, &n);
	hs_out_init(&out, -1);
	hs_live_set_encode(f, live, n, threads, &out);
	free(live);
	char *bytes = hs_out_take(&out, &size);
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	ck_assert_ptr_null(hs_live_set_decode(&in, &rows, &n));
	ck_assert_uint_eq(n, m->n_blocks);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (m->blocks[k].addr != rows[i].addr)
			ck_assert_uint_lt(++k, m->n_blocks);
		const struct model_block *b = &m->blocks[k];
		ck_assert(!i || rows[i - 1].addr < rows[i].addr);
		ck_assert_uint_eq(rows[i].size, b->size);
		ck_assert_uint_eq(rows[i].born, b->born);
		ck_assert_uint_eq(rows[i].stack, b->stack);
		ck_assert_uint_eq(rows[i].kind, b->kind);
		ck_assert_uint_eq(rows[i].tid, threads[b->thread].tid);
	}
	free(rows);
	free(bytes);
}

static void check_peak(const struct hs_fold *f, const struct model *m)
{
	struct hs_out out;
	struct hs_peak p;
	size_t size;
	uint64_t blocks = 0, bytes_in_rows = 0;
	hs_out_init(&out, -1);
	hs_peak_encode(f, &out);
	char *bytes = hs_out_take(&out, &size);
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	ck_assert_ptr_null(hs_peak_decode(&in, &p));
	ck_assert_uint_eq(p.bytes, m->peak_bytes);
	ck_assert_uint_eq(p.blocks, m->peak_blocks);
	ck_assert_uint_eq(p.stamp, m->peak_time);
	for (size_t i = 0; i < p.n; i++) {
		const struct model_site *s = &m->at_peak[p.rows[i].stack][p.rows[i].kind];
		ck_assert_uint_eq(p.rows[i].blocks, s->live_blocks);
		ck_assert_uint_eq(p.rows[i].bytes, s->live_bytes);
		blocks += p.rows[i].blocks;
		bytes_in_rows += p.rows[i].bytes;
	}
	ck_assert_uint_eq(blocks, p.blocks);
	ck_assert_uint_eq(bytes_in_rows, p.bytes);
	free(p.rows);
	free(bytes);
}

static void check_spreads(const struct hs_fold *f, const struct model *m)
{
	struct hs_out out;
	struct hs_spread_row *rows;
	size_t size, n;
	(void)hs_fold_sites(f, &n);
	hs_out_init(&out, -1);
	hs_spreads_encode(f, 0, n, &out);
	char *bytes = hs_out_take(&out, &size);
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	size_t n_sites = n;
	ck_assert_ptr_null(hs_spreads_decode(&in, &rows, &n));
	ck_assert_uint_eq(hs_cur_left(&in), 0);
	ck_assert_uint_eq(n, n_sites);
	for (size_t i = 0; i < n; i++)
		ck_assert_mem_eq(&rows[i].spread,
				 &m->sites[rows[i].stack][rows[i].kind].spread,
				 sizeof(rows[i].spread));
	free(rows);
	free(bytes);
}

static void run_random(uint64_t seed)
{
	struct hs_fold *f = hs_fold_new();
	struct hs_segments *cutter = hs_segments_new();
	struct model_site sums[MODEL_STACKS][MODEL_KINDS] = {0};
	struct model m = {0};
	uint64_t random = seed;
	for (int i = 0; i < 400; i++) {
		struct model_event e = model_make(&m, &random, false);
		feed(f, &m, &e);
		if (model_random(&random, 30) == 0)
			cut(cutter, f, &m, sums);
	}
	model_settle(&m);
	hs_fold_settle(f);
	cut(cutter, f, &m, sums);
	for (size_t i = 0; i < MODEL_STACKS; i++) {
		for (size_t k = 0; k < MODEL_KINDS; k++) {
			ck_assert_uint_eq(sums[i][k].allocs, m.sites[i][k].allocs);
			ck_assert_uint_eq(sums[i][k].frees, m.sites[i][k].frees);
			ck_assert_uint_eq(sums[i][k].bytes, m.sites[i][k].bytes);
			ck_assert_uint_eq(sums[i][k].temporaries,
					  m.sites[i][k].temporaries);
		}
	}
	check_live_set(f, &m);
	check_peak(f, &m);
	check_spreads(f, &m);
	hs_segments_free(cutter);
	hs_fold_free(f);
}

START_TEST(segments_live_set_and_peak_tell_what_the_model_counts)
{
	for (uint64_t seed = 1; seed <= 300; seed++)
		run_random(seed * 0x9e3779b97f4a7c15);
}
END_TEST

START_TEST(a_site_tells_its_only_thread)
{
	struct hs_fold *f = hs_fold_new();
	struct hs_segments *cutter = hs_segments_new();
	struct hs_segment s;
	hs_fold_alloc(f, 2, 1, 1, 0x10, 1, 0);
	hs_fold_alloc(f, 0, 1, 2, 0x20, 1, 0);
	hs_fold_alloc(f, 1, 1, 2, 0x30, 1, 0);
	hs_segments_cut(cutter, f, threads, &s);
	ck_assert_uint_eq(s.n_sites, 2);
	ck_assert_uint_eq(s.sites[0].thread, (uint64_t)UINT32_MAX + 1);
	ck_assert_uint_eq(s.sites[1].thread, 0);
	hs_segments_cut(cutter, f, threads, &s);
	ck_assert_uint_eq(s.n_sites, 0); /* nothing changed since */
	hs_segments_free(cutter);
	hs_fold_free(f);
}
END_TEST

static void decode_all(const uint8_t *bytes, size_t size, bool expect_errors)
{
	struct hs_segment segment = {0};
	struct hs_live_row *rows = NULL;
	struct hs_peak peak = {0};
	struct hs_spread_row *spreads = NULL;
	size_t n;
	struct hs_cursor in[4];
	for (size_t i = 0; i < 4; i++)
		in[i] = hs_cursor(bytes, size, NULL);
	struct hs_error *errs[4] = {hs_segment_decode(&in[0], &segment),
				    hs_live_set_decode(&in[1], &rows, &n),
				    hs_peak_decode(&in[2], &peak),
				    hs_spreads_decode(&in[3], &spreads, &n)};
	ck_assert(!expect_errors || errs[0]);
	for (size_t i = 0; i < 4; i++)
		hs_error_free(errs[i]);
	free((void *)(uintptr_t)segment.sites);
	free(rows);
	free(peak.rows);
	free(spreads);
}

START_TEST(cut_or_damaged_payloads_are_errors_and_never_crash)
{
	const struct hs_segment_site sites[] = {{1, 1, 100, 200, -1, 3, 9, 40, 8},
						{70000, 2, 1, 1, 1, 1, 0, 1, 1}};
	const struct hs_segment s = {.to_stamp = 1u << 30,
				     .flags = HS_SEGMENT_LEVELS,
				     .sites = sites,
				     .n_sites = 2};
	struct hs_out out;
	size_t size;
	hs_out_init(&out, -1);
	hs_segment_encode(&s, &out);
	uint8_t *bytes = (uint8_t *)hs_out_take(&out, &size);
	for (size_t cut_at = 0; cut_at < size; cut_at++) {
		uint8_t *part = hs_xmalloc(cut_at);
		memcpy(part, bytes, cut_at);
		decode_all(part, cut_at, true);
		free(part);
	}
	for (size_t i = 0; i < size * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		decode_all(bytes, size, false);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	free(bytes);
}
END_TEST

HS_SUITE("segment", segments_live_set_and_peak_tell_what_the_model_counts,
	 a_site_tells_its_only_thread, cut_or_damaged_payloads_are_errors_and_never_crash)
