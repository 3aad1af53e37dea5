/* SPDX-License-Identifier: MIT */

/*
 * held HOW: blocks that are held in every way there is, or in none, and then an end:
 * HOW is return, exit, _exit, quick_exit, and the signals term, int, hup, abort, segv;
 * or wait: it writes a line and waits to be looked at.
 *
 * Each function below makes its own blocks, and the first line of its comment is its
 * truth: kind, function, blocks, bytes.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "held.h"

struct node {
	struct node *a, *b;
	char rest[];
};

/* Not static: the compiler would remove what is only written to. */
void *by_global, *by_relocated[3] = {&by_global, NULL, NULL};
char *inside, *one_past;
int *volatile nowhere;
__thread void *by_tls;
static pthread_barrier_t barrier;

__attribute__((noinline)) static struct node *make(size_t size)
{
	struct node *n = malloc(size);
	if (!n)
		abort();
	memset(n, 0, size);
	escape(n);
	return n;
}

/* truth: unreachable direct 10 1000 */
__attribute__((noinline)) static void direct(void)
{
	for (int i = 0; i < 10; i++)
		make(100);
	escape(NULL); /* the last call is none that takes this one's place */
}

/* truth: unreachable owner 1 64; truth: indirect owned 3 150 */
__attribute__((noinline)) static struct node *owned(void)
{
	struct node *n = make(50);
	n->a = make(50);
	n->a->a = make(50);
	return n;
}

__attribute__((noinline)) static void owner(void)
{
	struct node *n = make(64);
	n->b = owned();
}

/* truth: unreachable cycle 1 48; truth: indirect cycle 2 96 */
__attribute__((noinline)) static void cycle(void)
{
	struct node *x = make(48), *y = make(48), *z = make(48);
	x->a = y;
	y->a = z;
	z->b = x;
}

/* truth: held global 3 96 */
__attribute__((noinline)) static void global(void)
{
	struct node *n = make(32);
	n->a = make(32);
	n->a->b = make(32);
	by_global = n;
	by_relocated[2] = n->a;
}

/* truth: held tls 1 40 */
__attribute__((noinline)) static void tls(void)
{
	by_tls = make(40);
}

/* truth: held interior 1 400 */
__attribute__((noinline)) static void interior(void)
{
	inside = (char *)make(400) + 123;
}

/* truth: held past 1 72: only weakly */
__attribute__((noinline)) static void past(void)
{
	one_past = (char *)make(72) + 72;
}

/* truth: held mapped 1 88: by memory that malloc knows nothing of */
__attribute__((noinline)) static void mapped(void)
{
	void **page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		abort();
	page[700] = make(88);
}

/* truth: unreachable freed 1 56: its only owner was given back */
__attribute__((noinline)) static void freed(void)
{
	struct node *n = make(200);
	n->a = make(56);
	free(n);
}

/* truth: held thread_stack 1 104; truth: held thread_tls 1 112 */
__attribute__((noinline)) static void *thread_stack(void)
{
	return make(104);
}

__attribute__((noinline)) static void thread_tls(void)
{
	by_tls = make(112);
}

static void *thread(void *unused)
{
	void *volatile mine = thread_stack();
	thread_tls();
	scrub();
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	(void)mine;
	return unused;
}

/* truth: held in_register 1 120 */
__attribute__((noinline)) static void *in_register(void)
{
	return make(120);
}

/*
 * The only pointer is in rbx, which the kernel keeps for the thread while it sleeps
 * in a system call made by hand: nothing saves it on the stack.
 */
static void *register_thread(void *unused)
{
	uintptr_t hidden = ~(uintptr_t)in_register();
	scrub();
	pthread_barrier_wait(&barrier);
#if defined(__x86_64__)
	__asm__ volatile("mov %0, %%rbx\n\t"
			 "not %%rbx\n\t"
			 "1: mov $34, %%eax\n\t" /* pause */
			 "syscall\n\t"
			 "jmp 1b"
			 :
			 : "r"(hidden)
			 : "rax", "rbx", "rcx", "r11", "memory");
#endif
	/* Elsewhere it is held by the stack. */
	void *volatile p = (void *)~hidden;
	for (;;)
		pause();
	(void)p;
	return unused;
}

static void start_threads(void)
{
	pthread_t t;
	pthread_barrier_init(&barrier, NULL, 3);
	if (pthread_create(&t, NULL, thread, NULL) ||
	    pthread_create(&t, NULL, register_thread, NULL))
		abort();
	pthread_barrier_wait(&barrier);
}

static void end(const char *how)
{
	static const struct {
		const char *how;
		int signal;
	} signals[] = {
		{"term", SIGTERM}, {"int", SIGINT}, {"hup", SIGHUP}, {"abort", SIGABRT}};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!strcmp(how, signals[i].how))
			kill(getpid(), signals[i].signal);
	if (!strcmp(how, "segv"))
		*nowhere = 1;
	if (!strcmp(how, "exit"))
		exit(5);
	if (!strcmp(how, "_exit"))
		_exit(6);
	if (!strcmp(how, "quick_exit"))
		quick_exit(7);
	if (!strcmp(how, "wait")) {
		(void)!write(1, "waiting\n", 8);
		for (;;)
			pause();
	}
}

int main(int argc, char **argv)
{
	direct();
	owner();
	cycle();
	global();
	tls();
	interior();
	past();
	mapped();
	freed();
	start_threads();
	scrub();
	end(argc > 1 ? argv[1] : "return");
	return 4;
}
