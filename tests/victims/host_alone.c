/* SPDX-License-Identifier: MIT */

/*
 * host_alone [reaper | init]: what a program can see of the recorder that begins
 * when the program calls itself "chosen".  With "reaper" it asks to be given
 * orphans, with "init" it is PID 1, which is, too.  Where HOST_CAPTURES is set it goes on
 * only when a recorder has taken up its capture in that folder.
 *
 * truth: no child, no signal, no change of session, group or folder; of two
 * children that it starts, wait() tells of two
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "host.h"

#define RECORDER_PID 176 /* in a capture; see doc/capture-format.md */

static volatile sig_atomic_t n_signals;

static void count(int sig)
{
	(void)sig;
	n_signals++;
}

static int is_kept(int folder, const char *name)
{
	uint32_t recorder = 0;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &recorder, sizeof(recorder), RECORDER_PID) < 0)
		recorder = 0;
	if (fd >= 0)
		close(fd);
	return recorder != 0;
}

static void wait_for_recorder(const char *path)
{
	for (int kept = 0; !kept; usleep(1000)) {
		DIR *folder = opendir(path);
		NEED(folder);
		for (struct dirent *e; (e = readdir(folder));)
			kept |= strstr(e->d_name, ".hsnap") &&
				is_kept(dirfd(folder), e->d_name);
		closedir(folder);
	}
}

static pid_t session, group;

static void say_children(int orphans)
{
	siginfo_t info = {0};
	int status;
	say_number("wait", waitpid(-1, &status, WNOHANG));
	say_number("errno", errno);
	say_number("waitid", waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT));
	say_number("pid", info.si_pid);
	say_number("own group", waitpid(0, &status, WNOHANG));
	/* Who is given orphans can find the recorder's keeper, if it asks for such. */
	if (!orphans)
		say_number("clones", waitpid(-1, &status, WNOHANG | __WALL));
	say_number("signals", n_signals);
	say_number("same session", getsid(0) == session);
	say_number("same group", getpgrp() == group);
}

static void say_list_of_children(void)
{
	char text[200];
	snprintf(text, sizeof(text), "/proc/self/task/%d/children", (int)getpid());
	int fd = open(text, O_RDONLY);
	say_number("listed", fd < 0 ? 0 : read(fd, text, sizeof(text)));
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *captures = getenv("HOST_CAPTURES");
	int orphans = argc > 1, status, ended = 0;
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
	NEED(!sigaction(SIGCHLD, &action, NULL));
	session = getsid(0);
	group = getpgrp();
	if (orphans && !strcmp(argv[1], "reaper"))
		NEED(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	churn(10);
	NEED(!prctl(PR_SET_NAME, "chosen"));
	churn(10);
	if (captures)
		wait_for_recorder(captures);
	say_children(orphans);
	if (!orphans)
		say_list_of_children();
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			churn(10);
			_exit(3);
		}
	}
	while (wait(&status) > 0)
		ended += WIFEXITED(status) && WEXITSTATUS(status) == 3;
	say_number("ended", ended);
	say_number("signals", n_signals > 0);
	return 6;
}
