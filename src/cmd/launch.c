/* SPDX-License-Identifier: MIT */

/* Starting, signalling and reaping the program. */
#include "src/cmd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The terminal sends SIGINT and SIGQUIT to the program as well as to us; it
 * decides.  SIGPIPE would end us when nobody reads our messages any more.
 * With SIGCHLD ignored, the kernel would keep no zombie.
 */
static const struct {
	int sig;
	void (*handler)(int);
} our_actions[] = {
	{SIGINT, SIG_IGN}, {SIGQUIT, SIG_IGN}, {SIGPIPE, SIG_IGN}, {SIGCHLD, SIG_DFL}};
_Static_assert(HS_COUNT(our_actions) == HS_COUNT(((struct hs_launch *)0)->actions),
	       "one saved action each");

static const int forwarded[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

static bool is_ignored(int sig)
{
	struct sigaction sa;
	return !sigaction(sig, NULL, &sa) && sa.sa_handler == SIG_IGN;
}

static struct hs_error *take_signals(struct hs_launch *l)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	/* What nohup and the like made us ignore, the program ignores, too. */
	for (size_t i = 0; i < HS_COUNT(forwarded); i++)
		if (!is_ignored(forwarded[i]))
			sigaddset(&set, forwarded[i]);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0)
		return hs_error("cannot make a signal descriptor: %s", strerror(errno));
	sigprocmask(SIG_BLOCK, &set, &l->mask);
	for (size_t i = 0; i < HS_COUNT(our_actions); i++) {
		struct sigaction sa = {.sa_handler = our_actions[i].handler};
		sigaction(our_actions[i].sig, &sa, &l->actions[i]);
	}
	return NULL;
}

static void give_signals_back(const struct hs_launch *l)
{
	for (size_t i = 0; i < HS_COUNT(our_actions); i++)
		sigaction(our_actions[i].sig, &l->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &l->mask, NULL);
}

static _Noreturn void become(const struct hs_launch *l, const char *path,
			     char *const *argv, const struct hs_environment *env,
			     int failure_fd)
{
	for (; env->name; env++)
		setenv(env->name, env->value, 1);
	give_signals_back(l);
	execv(path, argv);
	int err = errno;
	(void)!write(failure_fd, &err, sizeof(err));
	_exit(127);
}

/* Wait for exec(): the pipe's end closes with it, or tells an errno. */
static int exec_failure(int fd)
{
	int err = 0;
	ssize_t n;
	do
		n = read(fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(err) ? err : 0;
}

struct hs_error *hs_launch(const char *path, char *const *argv,
			   const struct hs_environment *env, struct hs_launch *ret)
{
	int fds[2];
	struct hs_launch l = {.pid = -1};
	struct hs_error *err = take_signals(&l);
	if (err)
		return err;
	if (pipe2(fds, O_CLOEXEC)) {
		give_signals_back(&l);
		close(l.signal_fd);
		return hs_error("cannot run '%s': %s", path, strerror(errno));
	}
	l.pid = fork();
	if (l.pid == 0)
		become(&l, path, argv, env, fds[1]);
	int failure = l.pid < 0 ? errno : 0;
	close(fds[1]);
	if (!failure)
		failure = exec_failure(fds[0]);
	close(fds[0]);
	if (!failure) {
		*ret = l;
		return NULL;
	}
	if (l.pid > 0)
		hs_launch_reap(&l);
	else
		give_signals_back(&l);
	return hs_error("cannot run '%s': %s", path, strerror(failure));
}

static void forward(const struct hs_launch *l, const struct signalfd_siginfo *info)
{
	/*
	 * What the kernel sends (a terminal that hangs up) goes to the whole
	 * group, and has reached the program already.
	 */
	if (info->ssi_code != SI_KERNEL)
		kill(l->pid, (int)info->ssi_signo);
}

bool hs_launch_signalled(struct hs_launch *l)
{
	struct signalfd_siginfo info;
	while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			forward(l, &info);
	siginfo_t end;
	hs_launch_look(l, &end);
	return end.si_pid != 0;
}

void hs_launch_look(const struct hs_launch *l, siginfo_t *ret)
{
	*ret = (siginfo_t){0};
	while (waitid(P_PID, (id_t)l->pid, ret, WEXITED | WNOWAIT | WNOHANG) < 0 &&
	       errno == EINTR)
		;
}

void hs_launch_reap(struct hs_launch *l)
{
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->signal_fd);
	give_signals_back(l);
}
