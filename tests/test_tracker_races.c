/* SPDX-License-Identifier: MIT */

/*
 * The tracker's table of stacks, used by many threads at once without a lock, and
 * its lock.  The walk and the log are replaced: the test says what the stack is,
 * and keeps what was written under which id.  Also run with the thread sanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "src/tracker/capture.h"
#include "src/tracker/emit.h"
#include "src/tracker/recall.h"
#include "src/tracker/stacks.h"
#include "src/tracker/state.h"
#include "src/tracker/unwind.h"

#include "tests/lib/suite.h"

#define THREADS 4
#define STACKS  30000u /* enough for the table to grow three times */
#define ROUNDS  3
#define MAX_IDS (THREADS * STACKS * ROUNDS + 1)

static struct hs_wire_header header;
struct hs_wire_header *tr_header = &header;
uint32_t tr_epoch;

static __thread uint32_t current; /* the stack that the thread claims to be in */
static _Atomic uint32_t written[MAX_IDS];

/* A stack of two frames, told apart by the inner one. */
size_t tr_unwind_alike(const uint64_t *slot, uint64_t fp, struct tr_shape *shape,
		       uint64_t *pcs, size_t room, uint32_t *flags)
{
	(void)slot;
	(void)fp;
	(void)shape;
	ck_assert_uint_ge(room, 2);
	*flags = 0;
	pcs[0] = 0x400000 + 16u * current;
	pcs[1] = 0x300000;
	return 2;
}

bool tr_emit_stack(struct tr_stream *s, uint32_t id, uint32_t flags, size_t n)
{
	(void)s;
	(void)flags;
	(void)n;
	if (id >= MAX_IDS)
		abort();
	atomic_store(&written[id], current + 1);
	return true;
}

/* Nothing is remembered: each stack is looked up. */
void tr_recall_grow(struct tr_stream *s)
{
	(void)s;
}

void tr_recall_restart(void)
{
}

bool tr_trail_follow(struct tr_trail *t, uint32_t epoch, const uint64_t *slot,
		     uint64_t fp)
{
	(void)t;
	(void)epoch;
	(void)slot;
	(void)fp;
	return false;
}

void tr_trail_pcs(const struct tr_trail *t, uint64_t *pcs)
{
	(void)t;
	(void)pcs;
}

bool tr_memo_offer(struct tr_memo_entry *e, const struct tr_trail *t, uint64_t next)
{
	(void)e;
	(void)t;
	(void)next;
	return false;
}

uint64_t tr_rows[1 << TR_ROWS_BITS];

uint32_t tr_rows_find(uint64_t key)
{
	(void)key;
	return TR_RULE_END;
}

_Thread_local uint64_t tr_stretches[2];

uint64_t tr_stretch_find(uint64_t addr)
{
	(void)addr;
	return 0;
}

static void *intern_all(void *number)
{
	uint64_t pcs[TR_MAX_FRAMES];
	struct tr_stream stream = {.pcs = pcs};
	uint32_t step = 1 + 2 * (uint32_t)(uintptr_t)number; /* another order in each */
	intptr_t wrong = 0;
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (uint32_t i = 0; i < STACKS; i++) {
			current = i * step % STACKS;
			uint32_t id = tr_stack_id(&stream, pcs, 0);
			wrong += !id || atomic_load(&written[id]) != current + 1;
		}
	return (void *)wrong;
}

static void intern_in_threads(void)
{
	pthread_t threads[THREADS];
	/* Steps 1, 3, 5, 7; those that divide STACKS visit some stacks more often. */
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, intern_all, (void *)i),
				 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;
		ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
}

START_TEST(an_id_stands_for_the_stack_that_was_written_under_it)
{
	intern_in_threads();
}
END_TEST

START_TEST(a_stack_has_one_id_once_the_race_is_over)
{
	intern_in_threads();
	uint64_t before = header.stacks;
	ck_assert_uint_ge(before, STACKS);
	ck_assert_ptr_null(intern_all((void *)0));
	/* A stack whose neighbourhood in the table is full has no place in it. */
	ck_assert_uint_le(header.stacks - before, STACKS / 1000);
}
END_TEST

START_TEST(races_give_few_stacks_a_second_id)
{
	intern_in_threads();
	ck_assert_uint_le(header.stacks, STACKS + STACKS / 10);
}
END_TEST

static struct tr_lock lock;
static unsigned long taken; /* with the lock */
static atomic_ulong refused;

static void *take_often(void *unused)
{
	for (unsigned i = 0; i < STACKS; i++) {
		if (!tr_lock_acquire(&lock)) {
			refused++;
			continue;
		}
		taken++;
		tr_lock_release(&lock);
	}
	return unused;
}

static void start_takers(pthread_t *threads)
{
	taken = 0;
	refused = 0;
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_often, NULL), 0);
}

static void join_takers(const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(a_lock_lets_one_in_at_a_time)
{
	pthread_t threads[THREADS];
	start_takers(threads);
	join_takers(threads);
	ck_assert_uint_eq(refused, 0);
	ck_assert_uint_eq(taken, THREADS * STACKS);
}
END_TEST

START_TEST(a_lock_is_waited_for_while_its_holder_has_no_processor)
{
	pthread_t threads[THREADS];
	ck_assert(tr_lock_acquire(&lock));
	start_takers(threads);
	usleep(700000); /* a busy machine's time slices */
	tr_lock_release(&lock);
	join_takers(threads);
	ck_assert_uint_eq(refused, 0);
	ck_assert_uint_eq(taken, THREADS * STACKS);
}
END_TEST

START_TEST(a_lock_is_not_waited_for_by_its_holder)
{
	ck_assert(tr_lock_acquire(&lock));
	ck_assert(!tr_lock_acquire(&lock));
	tr_lock_release(&lock);
	ck_assert(tr_lock_acquire(&lock));
	tr_lock_release(&lock);
}
END_TEST

START_TEST(a_lock_that_is_never_given_back_is_waited_for_once)
{
	pthread_t thread;
	ck_assert(tr_lock_acquire(&lock));
	ck_assert_int_eq(pthread_create(&thread, NULL, take_often, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(refused, STACKS);
	tr_lock_release(&lock);
	take_often(NULL);
	ck_assert_uint_eq(taken, STACKS);
}
END_TEST

HS_SUITE("tracker races", an_id_stands_for_the_stack_that_was_written_under_it,
	 a_stack_has_one_id_once_the_race_is_over, races_give_few_stacks_a_second_id,
	 a_lock_lets_one_in_at_a_time,
	 a_lock_is_waited_for_while_its_holder_has_no_processor,
	 a_lock_is_not_waited_for_by_its_holder,
	 a_lock_that_is_never_given_back_is_waited_for_once)
