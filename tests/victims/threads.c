/* SPDX-License-Identifier: MIT */

/*
 * threads: four producers hand 20000 blocks each to one consumer, through
 * mailboxes of 500 blocks (where each block is waited for, a busy machine takes
 * minutes); the consumer frees all of them but every hundredth.
 * Blocks are freed by another thread than the one that allocated them.  What
 * pthread_create allocates is libc's and not counted here.
 *
 *      produce     80000 blocks; number i of a thread has 16 + i % 100 bytes,
 *                  so each thread makes 200 times 16 + 0 ... 16 + 99
 *      consume     frees number i unless i % 100 is 0, whose size is 16
 *
 * truth: allocated produce 5240000 80000
 * truth: leak produce 12800 800
 * truth: threads producer 4
 * truth: threads consumer 1
 * truth: end exit 0
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 4
#define BLOCKS    20000
#define PLACES    500

struct mailbox {
	_Atomic(char *) places[PLACES];
};

static struct mailbox mailboxes[PRODUCERS];

static void wait_a_little(void)
{
	sched_yield();
}

__attribute__((__noinline__)) static char *produce(int i)
{
	char *p = malloc(16 + (size_t)i % 100);
	if (!p)
		abort();
	p[0] = i % 100 == 0;
	return p;
}

static void *producer(void *box)
{
	pthread_setname_np(pthread_self(), "producer");
	struct mailbox *mine = box;
	for (int i = 0; i < BLOCKS; i++) {
		char *p = produce(i);
		while (atomic_load(&mine->places[i % PLACES]))
			wait_a_little();
		atomic_store(&mine->places[i % PLACES], p);
	}
	return NULL;
}

/* Returns how many blocks there were. */
static int empty(struct mailbox *m)
{
	int n = 0;
	for (int i = 0; i < PLACES; i++) {
		char *p = atomic_exchange(&m->places[i], NULL);
		n += p != NULL;
		if (p && !p[0])
			free(p);
	}
	return n;
}

static void *consumer(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "consumer");
	for (int left = PRODUCERS * BLOCKS; left;) {
		int before = left;
		for (int i = 0; i < PRODUCERS; i++)
			left -= empty(&mailboxes[i]);
		if (left == before)
			wait_a_little();
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[PRODUCERS + 1];
	for (int i = 0; i < PRODUCERS; i++)
		if (pthread_create(&threads[i], NULL, producer, &mailboxes[i]))
			abort();
	if (pthread_create(&threads[PRODUCERS], NULL, consumer, NULL))
		abort();
	for (int i = 0; i <= PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
