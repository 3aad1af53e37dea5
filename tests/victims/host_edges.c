/* SPDX-License-Identifier: MIT */

/*
 * host_edges MODE: what malloc and its family promise at the edges, and errno.
 * The answers are printed, so that they can be compared; addresses are not.
 *
 * truth: calls: what a counting malloc below the tracker sees; early: blocks
 * before main, in constructors, IFUNC resolvers and destructors likewise
 */
#include <errno.h>
#include <malloc.h>

#include "host.h"

static volatile size_t huge = (size_t)1 << 62, zero;
static char untouched;

static void tell(const char *what, const void *p)
{
	char line[200];
	snprintf(line, sizeof(line), "%s: %s, errno %d, usable %zu, aligned %d\n", what,
		 p ? "block" : "NULL", errno,
		 p ? malloc_usable_size((void *)(uintptr_t)p) : 0,
		 __builtin_ctzl((uintptr_t)p | 4096));
	say(line);
	errno = 77;
}

static void tell_status(const char *what, int status)
{
	char line[200];
	snprintf(line, sizeof(line), "%s: %d, errno %d\n", what, status, errno);
	say(line);
	errno = 77;
}

/* Resizing: a failure leaves the old block as it was, and alive. */
static void resize(void)
{
	char *volatile p = realloc(NULL, 40);
	tell("realloc(NULL, 40)", p);
	strcpy(p, "still here");
	char *volatile q = realloc(p, huge);
	tell("realloc(p, huge)", q);
	say(p);
	q = reallocarray(p, huge, 16);
	tell("reallocarray(p, huge, 16)", q);
	q = realloc(p, huge / 2);
	tell("realloc(p, huge / 2)", q);
	say(p);
	p = realloc(p, 400000);
	tell("realloc(p, 400000)", p);
	p = reallocarray(p, 10, 10);
	tell("reallocarray(p, 10, 10)", p);
	say(p);
	q = realloc(p, zero);
	tell("realloc(p, 0)", q);
	q = realloc(NULL, zero);
	tell("realloc(NULL, 0)", q);
	free(q);
	/* One block that failing reallocs leave behind, for the capture. */
	p = malloc(12345);
	q = realloc(p, huge);
	tell("left behind", q ? q : p);
}

static void align(void)
{
	static const size_t aligns[] = {0, 1, 3, 4, 8, 16, 24, 64, 4096, (size_t)1 << 63};
	for (size_t i = 0; i < sizeof(aligns) / sizeof(*aligns); i++) {
		void *p = &untouched;
		int status = posix_memalign(&p, aligns[i], 100);
		tell_status("posix_memalign", status);
		tell_status("left alone", p == &untouched);
		if (!status)
			free(p);
		p = aligned_alloc(aligns[i], 100);
		tell("aligned_alloc", p);
		free(p);
		p = memalign(aligns[i], 100);
		tell("memalign", p);
		free(p);
	}
	void *p = &untouched;
	tell_status("posix_memalign huge", posix_memalign(&p, 64, huge));
	tell("memalign huge", memalign(64, huge));
	tell("valloc huge", valloc(huge));
	tell("pvalloc huge", pvalloc((size_t)-100));
	p = valloc(10);
	tell("valloc", p);
	free(p);
	p = pvalloc(10);
	tell("pvalloc", p);
	free(p);
	p = pvalloc(zero);
	tell("pvalloc(0)", p);
	free(p);
}

static int calls(int argc, char **argv)
{
	(void)argc, (void)argv;
	errno = 77;
	free(NULL);
	tell_status("free(NULL)", 0);
	tell_status("usable(NULL)", (int)malloc_usable_size(NULL));
	void *p = malloc(zero);
	tell("malloc(0)", p);
	free(p);
	p = calloc(zero, 5);
	tell("calloc(0, 5)", p);
	free(p);
	p = malloc(100);
	tell("malloc(100)", p);
	free(p);
	tell_status("free", 0);
	p = malloc(1 << 20);
	tell("malloc(1 MiB)", p);
	free(p);
	tell_status("free by munmap", 0);
	tell("malloc(huge)", malloc(huge));
	tell("malloc(-1)", malloc((size_t)-1 - zero));
	tell("calloc overflow", calloc(huge, 8));
	tell("calloc huge", calloc(huge / 8, 8));
	tell("reallocarray overflow", reallocarray(NULL, huge, 8));
	char *text = calloc(1000, 1000);
	for (int i = 0; i < 1000000; i++)
		NEED(!text[i]);
	free(text);
	resize();
	align();
	return 0;
}

/* ---- before main and after it */

static char *early[6];

__attribute__((__constructor__(101))) static void first_constructor(void)
{
	early[0] = malloc(101);
	churn(10);
}

__attribute__((__constructor__)) static void constructor(void)
{
	early[1] = calloc(1, 102);
}

static void in_init_array(int argc, char **argv, char **env)
{
	(void)argc, (void)argv, (void)env;
	early[2] = strdup("init_array");
}

__attribute__((__section__(".preinit_array"),
	       __used__)) static void (*const preinit)(int, char **,
						       char **) = in_init_array;

static int answer(void)
{
	return 42;
}

/* Runs while the program is being relocated. */
__attribute__((__used__)) static int (*resolve(void))(void)
{
	char *volatile p = malloc(55);
	free(p);
	return answer;
}

int resolved(void) __attribute__((__ifunc__("resolve")));

__attribute__((__destructor__(101))) static void last_destructor(void)
{
	churn(10);
	free(early[0]);
	churn(1);
}

__attribute__((__destructor__)) static void destructor(void)
{
	free(early[1]);
	early[4] = malloc(4);
}

static void at_exit(void)
{
	churn(10);
	free(early[2]);
}

static void at_exit_again(void)
{
	churn(2);
}

static void on_exit_too(int status, void *p)
{
	say_number("on_exit", status);
	free(p);
}

static int early_and_late(int argc, char **argv)
{
	(void)argc, (void)argv;
	NEED(early[0] && early[1] && early[2]);
	for (int i = 0; i < 50; i++) /* more than libc's first block of handlers takes */
		NEED(!atexit(i ? at_exit_again : at_exit));
	on_exit(on_exit_too, malloc(8));
	say_number("resolved", resolved());
	exit(resolved());
}

static int quick(int argc, char **argv)
{
	(void)argc, (void)argv;
	at_quick_exit(at_exit);
	churn(3);
	quick_exit(12);
}

/* ---- heap errors: libc's message and signal stay its own */

static int double_free(int argc, char **argv)
{
	(void)argc, (void)argv;
	char *volatile p = malloc(20);
	char *volatile q = p;
	free(p);
	free(q);
	return 0;
}

static int wild_free(int argc, char **argv)
{
	(void)argc, (void)argv;
	char *volatile p = malloc(200);
	char *volatile inside = p + 16;
	free(inside);
	return 0;
}

static int overflow(int argc, char **argv)
{
	(void)argc, (void)argv;
	char *volatile p = malloc(2000);
	char *volatile q = malloc(2000);
	memset(p, 0x41, 2100);
	KEEP(p);
	free(q);
	free(p);
	return 0;
}

static int top(int argc, char **argv)
{
	(void)argc, (void)argv;
	char *volatile p = malloc(24);
	memset(p, 0xff, 64);
	KEEP(p);
	p = malloc(100000);
	return p == NULL;
}

static const struct mode modes[] = {
	{"calls", calls},
	{"early", early_and_late},
	{"quick", quick},
	{"double_free", double_free},
	{"wild_free", wild_free},
	{"overflow", overflow},
	{"top", top},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
