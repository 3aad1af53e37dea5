/* SPDX-License-Identifier: MIT */

/*
 * The report at a process's end, where no run is there to make it: `heapsnap
 * analyze` on the one capture writes NAME.PID.html and NAME.PID.txt beside it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/recorder.h"

#define TIME_LIMIT_S 600

static const char *const places[] = {
	"/heapsnap", /* in a build tree, or all copied into one folder */
	"/../../bin/heapsnap",
};

/* The program near the recorder's own executable, else as configured. */
static bool find_program(char *path, size_t size)
{
	char folder[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	folder[HS_MAX(n, 0)] = 0;
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = 0;
	for (size_t i = 0; i < HS_COUNT(places); i++) {
		snprintf(path, size, "%s%s", folder, places[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	snprintf(path, size, "%s", HS_PROGRAM_DIR "/heapsnap");
	return access(path, X_OK) == 0;
}

static _Noreturn void become_program(const char *program, int dir_fd, const char *name)
{
	char capture[NAME_MAX + 3];
	snprintf(capture, sizeof(capture), "./%s", name);
	if (fchdir(dir_fd))
		_exit(1);
	/* It may meet hostile debug information: it gets an end. */
	alarm(TIME_LIMIT_S);
	/* The report is for those who may read the capture: it tells the same. */
	struct stat st;
	umask(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) ? 077 : ~st.st_mode & 0777);
	execl(program, "heapsnap", "analyze", "--quiet", "--", capture, (char *)NULL);
	_exit(1);
}

void rc_report(int dir_fd, const char *name)
{
	char program[PATH_MAX + 32];
	if (!find_program(program, sizeof(program)))
		return;
	pid_t pid = fork();
	if (pid == 0)
		become_program(program, dir_fd, name);
	int status;
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		;
}
