/* SPDX-License-Identifier: MIT */

/*
 * Threads that wait in known places, for `heapsnap core`.
 *
 *      truth: thread outer-0 outer middle inner
 *      truth: thread outer-1 outer middle inner
 *      truth: thread outer-2 outer middle inner
 *
 * Each thread outer-N waits in inner(), called by middle(), called by outer().
 * The main thread prints "ready", then does as each line of its input says:
 *
 *      count   print how many SIGRTMIN it got
 *      die     die of SIGSEGV at address 0x1230
 *
 * and ends with status 7 where its input ends.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t begun;
static volatile sig_atomic_t n_signals;
static volatile int depth; /* keeps calls from becoming jumps */

static void count(int signal)
{
	(void)signal;
	n_signals++;
}

__attribute__((noinline)) static void inner(void)
{
	pthread_barrier_wait(&begun);
	for (;;)
		pause();
}

__attribute__((noinline)) static void middle(void)
{
	inner();
	depth++;
}

static void *outer(void *name)
{
	pthread_setname_np(pthread_self(), name);
	middle();
	depth++;
	return NULL;
}

__attribute__((noinline)) static void die(volatile uint64_t *where)
{
	*where = 1;
	depth++;
}

int main(void)
{
	static char names[3][16] = {"outer-0", "outer-1", "outer-2"};
	char line[32];
	pthread_t thread;
	pthread_barrier_init(&begun, NULL, 4);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, outer, names[i]))
			return 1;
	pthread_barrier_wait(&begun);
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
	sigaction(SIGRTMIN, &action, NULL);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "die\n"))
			die((volatile uint64_t *)(uintptr_t)0x1230);
		printf("%d\n", (int)n_signals);
		fflush(stdout);
	}
	return 7;
}
