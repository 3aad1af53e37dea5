/* SPDX-License-Identifier: MIT */

/*
 * A process whose first thread ends long before it: main leaves by
 * pthread_exit, another thread allocates half a second later.
 *
 * truth: totals.live_bytes at least 500 * 1000, and exit status 0
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

static void *work(void *arg)
{
	usleep(500000);
	for (int i = 0; i < 500; i++)
		kept = malloc(1000);
	return arg;
}

int main(void)
{
	pthread_t thread;
	kept = malloc(10);
	if (pthread_create(&thread, NULL, work, NULL))
		return 1;
	pthread_exit(NULL);
}
