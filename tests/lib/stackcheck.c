/* SPDX-License-Identifier: MIT */

/* The comparison of tr_unwind with libunwind.  Safe in signal handlers. */
#include "tests/lib/stackcheck.h"

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/tracker/machine.h"
#include "src/tracker/memo.h"
#include "src/tracker/unwind.h"
#include "src/wire.h"

/* A walk in each of many threads, each interrupted by many signals. */
#define N_BUFFERS   64
#define DETAILS_MAX 10
#define NAMES       16384u

struct buffer {
	bool taken;
	uint64_t ours[STACK_CHECK_ROOM], theirs[STACK_CHECK_ROOM];
	/* What a thread remembers, here of whoever had the buffer last. */
	void *thread;
	struct tr_trail trail;
	struct tr_memo memo;
	/* What the table of all stacks is to it: the last stack of each name. */
	struct {
		uint64_t name, stack;
	} names[NAMES];
};

struct stack_check_counts stack_check_counts;
const uint64_t *stack_check_pcs;
size_t stack_check_n;
uint32_t stack_check_flags;
uint64_t stack_check_modules_seen;
static struct buffer buffers[N_BUFFERS];
static uint32_t epoch;

void stack_check_at(const uint64_t *slot, uint64_t fp);

/* What the tracker's stubs do: where the return address lies, the caller's fp. */
#ifdef __x86_64__
__asm__(".text\n"
	".globl stack_check\n"
	".type stack_check, @function\n"
	"stack_check:\n\t"
	".cfi_startproc\n\t"
	"movq %rsp, %rdi\n\t"
	"movq %rbp, %rsi\n\t"
	"subq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call stack_check_at\n\t"
	"addq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size stack_check, .-stack_check\n");
#else
__asm__(".text\n"
	".globl stack_check\n"
	".type stack_check, %function\n"
	"stack_check:\n\t"
	".cfi_startproc\n\t"
	"stp x29, x30, [sp, #-16]!\n\t"
	".cfi_def_cfa_offset 16\n\t"
	".cfi_offset 29, -16\n\t"
	".cfi_offset 30, -8\n\t"
	"add x0, sp, #8\n\t"
	"mov x1, x29\n\t"
	"mov x29, sp\n\t"
	"bl stack_check_at\n\t"
	"ldp x29, x30, [sp], #16\n\t"
	".cfi_restore 29\n\t"
	".cfi_restore 30\n\t"
	".cfi_def_cfa_offset 0\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size stack_check, .-stack_check\n");
#endif

void tr_module_seen(const struct dl_find_object *object)
{
	(void)object;
	__atomic_fetch_add(&stack_check_modules_seen, 1, __ATOMIC_RELAXED);
}

static struct buffer *buffer_take(void)
{
	for (;;)
		for (size_t i = 0; i < N_BUFFERS; i++)
			if (!__atomic_test_and_set(&buffers[i].taken, __ATOMIC_ACQUIRE))
				return &buffers[i];
}

static size_t walk_theirs(const uint64_t *slot, uint64_t *pcs)
{
	unw_context_t context;
	unw_cursor_t cursor;
	unw_word_t ip, sp, last_sp = 0;
	bool more, interrupted = false; /* the frame before was a signal's */
	size_t n = 0;
	unw_getcontext(&context);
	unw_init_local(&cursor, &context);
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		unw_get_reg(&cursor, UNW_REG_SP, &sp);
		/* The outermost of AArch64 comes twice where x30 is no more defined. */
		if (n && ip == pcs[n - 1] && sp == last_sp)
			break;
		if (n || (ip == *slot && sp == (uintptr_t)(slot + 1)))
			pcs[n++] = ip + interrupted;
		interrupted = tr_returns_from_signal(ip);
		last_sp = sp;
		more = n < STACK_CHECK_ROOM && unw_step(&cursor) > 0;
	} while (more);
	/* Where a chain of frames ends with a null, libunwind may say so. */
	return n && pcs[n - 1] == 0 ? n - 1 : n;
}

static void show(const struct buffer *b, size_t ours, size_t theirs, size_t same,
		 uint32_t flags)
{
	static unsigned shown;
	char line[400];
	if (__atomic_fetch_add(&shown, 1, __ATOMIC_RELAXED) >= DETAILS_MAX)
		return;
	Dl_info info = {0};
	if (same)
		dladdr((void *)(uintptr_t)b->ours[same - 1], &info);
	int n = snprintf(
		line, sizeof(line),
		"# ours %zu theirs %zu frames, %zu the same, flags %x; last the same "
		"%s+%#lx (%s), then %#lx and %#lx\n",
		ours, theirs, same, flags, info.dli_fname,
		same ? b->ours[same - 1] - (uintptr_t)info.dli_fbase : 0, info.dli_sname,
		same < ours ? b->ours[same] : 0, same < theirs ? b->theirs[same] : 0);
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void count(const struct buffer *b, size_t ours, size_t theirs, uint32_t flags)
{
	size_t same = 0;
	while (same < ours && same < theirs && b->ours[same] == b->theirs[same])
		same++;
	__atomic_fetch_add(&stack_check_counts.stacks, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&stack_check_counts.frames, ours, __ATOMIC_RELAXED);
	if (flags & HS_WIRE_STACK_GUESSED)
		__atomic_fetch_add(&stack_check_counts.guessed, 1, __ATOMIC_RELAXED);
	if (flags & HS_WIRE_STACK_CUT)
		__atomic_fetch_add(&stack_check_counts.cut, 1, __ATOMIC_RELAXED);
	if (ours > __atomic_load_n(&stack_check_counts.deepest, __ATOMIC_RELAXED))
		__atomic_store_n(&stack_check_counts.deepest, ours, __ATOMIC_RELAXED);
	if (same == ours && same == theirs)
		return;
	bool marked = flags & (HS_WIRE_STACK_CUT | HS_WIRE_STACK_GUESSED);
	__atomic_fetch_add(marked ? &stack_check_counts.inexact
				  : &stack_check_counts.differ,
			   1, __ATOMIC_RELAXED);
	show(b, ours, theirs, same, flags);
}

static uint64_t hash_of(const uint64_t *pcs, size_t n)
{
	uint64_t h = TR_HASH_START;
	while (n--)
		h = tr_hash_mix(h, pcs[n]);
	return h;
}

static void count_remembered(bool right, const char *what)
{
	__atomic_fetch_add(&stack_check_counts.remembered, 1, __ATOMIC_RELAXED);
	if (right)
		return;
	__atomic_fetch_add(&stack_check_counts.wrong, 1, __ATOMIC_RELAXED);
	if (write(STDERR_FILENO, what, strlen(what)) < 0)
		return;
}

/* Trail and memo against the walk that found the N return addresses B->ours. */
static void check_remembered(struct buffer *b, const uint64_t *slot, uint64_t fp,
			     size_t n, uint32_t flags)
{
	uint64_t next = tr_memo_next(slot), name = 0;
	struct tr_memo_entry *e = tr_memo_at(&b->memo, slot, next);
	const struct tr_mark *m;
	uint32_t now = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
	if (b->thread != __builtin_thread_pointer())
		tr_trail_start(&b->trail);
	b->thread = __builtin_thread_pointer();
	if (tr_memo_suits(e, now, slot, next))
		name = tr_memo_hash(e, slot, fp);
	if (name && b->names[name % NAMES].name == name)
		count_remembered(!flags && b->names[name % NAMES].stack ==
						   hash_of(b->ours, n),
				 "# a memo is wrong\n");
	bool held = tr_trail_holds(&b->trail, now, slot, fp);
	if (!held && !tr_trail_follow(&b->trail, now, slot, fp))
		return;
	m = tr_trail_top(&b->trail);
	tr_trail_pcs(&b->trail, b->theirs);
	count_remembered(n == m->depth && flags == m->flags &&
				 !memcmp(b->theirs, b->ours, n * sizeof(*b->ours)) &&
				 m->hash == hash_of(b->ours, n),
			 "# a trail is wrong\n");
	if (tr_memo_offer(e, &b->trail, next) && name) {
		b->names[name % NAMES].name = name;
		b->names[name % NAMES].stack = m->hash;
	}
}

void stack_check_forget(void)
{
	tr_unwind_forget();
	__atomic_fetch_add(&epoch, 1, __ATOMIC_RELEASE);
}

void stack_check_at(const uint64_t *slot, uint64_t fp)
{
	struct buffer *b = buffer_take();
	uint32_t flags = 0;
	size_t ours = tr_unwind(slot, fp, b->ours, STACK_CHECK_ROOM, &flags);
	check_remembered(b, slot, fp, ours, flags);
	count(b, ours, walk_theirs(slot, b->theirs), flags);
	stack_check_pcs = b->ours;
	stack_check_n = ours;
	stack_check_flags = flags;
	__atomic_clear(&b->taken, __ATOMIC_RELEASE);
}
