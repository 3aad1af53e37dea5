/* SPDX-License-Identifier: MIT */

/*
 * The set of sampled blocks, used by many threads at once without a lock.  Also for the
 * thread sanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/tracker/sampled.h"

#include "tests/lib/suite.h"

#define FIRST ((uint64_t)0x7f0000000000 / 32)

static const void *block(uint64_t i)
{
	return (const void *)(uintptr_t)(32 * (FIRST + i));
}

/* The Ith of many blocks that share a count: see tr_sampled_index(). */
static const void *same(uint64_t i)
{
	uint64_t high = (FIRST >> 20) + i;
	return (const void *)(uintptr_t)(32 * (high << 20 | (high & 0xfffff)));
}

START_TEST(what_was_added_is_taken_once)
{
	ck_assert(tr_sampled_start());
	for (uint64_t i = 0; i < 100000; i += 3) /* the tables grow three times */
		tr_sampled_add(block(i));
	for (uint64_t i = 0; i < 100000; i++)
		ck_assert_int_eq(tr_sampled_take(block(i)), i % 3 == 0);
	for (uint64_t i = 0; i < 100000; i++)
		ck_assert(!tr_sampled_maybe(block(i)) && !tr_sampled_take(block(i)));
}
END_TEST

START_TEST(blocks_that_share_a_count_are_told_apart)
{
	const void *a = same(0), *b = same(1);
	ck_assert(tr_sampled_start());
	ck_assert_uint_eq(tr_sampled_index(a), tr_sampled_index(b));
	tr_sampled_add(a);
	ck_assert(tr_sampled_maybe(b));
	ck_assert(!tr_sampled_take(b));
	tr_sampled_add(b);
	ck_assert(tr_sampled_take(a));
	ck_assert(tr_sampled_maybe(b));
	ck_assert(tr_sampled_take(b));
	ck_assert(!tr_sampled_maybe(a));
}
END_TEST

START_TEST(a_count_that_is_full_stays_and_the_tables_still_know)
{
	ck_assert(tr_sampled_start());
	for (unsigned i = 0; i < 299; i++)
		tr_sampled_add(same(i));
	for (unsigned i = 0; i < 299; i++)
		ck_assert(tr_sampled_take(same(i)));
	ck_assert(tr_sampled_maybe(same(299))); /* for good */
	ck_assert(!tr_sampled_take(same(299)));
}
END_TEST

#define THREADS 4
#define BLOCKS  20000
#define ROUNDS  20

/* Blocks go from each thread to the next, which takes them. */
static _Atomic uintptr_t mailbox[THREADS][BLOCKS];

static void empty(_Atomic uintptr_t box[BLOCKS])
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		uintptr_t got = atomic_exchange(&box[i], 0);
		if (got)
			ck_assert(tr_sampled_take((const void *)got));
	}
}

static void *worker(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument, next = (self + 1) % THREADS;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint64_t i = 0; i < BLOCKS; i++) {
			const void *p = block((round * THREADS + self) * BLOCKS + i);
			uintptr_t none = 0;
			tr_sampled_add(p);
			if (i % 2 || !atomic_compare_exchange_strong(&mailbox[next][i],
								     &none, (uintptr_t)p))
				ck_assert(tr_sampled_take(p));
		}
		empty(mailbox[self]);
	}
	return NULL;
}

START_TEST(threads_find_what_other_threads_added)
{
	pthread_t threads[THREADS];
	ck_assert(tr_sampled_start());
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		empty(mailbox[i]);
	/* Nothing is left, and no count. */
	for (size_t i = 0; i < TR_FILTER_SIZE; i++)
		ck_assert_uint_eq(tr_sampled_filter[i], 0);
}
END_TEST

START_TEST(a_forked_child_finds_none)
{
	ck_assert(tr_sampled_start());
	tr_sampled_add(block(1));
	pid_t pid = fork();
	if (pid == 0) {
		bool empty = !tr_sampled_maybe(block(1)) && !tr_sampled_take(block(1));
		bool usable = tr_sampled_start();
		tr_sampled_add(block(2));
		_exit(empty && usable && tr_sampled_take(block(2)) ? 0 : 1);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(tr_sampled_take(block(1)));
}
END_TEST

HS_SUITE("sampled", what_was_added_is_taken_once,
	 blocks_that_share_a_count_are_told_apart,
	 a_count_that_is_full_stays_and_the_tables_still_know,
	 threads_find_what_other_threads_added, a_forked_child_finds_none)
