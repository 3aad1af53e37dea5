/* SPDX-License-Identifier: MIT */

/*
 * Who gets memory to remember stacks with: nobody who does little, all that are busy a
 * trail, and the busiest a memo as long as there are any.
 */
#include "src/tracker/recall.h"
#include "src/tracker/unwind.h"

#include "tests/lib/suite.h"

void tr_module_seen(const struct dl_find_object *object)
{
	(void)object;
}

#define STREAMS 100u
static struct tr_stream streams[STREAMS];

static void walk_often(struct tr_stream *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tr_recall_grow(s);
}

START_TEST(a_thread_that_does_little_gets_nothing)
{
	walk_often(&streams[0], 200);
	ck_assert_ptr_null(streams[0].trail);
	ck_assert_ptr_null(streams[0].memo);
}
END_TEST

/* 16 MiB and 4 KiB a thread is what the tracker may take. */
START_TEST(busy_threads_share_a_pool_of_memos)
{
	unsigned trails = 0, memos = 0;
	for (unsigned i = 0; i < STREAMS; i++) {
		walk_often(&streams[i], 5000);
		trails += streams[i].trail != NULL;
		memos += streams[i].memo != NULL;
		ck_assert(!streams[i].memo || streams[i].memo->credit > 0);
	}
	ck_assert_uint_eq(trails, STREAMS);
	ck_assert_uint_gt(memos, 1);
	ck_assert_uint_lt(memos * sizeof(struct tr_memo), 8u << 20);
}
END_TEST

START_TEST(a_forked_child_has_the_whole_pool)
{
	struct tr_stream *s = &streams[0];
	for (unsigned i = 0; i < STREAMS; i++)
		walk_often(&streams[i], 5000);
	*s = (struct tr_stream){0};
	walk_often(s, 5000);
	ck_assert_ptr_null(s->memo);
	*s = (struct tr_stream){0};
	tr_recall_restart();
	walk_often(s, 5000);
	ck_assert_ptr_nonnull(s->memo);
}
END_TEST

START_TEST(who_is_left_inside_keeps_what_he_has)
{
	struct tr_stream *s = &streams[0];
	walk_often(s, 5000);
	struct tr_trail *trail = s->trail;
	struct tr_memo *memo = s->memo;
	ck_assert(trail && memo);
	tr_recall_leave(s);
	ck_assert_ptr_null(s->trail);
	ck_assert_ptr_null(s->memo);
	trail->top = TR_BATCH; /* still there to be written to */
	memo->credit = 1;
	for (unsigned i = 0; i < 100; i++) {
		tr_recall_leave(s);
		walk_often(s, 1000);
	}
	ck_assert_uint_lt(s->n_given, 20); /* handlers that jump out have a bound */
}
END_TEST

HS_SUITE("tracker_recall", a_thread_that_does_little_gets_nothing,
	 busy_threads_share_a_pool_of_memos, a_forked_child_has_the_whole_pool,
	 who_is_left_inside_keeps_what_he_has)
