/* SPDX-License-Identifier: MIT */

/*
 * steady THREADS PLACES: a heap of PLACES blocks of 256 ... 287 bytes, in which
 * threads replace blocks for as long as they are told to.  A thread puts its
 * new block into a place at random and frees what was there, whoever has
 * allocated that; one time in eight it resizes what it finds.  For each line on
 * stdin, a number, all threads together do so many of these operations; then
 * it writes its books, and a line with a dot.
 *
 * Its books do not count what pthread_create allocates.
 *
 * truth: printed
 * truth: end exit 0
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_THREADS 16
#define MOST_PLACES  (1 << 20)
#define LEAST_SIZE   256u
#define SIZES        32u

struct block {
	uint32_t size;
	char rest[LEAST_SIZE - sizeof(uint32_t)];
};

struct worker {
	pthread_t thread;
	uint64_t random_state;
	uint64_t allocations, frees, allocated_bytes, freed_bytes;
} __attribute__((__aligned__(64)));

static struct worker workers[MOST_THREADS];
static _Atomic(struct block *) places[MOST_PLACES];
static unsigned n_threads, n_places;
static long operations; /* of each thread; negative: end */
static pthread_barrier_t begin, done;

/* xorshift64*: the same sequence on every machine. */
static uint32_t draw(struct worker *w, uint32_t below)
{
	uint64_t *s = &w->random_state;
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (uint32_t)((*s * 2685821657736338717u) >> 33) % below;
}

static struct block *got(struct worker *w, struct block *b, uint32_t size)
{
	if (!b)
		abort();
	b->size = size;
	w->allocations++;
	w->allocated_bytes += size;
	return b;
}

static void gone(struct worker *w, uint32_t size)
{
	w->frees++;
	w->freed_bytes += size;
}

__attribute__((__noinline__)) static struct block *make(struct worker *w)
{
	uint32_t size = LEAST_SIZE + draw(w, SIZES);
	return got(w, malloc(size), size);
}

__attribute__((__noinline__)) static struct block *resize(struct worker *w,
							  struct block *b)
{
	uint32_t size = LEAST_SIZE + draw(w, SIZES);
	gone(w, b->size);
	return got(w, realloc(b, size), size);
}

static void put(struct worker *w, unsigned place, struct block *b)
{
	struct block *old = atomic_exchange(&places[place], b);
	if (!old)
		return;
	gone(w, old->size);
	free(old);
}

static void step(struct worker *w)
{
	unsigned place = draw(w, n_places);
	struct block *found = NULL;
	if (draw(w, 8) == 0)
		found = atomic_exchange(&places[place], NULL);
	put(w, place, found ? resize(w, found) : make(w));
}

static void *work(void *worker)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		if (operations < 0)
			return NULL;
		for (long i = 0; i < operations; i++)
			step(worker);
		pthread_barrier_wait(&done);
	}
}

static void print(const char *name, uint64_t value)
{
	char text[64], *p = text + sizeof(text);
	*--p = '\n';
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	p -= strlen(name);
	memcpy(p, name, strlen(name));
	if (write(1, p, (size_t)(text + sizeof(text) - p)) < 0)
		_exit(3);
}

static void print_books(void)
{
	struct worker all = {0};
	for (unsigned i = 0; i < n_threads; i++) {
		all.allocations += workers[i].allocations;
		all.frees += workers[i].frees;
		all.allocated_bytes += workers[i].allocated_bytes;
		all.freed_bytes += workers[i].freed_bytes;
	}
	print("totals.allocations ", all.allocations);
	print("totals.frees ", all.frees);
	print("totals.allocated_bytes ", all.allocated_bytes);
	print("totals.live_blocks ", all.allocations - all.frees);
	print("totals.live_bytes ", all.allocated_bytes - all.freed_bytes);
	if (write(1, ".\n", 2) < 0)
		_exit(3);
}

/* The number on the next line, or -1 at the end. */
static long read_number(void)
{
	long n = 0;
	char c = 0;
	while (read(0, &c, 1) == 1 && c != '\n')
		n = 10 * n + (c - '0');
	return c == '\n' ? n : -1;
}

int main(int argc, char **argv)
{
	n_threads = argc > 1 ? (unsigned)atol(argv[1]) : 1;
	n_places = argc > 2 ? (unsigned)atol(argv[2]) : 1000;
	if (!n_threads || n_threads > MOST_THREADS || !n_places || n_places > MOST_PLACES)
		return 2;
	pthread_barrier_init(&begin, NULL, n_threads + 1);
	pthread_barrier_init(&done, NULL, n_threads + 1);
	for (unsigned i = 0; i < n_threads; i++) {
		workers[i].random_state = 20260101 + i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 2;
	}
	for (long n; (n = read_number()) >= 0;) {
		operations = n / n_threads;
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&done);
		print_books();
	}
	operations = -1;
	pthread_barrier_wait(&begin);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
