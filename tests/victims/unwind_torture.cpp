/* SPDX-License-Identifier: MIT */

/*
 * Stacks of every kind.  In each part the stack is walked at many points by
 * tr_unwind and by libunwind, which must agree; prints TAP, one result a part.
 *
 * Usage: unwind_torture PLUGINS [ROUNDS [SEED [TIMER]]]
 * PLUGINS is the folder of unwind_plugin1.so and unwind_plugin2.so.  TIMER: more
 * microseconds, where the processor is emulated, than a handler takes.
 */
#include <alloca.h>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "tests/lib/stackcheck.h"

#define NOINLINE __attribute__((noinline))
#ifdef __clang__
#define WITH_FRAME_POINTER
#else
#define WITH_FRAME_POINTER __attribute__((optimize("no-omit-frame-pointer")))
#endif
#define AFTERWARDS __asm__ volatile("" ::: "memory") /* what precedes is no tail call */
#define USE(array) __asm__ volatile("" ::"r"(array) : "memory")

static thread_local uint32_t random_state;
static thread_local bool may_jump, may_signal;
static thread_local jmp_buf jump_target;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

/* ---- frames of all kinds; each calls any() */

static void any(int depth);

static NOINLINE void plain(int depth)
{
	stack_check();
	any(depth - 1);
	AFTERWARDS;
}

static NOINLINE void many_registers(int depth)
{
	int a = depth + 1, b = a * 3, c = b ^ a, d = c + b, e = d - a, f = e * c;
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	any(depth - 1);
	__asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f));
	stack_check();
	AFTERWARDS;
}

static NOINLINE void with_alloca(int depth)
{
	char *room = static_cast<char *>(alloca(random_below(6000) + 16));
	USE(room);
	any(depth - 1);
	stack_check();
	USE(room);
}

static NOINLINE void with_large_frame(int depth)
{
	char room[40000];
	USE(room);
	any(depth - 1);
	stack_check();
	USE(room);
}

static NOINLINE WITH_FRAME_POINTER void with_frame_pointer(int depth)
{
	char room[33];
	USE(room);
	any(depth - 1);
	stack_check();
	USE(room);
}

static NOINLINE void realigned(int depth)
{
	alignas(64) char room[128];
	USE(room);
	any(depth - 1);
	stack_check();
	USE(room);
}

/* The arguments on the stack need a register of their own (DRAP). */
static NOINLINE void realigned_with_arguments(int depth, int, int, int, int, int,
					      long seventh, long eighth)
{
	alignas(32) long room[2] = {seventh, eighth};
	char *more = static_cast<char *>(alloca(random_below(300) + 1));
	USE(room);
	any(depth - 1);
	stack_check();
	USE(room);
	USE(more);
}

__attribute__((force_align_arg_pointer)) static NOINLINE void entry_realigned(int depth)
{
	any(depth - 1);
	stack_check();
	AFTERWARDS;
}

struct cleanup {
	~cleanup()
	{
		stack_check();
	}
};

static NOINLINE void catching(int depth)
{
	try {
		cleanup c;
		any(depth - 1);
		if (random_below(4) == 0)
			throw std::runtime_error("caught here");
	} catch (const std::runtime_error &) {
		stack_check();
	}
	stack_check();
	AFTERWARDS;
}

static NOINLINE void throwing(int depth)
{
	cleanup c;
	if (random_below(5) == 0)
		throw 1; /* caught far below */
	any(depth - 1);
	AFTERWARDS;
}

[[noreturn]] static NOINLINE void thrower(int depth)
{
	any(depth - 1);
	stack_check();
	throw 2;
}

/* Its last instruction is a call: the return address lies behind its end. */
static NOINLINE void ends_with_a_call(int depth)
{
	stack_check();
	thrower(depth);
}

static NOINLINE void before_noreturn(int depth)
{
	try {
		ends_with_a_call(depth);
	} catch (int) {
		stack_check();
	}
}

static NOINLINE void jumping(int depth)
{
	if (may_jump && random_below(8) == 0)
		longjmp(jump_target, 1);
	any(depth - 1);
	AFTERWARDS;
}

static int compare(const void *a, const void *b)
{
	stack_check();
	return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

static NOINLINE void sorting(int depth)
{
	int v[12];
	for (int &i : v)
		i = static_cast<int>(random_below(50));
	qsort(v, 12, sizeof(*v), compare);
	any(depth - 1);
	AFTERWARDS;
}

static NOINLINE void signalling(int depth)
{
	if (may_signal && random_below(3) == 0)
		raise(SIGUSR1);
	any(depth - 1);
	AFTERWARDS;
}

static void any(int depth)
{
	static void (*const kinds[])(int) = {plain,
					     many_registers,
					     with_alloca,
					     with_large_frame,
					     with_frame_pointer,
					     realigned,
					     entry_realigned,
					     catching,
					     throwing,
					     before_noreturn,
					     jumping,
					     sorting,
					     signalling};
	if (depth <= 0) {
		stack_check();
		return;
	}
	uint32_t kind = random_below(sizeof(kinds) / sizeof(*kinds) + 1);
	if (kind == 0)
		realigned_with_arguments(depth, 1, 2, 3, 4, 5, 6, 7);
	else
		kinds[kind - 1](depth);
	AFTERWARDS;
}

static NOINLINE void mixed(int depth)
{
	try {
		any(depth);
	} catch (int) {
		stack_check();
	}
	AFTERWARDS;
}

static void mixed_rounds(int rounds, uint32_t seed)
{
	random_state = seed;
	for (volatile int i = 0; i < rounds; i = i + 1) {
		may_jump = true;
		if (setjmp(jump_target) == 0)
			mixed(static_cast<int>(random_below(25)));
		may_jump = false;
	}
}

/* ---- depth */

static NOINLINE long deep(int depth)
{
	if (depth == 0) {
		stack_check();
		return 0;
	}
	long below = deep(depth - 1);
	AFTERWARDS;
	return below + depth;
}

static NOINLINE WITH_FRAME_POINTER long deep_with_frame_pointers(int depth)
{
	if (depth == 0) {
		stack_check();
		return 0;
	}
	long below = deep_with_frame_pointers(depth - 1);
	AFTERWARDS;
	return below + depth;
}

static void depths(int rounds)
{
	for (int depth = 1; depth <= 2000; depth += 1 + 2000 / (rounds + 1)) {
		deep(depth);
		deep_with_frame_pointers(depth);
	}
	deep(2000);
}

/* ---- coroutines */

#define N_COROUTINES 5
static thread_local ucontext_t scheduler, coroutines[N_COROUTINES];

static void coroutine(int i)
{
	for (;;) {
		mixed(static_cast<int>(random_below(12)));
		stack_check();
		swapcontext(&coroutines[i], &scheduler);
	}
}

static void coroutine_rounds(int rounds, uint32_t seed)
{
	static const size_t size = 1 << 20;
	random_state = seed;
	for (int i = 0; i < N_COROUTINES; i++) {
		getcontext(&coroutines[i]);
		coroutines[i].uc_stack.ss_sp = mmap(nullptr, size, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		coroutines[i].uc_stack.ss_size = size;
		coroutines[i].uc_link = &scheduler;
		makecontext(&coroutines[i], reinterpret_cast<void (*)()>(coroutine), 1,
			    i);
	}
	for (int i = 0; i < rounds; i++) {
		swapcontext(&scheduler, &coroutines[random_below(N_COROUTINES)]);
		mixed(static_cast<int>(random_below(6)));
	}
	for (int i = 0; i < N_COROUTINES; i++)
		munmap(coroutines[i].uc_stack.ss_sp, size);
}

/* ---- signals */

static void on_signal(int)
{
	stack_check();
}

/* Rarer, because the walk that a timer interrupts may be the check itself. */
static void on_timer(int)
{
	stack_check();
	deep(3);
}

static void use_signal_stack()
{
	static const size_t size = 256 << 10;
	stack_t stack = {};
	stack.ss_sp = mmap(nullptr, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack.ss_size = size;
	sigaltstack(&stack, nullptr);
	may_signal = true;
}

static void on(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {};
	action.sa_handler = handler;
	action.sa_flags = flags | SA_RESTART;
	sigaction(signal, &action, nullptr);
}

static void timer(long microseconds)
{
	itimerval interval = {{0, microseconds}, {0, microseconds}};
	setitimer(ITIMER_REAL, &interval, nullptr);
}

/* What a timer will interrupt: libc, PLT entries, prologues and epilogues. */
static void busy(int rounds)
{
	double sink = 0;
	for (int i = 0; i < rounds * 300; i++) {
		char text[64];
		void *block = malloc(static_cast<size_t>(i % 500));
		snprintf(text, sizeof(text), "%d %g %s", i, i / 3.0, "text");
		sink += strtod(text, nullptr) + static_cast<double>(strlen(text));
		free(block);
		deep(i % 9);
	}
	USE(&sink);
}

/* ---- threads */

struct work {
	int rounds;
	uint32_t seed;
};

static void *thread_main(void *arg)
{
	const work *w = static_cast<work *>(arg);
	use_signal_stack();
	mixed_rounds(w->rounds, w->seed);
	coroutine_rounds(w->rounds / 4, w->seed);
	return nullptr;
}

static void threads(int rounds, uint32_t seed)
{
	pthread_t thread[4];
	work w[4];
	for (int i = 0; i < 4; i++) {
		w[i] = {rounds, seed + static_cast<uint32_t>(i)};
		if (pthread_create(&thread[i], nullptr, thread_main, &w[i]))
			abort();
	}
	for (pthread_t t : thread)
		pthread_join(t, nullptr);
}

static void *small_thread_main(void *)
{
	for (int depth = 0; depth < 12; depth++)
		deep(depth);
	return nullptr;
}

static void small_threads(int rounds)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	/* 16 KiB on x86-64, 128 on AArch64 (PTHREAD_STACK_MIN) */
	long least = sysconf(_SC_THREAD_STACK_MIN);
	if (pthread_attr_setstacksize(&attr, static_cast<size_t>(least)))
		abort();
	for (int i = 0; i < rounds / 10 + 1; i++)
		if (pthread_create(&thread, &attr, small_thread_main, nullptr) == 0)
			pthread_join(thread, nullptr);
	pthread_attr_destroy(&attr);
}

/* ---- loaded code */

struct plugin {
	void *handle;
	uintptr_t base;
	void (*call)(void (*)(void));
	int (*chosen)(int);
	void (**on_choice)(void);
};

static plugin plugin_load(const char *folder, const char *name, int flags)
{
	char path[4096];
	plugin p = {};
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	p.handle = dlopen(path, flags | RTLD_LOCAL);
	if (!p.handle) {
		printf("Bail out! %s\n", dlerror());
		exit(1);
	}
	p.base = reinterpret_cast<link_map *>(p.handle)->l_addr;
	p.call = reinterpret_cast<void (*)(void (*)(void))>(
		dlsym(p.handle, "plugin_call"));
	p.chosen = reinterpret_cast<int (*)(int)>(dlsym(p.handle, "plugin_use_chosen"));
	p.on_choice = static_cast<void (**)(void)>(dlsym(p.handle, "plugin_on_choice"));
	return p;
}

/* Two libraries with the same symbols and other frames, each where the other was. */
static int reload(const char *folder, int rounds)
{
	int same_place = 0;
	uintptr_t last = 0;
	for (int i = 0; i < rounds / 10 + 4; i++) {
		plugin p = plugin_load(folder,
				       i % 2 ? "unwind_plugin2.so" : "unwind_plugin1.so",
				       RTLD_NOW);
		same_place += p.base == last;
		last = p.base;
		p.call(stack_check);
		dlclose(p.handle);
		stack_check_forget();
		unw_flush_cache(unw_local_addr_space, 0, 0);
	}
	return same_place;
}

/* The resolver of an ifunc runs under the loader's trampoline, whose CFA is rbx. */
static int resolve_lazily(const char *folder)
{
	plugin p = plugin_load(folder, "unwind_plugin1.so", RTLD_LAZY);
	*p.on_choice = stack_check;
	uint64_t before = stack_check_counts.stacks;
	int right = p.chosen(20) == 21 && stack_check_counts.stacks > before;
	dlclose(p.handle);
	stack_check_forget();
	unw_flush_cache(unw_local_addr_space, 0, 0);
	return right;
}

/* ---- generated code: a chain of frame pointers, no tables */

static void generated(int rounds)
{
#ifdef __x86_64__
	static const unsigned char code[] = {
		0x55,             /* push %rbp */
		0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
		0xff, 0xd7,       /* call *%rdi */
		0x5d,             /* pop %rbp */
		0xc3,             /* ret */
	};
#else
	static const unsigned code[] = {
		0xa9bf7bfd, /* stp x29, x30, [sp, #-16]! */
		0x910003fd, /* mov x29, sp */
		0xd63f0000, /* blr x0 */
		0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
		0xd65f03c0, /* ret */
	};
#endif
	void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(page, code, sizeof(code));
	__builtin___clear_cache(static_cast<char *>(page),
				static_cast<char *>(page) + sizeof(code));
	for (int i = 0; i < rounds; i++)
		reinterpret_cast<void (*)(void (*)(void))>(page)(stack_check);
	munmap(page, 4096);
	stack_check_forget();
}

/* ---- report */

static bool checked_before_main;
__attribute__((constructor)) static void before_main()
{
	deep(5);
	checked_before_main = stack_check_counts.stacks == 1;
}

static int n_results, n_failed;

/* INEXACT and GUESSED say how many such stacks are all right. */
static void result(const char *title, bool otherwise_fine, uint64_t inexact = 0,
		   uint64_t guessed = 0)
{
	static struct stack_check_counts last;
	struct stack_check_counts now = stack_check_counts, d = now;
	d.stacks -= last.stacks;
	d.frames -= last.frames;
	d.differ -= last.differ;
	d.inexact -= last.inexact;
	d.cut -= last.cut;
	d.guessed -= last.guessed;
	d.remembered -= last.remembered;
	d.wrong -= last.wrong;
	bool good = otherwise_fine && d.stacks && !d.differ && d.inexact <= inexact &&
		    d.guessed <= guessed && !d.wrong;
	printf("%sok %d - %s: %lu stacks, %lu frames; %lu differ, %lu are inexact and "
	       "say so; "
	       "%lu cut, %lu guessed; %lu remembered, %lu of them wrong\n",
	       good ? "" : "not ", ++n_results, title, d.stacks, d.frames, d.differ,
	       d.inexact, d.cut, d.guessed, d.remembered, d.wrong);
	fflush(stdout);
	n_failed += !good;
	last = now;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const char *folder = argv[1];
	int rounds = argc > 2 ? atoi(argv[2]) : 150;
	uint32_t seed = argc > 3 ? static_cast<uint32_t>(atoi(argv[3])) : 1;
	long period = argc > 4 ? atol(argv[4]) : 211;
	puts("1..11");
	result("a constructor before main", checked_before_main);
	depths(rounds);
	result("recursion up to 2000 frames",
	       stack_check_counts.deepest >= 2000 && stack_check_counts.cut == 0);
	mixed_rounds(rounds * 4, seed);
	result("frames of all kinds", true);
	coroutine_rounds(rounds, seed);
	result("coroutines", true);
	on(SIGUSR1, on_signal, SA_ONSTACK);
	use_signal_stack();
	mixed_rounds(rounds * 2, seed + 1);
	on(SIGUSR1, on_signal, 0);
	mixed_rounds(rounds * 2, seed + 2);
	result("signals, on a stack of their own and not", true);
	on(SIGALRM, on_timer, SA_ONSTACK);
	timer(period);
	busy(rounds);
	mixed_rounds(rounds, seed + 3);
	timer(0);
	/*
	 * The last three instructions by which libgcc's unwinder jumps to a handler
	 * have wrong CFI: there both walks derail, and only ours says so.
	 */
	uint64_t few = 3 + stack_check_counts.stacks / 10000;
	result("interrupted anywhere by a timer", true, few, few);
	threads(rounds, seed);
	result("threads", true);
	small_threads(rounds);
	result("threads with the least stack that there can be", true);
	bool lazy = resolve_lazily(folder);
	result("the loader's lazy resolution of an ifunc", lazy);
	int same_place = reload(folder, rounds);
	result("other code at the same address", same_place > 0);
	generated(rounds);
#ifdef __x86_64__
	uint64_t followed = 0;
#else
	uint64_t followed = static_cast<uint64_t>(rounds); /* not by libunwind */
#endif
	result("generated code with frame pointers", true, followed,
	       static_cast<uint64_t>(rounds));
	return n_failed > 0;
}
