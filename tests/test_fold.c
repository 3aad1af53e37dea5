/* SPDX-License-Identifier: MIT */

/* The fold, against arithmetic and against a heap as simple as can be. */
#include "src/blocksort.h"
#include "src/fold.h"

#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

static void feed(struct hs_fold *f, const struct model_event *e)
{
	switch (e->what) {
	case MODEL_ALLOC:
		hs_fold_alloc(f, e->thread, e->kind, e->stack, e->addr, e->size, e->time);
		break;
	case MODEL_FREE:
		hs_fold_dealloc(f, e->addr, e->time);
		break;
	case MODEL_RELEASE:
		hs_fold_release(f, e->thread, e->addr, e->time);
		break;
	case MODEL_RETAIN:
		hs_fold_retain(f, e->thread, e->time);
		break;
	}
}

static void totals_agree(const struct hs_fold *f, const struct model *m)
{
	const struct hs_fold_totals *t = hs_fold_totals(f);
	ck_assert_uint_eq(t->allocs, m->sum.allocs);
	ck_assert_uint_eq(t->frees, m->sum.frees);
	ck_assert_uint_eq(t->bytes, m->sum.bytes);
	ck_assert_uint_eq(t->temporaries, m->sum.temporaries);
	ck_assert_uint_eq(t->live_blocks, m->sum.live_blocks);
	ck_assert_uint_eq(t->live_bytes, m->sum.live_bytes);
	ck_assert_uint_eq(t->peak_blocks, m->peak_blocks);
	ck_assert_uint_eq(t->peak_bytes, m->peak_bytes);
	ck_assert_uint_eq(t->peak_time, m->peak_time);
	ck_assert_uint_eq(t->unmatched_frees, m->unmatched);
	ck_assert_uint_eq(t->overlaps, m->overlaps);
}

static void sites_agree(const struct hs_fold *f, const struct model *m)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	for (size_t i = 0; i < n; i++) {
		const struct model_site *s = &m->sites[sites[i].stack][sites[i].kind];
		const struct model_site *p = &m->at_peak[sites[i].stack][sites[i].kind];
		ck_assert_uint_eq(sites[i].allocs, s->allocs);
		ck_assert_uint_eq(sites[i].frees, s->frees);
		ck_assert_uint_eq(sites[i].bytes, s->bytes);
		ck_assert_uint_eq(sites[i].temporaries, s->temporaries);
		ck_assert_uint_eq(sites[i].live_blocks, s->live_blocks);
		ck_assert_uint_eq(sites[i].live_bytes, s->live_bytes);
		ck_assert_uint_eq(sites[i].peak_blocks, p->live_blocks);
		ck_assert_uint_eq(sites[i].peak_bytes, p->live_bytes);
	}
}

static void live_agrees(const struct hs_fold *f, const struct model *m)
{
	size_t n, n_sites;
	struct hs_fold_block *live = hs_fold_live(f, &n);
	const struct hs_fold_site *sites = hs_fold_sites(f, &n_sites);
	ck_assert_uint_eq(n, m->n_blocks);
	for (size_t i = 0; i < m->n_blocks; i++) {
		const struct model_block *b = &m->blocks[i];
		size_t k = 0;
		while (k < n && live[k].addr != b->addr)
			k++;
		ck_assert_uint_lt(k, n);
		ck_assert_uint_eq(live[k].size, b->size);
		ck_assert_uint_eq(live[k].born, b->born);
		ck_assert_uint_eq(live[k].thread, b->thread);
		ck_assert_uint_eq(sites[live[k].site].stack, b->stack);
		ck_assert_uint_eq(sites[live[k].site].kind, b->kind);
		ck_assert(k == 0 || live[k - 1].addr < live[k].addr);
	}
	free(live);
}

static void run_random(uint64_t seed, bool tidy)
{
	struct hs_fold *f = hs_fold_new();
	struct model m = {0};
	uint64_t random = seed;
	for (int i = 0; i < 400; i++) {
		struct model_event e = model_make(&m, &random, tidy);
		model_apply(&m, &e);
		feed(f, &e);
		totals_agree(f, &m);
		if (model_random(&random, 50) == 0)
			ck_assert_uint_eq(hs_fold_take_high_water(f),
					  model_take_water(&m));
	}
	model_settle(&m);
	hs_fold_settle(f);
	totals_agree(f, &m);
	sites_agree(f, &m);
	live_agrees(f, &m);
	hs_fold_free(f);
}

START_TEST(random_events_of_a_sound_program_give_the_model_s_figures)
{
	for (uint64_t seed = 1; seed <= 500; seed++)
		run_random(seed * 0x9e3779b97f4a7c15, true);
}
END_TEST

START_TEST(random_nonsense_gives_the_model_s_figures)
{
	for (uint64_t seed = 1; seed <= 500; seed++)
		run_random(seed * 0x9e3779b97f4a7c15, false);
}
END_TEST

START_TEST(the_peak_s_composition_is_that_of_the_first_highest_moment)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 0, 0, 1, 0x1000, 100, 1);
	hs_fold_alloc(f, 0, 0, 2, 0x2000, 50, 2);
	hs_fold_dealloc(f, 0x1000, 0);
	hs_fold_alloc(f, 0, 0, 3, 0x3000, 100, 3); /* as high again, not higher */
	hs_fold_settle(f);
	size_t n;
	const struct hs_fold_site *s = hs_fold_sites(f, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(s[0].peak_bytes, 100);
	ck_assert_uint_eq(s[1].peak_bytes, 50);
	ck_assert_uint_eq(s[2].peak_bytes, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->peak_time, 2);
	hs_fold_free(f);
}
END_TEST

START_TEST(a_block_is_temporary_until_its_thread_allocates_again)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 0, 0, 1, 0x10, 1, 0);
	hs_fold_alloc(f, 1, 0, 1, 0x20, 1, 0); /* another thread does not count */
	hs_fold_dealloc(f, 0x10, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->temporaries, 1);
	hs_fold_alloc(f, 1, 0, 1, 0x10, 1, 0);
	hs_fold_dealloc(f, 0x20, 0); /* not its last any more */
	ck_assert_uint_eq(hs_fold_totals(f)->temporaries, 1);
	hs_fold_release(f, 1, 0x10, 0); /* a realloc, too, gives back */
	hs_fold_alloc(f, 1, 0, 2, 0x10, 2, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->temporaries, 2);
	hs_fold_free(f);
}
END_TEST

START_TEST(a_failed_realloc_leaves_no_trace)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 0, 0, 1, 0x10, 100, 0);
	struct hs_fold_totals before = *hs_fold_totals(f);
	hs_fold_release(f, 0, 0x10, 0);
	hs_fold_retain(f, 0, 0);
	ck_assert_mem_eq(&before, hs_fold_totals(f), sizeof(before));
	hs_fold_release(f, 0, 0x666, 0); /* unknown */
	hs_fold_retain(f, 0, 0);
	ck_assert_mem_eq(&before, hs_fold_totals(f), sizeof(before));
	hs_fold_dealloc(f, 0x10, 0); /* and it is still the thread's last */
	ck_assert_uint_eq(hs_fold_totals(f)->temporaries, 1);
	hs_fold_free(f);
}
END_TEST

START_TEST(a_realloc_in_flight_keeps_its_block_until_it_lands)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 0, 0, 1, 0x10, 100, 0);
	hs_fold_release(f, 0, 0x10, 0);
	hs_fold_settle(f);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 100);
	ck_assert_uint_eq(hs_fold_totals(f)->frees, 0);
	hs_fold_alloc(f, 0, 0, 1, 0x20, 7, 0);
	hs_fold_settle(f);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 7);
	ck_assert_uint_eq(hs_fold_totals(f)->frees, 1);
	hs_fold_free(f);
}
END_TEST

START_TEST(sizes_that_would_overflow_are_cut)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 0, 0, 1, 0x10, UINT64_MAX - 5, 0);
	hs_fold_alloc(f, 0, 0, 1, 0x20, UINT64_MAX, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->bytes, UINT64_MAX);
	ck_assert_uint_eq(hs_fold_totals(f)->peak_bytes, UINT64_MAX);
	hs_fold_dealloc(f, 0x10, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 5);
	hs_fold_free(f);
}
END_TEST

START_TEST(a_site_knows_its_only_thread)
{
	struct hs_fold *f = hs_fold_new();
	hs_fold_alloc(f, 3, 0, 1, 0x10, 1, 0);
	hs_fold_alloc(f, 3, 0, 1, 0x20, 1, 0);
	hs_fold_alloc(f, 3, 0, 2, 0x30, 1, 0);
	hs_fold_alloc(f, 4, 0, 2, 0x40, 1, 0);
	size_t n;
	const struct hs_fold_site *s = hs_fold_sites(f, &n);
	ck_assert_uint_eq(s[0].thread, 3);
	ck_assert_uint_eq(s[1].thread, HS_FOLD_MANY);
	hs_fold_free(f);
}
END_TEST

START_TEST(a_large_heap_grows_and_empties_again)
{
	struct hs_fold *f = hs_fold_new();
	const uint64_t n = 300000;
	for (uint64_t i = 0; i < n; i++)
		hs_fold_alloc(f, 0, 0, (uint32_t)(i % 1000), 0x7f0000000000 + i * 48,
			      i % 7, i);
	ck_assert_uint_eq(hs_fold_totals(f)->live_blocks, n);
	for (uint64_t i = 0; i < n; i += 2)
		hs_fold_dealloc(f, 0x7f0000000000 + i * 48, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->live_blocks, n / 2);
	size_t left;
	struct hs_fold_block *live = hs_fold_live(f, &left);
	ck_assert_uint_eq(left, n / 2);
	for (uint64_t i = 0; i < left; i++)
		ck_assert_uint_eq(live[i].addr, 0x7f0000000000 + (2 * i + 1) * 48);
	free(live);
	for (uint64_t i = 1; i < n; i += 2)
		hs_fold_dealloc(f, 0x7f0000000000 + i * 48, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->unmatched_frees, 0);
	hs_fold_free(f);
}
END_TEST

START_TEST(the_latest_of_equal_peaks_counts_where_that_is_asked_for)
{
	for (int latest = 0; latest < 2; latest++) {
		struct hs_fold *f = hs_fold_new();
		if (latest)
			hs_fold_take_latest_peak(f);
		hs_fold_alloc(f, 0, 0, 1, 0x10, 100, 1);
		hs_fold_dealloc(f, 0x10, 0);
		hs_fold_alloc(f, 0, 0, 2, 0x20, 60, 2);
		hs_fold_alloc(f, 0, 0, 3, 0x30, 40, 3);
		/* As high, with a block less: it had no bytes. */
		hs_fold_alloc(f, 0, 0, 4, 0x40, 0, 4);
		hs_fold_dealloc(f, 0x40, 0);
		hs_fold_dealloc(f, 0x30, 0);
		hs_fold_settle(f);
		size_t n;
		const struct hs_fold_site *sites = hs_fold_sites(f, &n);
		ck_assert_uint_eq(n, 4);
		ck_assert_uint_eq(sites[0].peak_bytes, latest ? 0 : 100);
		ck_assert_uint_eq(sites[1].peak_bytes, latest ? 60 : 0);
		ck_assert_uint_eq(sites[2].peak_bytes, latest ? 40 : 0);
		ck_assert_uint_eq(sites[3].peak_blocks, 0);
		ck_assert_uint_eq(hs_fold_totals(f)->peak_bytes, 100);
		ck_assert_uint_eq(hs_fold_totals(f)->peak_blocks, latest ? 2 : 1);
		hs_fold_free(f);
	}
}
END_TEST

START_TEST(a_split_block_is_two_that_have_its_bytes)
{
	struct hs_fold *f = hs_fold_new();
	uint32_t site = hs_fold_alloc(f, 0, 0, 1, 0x1000, 300, 1);
	hs_fold_split(f, 0x1000, 100);
	hs_fold_split(f, 0x2000, 100); /* there is none */
	hs_fold_split(f, 0x1000, 100); /* nothing would be left for the second */
	ck_assert_uint_eq(hs_fold_totals(f)->live_blocks, 2);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 300);
	ck_assert_uint_eq(hs_fold_totals(f)->allocs, 1);
	hs_fold_dealloc(f, 0x1000, 0);
	ck_assert_uint_eq(hs_fold_totals(f)->live_bytes, 200);
	hs_fold_settle(f);
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f, &n);
	ck_assert_uint_eq(sites[site].live_bytes, 200);
	ck_assert_uint_eq(sites[site].live_blocks, 1);
	ck_assert_uint_eq(sites[site].peak_bytes, 300);
	ck_assert_uint_eq(sites[site].peak_blocks, 1);
	hs_fold_free(f);
}
END_TEST

static uint64_t next_random(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *random ^ *random >> 29;
}

/* Addresses that differ in few and in many bits, and equal ones. */
START_TEST(blocks_are_sorted_in_their_place)
{
	static const uint64_t masks[] = {
		0, 7, 0xffff0, UINT64_MAX, UINT64_C(1) << 63, 0x7ff00000fff0};
	static struct hs_fold_block blocks[20000];
	uint64_t random = 1;
	for (size_t m = 0; m < 2 * HS_COUNT(masks); m++) {
		size_t n = m % 2 ? HS_COUNT(blocks) : 500;
		uint64_t sum = 0, sum_after = 0;
		for (size_t i = 0; i < n; i++) {
			uint64_t addr = next_random(&random) & masks[m / 2];
			blocks[i] = (struct hs_fold_block){.addr = addr,
							   .size = ~addr,
							   .born = next_random(&random)};
			sum += blocks[i].born ^ addr;
		}
		hs_sort_blocks(blocks, n);
		for (size_t i = 0; i < n; i++) {
			ck_assert(i == 0 || blocks[i - 1].addr <= blocks[i].addr);
			ck_assert_uint_eq(blocks[i].size, ~blocks[i].addr);
			sum_after += blocks[i].born ^ blocks[i].addr;
		}
		ck_assert_uint_eq(sum, sum_after);
	}
	hs_sort_blocks(NULL, 0);
}
END_TEST

/* N blocks, of which a third goes; then what lives is laid out. */
static void fill(size_t n, uint64_t random)
{
	struct hs_fold *f = hs_fold_new();
	uint64_t behind = random; /* the same sequence, later */
	for (size_t i = 0; i < n; i++) {
		hs_fold_alloc(f, 0, 0, 1, next_random(&random), i, i);
		if (i % 3 == 2)
			hs_fold_dealloc(f, next_random(&behind), 0);
	}
	const struct hs_fold_totals *t = hs_fold_totals(f);
	ck_assert_uint_eq(t->frees, n / 3);
	ck_assert_uint_eq(t->overlaps + t->unmatched_frees, 0);
	size_t n_live, n_laid;
	struct hs_fold_block *live = hs_fold_live(f, &n_live);
	ck_assert_uint_eq(n_live, n - n / 3);
	const struct hs_fold_block *laid = hs_fold_lay_out(f, &n_laid);
	ck_assert_uint_eq(n_laid, n_live);
	for (size_t i = 0; i < n_live; i++) {
		ck_assert(i == 0 || live[i - 1].addr < live[i].addr);
		ck_assert_uint_eq(live[i].addr, laid[i].addr);
		ck_assert_uint_eq(live[i].size, laid[i].size);
		ck_assert_uint_eq(live[i].size, laid[i].born);
		ck_assert_uint_eq(live[i].site, laid[i].site);
	}
	free(live);
	hs_fold_free(f);
}

/* Many small ones, since only few slots at their ends are moved in another way. */
START_TEST(a_table_that_doubles_keeps_every_block)
{
	fill(300000, 1);
	for (uint64_t random = 2; random < 60; random++)
		fill(2000, random);
}
END_TEST

HS_SUITE("fold", the_latest_of_equal_peaks_counts_where_that_is_asked_for,
	 a_split_block_is_two_that_have_its_bytes,
	 random_events_of_a_sound_program_give_the_model_s_figures,
	 random_nonsense_gives_the_model_s_figures,
	 the_peak_s_composition_is_that_of_the_first_highest_moment,
	 a_block_is_temporary_until_its_thread_allocates_again,
	 a_failed_realloc_leaves_no_trace,
	 a_realloc_in_flight_keeps_its_block_until_it_lands,
	 sizes_that_would_overflow_are_cut, a_site_knows_its_only_thread,
	 a_large_heap_grows_and_empties_again, blocks_are_sorted_in_their_place,
	 a_table_that_doubles_keeps_every_block)
