/* SPDX-License-Identifier: MIT */

/*
 * A recorder keeps its folder locked (flock), so whether one is there is asked
 * of the kernel.  To start one: fork, fork again, exec.  All by raw system
 * calls, since we may be inside the program's first malloc, and without
 * SIGCHLD: the program's handlers and its wait() never see the child between.
 */
#include "src/tracker/spawn.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "src/tracker/initial.h"

#define RECORDER "heapsnap-recorder"

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
	"HEAPSNAP_INTERVAL=", "HEAPSNAP_MAX_DISK=", "HEAPSNAP_REPORT="};
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

static _Noreturn void become_recorder(const char *path, const char *dir)
{
	char *argv[] = {(char *)(uintptr_t)RECORDER, (char *)(uintptr_t) "--alone",
			(char *)(uintptr_t)dir, NULL};
	char *env[N_PASSED + 1];
	size_t n = 0;
	for (size_t i = 0; i < N_PASSED; i++)
		if (kept[i][0])
			env[n++] = kept[i];
	env[n] = NULL;
	sys_new_session();
	sys_close_all();
	sys_unblock_signals();
	sys_execve(path, argv, env);
	sys_exit(1);
}

void tr_spawn_recorder(const char *dir)
{
	char path[4096];
	if (!strcmp(choice, "none") || sys_is_locked(dir))
		return;
	if (*choice == '/') {
		char *p = path;
		tr_append(&p, path + sizeof(path), choice);
	} else if (!find_recorder(path, sizeof(path))) {
		return;
	}
	long child = sys_fork_silently();
	if (child == 0) {
		if (sys_fork_silently() == 0)
			become_recorder(path, dir);
		sys_exit(0);
	}
	if (child > 0)
		sys_reap_silent(child);
}
