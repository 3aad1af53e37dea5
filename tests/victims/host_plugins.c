/* SPDX-License-Identifier: MIT */

/*
 * Programs and libraries for tests/host_plugins.py, which compiles this file once
 * for each PART:
 *
 *      PLUGIN    keeps blocks of 100 bytes, in functions that are called NAME_...
 *      OPENER    a library that opens others, by its own search path
 *      HOST      opens them; see its modes below
 *      OWNER     a program with a malloc of its own, which never gives back
 */
#define PLUGIN 1
#define OPENER 2
#define HOST   3
#define OWNER  4

#include <dlfcn.h>
#include <link.h>

#include "host.h"

#if PART == PLUGIN
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

NOINLINE void *JOIN(NAME, _keeps)(void);
void *JOIN(NAME, _keeps)(void)
{
	char *p = malloc(100);
	NEED(p);
	p[0] = 1;
	return p;
}

int plugin_run(int n);
int plugin_run(int n)
{
	for (int i = 0; i < n; i++)
		KEEP(JOIN(NAME, _keeps)());
	return n;
}

/* A block changes hands, in both directions. */
void *plugin_swap(void *theirs);
void *plugin_swap(void *theirs)
{
	free(theirs);
	return malloc(300);
}
#endif

#if PART == OPENER
void *opener_open(const char *name);
void *opener_open(const char *name)
{
	return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}
#endif

#if PART == HOST
typedef int run_fn(int n);
typedef void *swap_fn(void *theirs);
typedef void *open_fn(const char *name);

static void *symbol(void *handle, const char *name)
{
	if (!handle)
		fail(dlerror(), __LINE__);
	void *at = dlsym(handle, name);
	NEED(at);
	return at;
}

static void run_in(void *handle)
{
	void *at = symbol(handle, "plugin_run");
	run_fn *run;
	memcpy(&run, &at, sizeof(run));
	NEED(run(10) == 10);
}

/* Two plugins by turns, where the other one was. */
static int same(int argc, char **argv)
{
	uintptr_t base[2] = {0, 0};
	NEED(argc == 4);
	for (int i = 0; i < 10; i++) {
		void *handle = dlopen(argv[2 + i % 2], RTLD_NOW | RTLD_LOCAL);
		struct link_map *map;
		NEED(handle && !dlinfo(handle, RTLD_DI_LINKMAP, &map));
		run_in(handle);
		base[i % 2] = (uintptr_t)map->l_addr;
		NEED(!dlclose(handle));
	}
	say(base[0] == base[1] ? "same address\n" : "different addresses\n");
	return 0;
}

/* What only the opener's search path leads to. */
static int by_path(int argc, char **argv)
{
	NEED(argc == 4 && !dlopen(argv[3], RTLD_NOW));
	void *at = symbol(dlopen(argv[2], RTLD_NOW), "opener_open");
	open_fn *open;
	memcpy(&open, &at, sizeof(open));
	run_in(open(argv[3]));
	return 0;
}

/* With a libc of its own. */
static int namespace(int argc, char **argv)
{
	NEED(argc == 3);
	void *handle = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
	run_in(handle);
	churn(100);
	NEED(!dlclose(handle));
	churn(100);
	return 0;
}

static int deep(int argc, char **argv)
{
	NEED(argc == 3);
	void *handle = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	void *at = symbol(handle, "plugin_swap");
	swap_fn *swap;
	memcpy(&swap, &at, sizeof(swap));
	run_in(handle);
	for (int i = 0; i < 20; i++)
		free(swap(malloc(200)));
	return 0;
}

static int end(int argc, char **argv)
{
	NEED(argc == 3);
	churn(10);
	if (!strcmp(argv[2], "_exit"))
		_exit(7);
	if (!strcmp(argv[2], "_Exit"))
		_Exit(8);
	if (!strcmp(argv[2], "quick_exit"))
		quick_exit(9);
	exit(10);
}

static const struct mode modes[] = {
	{"same", same}, {"path", by_path}, {"namespace", namespace},
	{"deep", deep}, {"end", end},      {NULL, NULL},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
#endif

#if PART == OWNER
static char pool[1 << 20] __attribute__((aligned(16)));
static size_t used;

void *malloc(size_t size)
{
	size_t at = used;
	used += (size + 31) & ~(size_t)15;
	NEED(used <= sizeof(pool));
	memcpy(pool + at, &size, sizeof(size));
	return pool + at + 16;
}

void free(void *p)
{
	(void)p;
}

void *calloc(size_t n, size_t size)
{
	return malloc(n * size); /* the pool was never used before */
}

void *realloc(void *p, size_t size)
{
	void *q = malloc(size);
	size_t old;
	if (!p)
		return q;
	memcpy(&old, (char *)p - 16, sizeof(old));
	memcpy(q, p, old < size ? old : size);
	return q;
}

int main(void)
{
	churn(50);
	char *line = NULL; /* libc's blocks are of this malloc, too */
	NEED(asprintf(&line, "%zu bytes\n", used) > 0);
	say(line);
	free(line);
	return 0;
}
#endif
