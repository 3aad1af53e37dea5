/* SPDX-License-Identifier: MIT */

/*
 * ender HOW OPERATIONS FILE [THREADS]: allocates and frees at random, keeps its
 * books in FILE, which is shared with whoever watches, and ends after
 * OPERATIONS: HOW is abort, segv, _exit (with status 7), or kill, which means
 * that it goes on until someone else ends it.  It uses no stdio.
 *
 * FILE is an array of struct books, one for each thread, all zero at first; a
 * thread writes its books after each operation, so after SIGKILL they may lag
 * behind by one operation of each thread.
 *
 * truth: its books
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_THREADS 8
#define PLACES      2000

struct books {
	_Atomic uint64_t operations, live_bytes, live_blocks, pid;
};

struct worker {
	struct books *books;
	uint64_t random_state;
	uint64_t operations; /* to do; 0: endless */
	char *blocks[PLACES];
	uint16_t sizes[PLACES];
};

static struct worker workers[MAX_THREADS];

static uint32_t draw(struct worker *w)
{
	w->random_state = w->random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random_state >> 33);
}

__attribute__((__noinline__)) static char *acquire(size_t size)
{
	char *p = malloc(size);
	if (!p)
		_exit(99);
	p[0] = 1;
	return p;
}

static void step(struct worker *w)
{
	uint32_t place = draw(w) % PLACES;
	struct books *b = w->books;
	if (w->blocks[place]) {
		free(w->blocks[place]);
		w->blocks[place] = NULL;
		b->live_bytes -= w->sizes[place];
		b->live_blocks--;
	} else {
		w->sizes[place] = (uint16_t)(1 + draw(w) % 900);
		w->blocks[place] = acquire(w->sizes[place]);
		b->live_bytes += w->sizes[place];
		b->live_blocks++;
	}
	b->operations++;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (uint64_t i = 0; !w->operations || i < w->operations; i++) {
		step(w);
		if (!w->operations && i % 1000 == 999)
			usleep(100);
	}
	return NULL;
}

static struct books *open_books(const char *path)
{
	size_t size = MAX_THREADS * sizeof(struct books);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		_exit(98);
	struct books *books = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (books == MAP_FAILED)
		_exit(98);
	close(fd);
	return books;
}

static void end(const char *how)
{
	volatile uintptr_t nowhere = 16;
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		*(volatile int *)nowhere = 1;
	_exit(7);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		_exit(97);
	struct books *books = open_books(argv[3]);
	long n = argc > 4 ? atol(argv[4]) : 1;
	for (long i = 0; i < n && i < MAX_THREADS; i++) {
		workers[i].books = &books[i];
		workers[i].random_state = (uint64_t)i + 1;
		workers[i].operations =
			strcmp(argv[1], "kill") ? strtoull(argv[2], NULL, 10) : 0;
	}
	books[0].pid = (uint64_t)getpid();
	for (long i = 1; i < n && i < MAX_THREADS; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, work, &workers[i]))
			_exit(96);
	}
	work(&workers[0]);
	end(argv[1]);
}
