/* SPDX-License-Identifier: MIT */

/*
 * host_stacks MODE: stacks that are deep, huge, thrown through, or that move
 * from thread to thread.
 *
 * truth: as many allocations, frees and bytes as a counting malloc below the
 * tracker sees
 */
#include <alloca.h>
#include <map>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <ucontext.h>
#include <vector>

#include "host.h"

#define AFTERWARDS __asm__ volatile("" ::: "memory") /* what precedes is no tail call */

static NOINLINE void recurse(int depth)
{
	if (depth % 1000 == 0)
		churn(1);
	volatile int here =
		depth; /* of each level, so that no compiler makes it a loop */
	if (depth)
		recurse(depth - 1);
	here = here - 1;
}

static int recursion(int, char **)
{
	recurse(100000);
	say("came back\n");
	return 0;
}

static NOINLINE int thrower(int depth)
{
	std::vector<std::string> held(static_cast<size_t>(depth % 5 + 1),
				      std::string(100, 'x'));
	if (depth == 0)
		throw std::runtime_error(std::string(200, 'y'));
	try {
		return thrower(depth - 1) + static_cast<int>(held.size());
	} catch (const std::runtime_error &e) {
		std::string why = e.what();
		if (depth % 3)
			throw;
		throw std::runtime_error(why + "!");
	}
}

static int exceptions(int, char **)
{
	size_t n = 0;
	for (int i = 0; i < 300; i++) {
		try {
			thrower(i % 40);
		} catch (const std::exception &e) {
			n += strlen(e.what());
		}
	}
	say_number("length", static_cast<long>(n));
	return 0;
}

static NOINLINE void with_alloca(size_t size)
{
	char *p = static_cast<char *>(alloca(size));
	KEEP(p);
	p[0] = 1;
	churn(3);
	KEEP(p);
}

static NOINLINE void huge_frame(int depth)
{
	char room[200000];
	char *p = room;
	KEEP(p);
	if (depth)
		huge_frame(depth - 1);
	churn(3);
	KEEP(p);
}

static int frames(int, char **)
{
	for (size_t size = 1; size < 3000000; size = size * 3 + 1)
		with_alloca(size);
	huge_frame(20);
	std::thread([] { huge_frame(10); }).join();
	return 0;
}

/* ---- coroutines that each go from thread to thread */

#define COROUTINES 40
#define STEPS      30

struct coroutine {
	ucontext_t context, *back;
	int steps;
	void *held;
	bool done;
};

static coroutine coroutines[COROUTINES];

static NOINLINE void pause_at(coroutine *c, int depth)
{
	if (depth)
		pause_at(c, depth - 1);
	else
		swapcontext(&c->context, c->back);
	churn(1);
}

static void run(int i)
{
	coroutine *c = &coroutines[i];
	while (c->steps++ < STEPS) {
		free(c->held);
		c->held = malloc(static_cast<size_t>(i + c->steps));
		pause_at(c, i % 7);
	}
	free(c->held);
	c->done = true;
	swapcontext(&c->context, c->back);
}

/* One thread advances one half by one step, then the other. */
static void *advance(void *which)
{
	ucontext_t here;
	for (long i = *static_cast<int *>(which); i < COROUTINES; i += 2) {
		if (coroutines[i].done)
			continue;
		coroutines[i].back = &here;
		swapcontext(&here, &coroutines[i].context);
	}
	return nullptr;
}

static int migrate(int, char **)
{
	static int halves[2] = {0, 1};
	for (int i = 0; i < COROUTINES; i++) {
		void *stack = mmap(nullptr, 65536, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		NEED(stack != MAP_FAILED);
		getcontext(&coroutines[i].context);
		coroutines[i].context.uc_stack.ss_sp = stack;
		coroutines[i].context.uc_stack.ss_size = 65536;
		makecontext(&coroutines[i].context, reinterpret_cast<void (*)()>(run), 1,
			    i);
	}
	for (int step = 0; step < STEPS + 1; step++) {
		pthread_t threads[2];
		for (int half = 0; half < 2; half++)
			NEED(!pthread_create(&threads[half], nullptr, advance,
					     &halves[(half + step) % 2]));
		for (auto &thread : threads)
			pthread_join(thread, nullptr);
	}
	long done = 0;
	for (auto &c : coroutines)
		done += c.done;
	say_number("done", done);
	return 0;
}

/* ---- stacks of changing size at one place, and code without unwind tables */

extern "C" void call_bare(void (*function)(int), int argument, void *stack);
__asm__(".text\n"
	"call_bare:\n" /* calls FUNCTION on STACK; rbp points up beyond its end */
	"push %rbp\n"
	"push %rbx\n"
	"mov %rsp, %rbx\n"
	"mov %rdx, %rsp\n"
	"lea 64(%rdx), %rbp\n"
	"mov %rdi, %rax\n"
	"mov %esi, %edi\n"
	"call *%rax\n"
	"mov %rbx, %rsp\n"
	"pop %rbx\n"
	"pop %rbp\n"
	"ret\n");

static void churn_some(int n)
{
	churn(static_cast<unsigned>(n));
	AFTERWARDS;
}

static int shrinking(int, char **)
{
	char *place = static_cast<char *>(
		mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (size_t i = 0; i < 300; i++) {
		size_t size = i % 2 ? 16384 : 262144;
		NEED(mmap(place, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place);
		call_bare(churn_some, 3, place + size - 16 * (1 + i % 3));
		NEED(mmap(place, 1 << 20, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place);
	}
	say("came back\n");
	return 0;
}

/* ---- thread_local objects that allocate in their destructors */

struct local {
	std::map<int, std::string> rows;
	~local()
	{
		for (int i = 0; i < 20; i++)
			rows[i + 100] = std::string(50, 'z');
		rows.clear();
	}
};

static thread_local local mine;

static int thread_locals(int, char **)
{
	for (int i = 0; i < 100; i++)
		std::thread([] { mine.rows[1] = std::string(70, 'a'); }).join();
	mine.rows[2] = "of main";
	return 0;
}

static const mode modes[] = {
	{"recursion", recursion}, {"exceptions", exceptions},
	{"frames", frames},       {"migrate", migrate},
	{"shrinking", shrinking}, {"thread_locals", thread_locals},
	{nullptr, nullptr},
};

int main(int argc, char **argv)
{
	return run_mode(modes, argc, argv);
}
