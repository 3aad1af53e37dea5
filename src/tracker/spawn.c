/* SPDX-License-Identifier: MIT */

/*
 * A recorder keeps its folder locked (flock), so whether one is there is asked
 * of the kernel.  If none is, we lock it, and the recorder inherits the lock: of
 * programs that begin at once only one starts a recorder.
 *
 * To start one: fork, fork again, exec.  All by raw system
 * calls, since we may be inside the program's first malloc, and without
 * SIGCHLD: the program's handlers and its wait() never see the child between.
 *
 * To a process that is given orphans (PID 1 of a container, or by
 * PR_SET_CHILD_SUBREAPER) the recorder would come back as a child like any
 * other, and if it waits for all of them it would wait for ever: the recorder
 * waits for its end.  There the child between stays, and keeps the recorder.
 */
#include "src/tracker/spawn.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "src/tracker/initial.h"

#define RECORDER "heapsnap-recorder"
#define DIR_FD   "3" /* where it finds its folder */

/* Where the recorder lies as seen from the folder of this library. */
static const char *const places[] = {
	"/../" RECORDER, /* in a build tree */
	"/../../libexec/heapsnap/" RECORDER,
	"/../../../libexec/heapsnap/" RECORDER, /* lib/x86_64-linux-gnu/heapsnap */
	"/" RECORDER,                           /* both copied into one folder */
};

/*
 * What the recorder needs of the environment, kept since the start: a program
 * that sets its title writes over it.  Never LD_PRELOAD.
 */
static const char *const passed[] = {
	"HEAPSNAP_INTERVAL=", "HEAPSNAP_MAX_DISK=", "HEAPSNAP_REPORT=", "HEAPSNAP_SCAN="};
#define N_PASSED (sizeof(passed) / sizeof(passed[0]))
static char kept[N_PASSED][64];
static char choice[1024];

void tr_spawn_settings(void)
{
	const char *which = tr_env("HEAPSNAP_RECORDER");
	char *p = choice;
	tr_append(&p, choice + sizeof(choice), which ? which : "");
	for (size_t i = 0; i < N_PASSED; i++) {
		const char *entry = tr_env_entry(passed[i]);
		p = kept[i];
		tr_append(&p, kept[i] + sizeof(kept[i]), entry ? entry : "");
	}
}

static bool find_recorder(char *path, size_t size)
{
	struct dl_find_object self;
	uint64_t here = (uint64_t)(uintptr_t)places;
	if (_dl_find_object((void *)(uintptr_t)here, &self) == 0) {
		const char *name = self.dlfo_link_map->l_name;
		size_t folder = (size_t)(tr_base_name(name) - name);
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			char *p = path;
			if (folder < 2 || folder + 64 > size)
				break;
			memcpy(path, name, folder - 1);
			p += folder - 1;
			tr_append(&p, path + size, places[i]);
			if (sys_is_executable(path))
				return true;
		}
	}
	char *p = path;
	tr_append(&p, path + size, HS_RECORDER_DIR "/" RECORDER);
	return sys_is_executable(path);
}

static _Noreturn void become_recorder(const char *path, const char *dir, int dir_fd)
{
	char *argv[] = {(char *)(uintptr_t)RECORDER, (char *)(uintptr_t) "--alone",
			(char *)(uintptr_t)dir, (char *)(uintptr_t)DIR_FD, NULL};
	char *env[N_PASSED + 1];
	size_t n = 0;
	for (size_t i = 0; i < N_PASSED; i++)
		if (kept[i][0])
			env[n++] = kept[i];
	env[n] = NULL;
	sys_new_session();
	sys_close_all_but(dir_fd, DIR_FD[0] - '0');
	sys_unblock_signals();
	sys_execve(path, argv, env);
	sys_exit(1);
}

/* The child between: seen by nobody, in as little memory as possible. */
static _Noreturn void keep_recorder(long recorder)
{
	/* The program's handlers stay, and would not find their memory. */
	sys_signals_block();
	sys_new_session();
	sys_close_all_but(-1, 0);
	sys_chdir("/");
	sys_forget_memory();
	sys_reap_silent(recorder);
	sys_exit(0);
}

/* The recorder's path, or "". */
static void choose_recorder(char *path, size_t size)
{
	char *p = path;
	*path = '\0';
	if (*choice == '/')
		tr_append(&p, path + size, choice);
	else if (!find_recorder(path, size))
		*path = '\0';
}

static void start(const char *dir, int dir_fd)
{
	char path[4096];
	choose_recorder(path, sizeof(path));
	if (!*path)
		return;
	bool stays = sys_is_given_orphans();
	long child = sys_fork_silently();
	if (child == 0) {
		long recorder = sys_fork_silently();
		if (recorder == 0)
			become_recorder(path, dir, dir_fd);
		if (stays)
			keep_recorder(recorder);
		sys_exit(0);
	}
	if (child > 0 && !stays)
		sys_reap_silent(child);
}

void tr_spawn_recorder(const char *dir)
{
	if (!strcmp(choice, "none"))
		return;
	int fd = (int)sys_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	if (sys_lock(fd))
		start(dir, fd);
	sys_close(fd); /* the lock is the recorder's, if there is one */
}
