/* SPDX-License-Identifier: MIT */

/*
 * host_signals MODE: a timer of 100 us whose handler, on an alternate stack,
 * allocates.  malloc may not be interrupted by malloc, so the handler does
 * nothing when it interrupted libc itself: what remains to be interrupted is the
 * program's own code and all that was preloaded.
 *
 * truth: handle: what a counting malloc below the tracker sees; jump: the same,
 * but each jump may cost the tracker the one event it was writing
 */
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "host.h"

static uintptr_t libc_start, libc_end;
static volatile sig_atomic_t n_handled;
static _Thread_local sigjmp_buf target;
static _Thread_local volatile sig_atomic_t may_jump;

static int find_libc(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	const char *name = strrchr(info->dlpi_name, '/');
	if (!name || strncmp(name, "/libc.so", 8))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		libc_start = start;
		libc_end = start + ph->p_memsz;
	}
	return 1;
}

#ifdef __x86_64__
#define HOST_PC(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_RIP])
#else
#define HOST_PC(context) ((uintptr_t)(context)->uc_mcontext.pc)
#endif

static int in_libc(const ucontext_t *context)
{
	uintptr_t pc = HOST_PC(context);
	return pc >= libc_start && pc < libc_end;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	if (in_libc(context))
		return;
	n_handled++;
	char *p = malloc(33), *q = realloc(malloc(3), 70);
	KEEP(p);
	free(q);
	free(p);
}

static void handle_and_jump(int sig, siginfo_t *info, void *context)
{
	handle(sig, info, context);
	if (in_libc(context) || !may_jump)
		return;
	may_jump = 0;
	siglongjmp(target, 1);
}

static void start(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	dl_iterate_phdr(find_libc, NULL);
	NEED(libc_start);
	NEED(!sigaction(SIGALRM, &action, NULL));
}

static void use_alternate_stack(void *at, size_t size)
{
	stack_t ss = {.ss_sp = at, .ss_size = size};
	NEED(!sigaltstack(&ss, NULL));
}

static void tick(long microseconds)
{
	struct itimerval often = {{0, microseconds}, {0, microseconds}};
	NEED(!setitimer(ITIMER_REAL, &often, NULL));
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char alternate[65536];
static volatile sig_atomic_t handled_enough;

static void *worker(void *unused)
{
	char *mine = malloc(65536);
	use_alternate_stack(mine, 65536);
	while (!handled_enough)
		churn(20);
	stack_t none = {.ss_flags = SS_DISABLE};
	sigaltstack(&none, NULL);
	free(mine);
	return unused;
}

static int handling(int argc, char **argv)
{
	(void)argc, (void)argv;
	pthread_t one;
	start(handle);
	use_alternate_stack(alternate, sizeof(alternate));
	NEED(!pthread_create(&one, NULL, worker, NULL));
	tick(100);
	/* However little of the processor there is for us. */
	for (double end = now() + 0.15; now() < end || n_handled < 20;)
		churn(20);
	handled_enough = 1;
	pthread_join(one, NULL);
	tick(0);
	say("handled\n");
	return 0;
}

static volatile long n_jumps;

static int jump_with(char *stack, size_t size)
{
	start(handle_and_jump);
	use_alternate_stack(stack, size);
	tick(100);
	for (double end = now() + 0.4; now() < end || n_jumps < 20;) {
		if (sigsetjmp(target, 1)) {
			n_jumps++;
			continue;
		}
		/* More is live than a page or two takes, so that chunks fill up. */
		for (int i = 0; i < 200; i++) {
			may_jump = 1;
			char *volatile p = malloc(100);
			may_jump = 1;
			free(p);
		}
		may_jump = 0;
	}
	may_jump = 0;
	tick(0);
	say("jumped\n");
	const char *path = getenv("HOST_JUMPS");
	FILE *f = path ? fopen(path, "w") : NULL;
	if (f) {
		fprintf(f, "%ld", n_jumps);
		fclose(f);
	}
	churn(5000);
	return 0;
}

static int jumping(int argc, char **argv)
{
	(void)argc, (void)argv;
	return jump_with(alternate, sizeof(alternate));
}

static void *jump_on_thread(void *stack)
{
	NEED(jump_with(stack, 65536) == 0);
	return NULL;
}

/* The alternate stack lies higher than the interrupted one: in main's own. */
static int jumping_down(int argc, char **argv)
{
	(void)argc, (void)argv;
	char here[65536];
	pthread_t one;
	sigset_t alarm_only;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	NEED(!pthread_create(&one, NULL, jump_on_thread, here));
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
	return pthread_join(one, NULL);
}

static volatile sig_atomic_t faults;

static void on_fault(int sig)
{
	(void)sig;
	faults++;
	churn(2);
	siglongjmp(target, 1);
}

/* Faults that are caught and jumped out of, as interpreters do. */
static int fault(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
	use_alternate_stack(alternate, sizeof(alternate));
	NEED(!sigaction(SIGSEGV, &action, NULL));
	for (int i = 0; i < 500; i++) {
		char *volatile p = malloc(9);
		volatile uintptr_t nowhere = 8;
		if (!sigsetjmp(target, 1))
			*(volatile char *)nowhere = 1;
		free(p);
	}
	say_number("faults", faults);
	return 0;
}

static const struct mode modes[] = {
	{"handle", handling}, {"jump", jumping}, {"jump_down", jumping_down},
	{"fault", fault},     {NULL, NULL},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
