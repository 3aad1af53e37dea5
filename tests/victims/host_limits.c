/* SPDX-License-Identifier: MIT */

/*
 * host_limits MODE: a program that takes away from itself what the tracker may
 * want to use.  After that it allocates enough for many chunks.
 *
 * truth: mallocs, frees and reallocs are 2, 2 and 1 for each of CHURN rounds;
 * output and status are as without a tracker
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "host.h"

extern char **environ;

#define CHURN 5000

/* Whoever is recorded only by this name begins to be recorded now. */
static void be_chosen(void)
{
	if (getenv("HOST_LATE"))
		NEED(!prctl(PR_SET_NAME, "chosen"));
}

static void *on_thread(void *unused)
{
	churn(100);
	return unused;
}

/* What every mode does in the end: more events than are reserved beforehand. */
static int work(void)
{
	pthread_t one;
	be_chosen();
	churn(CHURN);
	NEED(!pthread_create(&one, NULL, on_thread, NULL));
	NEED(!pthread_join(one, NULL));
	say("worked\n");
	return 0;
}

static void limit(int what, rlim_t value)
{
	struct rlimit r = {value, value};
	NEED(!setrlimit(what, &r));
}

static int close_all(int argc, char **argv)
{
	(void)argc, (void)argv;
	closefrom(3);
	int fd = open("/dev/null", O_RDONLY);
	say_number("next descriptor", fd);
	for (int i = 0; i < 200; i++) {
		churn(100);
		NEED(dup(fd) == fd + 1 && !close(fd + 1));
	}
	return work();
}

static int descriptors(int argc, char **argv)
{
	(void)argc;
	limit(RLIMIT_NOFILE, (rlim_t)atoi(argv[2]));
	while (dup(1) >= 0)
		;
	say_number("errno", errno);
	return work();
}

static int list_descriptors(int argc, char **argv)
{
	(void)argc, (void)argv;
	churn(CHURN);
	DIR *dir = opendir("/proc/self/fd");
	NEED(dir);
	for (struct dirent *e; (e = readdir(dir));)
		if (*e->d_name != '.')
			say_number("descriptor", atoi(e->d_name));
	closedir(dir);
	return 0;
}

static int file_size(int argc, char **argv)
{
	(void)argc;
	limit(RLIMIT_FSIZE, (rlim_t)atol(argv[2]));
	return work();
}

static int address_space(int argc, char **argv)
{
	(void)argc;
	limit(RLIMIT_AS, (rlim_t)atol(argv[2]) << 20);
	be_chosen();
	churn(CHURN);
	say("worked\n");
	return 0;
}

/* Execute oneself under a limit: the start is what is limited. */
static int limited_start(int argc, char **argv)
{
	NEED(argc > 4);
	limit(!strcmp(argv[2], "as")       ? RLIMIT_AS
	      : !strcmp(argv[2], "nofile") ? RLIMIT_NOFILE
					   : RLIMIT_FSIZE,
	      (rlim_t)atol(argv[3]));
	execv("/proc/self/exe", argv + 3);
	return 98;
}

static int just_work(int argc, char **argv)
{
	(void)argc, (void)argv;
	return work();
}

/* The folder of the captures goes away, or becomes another one. */
static int vanish(int argc, char **argv)
{
	(void)argc, (void)argv;
	const char *dir = getenv("HOST_VANISH");
	char command[5000];
	churn(10);
	if (dir) {
		snprintf(command, sizeof(command), "rm -rf '%s'", dir);
		NEED(system(command) == 0);
	} else {
		NEED(system("true") == 0);
	}
	return work();
}

static int into_chroot(int argc, char **argv)
{
	(void)argc;
	churn(10);
	NEED(!chroot(argv[2]) && !chdir("/"));
	return work();
}

static int drop(int argc, char **argv)
{
	(void)argc, (void)argv;
	churn(10);
	NEED(!setgid(65534) && !setuid(65534));
	return work();
}

/* No process more, which holds for all but root. */
static int no_process(int argc, char **argv)
{
	(void)argc, (void)argv;
	NEED(geteuid() || (!setgid(65534) && !setuid(65534)));
	limit(RLIMIT_NPROC, 0);
	say_number("fork", fork());
	be_chosen();
	churn(CHURN);
	return 0;
}

static int undumpable(int argc, char **argv)
{
	(void)argc, (void)argv;
	NEED(!prctl(PR_SET_DUMPABLE, 0));
	return work();
}

static int wander(int argc, char **argv)
{
	(void)argc, (void)argv;
	churn(10);
	NEED(!chdir("/"));
	pid_t pid = fork();
	if (pid == 0) {
		churn(10);
		_exit(0);
	}
	NEED(waitpid(pid, NULL, 0) == pid);
	return work();
}

/* ---- seccomp */

static void filter(const int *numbers, size_t n, uint32_t action)
{
	struct sock_filter code[64];
	struct sock_fprog program = {.filter = code};
	unsigned short k = 0;
	code[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		code[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (uint32_t)numbers[i], 0, 1);
		code[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	code[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = k;
	NEED(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	NEED(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void on_sys(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
#ifdef __x86_64__
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
#else
	((ucontext_t *)context)->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
}

static int forbid(int argc, char **argv)
{
	static const int opens[] = {SYS_open, SYS_openat, SYS_openat2, SYS_creat},
			 files[] = {SYS_fallocate, SYS_ftruncate, SYS_pwrite64,
				    SYS_fstat},
			 maps[] = {SYS_mmap, SYS_madvise, SYS_mremap},
			 asks[] = {SYS_gettid, SYS_getpid, SYS_prctl,     SYS_sigaltstack,
				   SYS_tgkill, SYS_getcwd, SYS_prlimit64, SYS_readlinkat};
	(void)argc;
	uint32_t action = SECCOMP_RET_ERRNO | EPERM;
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
	if (!strcmp(argv[3], "trap"))
		action = SECCOMP_RET_TRAP;
	if (!strcmp(argv[3], "kill"))
		action = SECCOMP_RET_KILL_PROCESS;
	NEED(!sigaction(SIGSYS, &sa, NULL));
	churn(10);
	if (!strcmp(argv[2], "open"))
		filter(opens, 4, action);
	if (!strcmp(argv[2], "files"))
		filter(files, 4, action);
	if (!strcmp(argv[2], "maps"))
		filter(maps, 3, action);
	if (!strcmp(argv[2], "asks"))
		filter(asks, 8, action);
	churn(argc > 4 ? (unsigned)atoi(argv[4]) : CHURN);
	say("worked\n");
	_exit(0);
}

static const struct {
	const char *name;
	int number;
} calls[] = {
	{"clone", SYS_clone},
	{"execve", SYS_execve},
	{"socket", SYS_socket},
	{"openat", SYS_openat},
	{"fallocate", SYS_fallocate},
	{"mmap", SYS_mmap},
	{"flock", SYS_flock},
	{"dup3", SYS_dup3},
	{"close_range", SYS_close_range},
	{"setsid", SYS_setsid},
	{"prlimit64", SYS_prlimit64},
	{"epoll_create1", SYS_epoll_create1},
	{"inotify_init1", SYS_inotify_init1},
	{"pidfd_open", SYS_pidfd_open},
	{"rename", SYS_renameat},
	{"wait4", SYS_wait4},
};

/* One call alone; what we start has the same filter. */
static int forbid_one(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
	NEED(argc > 3 && !sigaction(SIGSYS, &sa, NULL));
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(calls[i].name, argv[2]))
			filter(&calls[i].number, 1,
			       strcmp(argv[3], "trap") ? SECCOMP_RET_ERRNO | EPERM
						       : SECCOMP_RET_TRAP);
	be_chosen();
	churn(CHURN);
	say("worked\n");
	_exit(0);
}

/* ---- the time stamp counter */

static int no_tsc(int argc, char **argv)
{
	(void)argc;
	NEED(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	execl("/proc/self/exe", argv[0], "work", (char *)NULL);
	return 98;
}

static int no_tsc_in_fork(int argc, char **argv)
{
	(void)argc, (void)argv;
	pid_t pid = fork();
	if (pid == 0) {
		NEED(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
		churn(1000);
		_exit(6);
	}
	int status;
	NEED(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int no_tsc_late(int argc, char **argv)
{
	(void)argc, (void)argv;
	churn(100);
	NEED(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	return work();
}

/* ---- names and the environment */

static int spoil_title(int argc, char **argv)
{
	char *start = argv[0], *end = start;
	/* As setproctitle does: over the arguments and the environment behind them. */
	for (int i = 0; i < argc; i++)
		end = argv[i] + strlen(argv[i]);
	for (char **e = environ; *e; e++)
		end = *e + strlen(*e);
	churn(10);
	environ = NULL;
	memset(start, 'x', (size_t)(end - start));
	memcpy(start, "worker: ../../\n\x1b[31m", 18);
	for (int i = 1; i < argc; i++)
		argv[i] = NULL;
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			churn(10);
			_exit(0);
		}
		NEED(waitpid(pid, NULL, 0) == pid);
	}
	return work();
}

static int lose_environment(int argc, char **argv)
{
	(void)argc;
	churn(10);
	clearenv();
	environ = NULL;
	pid_t pid = fork();
	if (pid == 0) {
		churn(10);
		execl("/proc/self/exe", argv[0], "work", (char *)NULL);
		_exit(98);
	}
	NEED(waitpid(pid, NULL, 0) == pid);
	return work();
}

/* Execute oneself by the name ARGV[2]; "NULL": by none. */
static int named(int argc, char **argv)
{
	(void)argc;
	char mode[] = "work";
	char *as[] = {argv[2], mode, NULL};
	if (!strcmp(argv[2], "NULL"))
		as[0] = NULL;
	churn(10);
	execv("/proc/self/exe", as);
	return 98;
}

static const struct mode modes[] = {
	{"work", just_work},
	{"close_all", close_all},
	{"descriptors", descriptors},
	{"list_descriptors", list_descriptors},
	{"file_size", file_size},
	{"address_space", address_space},
	{"limited_start", limited_start},
	{"vanish", vanish},
	{"chroot", into_chroot},
	{"drop", drop},
	{"no_process", no_process},
	{"undumpable", undumpable},
	{"wander", wander},
	{"forbid", forbid},
	{"forbid_one", forbid_one},
	{"no_tsc", no_tsc},
	{"no_tsc_in_fork", no_tsc_in_fork},
	{"no_tsc_late", no_tsc_late},
	{"spoil_title", spoil_title},
	{"lose_environment", lose_environment},
	{"named", named},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	if (argc < 2) /* executed without a name, which the kernel makes "" */
		return work();
	return run_mode(modes, argc, argv);
}
