/* SPDX-License-Identifier: MIT */

/*
 *      measure FILE COMMAND...
 *
 * runs a command with everything that comes of it, daemons as well: orphans are
 * given to us, and it is over when the last one has ended.  FILE gets a line:
 *
 *      CPU seconds of all; of the command and what it waited for; elapsed
 *      seconds; peak resident bytes of the command and what it waited for; of
 *      the others; the command's status
 *
 * Small itself, since a process has its parent's peak until it executes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double cpu_of(const struct rusage *used)
{
	return seconds_of(&used->ru_utime) + seconds_of(&used->ru_stime);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: measure FILE COMMAND...\n", stderr);
		return 2;
	}
	FILE *out = fopen(argv[1], "we");
	if (!out || prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		perror(argv[1]);
		return 2;
	}
	double began = now(), elapsed = 0, all = 0, own = 0;
	long own_peak = 0, other_peak = 0;
	int status, how = 0;
	pid_t pid, child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	for (struct rusage used; (pid = wait4(-1, &status, 0, &used)) > 0;) {
		all += cpu_of(&used);
		if (pid == child) {
			own = cpu_of(&used);
			own_peak = used.ru_maxrss;
			elapsed = now() - began;
			how = status;
		} else if (used.ru_maxrss > other_peak) {
			other_peak = used.ru_maxrss;
		}
	}
	fprintf(out, "%.6f %.6f %.6f %ld %ld %d\n", all, own, elapsed, own_peak * 1024,
		other_peak * 1024,
		WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
	return fclose(out) != 0;
}
