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

#ifdef __x86_64__
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
#else
__asm__(".text\n"
	".type bench_walk, %function\n"
	"bench_walk:\n\t"
	".cfi_startproc\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	".cfi_def_cfa_offset 16\n\t"
	".cfi_offset 29, -16\n\t"
	".cfi_offset 30, -8\n\t"
	"add x0, sp, #8\n\t"
	"mov x1, x29\n\t"
	"mov x29, sp\n\t"
	"bl bench_walk_at\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	".cfi_restore 29\n\t"
	".cfi_restore 30\n\t"
	".cfi_def_cfa_offset 0\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size bench_walk, .-bench_walk\n");
#endif

/*
 * 64 functions: link_N calls link_N-1, with registers saved and frames of many
 * sizes.  All in one list, from which declarations and definitions are made.
 */
/* clang-format off */
#define EACH(X) \
	X(1)  X(2)  X(3)  X(4)  X(5)  X(6)  X(7)  X(8)  X(9)  X(10) X(11) X(12) X(13) \
	X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) \
	X(27) X(28) X(29) X(30) X(31) X(32) X(33) X(34) X(35) X(36) X(37) X(38) X(39) \
	X(40) X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) X(49) X(50) X(51) X(52) \
	X(53) X(54) X(55) X(56) X(57) X(58) X(59) X(60) X(61) X(62) X(63)
/* clang-format on */
#define DECLARE(i) static int link_##i(int n);
#define NAME(i)    link_##i,
#define DEFINE(i)                                                         \
	static __attribute__((__noinline__)) int link_##i(int n)          \
	{                                                                 \
		char room[8 * (i % 7) + 8];                               \
		int kept = n * i;                                         \
		__asm__ volatile("" : "+r"(kept) : "r"(room) : "memory"); \
		int ret = links[i - 1](n) + kept;                         \
		__asm__ volatile("" : : "r"(room) : "memory");            \
		return ret;                                               \
	}

static int link_0(int n)
{
	bench_walk();
	return n;
}

EACH(DECLARE)
static int (*const links[64])(int) = {link_0, EACH(NAME)};
EACH(DEFINE)

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
