/* SPDX-License-Identifier: MIT */

/*
 * heapsnap-recorder: keeps the captures of one directory while the programs
 * run.  Started by `heapsnap run`:
 *
 *      heapsnap-recorder CONTROL_FD DIR INTERVAL_NS MAX_DISK
 *
 * Nobody sees its output: what it has to say goes through the control socket.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/recorder/recorder.h"

/* Leave the terminal, the caller's descriptors and its folder alone. */
static void detach(int control_fd)
{
	setsid();
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (control_fd > 3)
		close_range(3, (unsigned)control_fd - 1, 0);
	close_range((unsigned)control_fd + 1, ~0u, 0);
	fcntl(control_fd, F_SETFD, FD_CLOEXEC);
	umask(0077);
	(void)!chdir("/"); /* where it fails, some mount stays busy */
}

/* The signal state of the program that called `heapsnap run` is not ours. */
static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("heapsnap-recorder is started by 'heapsnap run'\n", stderr);
		return 2;
	}
	struct rc_options options = {.control_fd = (int)strtol(argv[1], NULL, 10),
				     .dir = argv[2],
				     .interval_ns = strtoull(argv[3], NULL, 10),
				     .max_disk = strtoull(argv[4], NULL, 10)};
	if (options.control_fd < 3 || options.dir[0] != '/' || !options.interval_ns) {
		fputs("heapsnap-recorder: wrong arguments\n", stderr);
		return 2;
	}
	detach(options.control_fd);
	reset_signals();
	/*
	 * SCHED_BATCH never preempts a program that was just woken, yet has
	 * its fair share: SCHED_IDLE starves where all processors are busy, and
	 * nobody without privilege gets out of it again.
	 */
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	return rc_record(&options);
}
