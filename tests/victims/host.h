/* SPDX-License-Identifier: MIT */

/* What the host_* victims share: one program, many modes, and no stdio that
 * would allocate unasked. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE     __attribute__((__noinline__))
#define MAYBE_UNUSED __attribute__((__unused__))
#define KEEP(p)      __asm__ volatile("" : : "r"(p) : "memory")

struct mode {
	const char *name;
	int (*run)(int argc, char **argv);
};

static inline void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(90);
}

static inline void say_number(const char *what, long n)
{
	char line[200];
	snprintf(line, sizeof(line), "%s %ld\n", what, n);
	say(line);
}

static inline __attribute__((__noreturn__)) void fail(const char *what, int line)
{
	char text[300];
	snprintf(text, sizeof(text), "line %d: %s\n", line, what);
	if (write(2, text, strlen(text)) < 0)
		_exit(90);
	_exit(91);
}

#define NEED(condition)                             \
	do {                                        \
		if (!(condition))                   \
			fail(#condition, __LINE__); \
	} while (0)

/* N blocks of odd sizes, all given back. */
static NOINLINE MAYBE_UNUSED void churn(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char *p = (char *)malloc(i % 300 + 1), *q = (char *)malloc(i % 7 + 1);
		NEED(p && q);
		p[0] = q[0] = 1;
		p = (char *)realloc(p, i % 500 + 2);
		NEED(p);
		free(q);
		free(p);
	}
}

static inline int run_mode(const struct mode *modes, int argc, char **argv)
{
	for (; modes->name; modes++)
		if (argc > 1 && !strcmp(modes->name, argv[1]))
			return modes->run(argc, argv);
	return 99;
}

#endif /* HOST_H */
