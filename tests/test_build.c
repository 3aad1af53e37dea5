/* SPDX-License-Identifier: MIT */

/* The builder: interning, events, folded figures, and what seal makes of them. */
#include "src/build.h"

#include <string.h>

#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

START_TEST(equal_names_get_equal_ids)
{
	struct hs_builder *b = hs_build_new();
	hs_str a = hs_build_cstring(b, "a"), empty = hs_build_cstring(b, NULL);
	ck_assert(hs_str_eq(a, hs_build_string(b, "a\0b", 3)));
	ck_assert(!hs_str_eq(a, hs_build_cstring(b, "b")));
	ck_assert_uint_eq(empty.i, 0);

	hs_module m = hs_build_module(b, &(struct hs_module_info){.path = a});
	hs_frame f = hs_build_location(b, m, 0x10);
	ck_assert(hs_frame_eq(f, hs_build_location(b, m, 0x10)));
	ck_assert(!hs_frame_eq(f, hs_build_location(b, m, 0x11)));
	ck_assert(!hs_frame_eq(f, hs_build_location(b, (hs_module){0}, 0x10)));

	hs_stack s = hs_build_stack(b, (hs_stack){0}, f);
	ck_assert(hs_stack_eq(s, hs_build_stack(b, (hs_stack){0}, f)));
	ck_assert(!hs_stack_eq(s, hs_build_stack(b, s, f)));

	struct hs_profile *p = hs_build_seal(b);
	ck_assert_str_eq(hs_string(p, a), "a");
	ck_assert_uint_eq(p->n_frames, 4);
	ck_assert_uint_eq(p->n_stacks, 3);
	ck_assert_uint_eq(p->has, 0);
	hs_profile_free(p);
}
END_TEST

START_TEST(sites_are_sorted_and_live_blocks_follow_them)
{
	struct hs_builder *b = hs_build_new();
	hs_stack s1 =
		hs_build_stack(b, (hs_stack){0}, hs_build_location(b, (hs_module){0}, 1));
	hs_stack s2 = hs_build_stack(b, s1, hs_build_location(b, (hs_module){0}, 2));
	hs_thread t = hs_build_thread(b, 7, hs_build_cstring(b, "worker"));
	hs_build_alloc(b, t, HS_ALLOC_NEW, s2, 0x2000, 20, 1);
	hs_build_alloc(b, t, HS_ALLOC_MALLOC, s2, 0x3000, 30, 2);
	hs_build_alloc(b, t, HS_ALLOC_MALLOC, s1, 0x1000, 10, 3);
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->n_sites, 3);
	ck_assert_uint_eq(p->sites[0].stack.i, s1.i);
	ck_assert_uint_eq(p->sites[1].kind, HS_ALLOC_MALLOC);
	ck_assert_uint_eq(p->sites[2].kind, HS_ALLOC_NEW);
	ck_assert_uint_eq(p->n_live, 3);
	ck_assert_uint_eq(p->live[0].site, 0); /* 0x1000 */
	ck_assert_uint_eq(p->live[1].site, 2); /* 0x2000 */
	ck_assert_uint_eq(p->live[2].site, 1); /* 0x3000 */
	ck_assert_uint_eq(p->sites[0].thread.i, t.i);
	ck_assert_uint_eq(p->totals.live_bytes, 60);
	ck_assert_uint_eq(p->totals.peak_ns, 3);
	hs_profile_free(p);
}
END_TEST

START_TEST(snapshots_show_the_heap_as_it_was)
{
	struct hs_builder *b = hs_build_new();
	hs_thread t = hs_build_thread(b, 7, (hs_str){0});
	const struct hs_snapshot at[] = {
		{.time_ns = 10}, {.time_ns = 20}, {.time_ns = 15}};
	hs_build_alloc(b, t, HS_ALLOC_MALLOC, (hs_stack){0}, 0x10, 100, 1);
	hs_build_dealloc(b, t, 0x10, 2);
	hs_build_alloc(b, t, HS_ALLOC_MALLOC, (hs_stack){0}, 0x20, 30, 3);
	hs_build_snapshot(b, &at[0], false);
	hs_build_alloc(b, t, HS_ALLOC_MALLOC, (hs_stack){0}, 0x30, 5, 11);
	hs_build_snapshot(b, &at[1], false);
	hs_build_snapshot(b, &at[2], false); /* the clock was set back */
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->snapshots[0].heap_bytes, 30);
	ck_assert_uint_eq(p->snapshots[0].heap_blocks, 1);
	ck_assert_uint_eq(p->snapshots[0].peak_bytes, 100);
	ck_assert_uint_eq(p->snapshots[0].allocs, 2);
	ck_assert_uint_eq(p->snapshots[1].peak_bytes, 35);
	ck_assert_uint_eq(p->snapshots[2].time_ns, 20);
	hs_profile_free(p);
}
END_TEST

START_TEST(folded_figures_add_up_and_never_wrap)
{
	struct hs_builder *b = hs_build_new();
	const struct hs_site one = {
		.allocs = 3, .frees = 1, .bytes = 300, .peak_bytes = 200};
	const struct hs_site huge = {.bytes = UINT64_MAX, .peak_bytes = 1};
	hs_build_has(b, HS_HAS_TOTALS | HS_HAS_PEAK);
	hs_build_site(b, &one);
	hs_build_site(b, &one);
	hs_build_totals(b, &(struct hs_totals){.peak_ns = 77, .unmatched_frees = 5});
	hs_build_site(b, &huge);
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->n_sites, 1);
	ck_assert_uint_eq(p->totals.allocs, 6);
	ck_assert_uint_eq(p->totals.peak_bytes, 401);
	ck_assert_uint_eq(p->totals.bytes, UINT64_MAX);
	ck_assert_uint_eq(p->totals.peak_ns, 77);
	ck_assert_uint_eq(p->totals.unmatched_frees, 5);
	ck_assert_uint_eq(p->has, HS_HAS_TOTALS | HS_HAS_PEAK);
	hs_profile_free(p);
}
END_TEST

static struct hs_profile *folded_live(uint64_t addr2, uint64_t size2)
{
	struct hs_builder *b = hs_build_new();
	const struct hs_site site = {
		.allocs = 2, .bytes = 30, .live_blocks = 2, .live_bytes = 30};
	const struct hs_live live[] = {{.addr = 0x20, .size = 10},
				       {.addr = addr2, .size = size2}};
	hs_build_has(b, HS_HAS_LIVE | HS_HAS_LIVE_BLOCKS);
	hs_build_site(b, &site);
	hs_build_live(b, (hs_stack){0}, HS_ALLOC_MALLOC, &live[0]);
	hs_build_live(b, (hs_stack){0}, HS_ALLOC_MALLOC, &live[1]);
	return hs_build_seal(b);
}

START_TEST(live_blocks_that_contradict_the_counters_are_left_out)
{
	struct hs_profile *p = folded_live(0x10, 20);
	ck_assert_uint_eq(p->n_live, 2);
	ck_assert_uint_eq(p->live[0].addr, 0x10);
	ck_assert_uint_eq(p->n_warnings, 0);
	hs_profile_free(p);
	p = folded_live(0x10, 21); /* wrong sum */
	ck_assert_uint_eq(p->n_live, 0);
	ck_assert_uint_eq(p->n_warnings, 1);
	ck_assert_uint_eq(p->has, HS_HAS_LIVE);
	hs_profile_free(p);
	p = folded_live(0x20, 20); /* one address twice */
	ck_assert_uint_eq(p->n_live, 0);
	hs_profile_free(p);
}
END_TEST

START_TEST(allocations_at_a_live_address_give_a_warning)
{
	struct hs_builder *b = hs_build_new();
	hs_build_alloc(b, (hs_thread){0}, HS_ALLOC_MALLOC, (hs_stack){0}, 0x10, 1, 0);
	hs_build_alloc(b, (hs_thread){0}, HS_ALLOC_MALLOC, (hs_stack){0}, 0x10, 2, 0);
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->n_warnings, 1);
	ck_assert(strstr(p->warnings[0], "1 allocations"));
	hs_profile_free(p);
}
END_TEST

START_TEST(arguments_outlive_the_reader)
{
	struct hs_builder *b = hs_build_new();
	for (int i = 0; i < 40; i++)
		hs_build_argument(b, hs_build_cstring(b, i % 2 ? "odd" : "even"));
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->process.n_argv, 40);
	ck_assert_str_eq(hs_string(p, p->process.argv[39]), "odd");
	hs_profile_free(p);
}
END_TEST

/* One random program, told to builder and model. */
static void run_random(uint64_t seed)
{
	struct hs_builder *b = hs_build_new();
	struct model m = {0};
	hs_thread threads[MODEL_THREADS];
	hs_stack stacks[MODEL_STACKS];
	uint64_t random = seed;
	for (uint32_t i = 0; i < MODEL_THREADS; i++)
		threads[i] = hs_build_thread(b, i + 1, (hs_str){0});
	for (uint32_t i = 0; i < MODEL_STACKS; i++)
		stacks[i] = hs_build_stack(b, (hs_stack){0},
					   hs_build_location(b, (hs_module){0}, i));
	for (int i = 0; i < 300; i++) {
		struct model_event e = model_make(&m, &random, false);
		model_apply(&m, &e);
		hs_thread t = threads[e.thread];
		if (e.what == MODEL_ALLOC)
			hs_build_alloc(b, t, (enum hs_alloc_kind)e.kind, stacks[e.stack],
				       e.addr, e.size, e.time);
		else if (e.what == MODEL_FREE)
			hs_build_dealloc(b, t, e.addr, e.time);
		else if (e.what == MODEL_RELEASE)
			hs_build_release(b, t, e.addr, e.time);
		else
			hs_build_retain(b, t, e.time);
	}
	model_settle(&m);
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->totals.bytes, m.sum.bytes);
	ck_assert_uint_eq(p->totals.temporaries, m.sum.temporaries);
	ck_assert_uint_eq(p->totals.live_bytes, m.sum.live_bytes);
	ck_assert_uint_eq(p->totals.peak_bytes, m.peak_bytes);
	ck_assert_uint_eq(p->totals.peak_blocks, m.peak_blocks);
	ck_assert_uint_eq(p->totals.peak_ns, m.peak_time);
	ck_assert_uint_eq(p->totals.unmatched_frees, m.unmatched);
	ck_assert_uint_eq(p->n_live, m.n_blocks);
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		uint32_t stack = 0;
		while (!hs_stack_eq(stacks[stack], s->stack))
			stack++;
		ck_assert_uint_eq(s->frees, m.sites[stack][s->kind].frees);
		ck_assert_uint_eq(s->peak_bytes, m.at_peak[stack][s->kind].live_bytes);
	}
	hs_profile_free(p);
}

START_TEST(random_programs_give_the_model_s_profile)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		run_random(seed * 0x9e3779b97f4a7c15);
}
END_TEST

/* At each snapshot 10 bytes more stay; 100 more come and go before. */
START_TEST(levels_and_low_points_survive_the_joining_of_slices)
{
	struct hs_builder *b = hs_build_new();
	hs_stack stack =
		hs_build_stack(b, (hs_stack){0}, hs_build_location(b, (hs_module){0}, 1));
	const uint64_t n = 5000;
	for (uint64_t i = 1; i <= n; i++) {
		const struct hs_snapshot s = {.time_ns = i};
		hs_build_alloc(b, (hs_thread){0}, HS_ALLOC_MALLOC, stack, i * 16, 10, i);
		hs_build_alloc(b, (hs_thread){0}, HS_ALLOC_MALLOC, stack, 8, 100, i);
		hs_build_dealloc(b, (hs_thread){0}, 8, i);
		hs_build_snapshot(b, &s, false);
	}
	hs_build_process(b)->end_ns = n;
	struct hs_profile *p = hs_build_seal(b);
	uint64_t before = 0, allocs = 0;
	ck_assert(p->has & HS_HAS_LEVELS && p->has & HS_HAS_SPREADS);
	ck_assert_uint_ge(p->n_marks, 100);
	ck_assert_uint_le(p->n_marks, 1024);
	ck_assert_uint_eq(p->n_levels, p->n_marks - 1); /* nothing came after the last */
	for (uint32_t i = 0; i < p->n_levels; i++) {
		const struct hs_level *l = &p->levels[i];
		uint64_t now = p->marks[l->mark].time_ns;
		ck_assert_uint_eq(l->mark, i);
		ck_assert_uint_eq(l->blocks, now);
		ck_assert_uint_eq(l->bytes, 10 * now);
		ck_assert_uint_eq(l->low_bytes, 10 * before);
		ck_assert_uint_eq(l->allocs, 2 * (now - before));
		allocs += l->allocs;
		before = now;
	}
	ck_assert_uint_eq(allocs, 2 * n);
	ck_assert_uint_eq(p->sites[0].spread.ages[0], n);
	ck_assert_uint_eq(p->sites[0].spread.sizes[2], n); /* 10: four binary digits */
	ck_assert_uint_eq(p->sites[0].spread.sizes[3], n);
	hs_profile_free(p);
}
END_TEST

START_TEST(very_many_snapshots_are_thinned_out)
{
	struct hs_builder *b = hs_build_new();
	const uint64_t n = (1 << 18) + 1;
	for (uint64_t i = 1; i <= n; i++) {
		const struct hs_snapshot s = {.time_ns = i,
					      .peak_bytes = i == 5 ? 1000 : 7,
					      .rss_bytes = i == 9 ? 2000 : 8};
		hs_build_snapshot(b, &s, true);
	}
	struct hs_profile *p = hs_build_seal(b);
	ck_assert_uint_eq(p->n_snapshots, n / 2 + 1);
	ck_assert_uint_eq(p->snapshots[p->n_snapshots - 1].time_ns, n);
	ck_assert_uint_eq(p->snapshots[2].time_ns, 6);
	ck_assert_uint_eq(p->snapshots[2].peak_bytes, 1000);
	ck_assert_uint_eq(p->snapshots[4].rss_bytes, 2000);
	ck_assert_uint_eq(p->snapshots[5].rss_bytes, 8);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("build", very_many_snapshots_are_thinned_out,
	 levels_and_low_points_survive_the_joining_of_slices, equal_names_get_equal_ids,
	 sites_are_sorted_and_live_blocks_follow_them, snapshots_show_the_heap_as_it_was,
	 folded_figures_add_up_and_never_wrap,
	 live_blocks_that_contradict_the_counters_are_left_out,
	 allocations_at_a_live_address_give_a_warning, arguments_outlive_the_reader,
	 random_programs_give_the_model_s_profile)
