/* SPDX-License-Identifier: MIT */

/*
 * frames: one block from below a frame of each kind, of 1000 bytes and a number;
 * all are forgotten.  A frame's kind is where it keeps its caller's return address
 * and where the caller's frame begins, as compilers for AArch64 choose it: at the
 * beginning, behind arguments for others, below what alloca took, far away.  A
 * signal's handler is called by the kernel, here in a function without a frame.
 *
 * truth: stack 1001 obtain < plain < main
 * truth: stack 1002 obtain < with_arguments < main
 * truth: stack 1003 obtain < with_alloca < main
 * truth: stack 1004 obtain < with_large_frame < main
 * truth: stack 1005 obtain < handler < leaf < main
 * truth: stack 1006 obtain < thread
 * truth: leak obtain 6021 6
 * truth: end exit 0
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#define OWN_FRAME __attribute__((__noinline__, __noclone__))
#define USE(p)    __asm__ volatile("" ::"r"(p) : "memory")

static sigjmp_buf back;

OWN_FRAME static void obtain(size_t size)
{
	void *p = malloc(size);
	USE(p);
}

OWN_FRAME static void plain(size_t size)
{
	obtain(size);
	USE(&back);
}

OWN_FRAME static long sum(long a, long b, long c, long d, long e, long f, long g, long h,
			  long i, long j, size_t size)
{
	long last[2] = {i, j};
	USE(last);
	return a + b + c + d + e + f + g + h + last[0] + last[1] + (long)size;
}

/* Arguments beyond the eighth lie at the end of this frame. */
OWN_FRAME static void with_arguments(size_t size)
{
	long n = sum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, size);
	USE(n);
	obtain(size);
	USE(n);
}

OWN_FRAME static void with_alloca(size_t size)
{
	char *room = alloca(size);
	USE(room);
	obtain(size);
	USE(room);
}

OWN_FRAME static void with_large_frame(size_t size)
{
	char room[200000];
	USE(room);
	obtain(size);
	USE(room);
}

static void handler(int sig)
{
	obtain(1000 + (size_t)sig - SIGSEGV + 5);
	siglongjmp(back, 1);
}

OWN_FRAME static int leaf(volatile int *p)
{
	return *p;
}

OWN_FRAME static void *thread(void *unused)
{
	obtain(1006);
	USE(&back);
	return unused;
}

int main(void)
{
	pthread_t id;
	plain(1001);
	with_arguments(1002);
	with_alloca(1003);
	with_large_frame(1004);
	signal(SIGSEGV, handler);
	if (!sigsetjmp(back, 1)) {
		int n = leaf((volatile int *)8);
		USE(n);
	}
	if (pthread_create(&id, NULL, thread, NULL))
		return 1;
	pthread_join(id, NULL);
	return 0;
}
