/* SPDX-License-Identifier: MIT */

/*
 * Loads for tests/bench/bench.py, each a way in which programs allocate:
 *
 *      load tight DEPTH N             N pairs of malloc and free below DEPTH frames
 *      load deep DEPTH N              N blocks in a ring of 1024, by 512 paths of two
 *                                     functions that call each other, DEPTH frames deep
 *      load threads DEPTH N           two threads, N blocks each, in rings of 512
 *      load idle THREADS N            N blocks in each of many threads, which stay
 *      load retain STACKS N           N and a half times N blocks of mixed sizes from
 *                                     STACKS stacks; half times N of them are freed
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_FRAME __attribute__((__noinline__))

/* Below main() and above malloc(): the rest of the frames is recursion. */
#define OTHER_FRAMES 2

static long count;

/* Keeps a call from becoming a jump. */
static long kept(long value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

static char *allocate(size_t size)
{
	char *p = malloc(size);
	if (!p)
		abort();
	*p = 1;
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static uint32_t random_after(uint32_t random)
{
	return random * 1664525u + 1013904223u;
}

OWN_FRAME static long pairs(void *context)
{
	(void)context;
	for (long i = 0; i < count; i++)
		free(allocate(64 + (size_t)(i & 15)));
	return count;
}

OWN_FRAME static long below(long depth, long (*work)(void *), void *context)
{
	return kept(depth > 1 ? below(depth - 1, work, context) : work(context)) + 1;
}

struct ring {
	char *blocks[1024];
	size_t room, at;
	uint32_t random;
};

OWN_FRAME static long into_ring(struct ring *ring, size_t size)
{
	char *p = allocate(size);
	free(ring->blocks[ring->at]);
	ring->blocks[ring->at] = p;
	ring->at = (ring->at + 1) % ring->room;
	return 1;
}

static void empty(struct ring *ring)
{
	for (size_t i = 0; i < ring->room; i++)
		free(ring->blocks[i]);
}

OWN_FRAME static long odd(struct ring *ring, long depth, unsigned path);

OWN_FRAME static long even(struct ring *ring, long depth, unsigned path)
{
	if (depth <= 1)
		return kept(into_ring(ring, 16 + path % 200));
	if (path >> depth % 7 & 1)
		return kept(even(ring, depth - 1, path)) + 1;
	return kept(odd(ring, depth - 1, path)) + 2;
}

OWN_FRAME static long odd(struct ring *ring, long depth, unsigned path)
{
	if (depth <= 1)
		return kept(into_ring(ring, 16 + path % 300));
	if (path >> depth % 5 & 1)
		return kept(odd(ring, depth - 1, path)) + 3;
	return kept(even(ring, depth - 1, path)) + 4;
}

static void run_deep(long depth)
{
	struct ring ring = {.room = 1024};
	for (long i = 0; i < count; i++)
		even(&ring, depth - OTHER_FRAMES, (uint32_t)i * 2654435761u >> 8 & 511);
	empty(&ring);
}

OWN_FRAME static void replace_any(struct ring *ring)
{
	ring->random = random_after(ring->random);
	ring->at = ring->random >> 8 & 511;
	into_ring(ring, 8 + (ring->random >> 20) % 500);
}

OWN_FRAME static long replace_many(void *ring)
{
	for (long i = 0; i < count; i++)
		replace_any(ring);
	return count;
}

static long thread_depth;

static void *thread(void *number)
{
	struct ring ring = {.room = 512, .random = (uint32_t)(uintptr_t)number};
	/* replace_many(), replace_any(), into_ring() and this one. */
	below(thread_depth > 5 ? thread_depth - 4 : 1, replace_many, &ring);
	empty(&ring);
	return NULL;
}

static void run_threads(long depth)
{
	pthread_t threads[2];
	thread_depth = depth;
	for (size_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(i + 1)))
			abort();
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

struct kept_blocks {
	char **at;
	size_t n;
};

/* Mostly small ones. */
static size_t mixed_size(uint32_t random)
{
	unsigned which = random & 15;
	random >>= 4;
	if (which < 10)
		return 16 + random % 112;
	return which < 15 ? 128 + random % 896 : 1024 + random % 3072;
}

/* The digits of NUMBER, with base 9, choose who calls whom. */
typedef long path_fn(struct kept_blocks *all, unsigned number, int level,
		     uint32_t random);
static path_fn path0, path1, path2, path3, path4, path5, path6, path7, path8;
static path_fn *const paths[] = {path0, path1, path2, path3, path4,
				 path5, path6, path7, path8};

OWN_FRAME static long keep(struct kept_blocks *all, uint32_t random)
{
	all->at[all->n++] = allocate(mixed_size(random));
	return 1;
}

static inline long go_on(struct kept_blocks *all, unsigned number, int level,
			 uint32_t random)
{
	if (level == 0)
		return keep(all, random);
	return paths[number % 9](all, number / 9, level - 1, random);
}

#define PATH(n)                                                                 \
	OWN_FRAME static long path##n(struct kept_blocks *all, unsigned number, \
				      int level, uint32_t random)               \
	{                                                                       \
		return kept(go_on(all, number, level, random)) + n;             \
	}
PATH(0)
PATH(1)
PATH(2)
PATH(3)
PATH(4)
PATH(5)
PATH(6)
PATH(7)
PATH(8)

static pthread_barrier_t all_idle;

OWN_FRAME static void few_blocks(void)
{
	for (long i = 0; i < count; i++)
		free(allocate((size_t)(16 + i % 100)));
}

static void *be_idle(void *unused)
{
	(void)unused;
	few_blocks();
	free(allocate(1000));
	pthread_barrier_wait(&all_idle);
	return NULL;
}

static void run_idle(unsigned n)
{
	pthread_t thread;
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	pthread_barrier_init(&all_idle, NULL, n + 1);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&thread, &small, be_idle, NULL))
			abort();
	pthread_barrier_wait(&all_idle);
}

static void run_retain(long stacks)
{
	size_t n = (size_t)count, total = n + n / 2;
	struct kept_blocks all = {.at = malloc(total * sizeof(*all.at))};
	uint32_t random = 1;
	if (!all.at)
		abort();
	for (size_t i = 0; i < total; i++) {
		unsigned stack = (unsigned)(i % (size_t)stacks);
		random = random_after(random);
		path0(&all, stack, 5 + (int)(stack % 3), random >> 4);
		for (size_t k = 0; i == n && k < n; k += 2) {
			free(all.at[k]);
			all.at[k] = NULL;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: load tight|deep|threads DEPTH N\n"
		      "       load idle THREADS N\n"
		      "       load retain STACKS N\n",
		      stderr);
		return 2;
	}
	long k = strtol(argv[2], NULL, 10);
	count = strtol(argv[3], NULL, 10);
	if (!strcmp(argv[1], "tight"))
		below(k > OTHER_FRAMES ? k - OTHER_FRAMES : 1, pairs, NULL);
	else if (!strcmp(argv[1], "deep"))
		run_deep(k);
	else if (!strcmp(argv[1], "threads"))
		run_threads(k);
	else if (!strcmp(argv[1], "idle") && k > 0)
		run_idle((unsigned)k);
	else if (!strcmp(argv[1], "retain") && k > 0)
		run_retain(k);
	else
		return 2;
	return 0;
}
