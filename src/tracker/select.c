/* SPDX-License-Identifier: MIT */

/*
 * Names of a process, as interface.md lists them: its title, the base names of
 * its first argument and of its executable, python's module or script, and the
 * name of its first thread.  All are read from its own memory or by two cheap
 * system calls, so that a process which is not selected can afford to look.
 */
#include "src/tracker/select.h"

#include <string.h>

#include "src/tracker/capture.h"
#include "src/tracker/initial.h"
#include "src/tracker/stream.h"

#define MAX_NAMES        1024u
#define MAX_NAME         256u
#define COMM_SIZE        15u /* TASK_COMM_LEN - 1: the kernel cuts names there */
#define LOOKS_PER_SECOND 10u

static char names[MAX_NAMES];
static char current[MAX_NAME];
static bool renamed;
struct tr_sleep tr_sleep;

/* Arguments, environment and auxv's strings follow: eight bytes are always there. */
static uint64_t read_title_head(void)
{
	uint64_t head = 0;
	if (tr_argv()[0])
		memcpy(&head, tr_argv()[0], sizeof(head));
	return head;
}

void tr_select_start(const char *list)
{
	char *p = names;
	names[0] = '\0';
	tr_append(&p, names + sizeof(names), list ? list : "");
}

bool tr_name_fits(const char *name, const char *pattern, size_t n)
{
	return n && !strncmp(name, pattern, n) &&
	       (name[n] == '\0' || name[n] == ':' || name[n] == '.');
}

/* A thread's name is cut, so a long pattern is compared as such. */
static bool comm_fits(const char *comm, const char *pattern, size_t n)
{
	if (n > COMM_SIZE && strlen(comm) == COMM_SIZE)
		return !strncmp(comm, pattern, COMM_SIZE);
	return tr_name_fits(comm, pattern, n);
}

static void keep(const char *name)
{
	char *p = current;
	current[0] = '\0';
	tr_append(&p, current + sizeof(current), name);
}

/* Is there a pattern which FITS accepts NAME for? */
static bool any(const char *name, bool (*fits)(const char *, const char *, size_t))
{
	for (const char *p = names; *p;) {
		size_t n = 0;
		while (p[n] && p[n] != ',')
			n++;
		if (fits(name, p, n)) {
			keep(name);
			return true;
		}
		p += n + (p[n] == ',');
	}
	return false;
}

/* What python runs: the module behind -m, else the script; NULL if neither. */
static const char *python_target(char **argv)
{
	if (!argv[0] || strncmp(tr_base_name(argv[0]), "python", 6))
		return NULL;
	for (char **a = argv + 1; *a; a++) {
		if (!strcmp(*a, "-m"))
			return a[1];
		if (!strncmp(*a, "-m", 2))
			return *a + 2;
		if (!strncmp(*a, "-c", 2) || !strcmp(*a, "-"))
			return NULL;
		if (!strcmp(*a, "-W") || !strcmp(*a, "-X")) {
			if (!*++a)
				return NULL;
		} else if (**a != '-') {
			return tr_base_name(*a);
		}
	}
	return NULL;
}

static bool has_name(void)
{
	char **argv = tr_argv();
	static char exe[4096]; /* the calling thread's stack may be small */
	char comm[16];
	if (argv[0]) {
		const char *base = tr_base_name(argv[0]);
		base += *base == '-'; /* a login shell */
		if (!names[0] && *base) {
			keep(base);
			return true;
		}
		/* A title is written over the first argument. */
		if (any(argv[0], tr_name_fits) || any(base, tr_name_fits))
			return true;
	}
	bool have_exe = sys_readlink("/proc/self/exe", exe, sizeof(exe)) > 0;
	if (!names[0]) {
		keep(have_exe ? tr_base_name(exe) : "program");
		return true;
	}
	const char *python = python_target(argv);
	if ((have_exe && any(tr_base_name(exe), tr_name_fits)) ||
	    (python && any(python, tr_name_fits)))
		return true;
	sys_process_name(comm);
	return any(comm, comm_fits);
}

bool tr_selected(void)
{
	renamed = false;
	tr_sleep.head = read_title_head();
	bool selected = has_name();
	__atomic_store_n(&tr_sleep.title, selected ? NULL : tr_argv()[0],
			 __ATOMIC_RELEASE);
	return selected;
}

const char *tr_process_name(void)
{
	return current;
}

bool tr_select_due(void)
{
	static uint64_t last;
	/* Most new titles show in their first bytes, at once; the others in time. */
	if (renamed || read_title_head() != tr_sleep.head)
		return true;
	uint64_t now = tr_clock_is_tsc ? hs_counter() : sys_realtime_ns();
	uint64_t second = tr_clock_is_tsc ? tr_counter_per_second() : 1000000000u;
	if (now - __atomic_load_n(&last, __ATOMIC_RELAXED) < second / LOOKS_PER_SECOND)
		return false;
	__atomic_store_n(&last, now, __ATOMIC_RELAXED);
	return true;
}

void tr_select_renamed(void)
{
	renamed = true;
	__atomic_store_n(&tr_sleep.title, NULL, __ATOMIC_RELEASE);
}
