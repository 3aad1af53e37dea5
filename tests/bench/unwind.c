/* SPDX-License-Identifier: MIT */

/*
 * How long a walk takes, by depth: a chain of different functions without
 * frame pointers, and below it REPEAT walks of the same stack.  Prints the
 * least of many short runs, in ns of the thread's CPU time.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "src/tracker/unwind.h"

#define REPEAT 2000
#define RUNS   60
#define ROOM   256

void bench_walk(void);
void bench_walk_at(const uint64_t *slot, uint64_t fp);

static uint64_t pcs[ROOM];
static size_t n_frames;
static double least_ns;

void tr_module_seen(const struct dl_find_object *object)
{
	(void)object;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_walk_at(const uint64_t *slot, uint64_t fp)
{
	uint32_t flags = 0;
	uint64_t start = now_ns();
	for (int i = 0; i < REPEAT; i++)
		n_frames = tr_unwind(slot, fp, pcs, ROOM, &flags);
	double ns = (double)(now_ns() - start) / REPEAT;
	if (ns < least_ns)
		least_ns = ns;
}

__asm__(".text\n"
	".type bench_walk, @function\n"
	"bench_walk:\n\t"
	".cfi_startproc\n\t"
	"movq %rsp, %rdi\n\t"
	"movq %rbp, %rsi\n\t"
	"subq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call bench_walk_at\n\t"
	"addq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size bench_walk, .-bench_walk\n");

/* 64 functions: link_N calls link_N-1, with registers saved and frames of many sizes. */
typedef int link_function(int);
static link_function *const links[64];

static int link_0(int n)
{
	bench_walk();
	return n;
}

#define LINK(i)                                                  \
	static __attribute__((__noinline__)) int link_##i(int n) \
	{                                                        \
		volatile char room[8 * (i % 7) + 8];             \
		int kept = n * i;                                \
		room[0] = (char)n;                               \
		__asm__ volatile("" : "+r"(kept));               \
		int ret = links[i - 1](n) + kept + room[0];      \
		__asm__ volatile("" ::: "memory");               \
		return ret;                                      \
	}
#define LINK8(a, b, c, d, e, f, g, h) \
	LINK(a) LINK(b) LINK(c) LINK(d) LINK(e) LINK(f) LINK(g) LINK(h)
LINK8(1, 2, 3, 4, 5, 6, 7, 8)
LINK8(9, 10, 11, 12, 13, 14, 15, 16)
LINK8(17, 18, 19, 20, 21, 22, 23, 24)
LINK8(25, 26, 27, 28, 29, 30, 31, 32)
LINK8(33, 34, 35, 36, 37, 38, 39, 40)
LINK8(41, 42, 43, 44, 45, 46, 47, 48)
LINK8(49, 50, 51, 52, 53, 54, 55, 56)
LINK(57)
LINK(58)
LINK(59)
LINK(60)
LINK(61)
LINK(62)
LINK(63)

#define NAMES8(a, b, c, d, e, f, g, h) \
	link_##a, link_##b, link_##c, link_##d, link_##e, link_##f, link_##g, link_##h
static link_function *const links[64] = {
	NAMES8(0, 1, 2, 3, 4, 5, 6, 7),         NAMES8(8, 9, 10, 11, 12, 13, 14, 15),
	NAMES8(16, 17, 18, 19, 20, 21, 22, 23), NAMES8(24, 25, 26, 27, 28, 29, 30, 31),
	NAMES8(32, 33, 34, 35, 36, 37, 38, 39), NAMES8(40, 41, 42, 43, 44, 45, 46, 47),
	NAMES8(48, 49, 50, 51, 52, 53, 54, 55), NAMES8(56, 57, 58, 59, 60, 61, 62, 63),
};

int main(void)
{
	puts("frames  ns per walk  ns per frame");
	for (int depth = 4; depth <= 64; depth *= 2) {
		least_ns = 1e9;
		for (int run = 0; run < RUNS; run++)
			links[depth - 1](run);
		printf("%6zu  %11.1f  %12.2f\n", n_frames, least_ns,
		       least_ns / (double)n_frames);
	}
	return 0;
}
