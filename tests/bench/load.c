/* SPDX-License-Identifier: MIT */

/*
 * Loads for tests/bench/bench.py:
 *
 *      load pairs DEPTH N       N pairs of malloc and free below DEPTH frames
 *      load paths DEPTH N       the same, each by another of eight paths of four
 *                               frames at the leaf
 *      load threads THREADS N   N pairs in each thread, 64 blocks alive
 *      load retain STACKS N     N blocks stay, half as many are freed, from
 *                               STACKS different stacks
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_FRAME __attribute__((__noinline__))

static long n_pairs;

static void *used(void *p)
{
	if (!p)
		abort();
	*(char *)p = 1;
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Keeps a call from becoming a jump. */
static long kept(long value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

OWN_FRAME static long one_path(long n)
{
	for (long i = 0; i < n; i++)
		free(used(malloc(64 + (i & 15))));
	return n;
}

OWN_FRAME static long path(unsigned bits, int level, long i)
{
	if (level == 0) {
		free(used(malloc(64 + (i & 15))));
		return 1;
	}
	/* Two call sites: two return addresses. */
	if (bits & 1)
		return kept(path(bits >> 1, level - 1, i)) + 1;
	return kept(path(bits >> 1, level - 1, i)) + 2;
}

OWN_FRAME static long many_paths(long n)
{
	long sum = 0;
	for (long i = 0; i < n; i++)
		sum += path((unsigned)i * 5 % 8, 3, i);
	return sum;
}

OWN_FRAME static long below(long depth, long (*work)(long))
{
	return kept(depth > 1 ? below(depth - 1, work) : work(n_pairs)) + 1;
}

static void *ring(void *arg)
{
	char *blocks[64] = {0};
	uint32_t random = 1 + (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < n_pairs; i++) {
		random = random * 1664525u + 1013904223u;
		free(blocks[random >> 26]);
		blocks[random >> 26] = used(malloc(16 + (random >> 8) % 500));
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	return NULL;
}

static void run_threads(long n)
{
	pthread_t threads[64];
	n = n < 64 ? n : 64;
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, ring, (void *)i))
			abort();
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* A stack for each number: its binary digits choose the call sites. */
OWN_FRAME static char *numbered(unsigned number, size_t size)
{
	if (number <= 1)
		return used(malloc(size));
	/* The offset keeps the two calls from being made one. */
	if (number & 1)
		return (char *)kept((long)numbered(number >> 1, size) + 1) - 1;
	return (char *)kept((long)numbered(number >> 1, size) + 2) - 2;
}

static void retain(unsigned stacks)
{
	void **blocks = used(malloc((size_t)n_pairs * sizeof(*blocks)));
	uint32_t random = 1;
	for (long i = 0; i < n_pairs + n_pairs / 2; i++) {
		random = random * 1664525u + 1013904223u;
		long at = i < n_pairs ? i : (i - n_pairs) * 2;
		if (i >= n_pairs)
			free(blocks[at]);
		blocks[at] = numbered(stacks + random % stacks, 16 + (random >> 8) % 300);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: load pairs|paths|threads|retain K N\n", stderr);
		return 2;
	}
	long k = strtol(argv[2], NULL, 10);
	n_pairs = strtol(argv[3], NULL, 10);
	if (!strcmp(argv[1], "pairs"))
		return below(k, one_path) < 0;
	if (!strcmp(argv[1], "paths"))
		return below(k, many_paths) < 0;
	if (!strcmp(argv[1], "threads"))
		run_threads(k);
	else if (!strcmp(argv[1], "retain"))
		retain((unsigned)k);
	return 0;
}
