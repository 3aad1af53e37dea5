/* SPDX-License-Identifier: MIT */

/* ptrace: seize, interrupt, wait, detach; and why it may be forbidden. */
#include "src/stopper.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS  64 /* a process that makes threads faster than we stop them */
#define PATIENCE_NS 3000000000u

/* -- Why not ------------------------------------------------------------------------- */

/* The number behind KEY in the file PATH; -1 if there is none. */
static long read_number(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *in = fopen(path, "re");
	if (!in)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), in))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	fclose(in);
	return value;
}

/* The first one maps all users to themselves (user_namespaces(7)). */
static bool in_user_namespace(void)
{
	/* Inside, outside, how many. */
	static const unsigned long all[] = {0, 0, UINT32_MAX};
	char line[128] = "";
	FILE *in = fopen("/proc/self/uid_map", "re");
	bool there = in != NULL, readable = there && fgets(line, sizeof(line), in);
	if (in)
		fclose(in);
	char *at = line;
	for (size_t i = 0; readable && i < HS_COUNT(all); i++) {
		char *end;
		if (strtoul(at, &end, 10) != all[i] || end == at)
			return true;
		at = end;
	}
	return there && !readable;
}

static struct hs_error *explain_yama(pid_t pid, long scope)
{
	if (scope == 3)
		return hs_error("process %d must not be looked at: "
				"/proc/sys/kernel/yama/ptrace_scope is 3, which forbids "
				"it to everybody until the next boot",
				pid);
	return hs_error("process %d must not be looked at: "
			"/proc/sys/kernel/yama/ptrace_scope is %ld; run this as root, or "
			"'sysctl kernel.yama.ptrace_scope=0' as root",
			pid, scope);
}

static struct hs_error *explain_denial(pid_t pid)
{
	char status[64];
	snprintf(status, sizeof(status), "/proc/%d/status", pid);
	long tracer = read_number(status, "TracerPid:");
	long scope = read_number("/proc/sys/kernel/yama/ptrace_scope", "");
	long owner = read_number(status, "Uid:");
	if (tracer > 0)
		return hs_error(
			"process %d is traced by process %ld (a debugger, strace); "
			"end that one first",
			pid, tracer);
	if (geteuid() != 0 && owner >= 0 && owner != (long)geteuid())
		return hs_error("process %d belongs to user %ld; run this as that user "
				"or as root",
				pid, owner);
	if (scope > 0 && (geteuid() != 0 || scope == 3))
		return explain_yama(pid, scope);
	if (read_number("/proc/self/status", "Seccomp:") > 0)
		return hs_error("process %d must not be looked at: a seccomp filter "
				"forbids ptrace here; in a container, start it with "
				"--cap-add=SYS_PTRACE or --security-opt "
				"seccomp=unconfined, or run this on the host",
				pid);
	if (in_user_namespace())
		return hs_error("process %d must not be looked at: this runs in a user "
				"namespace, as in a rootless container, and the process "
				"does not belong to it; run this outside",
				pid);
	if (geteuid() != 0)
		return hs_error("process %d must not be looked at: it has more rights "
				"than you (set-user-ID, capabilities), or made itself "
				"undumpable; run this as root",
				pid);
	return hs_error(
		"process %d must not be looked at: root lacks CAP_SYS_PTRACE here; "
		"in a container, start it with --cap-add=SYS_PTRACE, or run this "
		"on the host",
		pid);
}

static struct hs_error *explain(pid_t pid, int err)
{
	if (err == ESRCH)
		return hs_error("there is no process %d (any more)", pid);
	if (err == EPERM || err == EACCES)
		return explain_denial(pid);
	if (err == ENOSYS)
		return hs_error(
			"process %d cannot be stopped: this system has no ptrace; "
			"a sandbox may hide it",
			pid);
	return hs_error("process %d cannot be stopped: %s", pid, strerror(err));
}

/* -- Stopping -------------------------------------------------------------------------
 */

/* A thread that ended, and waits for the others of its process, refuses, too. */
static bool has_ended(const struct hs_stopper *s, pid_t tid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", s->pid, tid);
	FILE *in = fopen(path, "re");
	char line[256], state = 'X';
	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "State: %c", &state) == 1)
			break;
	if (in)
		fclose(in);
	return state == 'Z' || state == 'X';
}

/* Ask thread TID to stop; returns an errno. */
static int seize(struct hs_stopper *s, pid_t tid)
{
	bool fresh;
	hs_map_put(&s->known, (uint64_t)tid, &fresh);
	if (!fresh)
		return 0;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
		int err = errno;
		return has_ended(s, tid) ? 0 : err;
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	hs_array_push(&s->threads, ((struct hs_stopped){.tid = tid}));
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * Wait for T to stop, which the kernel tells by SIGCHLD (blocked here), until
 * DEADLINE: a thread that waits within the kernel, for a disk or for the child of a
 * vfork, does not stop before that.  Returns an errno.
 */
static int await(struct hs_stopped *t, uint64_t deadline_ns)
{
	int status;
	pid_t r;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while ((r = waitpid(t->tid, &status, __WALL | WNOHANG)) <= 0) {
		uint64_t now = now_ns();
		if (r < 0 && errno != EINTR)
			return 0; /* it ended */
		if (now >= deadline_ns)
			return ETIMEDOUT;
		/* A SIGCHLD of another child may hide one of ours: look now and then. */
		const struct timespec most = {.tv_nsec = 20000000};
		if (!r)
			sigtimedwait(&child, NULL, &most);
	}
	t->stopped = WIFSTOPPED(status);
	/* Not our interrupt, but a signal that was on its way. */
	if (t->stopped && status >> 16 != PTRACE_EVENT_STOP)
		t->signal = WSTOPSIG(status);
	return 0;
}

/* Seize the threads that are not yet, up to the first that refuses. */
static int seize_all(struct hs_stopper *s)
{
	char path[64];
	int err = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", s->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? ESRCH : errno;
	for (struct dirent *entry; !err && (entry = readdir(dir));) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		err = tid > 0 ? seize(s, tid) : 0;
	}
	closedir(dir);
	return err;
}

/* Stop all threads; returns an errno, and on ETIMEDOUT which thread does not stop. */
static int stop_all(struct hs_stopper *s, pid_t *busy_ret)
{
	uint64_t deadline = now_ns() + PATIENCE_NS;
	size_t fresh = 1;
	int err = 0;
	/* Until all are stopped, they may make others. */
	for (int round = 0; round < MAX_ROUNDS && fresh && !err; round++) {
		size_t n = s->threads.n;
		err = seize_all(s);
		fresh = s->threads.n - n;
		for (size_t i = n; i < s->threads.n && err != ETIMEDOUT; i++) {
			int late = await(&s->threads.at[i], deadline);
			err = late ? late : err;
			*busy_ret = s->threads.at[i].tid;
		}
	}
	return err;
}

struct hs_error *hs_stopper_stop(pid_t pid, struct hs_stopper *ret)
{
	struct hs_stopper s = {.pid = pid};
	sigset_t child, before;
	pid_t busy = 0;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	int err = stop_all(&s, &busy);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (err == ETIMEDOUT) {
		hs_stopper_release(&s);
		return hs_error(
			"process %d cannot be stopped: its thread %d waits in "
			"the kernel and does not come back (for a disk, a network "
			"file system, or a child of vfork); try again later",
			pid, busy);
	}
	if (err || !s.threads.n) {
		hs_stopper_release(&s);
		return explain(pid, err ? err : ESRCH);
	}
	*ret = s;
	return NULL;
}

void hs_stopper_release(struct hs_stopper *s)
{
	for (size_t i = 0; i < s->threads.n; i++)
		if (s->threads.at[i].stopped)
			ptrace(PTRACE_DETACH, s->threads.at[i].tid, NULL,
			       (void *)(intptr_t)s->threads.at[i].signal);
	hs_array_free(&s->threads);
	hs_map_deinit(&s->known);
}
