/* SPDX-License-Identifier: MIT */

/*
 * operator new and delete in all their forms and in trouble.  See tests/host_new.py,
 * which knows how many blocks of which kind each mode makes.
 */
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define OWN_FRAME __attribute__((__noinline__))

using std::align_val_t;
using std::nothrow;

#ifndef __cpp_sized_deallocation /* clang before 19 wants to be asked for them */
void operator delete(void *p, size_t size) noexcept;
void operator delete[](void *p, size_t size) noexcept;
void operator delete(void *p, size_t size, align_val_t align) noexcept;
void operator delete[](void *p, size_t size, align_val_t align) noexcept;
#endif

/* Nobody may remove a pair of new and delete. */
template <class T> static T *used(T *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static void want(bool good)
{
	if (!good)
		abort();
}

/* Ten blocks of each form; of those made by FIRST forms one stays. */
OWN_FRAME static void plain_forms(int i)
{
	void *a = used(operator new(1001));
	void *b = used(operator new(1002, nothrow));
	void *c = used(operator new(1008, align_val_t(64)));
	void *d = used(operator new(1024, align_val_t(256), nothrow));
	want((size_t)c % 64 == 0 && (size_t)d % 256 == 0);
	if (i)
		operator delete(a);
	operator delete(b, nothrow);
	operator delete(c, align_val_t(64));
	operator delete(d, align_val_t(256), nothrow);
	operator delete(used(operator new(1003)), (size_t)1003);
	operator delete(used(operator new(1024, align_val_t(64))), (size_t)1024,
			align_val_t(64));
	operator delete(nullptr);
}

OWN_FRAME static void array_forms(int i)
{
	void *a = used(operator new[](2001));
	void *b = used(operator new[](2002, nothrow));
	void *c = used(operator new[](2048, align_val_t(64)));
	void *d = used(operator new[](2048, align_val_t(256), nothrow));
	if (i)
		operator delete[](a);
	operator delete[](b, nothrow);
	operator delete[](c, align_val_t(64));
	operator delete[](d, align_val_t(256), nothrow);
	operator delete[](used(operator new[](2003)), (size_t)2003);
	operator delete[](used(operator new[](2048, align_val_t(64))), (size_t)2048,
			  align_val_t(64));
}

static void forms()
{
	for (int i = 0; i < 10; i++) {
		plain_forms(i);
		array_forms(i);
	}
}

/* A class with an operator new of its own; placement new. */
struct Own {
	long words[4];
	static void *operator new(size_t size)
	{
		return malloc(size + 500);
	}
	static void operator delete(void *p)
	{
		free(p);
	}
};

static void classes()
{
	alignas(long) static char room[sizeof(long)];
	for (int i = 0; i < 10; i++) {
		delete used(new Own);
		*used(new (room) long) = i;
		delete used(new long(i));
	}
}

OWN_FRAME static bool too_much(size_t size)
{
	try {
		used(operator new(size));
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

/* Each failure is followed by a malloc that has nothing to do with it. */
static void bad()
{
	for (int i = 0; i < 100; i++) {
		want(too_much((size_t)1 << 62));
		free(used(malloc(3000)));
		want(!used(operator new[]((size_t)1 << 62, nothrow)));
		free(used(malloc(3000)));
		delete used(new long(i));
	}
}

static void *reserve;

OWN_FRAME static void give_reserve()
{
	free(used(malloc(4000)));
	want(reserve);
	free(reserve);
	reserve = nullptr;
}

static size_t address_space()
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY);
	want(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoul(text, nullptr, 10) * 4096;
}

/* The handler frees what lets the allocation succeed at the second try. */
static void handler()
{
	reserve = used(malloc(96 << 20));
	rlim_t all = address_space() + (32 << 20);
	rlimit limit = {all, RLIM_INFINITY};
	want(!setrlimit(RLIMIT_AS, &limit));
	std::set_new_handler(give_reserve);
	char *p = used(new char[64 << 20]);
	want(!reserve);
	delete[] p;
}

static jmp_buf out;

static void jump_out()
{
	longjmp(out, 1);
}

static void handler_jumps()
{
	std::set_new_handler(jump_out);
	for (volatile int i = 0; i < 100; i = i + 1) {
		if (!setjmp(out))
			used(operator new((size_t)1 << 62));
		free(used(malloc(3000)));
		delete used(new long(i));
	}
}

static volatile sig_atomic_t n_signals;

static void on_signal(int)
{
	delete used(new long(1));
	if (n_signals % 2)
		delete[] used(new char[100]);
	n_signals = n_signals + 1;
}

/* A small allocator is not safe in handlers: main allocates what needs no lock. */
static void signals()
{
	static char *kept[64];
	struct sigaction action = {};
	action.sa_handler = on_signal;
	sigaction(SIGALRM, &action, nullptr);
	itimerval every = {{0, 200}, {0, 200}};
	setitimer(ITIMER_REAL, &every, nullptr);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	while (n_signals < 300) {
		/* malloc is not to be interrupted by itself; all else may be. */
		sigprocmask(SIG_BLOCK, &set, &old);
		for (auto &p : kept)
			p = used(new char[50]);
		for (auto &p : kept)
			delete[] p;
		sigprocmask(SIG_SETMASK, &old, nullptr);
	}
	every = {};
	setitimer(ITIMER_REAL, &every, nullptr);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)();
	} modes[] = {
		{"forms", forms},     {"classes", classes},     {"bad", bad},
		{"handler", handler}, {"jumps", handler_jumps}, {"signals", signals}};
	for (auto &mode : modes)
		if (argc > 1 && !strcmp(argv[1], mode.name))
			return mode.run(), 0;
	return 2;
}
