/* SPDX-License-Identifier: MIT */

/*
 * host_fork MODE: makes processes in every way there is.
 *
 * truth: as many allocations, frees and bytes in each process as a counting
 * malloc below the tracker sees; output and status are as without a tracker
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "host.h"

extern char **environ;

#define FORKS 200

static volatile int stop;

static void *churn_until_stopped(void *unused)
{
	while (!stop) {
		churn(20);
		usleep(500);
	}
	return unused;
}

static int wait_for(pid_t pid)
{
	int status;
	NEED(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		NEED(errno == EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* A child of a threaded program may only exec or _exit; most do more. */
static _Noreturn void be_child(int i)
{
	churn(10);
	if (i % 8 == 0)
		execl("/proc/self/exe", "host_fork", "leaf", "5", (char *)NULL);
	if (i % 8 == 1)
		execl("/no/such/program", "none", (char *)NULL);
	churn(3);
	_exit(i % 50);
}

/* Threads allocate while another forks. */
static int storm(int argc, char **argv)
{
	(void)argc, (void)argv;
	pthread_t threads[3];
	long sum = 0;
	for (int i = 0; i < 3; i++)
		NEED(!pthread_create(&threads[i], NULL, churn_until_stopped, NULL));
	for (int i = 0; i < FORKS; i++) {
		char *p = malloc(100);
		pid_t pid = fork();
		if (pid == 0) {
			free(p);
			be_child(i);
		}
		sum += wait_for(pid);
		free(p);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	say_number("statuses", sum);
	return 0;
}

/* A child's child's child... */
static int chain(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int depth = 0; depth < 12; depth++) {
		churn(5);
		pid_t pid = fork();
		if (pid)
			return depth ? wait_for(pid) : wait_for(pid) == 7 ? 0 : 1;
	}
	churn(5);
	return 7;
}

static int vforks(int argc, char **argv)
{
	(void)argc, (void)argv;
	volatile long sum = 0;
	for (volatile int i = 0; i < 20; i++) {
		churn(10);
		pid_t pid = vfork();
		if (pid == 0) {
			if (i % 2)
				execl("/proc/self/exe", "host_fork", "leaf", "6",
				      (char *)NULL);
			_exit(3);
		}
		sum += wait_for(pid);
	}
	say_number("statuses", sum);
	_exit(4);
}

/* What no program should do and some do: allocate between vfork and exec. */
static int vfork_allocates(int argc, char **argv)
{
	(void)argc, (void)argv;
	char *volatile left = NULL;
	pid_t pid = vfork();
	if (pid == 0) {
		churn(10);
		left = malloc(77);
		execl("/no/such/program", "none", (char *)NULL);
		_exit(5);
	}
	int status = wait_for(pid);
	free(left);
	churn(10);
	return status;
}

static int spawns(int argc, char **argv)
{
	(void)argc, (void)argv;
	char name[] = "host_fork", mode[] = "leaf", status[] = "6";
	char *const leaf_argv[] = {name, mode, status, NULL};
	long sum = 0;
	for (int i = 0; i < 20; i++) {
		pid_t pid;
		NEED(!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, leaf_argv,
				  environ));
		sum += wait_for(pid);
		NEED(posix_spawn(&pid, "/no/such", NULL, NULL, leaf_argv, environ) ==
		     ENOENT);
		churn(3);
	}
	FILE *p = popen("echo from a pipe | tr a-z A-Z", "r");
	char line[100];
	NEED(p && fgets(line, sizeof(line), p) && pclose(p) == 0);
	say(line);
	say_number("system", system("exit 3") >> 8);
	say_number("statuses", sum);
	return 0;
}

static int leaf(int argc, char **argv)
{
	(void)argc;
	churn(20);
	return atoi(argv[2]);
}

/* The same process, many programs; now and then an exec that fails. */
static int execs(int argc, char **argv)
{
	int left = argc > 2 ? atoi(argv[2]) : 15;
	char number[12];
	churn(10);
	execl("/no/such/program", "none", (char *)NULL);
	churn(2);
	snprintf(number, sizeof(number), "%d", left - 1);
	if (left)
		execl("/proc/self/exe", argv[0], "execs", number, (char *)NULL);
	say("end of the chain\n");
	return 8;
}

/* fork without libc's knowledge: no atfork handler runs. */
static int raw(int argc, char **argv)
{
	(void)argc, (void)argv;
	churn(10);
	char *p = malloc(10);
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0) {
		free(p);
		churn(4000); /* more than a chunk takes */
		_exit(9);
	}
	int status = wait_for(pid);
	churn(4000);
	free(p);
	return status;
}

static volatile sig_atomic_t handled;

static void fork_and_return(int sig)
{
	(void)sig;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		handled = -1; /* the child, too, goes on where it was */
	else if (pid > 0 && handled >= 0)
		handled++;
}

/* A signal handler forks, and both return to what was interrupted. */
static int handler(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct sigaction action = {.sa_handler = fork_and_return, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
	NEED(!sigaction(SIGALRM, &action, NULL));
	NEED(!setitimer(ITIMER_REAL, &often, NULL));
	while (handled >= 0 && handled < 60) {
		char *p = malloc(20), *q = malloc(4000);
		KEEP(p);
		KEEP(q);
		free(p);
		free(q);
	}
	if (handled >= 0) {
		int status;
		NEED(!setitimer(ITIMER_REAL, &never, NULL));
		for (int n = handled; n > 0; n--) {
			NEED(wait(&status) > 0);
			NEED(WIFEXITED(status) && WEXITSTATUS(status) == 2);
		}
		say("all children ended well\n");
		return 0;
	}
	churn(2000);
	_exit(2);
}

static int daemons(int argc, char **argv)
{
	(void)argc, (void)argv;
	int fds[2];
	char c;
	NEED(!pipe(fds));
	pid_t pid = fork();
	if (pid == 0) {
		NEED(setsid() > 0);
		if (fork())
			_exit(0);
		close(0);
		close(1);
		close(2);
		close(fds[0]);
		NEED(!chdir("/"));
		churn(100);
		NEED(write(fds[1], "!", 1) == 1);
		_exit(0);
	}
	close(fds[1]);
	NEED(read(fds[0], &c, 1) == 1);
	return wait_for(pid);
}

static const struct mode modes[] = {
	{"storm", storm},     {"chain", chain},
	{"vfork", vforks},    {"vfork_allocates", vfork_allocates},
	{"spawn", spawns},    {"leaf", leaf},
	{"execs", execs},     {"raw", raw},
	{"handler", handler}, {"daemon", daemons},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
