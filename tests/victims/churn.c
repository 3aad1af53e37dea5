/* SPDX-License-Identifier: MIT */

/*
 * churn [OPERATIONS [SEED]]: one thread uses every function of the malloc
 * family at random on 1000 places, and keeps its own books, which it writes at
 * the end, a line for each figure.  It uses no stdio, so that every block is
 * its own.  "-" for OPERATIONS: for each line on stdin, a number, it does so
 * many, writes its books, and a line with a dot.
 *
 * truth: printed
 * truth: end exit 0
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES 1000

struct books {
	uint64_t allocations, frees, allocated_bytes, live_blocks, live_bytes, peak_bytes,
		temporary_allocations;
};

struct place {
	void *block;
	size_t size;
};

static struct books books;
static struct place places[PLACES];
static struct place *last; /* holds the latest allocation, unless that is gone */
static uint64_t random_state;

/* xorshift64*: the same sequence on every machine. */
static uint32_t draw(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 2685821657736338717u) >> 33) % below;
}

static void gone(struct place *at)
{
	books.frees++;
	books.live_blocks--;
	books.live_bytes -= at->size;
	if (last == at) {
		books.temporary_allocations++;
		last = NULL;
	}
	at->block = NULL;
}

static void come(struct place *at, void *block, size_t size)
{
	if (!block)
		abort();
	memset(block, 1, size);
	at->block = block;
	at->size = size;
	last = at;
	books.allocations++;
	books.allocated_bytes += size;
	books.live_blocks++;
	books.live_bytes += size;
	if (books.peak_bytes < books.live_bytes)
		books.peak_bytes = books.live_bytes;
}

static void *allocate(size_t size)
{
	void *p = NULL;
	switch (draw(9)) {
	case 0:
		return calloc(1, size);
	case 1:
		return posix_memalign(&p, 64, size) ? NULL : p;
	case 2:
		return aligned_alloc(32, size);
	case 3:
		return memalign(128, size);
	case 4:
		return realloc(NULL, size);
	case 5:
		return reallocarray(NULL, 1, size);
	case 6:
		return valloc(size);
	default:
		return malloc(size);
	}
}

static void resize(struct place *at)
{
	size_t size = 1 + draw(3000);
	void *p = draw(2) ? realloc(at->block, size) : reallocarray(at->block, 1, size);
	if (!p)
		abort();
	gone(at);
	come(at, p, size);
}

/* What must leave the books as they are. */
static void fail(struct place *at)
{
	void *p = NULL;
	volatile size_t endless = SIZE_MAX / 2;
	errno = 0;
	if (realloc(at->block, endless) || errno != ENOMEM)
		abort();
	if (malloc(endless) || calloc(endless, 8) || reallocarray(NULL, endless, 8))
		abort();
	if (posix_memalign(&p, 3, 8) != EINVAL)
		abort();
	free(NULL);
	if (malloc_usable_size(at->block) < at->size)
		abort();
}

static void step(void)
{
	struct place *at = &places[draw(PLACES)];
	if (!at->block) {
		size_t size = 1 + draw(draw(50) ? 600 : 200000);
		come(at, allocate(size), size);
		return;
	}
	switch (draw(16)) {
	case 0:
		fail(at);
		break;
	case 1:
	case 2:
	case 3:
		resize(at);
		break;
	case 4:
		if (realloc(at->block, draw(1)))
			abort();
		gone(at);
		break;
	default:
		free(at->block);
		gone(at);
	}
}

static void print(const char *name, uint64_t value)
{
	char line[64], digits[24];
	size_t n = strlen(name), k = 0;
	memcpy(line, name, n);
	do
		digits[k++] = (char)('0' + value % 10);
	while (value /= 10);
	while (k)
		line[n++] = digits[--k];
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, n) < 0)
		_exit(1);
}

static void print_books(void)
{
	print("totals.allocations ", books.allocations);
	print("totals.frees ", books.frees);
	print("totals.allocated_bytes ", books.allocated_bytes);
	print("totals.live_blocks ", books.live_blocks);
	print("totals.live_bytes ", books.live_bytes);
	print("totals.peak_bytes ", books.peak_bytes);
	print("totals.temporary_allocations ", books.temporary_allocations);
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

static void do_as_told(void)
{
	for (long n; (n = read_number()) >= 0;) {
		for (long i = 0; i < n; i++)
			step();
		print_books();
		if (write(1, ".\n", 2) < 0)
			_exit(3);
	}
}

int main(int argc, char **argv)
{
	bool told = argc > 1 && !strcmp(argv[1], "-");
	long operations = argc > 1 ? atol(argv[1]) : 100000;
	random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20260101;
	if (told) {
		do_as_told();
		return 0;
	}
	for (long i = 0; i < operations; i++)
		step();
	print_books();
	return 0;
}
