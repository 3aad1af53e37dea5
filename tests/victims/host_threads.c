/* SPDX-License-Identifier: MIT */

/*
 * host_threads MODE: threads that are many, small, cancelled, or that allocate
 * while they end.
 *
 * truth: as many allocations, frees and bytes as a counting malloc below the
 * tracker sees; output and status are as without a tracker
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "host.h"

static pthread_barrier_t all_there;
static atomic_int n_ended;

static void *small_one(void *arg)
{
	char *p = malloc(50);
	KEEP(p);
	pthread_barrier_wait(&all_there);
	free(p);
	churn(2);
	n_ended++;
	return arg;
}

/* All alive at once, on the smallest stacks that pthreads allows. */
static int many(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	pthread_attr_t attr;
	pthread_t *threads = calloc(n, sizeof(*threads));
	NEED(!pthread_attr_init(&attr));
	NEED(!pthread_attr_setstacksize(&attr, 16384));
	NEED(!pthread_barrier_init(&all_there, NULL, n + 1));
	for (unsigned i = 0; i < n; i++)
		NEED(!pthread_create(&threads[i], &attr, small_one, NULL));
	pthread_barrier_wait(&all_there);
	for (unsigned i = 0; i < n; i++)
		NEED(!pthread_join(threads[i], NULL));
	free(threads);
	say_number("ended", n_ended);
	return 0;
}

static void *short_one(void *arg)
{
	free(arg);
	churn(3);
	return malloc(30);
}

static void *loud_one(void *stop)
{
	while (!*(atomic_int *)stop) {
		churn(20);
		usleep(1000);
	}
	return NULL;
}

/* Threads end, one after the other, while others allocate. */
static int ending(int argc, char **argv)
{
	(void)argc, (void)argv;
	static atomic_int stop;
	pthread_t loud[2], one;
	for (int i = 0; i < 2; i++)
		NEED(!pthread_create(&loud[i], NULL, loud_one, &stop));
	for (int i = 0; i < 1500; i++) {
		void *left;
		NEED(!pthread_create(&one, NULL, short_one, malloc(10)));
		NEED(!pthread_join(one, &left));
		free(left);
		n_ended++;
		if (i % 100 == 99)
			stop = i > 200;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(loud[i], NULL);
	say_number("ended", n_ended);
	return 0;
}

static pthread_key_t keys[4];

/* Comes again until libc gives up: PTHREAD_DESTRUCTOR_ITERATIONS rounds. */
static void destroy(void *value)
{
	free(value);
	churn(5);
	for (int i = 0; i < 4; i++)
		if (!pthread_getspecific(keys[i]))
			pthread_setspecific(keys[i], malloc(60));
}

static void *with_specifics(void *arg)
{
	for (int i = 0; i < 4; i++)
		pthread_setspecific(keys[i], malloc(60));
	return arg;
}

static int specifics(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 4; i++)
		NEED(!pthread_key_create(&keys[i], destroy));
	for (int i = 0; i < 200; i++) {
		pthread_t one;
		NEED(!pthread_create(&one, NULL, with_specifics, NULL));
		NEED(!pthread_join(one, NULL));
	}
	return 0;
}

static void clean_up(void *p)
{
	churn(3);
	free(p);
}

static void *waits_for_cancel(void *arg)
{
	char *p = malloc(40);
	pthread_cleanup_push(clean_up, p);
	for (;;) {
		churn(5);
		usleep(10);
	}
	pthread_cleanup_pop(0);
	return arg;
}

static atomic_int may_be_cancelled;

/* Asynchronously, so after its last allocation: malloc may not be cancelled. */
static void *cancelled_anywhere(void *arg)
{
	int old;
	char *p = malloc(40);
	pthread_cleanup_push(clean_up, p);
	churn(5);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	may_be_cancelled = 1;
	for (volatile long i = 0;; i++)
		;
	pthread_cleanup_pop(0);
	return arg;
}

static int cancel(int argc, char **argv)
{
	(void)argc, (void)argv;
	int cancelled = 0;
	for (int i = 0; i < 200; i++) {
		pthread_t one;
		void *result;
		NEED(!pthread_create(
			&one, NULL, i % 2 ? waits_for_cancel : cancelled_anywhere, NULL));
		while (i % 2 == 0 && !may_be_cancelled)
			usleep(10);
		may_be_cancelled = 0;
		usleep((unsigned)(i % 9) * 100);
		NEED(!pthread_cancel(one));
		NEED(!pthread_join(one, &result));
		cancelled += result == PTHREAD_CANCELED;
	}
	say_number("cancelled", cancelled);
	return 0;
}

static void *outlives_main(void *arg)
{
	usleep(20000);
	churn(100);
	say("last\n");
	return arg;
}

static int main_leaves(int argc, char **argv)
{
	(void)argc, (void)argv;
	pthread_t one;
	churn(10);
	NEED(!pthread_create(&one, NULL, outlives_main, NULL));
	NEED(!pthread_detach(one));
	pthread_exit(NULL);
}

/* How much room is left on a stack of 16 KiB?  The tracker may take some of it, not much.
 */
static NOINLINE void *deep_in_small(void *depth)
{
	char room[1024];
	long left = (long)depth;
	KEEP(room);
	if (left)
		deep_in_small((void *)(left - 1));
	else
		churn(1);
	KEEP(room);
	return NULL;
}

static int deep(int argc, char **argv)
{
	(void)argc;
	pthread_attr_t attr;
	pthread_t one;
	NEED(!pthread_attr_init(&attr));
	NEED(!pthread_attr_setstacksize(&attr, 16384));
	NEED(!pthread_create(&one, &attr, deep_in_small, (void *)atol(argv[2])));
	return pthread_join(one, NULL);
}

static void *forks_on_small(void *arg)
{
	if (fork() == 0) {
		churn(10);
		_exit(0);
	}
	return arg;
}

static int small_fork(int argc, char **argv)
{
	(void)argc, (void)argv;
	pthread_attr_t attr;
	pthread_t one;
	NEED(!pthread_attr_init(&attr));
	NEED(!pthread_attr_setstacksize(&attr, 16384));
	NEED(!pthread_create(&one, &attr, forks_on_small, NULL));
	return pthread_join(one, NULL);
}

static const struct mode modes[] = {
	{"many", many},
	{"ending", ending},
	{"specifics", specifics},
	{"cancel", cancel},
	{"main_leaves", main_leaves},
	{"deep", deep},
	{"small_fork", small_fork},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
