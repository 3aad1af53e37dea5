/* SPDX-License-Identifier: MIT */

/* Inheritance over forks, and the record that keeps what was live at them. */
#include "src/inherit.h"

#include <stdlib.h>

#include "src/cursor.h"
#include "src/fold.h"
#include "src/forks.h"
#include "src/out.h"
#include "tests/lib/profbuild.h"
#include "tests/lib/suite.h"

/* A process forked at STAMP (0: not seen) from another one, that freed FREES blocks
 * which it never allocated, and itself forked as FORK says. */
static struct hs_profile *process(uint64_t stamp, uint64_t frees,
				  const struct hs_fork *fork)
{
	struct prof *b = prof_new("p", 1);
	prof_process(b)->forked = true;
	prof_process(b)->fork_stamp = stamp;
	struct hs_profile *p = prof_seal(b);
	p->totals.unmatched_frees = frees;
	p->forks = fork;
	p->n_forks = fork ? 1 : 0;
	return p;
}

static void free_all(struct hs_profile **profiles, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_profile_free(profiles[i]);
}

START_TEST(a_child_s_child_is_settled_after_the_child)
{
	const struct hs_fork first = {100, 10, 1000, 0}, second = {200, 3, 33, 4};
	struct hs_profile *all[3] = {process(200, 1, NULL), process(100, 4, &second),
				     process(0, 2, &first)};
	const uint32_t parents[3] = {1, 2, HS_NO_PARENT};
	all[2]->process.forked = false;
	hs_inherit(all, parents, 3);
	ck_assert(!(all[2]->has & HS_HAS_INHERITED));
	ck_assert_uint_eq(all[2]->totals.unmatched_frees, 2);
	ck_assert(all[1]->has & HS_HAS_INHERITED_BYTES);
	ck_assert_uint_eq(all[1]->inherited.blocks, 10);
	ck_assert_uint_eq(all[1]->inherited.bytes, 1000);
	ck_assert_uint_eq(all[1]->inherited.frees, 4);
	ck_assert_uint_eq(all[1]->totals.unmatched_frees, 0);
	/* 3 of its parent's own, and 10 of which 4 were freed by then. */
	ck_assert(all[0]->has & HS_HAS_INHERITED);
	ck_assert(!(all[0]->has & HS_HAS_INHERITED_BYTES));
	ck_assert_uint_eq(all[0]->inherited.blocks, 9);
	free_all(all, 3);
}
END_TEST

START_TEST(more_frees_than_were_inherited_are_of_unknown_blocks)
{
	const struct hs_fork fork = {100, 10, 1000, 0};
	struct hs_profile *all[2] = {process(0, 0, &fork), process(100, 12, NULL)};
	const uint32_t parents[2] = {HS_NO_PARENT, 0};
	all[0]->process.forked = false;
	hs_inherit(all, parents, 2);
	ck_assert_uint_eq(all[1]->inherited.frees, 10);
	ck_assert_uint_eq(all[1]->totals.unmatched_frees, 2);
	free_all(all, 2);
}
END_TEST

START_TEST(a_fork_that_was_not_seen_leaves_figures_unknown)
{
	const struct hs_fork fork = {100, 10, 1000, 0};
	const uint64_t stamps[] = {0, 99, 101};
	for (size_t i = 0; i < HS_COUNT(stamps); i++) {
		struct hs_profile *all[2] = {process(0, 0, &fork),
					     process(stamps[i], 12, NULL)};
		const uint32_t parents[2] = {HS_NO_PARENT, 0};
		hs_inherit(all, parents, 2);
		ck_assert(!(all[1]->has & HS_HAS_INHERITED));
		ck_assert_uint_eq(all[1]->inherited.frees, 12);
		ck_assert_uint_eq(all[1]->totals.unmatched_frees, 0);
		free_all(all, 2);
	}
}
END_TEST

START_TEST(processes_that_claim_to_be_each_other_s_parents_are_survived)
{
	const struct hs_fork fork = {5, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	struct hs_profile *all[3] = {process(5, UINT64_MAX, &fork),
				     process(5, UINT64_MAX, &fork),
				     process(5, UINT64_MAX, &fork)};
	const uint32_t parents[3] = {1, 2, 0};
	hs_inherit(all, parents, 3);
	free_all(all, 3);
}
END_TEST

START_TEST(what_was_live_at_forks_survives_encoding)
{
	struct hs_fold *fold = hs_fold_new();
	struct hs_forks forks = {0}, back = {0};
	struct hs_out out;
	size_t size;
	hs_forks_note(&forks, fold, 10);
	hs_fold_alloc(fold, 0, 1, 1, 0x1000, 300, 11);
	hs_fold_alloc(fold, 0, 1, 1, 0x2000, 20, 12);
	hs_fold_dealloc(fold, 0x3000, 0);
	hs_forks_note(&forks, fold, 20);
	hs_out_init(&out, -1);
	hs_forks_encode(&forks, &out);
	char *bytes = hs_out_take(&out, &size);
	for (size_t cut = 0; cut < size; cut++) {
		struct hs_forks part = {0};
		struct hs_cursor in = hs_cursor(bytes, cut, NULL);
		struct hs_error *err = hs_forks_decode(&in, &part);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
		hs_array_free(&part.list);
	}
	struct hs_cursor in = hs_cursor(bytes, size, NULL);
	ck_assert_ptr_null(hs_forks_decode(&in, &back));
	ck_assert_uint_eq(back.list.n, 2);
	ck_assert_uint_eq(back.list.at[0].stamp, 10);
	ck_assert_uint_eq(back.list.at[0].live_blocks, 0);
	ck_assert_uint_eq(back.list.at[1].stamp, 20);
	ck_assert_uint_eq(back.list.at[1].live_blocks, 2);
	ck_assert_uint_eq(back.list.at[1].live_bytes, 320);
	ck_assert_uint_eq(back.list.at[1].unmatched_frees, 1);
	hs_array_free(&forks.list);
	hs_array_free(&back.list);
	hs_fold_free(fold);
	free(bytes);
}
END_TEST

START_TEST(a_process_that_forks_for_ever_keeps_its_first_forks)
{
	struct hs_fold *fold = hs_fold_new();
	struct hs_forks forks = {0};
	for (uint64_t i = 1; i <= HS_FORKS_MAX + 10; i++)
		hs_forks_note(&forks, fold, i);
	ck_assert_uint_eq(forks.list.n, HS_FORKS_MAX);
	ck_assert_uint_eq(forks.list.at[HS_FORKS_MAX - 1].stamp, HS_FORKS_MAX);
	hs_array_free(&forks.list);
	hs_fold_free(fold);
}
END_TEST

HS_SUITE("inherit", a_child_s_child_is_settled_after_the_child,
	 more_frees_than_were_inherited_are_of_unknown_blocks,
	 a_fork_that_was_not_seen_leaves_figures_unknown,
	 processes_that_claim_to_be_each_other_s_parents_are_survived,
	 what_was_live_at_forks_survives_encoding,
	 a_process_that_forks_for_ever_keeps_its_first_forks)
