/* SPDX-License-Identifier: MIT */

/*
 * heapsnap-recorder: keeps the captures of one directory while the programs
 * run.  Started by `heapsnap run`, or by the first program that is recorded
 * where no recorder is:
 *
 *      heapsnap-recorder CONTROL_FD DIR INTERVAL_NS MAX_DISK
 *      heapsnap-recorder --alone DIR [DIR_FD]
 *
 * DIR_FD, which is 3, is DIR opened and locked by who started us.
 * Nobody sees its output: what it has to say goes through the control socket,
 * if there is one.  This is the one place where it reads the environment.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/recorder/recorder.h"
#include "src/units.h"

/* Leave the terminal, the caller's descriptors and its folder alone. */
static void detach(int kept_fd)
{
	setsid();
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (kept_fd > 3)
		close_range(3, (unsigned)kept_fd - 1, 0);
	close_range(kept_fd < 0 ? 3 : (unsigned)kept_fd + 1, ~0u, 0);
	if (kept_fd >= 0)
		fcntl(kept_fd, F_SETFD, FD_CLOEXEC);
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

/* The limits under which the program runs are not meant for us. */
static void raise_limits(void)
{
	for (int what = 0; what < RLIMIT_NLIMITS; what++) {
		struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
		if (what == RLIMIT_CORE || what == RLIMIT_STACK ||
		    !setrlimit((__rlimit_resource_t)what, &limit) ||
		    getrlimit((__rlimit_resource_t)what, &limit))
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit((__rlimit_resource_t)what, &limit);
	}
}

/* We share its control group: when memory is short there, we go first. */
static void prefer_us_to_the_program(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "1000", 4); /* proc(5): the highest */
	close(fd);
}

static bool wants_reports(void)
{
	const char *s = getenv("HEAPSNAP_REPORT");
	return !s || strcmp(s, "none") != 0;
}

/* How long a scan may take; what makes no sense is the default. */
static uint64_t scan_limit(void)
{
	const char *s = getenv("HEAPSNAP_SCAN");
	uint64_t ns = UINT64_C(5000000000);
	if (s && !strcmp(s, "none"))
		return 0;
	if (s)
		hs_parse_time(s, &ns);
	return wants_reports() ? ns : 0;
}

static struct rc_options for_run(char **argv)
{
	return (struct rc_options){.control_fd = (int)strtol(argv[1], NULL, 10),
				   .dir = argv[2],
				   .dir_fd = -1,
				   .interval_ns = strtoull(argv[3], NULL, 10),
				   .max_disk = strtoull(argv[4], NULL, 10),
				   .reports = wants_reports(),
				   .scan_ns = scan_limit()};
}

/* A value that makes no sense counts as none: nobody is there to be told. */
static struct rc_options alone(const char *dir, int dir_fd)
{
	struct rc_options options = {.control_fd = -1,
				     .dir = dir,
				     .dir_fd = dir_fd,
				     .interval_ns = 1000000000,
				     .max_disk = (uint64_t)1 << 30,
				     .reports = wants_reports(),
				     .scan_ns = scan_limit()};
	const char *interval = getenv("HEAPSNAP_INTERVAL");
	const char *max_disk = getenv("HEAPSNAP_MAX_DISK");
	if (interval)
		hs_parse_time(interval, &options.interval_ns);
	if (max_disk)
		hs_parse_size(max_disk, &options.max_disk);
	if (options.interval_ns < 1000000)
		options.interval_ns = 1000000;
	return options;
}

int main(int argc, char **argv)
{
	struct rc_options options = {.control_fd = -2};
	if (argc == 5)
		options = for_run(argv);
	else if (argc == 3 && !strcmp(argv[1], "--alone"))
		options = alone(argv[2], -1);
	else if (argc == 4 && !strcmp(argv[1], "--alone"))
		options = alone(argv[2], (int)strtol(argv[3], NULL, 10));
	if (options.control_fd < -1 ||
	    (options.control_fd >= 0 && options.control_fd < 3) ||
	    options.dir[0] != '/' || !options.interval_ns) {
		fputs("heapsnap-recorder is started by 'heapsnap run' and by programs\n"
		      "that run with libheapsnap.so preloaded\n",
		      stderr);
		return 2;
	}
	detach(options.control_fd < 0 ? options.dir_fd : options.control_fd);
	raise_limits();
	prefer_us_to_the_program();
	reset_signals();
	/*
	 * SCHED_BATCH never preempts a program that was just woken, yet has
	 * its fair share: SCHED_IDLE starves where all processors are busy, and
	 * nobody without privilege gets out of it again.
	 */
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	return rc_record(&options);
}
