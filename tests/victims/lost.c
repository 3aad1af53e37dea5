/* SPDX-License-Identifier: MIT */

/*
 * A heap with a known truth, for cores.  Counts its live blocks itself, whoever
 * allocates them.  Three threads, of which two have a dozen blocks in their caches;
 * loses 11 blocks of 200 bytes, a chain of 3 (1 of 120 bytes, which leads to 2 of 56),
 * and a cycle of 2 of 72; holds blocks by a global, by a pointer into the middle, by
 * thread-local storage, on a stack and through another block; 5 have a mapping of
 * their own.
 *
 * Prints "ready BLOCKS" when all is done, and waits for the end of its input.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_long live;

void *malloc(size_t n)
{
	void *p = __libc_malloc(n);
	live += p != NULL;
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);
	live += p != NULL;
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = __libc_realloc(old, n);
	live += p && !old;
	return p;
}

void *memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n)
{
	void *p = __libc_memalign(alignment, n);
	live += p != NULL;
	return p;
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

struct node {
	struct node *next;
};

void *table[100]; /* not static: else what is only written may be left out */
char *middle;
__thread struct node *of_thread;
static atomic_int ready;

static __attribute__((__noinline__)) void scrub(void)
{
	char volatile stack[8192];
	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = 0;
}

/* Stores to what is lost must not be left out. */
static void link_to(struct node *volatile *place, struct node *to)
{
	*place = to;
}

static __attribute__((__noinline__)) void lose(void)
{
	for (int i = 0; i < 11; i++)
		memset(malloc(200), 0, 200);
	struct node *head = calloc(1, 120);
	struct node *second = calloc(1, 56), *third = calloc(1, 56);
	link_to(&head->next, second);
	link_to(&second->next, third);
	struct node *a = calloc(1, 72), *b = calloc(1, 72);
	link_to(&a->next, b);
	link_to(&b->next, a);
}

static void *work(void *unused)
{
	void *few[12];
	struct node *volatile on_stack = calloc(1, 88);
	of_thread = calloc(1, 40);
	link_to(&of_thread->next, calloc(1, 40));
	for (int i = 0; i < 12; i++)
		few[i] = malloc(24 + 16 * (size_t)i);
	for (int i = 0; i < 12; i++)
		free(few[i]);
	ready++;
	while (on_stack)
		pause();
	return unused;
}

int main(void)
{
	pthread_t thread;
	for (int i = 0; i < 100; i++)
		table[i] = malloc(i < 95 ? 30 * (size_t)i : (size_t)200000 + (size_t)i);
	middle = (char *)calloc(1, 1000) + 500;
	for (int i = 0; i < 95; i += 3) {
		free(table[i]);
		table[i] = NULL;
	}
	lose();
	scrub();
	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, work, NULL);
	while (ready < 2)
		usleep(1000);
	char text[32]; /* stdio would allocate its buffers after it was told */
	int n = snprintf(text, sizeof(text), "ready %ld\n", live);
	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		return 1;
	scrub();
	return read(STDIN_FILENO, text, 1) != 0;
}
