/* SPDX-License-Identifier: MIT */

/*
 * Samples and what is made of them, against arithmetic: the ways between samples, the
 * weights, and estimates of a program whose truth is known, from many seeds.  Seeds are
 * fixed: a test that passes once passes always.
 */
#include <math.h>
#include <string.h>

#include "src/cursor.h"
#include "src/fold.h"
#include "src/out.h"
#include "src/sitefacts.h"
#include "src/tracker/dice.h"
#include "src/weight.h"

#include "tests/lib/suite.h"

#define SIGMAS 4.5 /* one in 150,000 true means is farther off */

START_TEST(logarithms_are_those_of_the_library_for_mathematics)
{
	uint64_t state = 1;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t x = tr_dice_roll(&state) >> (i % 60);
		double wanted = 64 - log2((double)(x | 1));
		double got = ldexp((double)tr_dice_log2(x), -TR_DICE_BITS);
		/* A double tells numbers near 2^64 apart by 2^-52. */
		ck_assert_double_le(fabs(got - wanted), 1e-9 + 1e-12 * wanted);
	}
}
END_TEST

/* How many of N ways are shorter than each of these parts of the mean? */
static void ways_are_spread_as_they_should(uint64_t mean)
{
	static const double parts[] = {0.001, 0.1, 0.5, 1, 2, 5, 10};
	const unsigned n = 400000;
	unsigned shorter[HS_COUNT(parts)] = {0};
	uint64_t state = mean;
	double sum = 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t way = tr_dice_way(&state, mean);
		sum += (double)way;
		for (size_t k = 0; k < HS_COUNT(parts); k++)
			shorter[k] += way < (uint64_t)ceil(parts[k] * (double)mean);
	}
	for (size_t k = 0; k < HS_COUNT(parts); k++) {
		/* A block of S bytes is hit if the way to the sample is less than S. */
		double s = ceil(parts[k] * (double)mean);
		double p = -expm1(-s / (double)mean);
		double sigma = sqrt(n * p * (1 - p));
		ck_assert_double_le(fabs(shorter[k] - n * p), SIGMAS * sigma + 1);
	}
	double whole = 1 / expm1(1 / (double)mean); /* of a geometric distribution */
	ck_assert_double_le(fabs(sum / n - whole), SIGMAS * (double)mean / sqrt(n));
}

START_TEST(ways_to_the_next_sample_are_exponential)
{
	ways_are_spread_as_they_should(1);
	ways_are_spread_as_they_should(100);
	ways_are_spread_as_they_should(524288);
	ways_are_spread_as_they_should(HS_SAMPLE_MOST);
}
END_TEST

START_TEST(weights_are_right_on_average)
{
	static const uint64_t sizes[] = {0, 1, 100, 4096, 5000, 20000, 100000};
	const uint64_t mean = 4096;
	const unsigned n = 100000;
	for (size_t k = 0; k < HS_COUNT(sizes); k++) {
		double s = (double)sizes[k];
		double p = -expm1(-(s < 1 ? 1 : s) / (double)mean);
		double blocks = 0, bytes = 0;
		for (unsigned i = 0; i < n; i++) {
			struct hs_weight w = hs_weight_of(mean, sizes[k], i);
			ck_assert_double_lt(fabs((double)w.blocks - 1 / p), 1);
			ck_assert_double_lt(fabs((double)w.bytes - s / p), 1);
			blocks += (double)w.blocks;
			bytes += (double)w.bytes;
		}
		/* What is rounded up or down varies by half at most. */
		double most = SIGMAS * 0.5 / sqrt(n);
		ck_assert_double_le(fabs(blocks / n - 1 / p), most);
		ck_assert_double_le(fabs(bytes / n - s / p), most);
	}
}
END_TEST

START_TEST(a_block_that_cannot_be_missed_weighs_itself)
{
	struct hs_weight w = hs_weight_of(4096, (uint64_t)1 << 40, 7);
	ck_assert_uint_eq(w.blocks, 1);
	ck_assert_uint_eq(w.bytes, (uint64_t)1 << 40);
	ck_assert_double_eq(w.blocks_variance, 0);
	ck_assert_double_eq(w.bytes_variance, 0);
}
END_TEST

/* ---- a program ---- */

#define MEAN  4096u
#define SITES 4u
#define SEEDS 1500u

/* Sizes of each site, on both sides of the mean; every third block is freed. */
static uint64_t size_at(unsigned site, unsigned i)
{
	static const uint64_t base[SITES] = {16, 200, 3000, 12000};
	return base[site] + i % 7 * base[site] / 8;
}

static const unsigned counts[SITES] = {40000, 6000, 400, 60};

struct truth {
	double blocks, bytes, live_blocks, live_bytes;
};

static struct truth truth_of(unsigned site)
{
	struct truth t = {0};
	for (unsigned i = 0; i < counts[site]; i++) {
		double size = (double)size_at(site, i);
		t.blocks++;
		t.bytes += size;
		t.live_blocks += i % 3 != 0;
		t.live_bytes += i % 3 != 0 ? size : 0;
	}
	return t;
}

/* As the tracker does it: one way after the other. */
static struct hs_fold *sampled_run(uint64_t seed)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_sample(f, MEAN);
	uint64_t dice = seed * 0x123456789abcdefu;
	int64_t left = (int64_t)tr_dice_way(&dice, MEAN);
	uint64_t addr = 0x10000 + seed * 64, time = 0;
	for (unsigned site = 0; site < SITES; site++) {
		for (unsigned i = 0; i < counts[site]; i++, addr += 65536, time++) {
			uint64_t size = size_at(site, i);
			left -= (int64_t)size;
			if (left >= 0)
				continue;
			left = (int64_t)tr_dice_way(&dice, MEAN);
			hs_fold_alloc(f, 0, 1, site + 1, addr, size, time);
			if (i % 3 == 0)
				hs_fold_dealloc(f, addr, time);
		}
	}
	hs_fold_settle(f);
	return f;
}

/* An estimate in each run: sum, squares, told variances, how often the truth was in. */
struct tally {
	double truth, sum, squares, variances;
	unsigned covered;
};

static void take(struct tally *t, double truth, double value, double variance,
		 uint64_t margin)
{
	t->truth = truth;
	t->sum += value;
	t->squares += (value - truth) * (value - truth);
	t->variances += variance;
	t->covered += fabs(value - truth) <= (double)margin;
}

static void judge(const struct tally *t)
{
	double variance = t->squares / SEEDS;
	/* Unbiased: the mean of the estimates is the truth. */
	ck_assert_double_le(fabs(t->sum / SEEDS - t->truth),
			    SIGMAS * sqrt(variance / SEEDS));
	/* The variance that is told is the one that is seen; 1500 squares vary by 4 %. */
	ck_assert_double_le(fabs(t->variances / SEEDS / variance - 1), 0.2);
	/* 95 %, and sigma is 0.56 %. */
	ck_assert_uint_ge(t->covered * 1000, SEEDS * 935);
}

enum { BLOCKS, BYTES, LIVE_BLOCKS, LIVE_BYTES, ESTIMATES };

static void take_site(struct tally *t, const struct hs_fold *f, unsigned stack)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	static const struct hs_fold_site none;
	static const struct hs_fold_variance sure;
	const struct hs_fold_site *s = &none;
	const struct hs_fold_variance *v = &sure;
	for (size_t i = 0; i < n; i++) {
		if (sites[i].stack != stack)
			continue;
		s = &sites[i];
		v = &hs_fold_variances(f)[i];
	}
	struct truth truth = truth_of(stack - 1);
	uint64_t of_blocks =
		s->bytes ? hs_margin_of_blocks(v->allocs, MEAN, s->allocs, s->bytes) : 0;
	uint64_t of_live = s->live_bytes
				   ? hs_margin_of_blocks(v->live_blocks, MEAN,
							 s->live_blocks, s->live_bytes)
				   : 0;
	take(&t[BLOCKS], truth.blocks, (double)s->allocs, v->allocs, of_blocks);
	take(&t[BYTES], truth.bytes, (double)s->bytes, v->bytes,
	     hs_margin_of_bytes(v->bytes, MEAN));
	take(&t[LIVE_BLOCKS], truth.live_blocks, (double)s->live_blocks, v->live_blocks,
	     of_live);
	take(&t[LIVE_BYTES], truth.live_bytes, (double)s->live_bytes, v->live_bytes,
	     hs_margin_of_bytes(v->live_bytes, MEAN));
}

START_TEST(estimates_are_unbiased_and_their_margins_hold_the_truth)
{
	struct tally tallies[SITES][ESTIMATES] = {0};
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct hs_fold *f = sampled_run(seed);
		for (unsigned site = 0; site < SITES; site++)
			take_site(tallies[site], f, site + 1);
		const struct hs_fold_totals *t = hs_fold_totals(f);
		ck_assert_uint_eq(t->temporaries, 0);
		ck_assert_uint_eq(t->allocs - t->frees, t->live_blocks);
		hs_fold_free(f);
	}
	for (unsigned site = 0; site < SITES; site++)
		for (unsigned i = 0; i < ESTIMATES; i++)
			judge(&tallies[site][i]);
}
END_TEST

START_TEST(no_sample_at_all_has_a_margin_too)
{
	/* 95 of 100 blocks of two means are hit: what was missed is hardly more. */
	ck_assert_uint_ge(hs_margin_of_bytes(0, MEAN), (uint64_t)(1.9 * MEAN));
	ck_assert_uint_le(hs_margin_of_bytes(-1, MEAN), 2 * MEAN);
}
END_TEST

START_TEST(what_is_freed_leaves_nothing)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_sample(f, MEAN);
	for (uint64_t i = 1; i <= 1000; i++)
		hs_fold_alloc(f, 0, 1, 1, i << 12, i * 3, i);
	for (uint64_t i = 1; i <= 1000; i++)
		hs_fold_dealloc(f, i << 12, 1000 + i);
	const struct hs_fold_variance *v = hs_fold_variances(f);
	ck_assert_uint_eq(hs_fold_totals(f)->live_blocks, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 0);
	ck_assert_double_eq(v->live_blocks, 0);
	ck_assert_double_eq(v->live_bytes, 0);
	/* The peak was at the last allocation, and has all of them. */
	hs_fold_catch_up(f);
	ck_assert_double_eq_tol(v->peak_bytes, v->bytes, v->bytes * 1e-9);
	hs_fold_free(f);
}
END_TEST

/* ---- who frees ---- */

static void freed(const struct hs_fold *f, uint32_t site, uint32_t stack, uint64_t frees,
		  uint64_t bytes)
{
	size_t n;
	const struct hs_fold_frees *rows = hs_fold_frees(f, &n);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].site != site || rows[i].stack != stack)
			continue;
		ck_assert_uint_eq(rows[i].frees, frees);
		ck_assert_uint_eq(rows[i].bytes, bytes);
		return;
	}
	ck_assert_uint_eq(frees, 0);
}

static struct hs_fold *freeing_run(void)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_tell_frees(f);
	hs_fold_alloc(f, 0, 1, 5, 0x1000, 100, 1);
	hs_fold_alloc(f, 0, 1, 5, 0x2000, 10, 2);
	hs_fold_alloc(f, 0, 1, 5, 0x3000, 1, 3);
	hs_fold_alloc(f, 0, 1, 6, 0x4000, 7, 4);
	hs_fold_dealloc_by(f, 0x1000, 50, 5);
	hs_fold_dealloc_by(f, 0x2000, 50, 6);
	/* A realloc frees as what it allocates, if it succeeds. */
	hs_fold_release(f, 0, 0x3000, 7);
	hs_fold_retain(f, 0, 7);
	hs_fold_release(f, 0, 0x3000, 8);
	hs_fold_alloc(f, 0, 4, 60, 0x5000, 2, 9);
	hs_fold_release(f, 0, 0x4000, 10);
	hs_fold_gone(f, 0, 61, 11);
	hs_fold_dealloc_by(f, 0x9000, 50, 12); /* unknown */
	return f;
}

START_TEST(frees_are_counted_by_who_made_them)
{
	struct hs_fold *f = freeing_run();
	size_t n;
	freed(f, 0, 50, 2, 110);
	freed(f, 0, 60, 1, 1);
	freed(f, 1, 61, 1, 7);
	hs_fold_frees(f, &n);
	ck_assert_uint_eq(n, 3);
	hs_fold_free(f);
}
END_TEST

START_TEST(without_being_asked_nobody_is_told_of)
{
	struct hs_fold *f = hs_fold_new();
	size_t n;
	hs_fold_alloc(f, 0, 1, 5, 0x1000, 100, 1);
	hs_fold_dealloc_by(f, 0x1000, 50, 2);
	hs_fold_frees(f, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_null(hs_fold_variances(f));
	hs_fold_free(f);
}
END_TEST

/* ---- written down ---- */

START_TEST(variances_and_frees_are_read_as_they_were_written)
{
	struct hs_fold *f = sampled_run(3), *g = freeing_run();
	struct hs_out out;
	size_t n, n_sites, size;
	hs_out_init(&out, -1);
	hs_weights_encode(f, &out);
	char *bytes = hs_out_take(&out, &size);
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	struct hs_weights_row *weights;
	ck_assert_ptr_null(hs_weights_decode(&in, &weights, &n));
	const struct hs_fold_site *sites = hs_fold_sites(f, &n_sites);
	const struct hs_fold_variance *v = hs_fold_variances(f);
	ck_assert_uint_eq(n, n_sites);
	for (size_t i = 0; i < n; i++) { /* sites came in the order of their stacks */
		ck_assert_uint_eq(weights[i].stack, sites[i].stack);
		ck_assert_double_eq(weights[i].variance.allocs, v[i].allocs);
		ck_assert_double_eq(weights[i].variance.bytes, v[i].bytes);
		ck_assert_double_eq(weights[i].variance.peak_blocks, v[i].peak_blocks);
		ck_assert_double_eq(weights[i].variance.peak_bytes, v[i].peak_bytes);
	}
	free(weights);
	free(bytes);

	hs_out_init(&out, -1);
	hs_frees_encode(g, &out);
	bytes = hs_out_take(&out, &size);
	in = hs_cursor(bytes, size, NULL);
	struct hs_frees_row *frees;
	ck_assert_ptr_null(hs_frees_decode(&in, &frees, &n));
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(frees[0].stack, 5);
	ck_assert_uint_eq(frees[0].by, 50);
	ck_assert_uint_eq(frees[0].frees, 2);
	ck_assert_uint_eq(frees[1].by, 60);
	ck_assert_uint_eq(frees[2].stack, 6);
	ck_assert_uint_eq(frees[2].bytes, 7);
	free(frees);
	free(bytes);
	hs_fold_free(f);
	hs_fold_free(g);
}
END_TEST

/* Each of these is an error, whatever it begins like. */
START_TEST(cut_payloads_and_impossible_variances_are_errors)
{
	struct hs_fold *f = sampled_run(3);
	struct hs_out out;
	struct hs_weights_row *rows;
	struct hs_frees_row *frees;
	size_t n, size;
	hs_out_init(&out, -1);
	hs_weights_encode(f, &out);
	char *bytes = hs_out_take(&out, &size);
	for (size_t cut = 0; cut < size; cut++) {
		struct hs_cursor in = hs_cursor(bytes, cut, NULL);
		struct hs_error *err = hs_weights_decode(&in, &rows, &n);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
	}
	/* The variance of a row begins behind its key, which is small here. */
	static const double impossible[] = {-1, NAN, INFINITY, 1e300};
	for (size_t i = 0; i < HS_COUNT(impossible); i++) {
		memcpy(bytes + 2, &impossible[i], sizeof(impossible[i]));
		struct hs_cursor in = hs_cursor(bytes, size, NULL);
		struct hs_error *err = hs_weights_decode(&in, &rows, &n);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
	}
	struct hs_cursor many = hs_cursor("\xff\xff\xff\x7f", 4, NULL);
	struct hs_error *err = hs_frees_decode(&many, &frees, &n);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	free(bytes);
	hs_fold_free(f);
}
END_TEST

START_TEST(no_sum_of_weights_overflows)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_sample(f, HS_SAMPLE_MOST);
	for (uint64_t i = 1; i <= 100; i++)
		hs_fold_alloc(f, 0, 1, 1, i << 12, i % 2 ? UINT64_MAX : 0, i);
	const struct hs_fold_totals *t = hs_fold_totals(f);
	ck_assert_uint_lt(t->bytes, (uint64_t)1 << 63);
	for (uint64_t i = 1; i <= 100; i++)
		hs_fold_dealloc(f, i << 12, 200);
	ck_assert_uint_eq(t->live_bytes, 0);
	ck_assert_uint_eq(t->live_blocks, 0);
	hs_fold_free(f);
}
END_TEST

HS_SUITE("sampling", logarithms_are_those_of_the_library_for_mathematics,
	 ways_to_the_next_sample_are_exponential, weights_are_right_on_average,
	 a_block_that_cannot_be_missed_weighs_itself,
	 estimates_are_unbiased_and_their_margins_hold_the_truth,
	 no_sample_at_all_has_a_margin_too, what_is_freed_leaves_nothing,
	 frees_are_counted_by_who_made_them, without_being_asked_nobody_is_told_of,
	 variances_and_frees_are_read_as_they_were_written,
	 cut_payloads_and_impossible_variances_are_errors, no_sum_of_weights_overflows)
