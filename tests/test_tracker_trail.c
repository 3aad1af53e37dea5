/* SPDX-License-Identifier: MIT */

/*
 * What is remembered of a stack against what a full walk finds, on stacks made
 * by hand: frames of all kinds come and go, call sites change beneath others
 * that stay, words are overwritten by what looks like them, and frame pointers
 * are wrong.  Whatever trail and memo claim must be what the walk finds.
 */
#include "src/tracker/memo.h"
#include "src/tracker/unwind.h"

#include <string.h>
#include <sys/mman.h>

#include "src/wire.h"
#include "tests/lib/suite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void tr_module_seen(const struct dl_find_object *object)
{
	(void)object;
}

/* NAME's CFI is RULES from its beginning; return addresses into it are NAME + 1, + 2. */
#define FUNCTION(name, rules)                                      \
	__asm__(".text\n.type " #name ", @function\n" #name        \
		":\n\t.cfi_startproc\n\t" rules                    \
		"\n\tnop\n\tnop\n\tnop\n\tnop\n\t.cfi_endproc\n"); \
	extern const char name[] __asm__(#name);

FUNCTION(plain, ".cfi_def_cfa_offset 16")
FUNCTION(saves_fp, ".cfi_def_cfa_offset 32\n\t.cfi_offset 6, -24")
FUNCTION(large, ".cfi_def_cfa_offset 40000\n\t.cfi_offset 6, -39992")
FUNCTION(on_fp, ".cfi_def_cfa 6, 16\n\t.cfi_offset 6, -16")
FUNCTION(drap, ".cfi_escape 0x0f,3,0x76,0x78,6\n\t.cfi_escape 0x10,6,2,0x76,0")
FUNCTION(drap_odd, ".cfi_escape 0x0f,3,0x76,0x70,6\n\t.cfi_escape 0x10,6,2,0x76,8")
FUNCTION(on_rbx, ".cfi_def_cfa 3, 16")
FUNCTION(outermost, ".cfi_undefined 16")
__asm__(".text\n.type no_cfi, @function\nno_cfi: nop; nop; nop; nop\n");
extern const char no_cfi[];

static const char *const functions[] = {plain, saves_fp, large,    on_fp,
					drap,  drap_odd, no_cfi,   plain,
					on_fp, saves_fp, saves_fp, plain};

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

#define WORDS (64u << 10)
static uint64_t *words;

static uint64_t address(size_t i)
{
	return (uintptr_t)&words[i];
}

/* A stack under construction: the slot of each frame's return address, and its fp. */
#define MAX_FRAMES 60
static struct {
	size_t n;
	size_t slot[MAX_FRAMES + 1];
	uint64_t fp[MAX_FRAMES + 1];
} stack;

static void stack_begin(void)
{
	if (!words) {
		words = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ck_assert_ptr_ne(words, MAP_FAILED);
	}
	stack.n = 0;
	stack.slot[0] = WORDS - 16;
	stack.fp[0] = below(2) ? 0 : address(WORDS - 8);
	words[stack.slot[0]] = below(3) ? (uintptr_t)outermost + 1 : 0;
}

/* Let the innermost frame call FUNCTION, which is at one of two calls itself. */
static void stack_push(const char *function)
{
	size_t i = stack.slot[stack.n], to, at;
	uint64_t f = stack.fp[stack.n];
	if (stack.n == MAX_FRAMES)
		return;
	if (function == plain) {
		to = i - 2;
	} else if (function == saves_fp) {
		to = i - 4;
		words[to + 2] = f;
		f = below(2) ? f : below(1000);
	} else if (function == large) {
		to = i - 5000;
		words[to + 2] = f;
	} else if (function == on_fp || function == no_cfi) {
		to = i - 2 - 2 * below(3);
		words[i - 1] = f;
		f = address(i - 1);
	} else { /* drap: the CFA lies beside the caller's fp */
		at = i - 6;
		to = at - 4 - 2 * below(2);
		words[function == drap ? at - 1 : at - 2] = address(i + 1);
		words[function == drap ? at : at + 1] = f;
		f = address(at);
	}
	words[to] = (uintptr_t)function + 1 + below(2);
	stack.n++;
	stack.slot[stack.n] = to;
	stack.fp[stack.n] = f;
}

static const char *any_function(void)
{
	const char *function = functions[below(COUNT(functions))];
	/* Not too many of 40 KB. */
	return function == large && stack.slot[stack.n] < 12000 ? plain : function;
}

static struct tr_trail trail;
static struct tr_memo memo;
static uint64_t pcs[TR_TRAIL_FRAMES], known[TR_TRAIL_FRAMES];
static struct {
	unsigned walks, held, followed, from_memo;
} counts;

static uint64_t hash_of(const uint64_t *p, size_t n)
{
	uint64_t h = TR_HASH_START;
	while (n--)
		h = tr_hash_mix(h, p[n]);
	return h;
}

/* What the table of all stacks is to a memo: its hash, and that of the stack. */
#define NAMES (1u << 20)
static struct {
	uint64_t name, stack;
} names[NAMES];

/* The hash of the stack called NAME, or 0. */
static uint64_t *stack_called(uint64_t name)
{
	size_t i = name % NAMES;
	while (names[i].name && names[i].name != name)
		i = (i + 1) % NAMES;
	names[i].name = name;
	return &names[i].stack;
}

/* Walk from SLOT in every way.  Returns whether the stack could be remembered. */
static bool compare(const uint64_t *slot, uint64_t fp, uint32_t epoch)
{
	uint32_t flags = 0;
	size_t n = tr_unwind(slot, fp, pcs, TR_TRAIL_FRAMES, &flags);
	uint64_t next = tr_memo_next(slot), *called = NULL;
	struct tr_memo_entry *e = tr_memo_at(&memo, slot, next);
	counts.walks++;
	if (tr_memo_suits(e, epoch, slot, next)) {
		called = stack_called(tr_memo_hash(e, slot, fp));
		if (*called) {
			counts.from_memo++;
			ck_assert_uint_eq(*called, hash_of(pcs, n));
			ck_assert_uint_eq(flags, 0);
		}
	}
	if (tr_trail_holds(&trail, epoch, slot, fp))
		counts.held++;
	else if (!tr_trail_follow(&trail, epoch, slot, fp))
		return false;
	else
		counts.followed++;
	const struct tr_mark *m = tr_trail_top(&trail);
	ck_assert_uint_eq(m->depth, n);
	ck_assert_uint_eq(m->flags, flags);
	tr_trail_pcs(&trail, known);
	ck_assert(!memcmp(pcs, known, n * sizeof(*pcs)));
	ck_assert_uint_eq(m->hash, hash_of(pcs, n));
	if (tr_memo_offer(e, &trail, next) && called)
		*called = m->hash;
	return true;
}

static bool compare_here(void)
{
	return compare(&words[stack.slot[stack.n]], stack.fp[stack.n], 0);
}

static void grow_and_shrink(void)
{
	size_t pops = below(4) ? below(4) : below(MAX_FRAMES);
	stack.n -= pops < stack.n ? pops : stack.n;
	if (stack.n == 0)
		stack_begin();
	for (uint32_t pushes = below(6); pushes; pushes--)
		stack_push(any_function());
}

/* Another call in the same function, somewhere on the stack. */
static void change_call_site(void)
{
	uint64_t *key = &words[stack.slot[below((uint32_t)stack.n + 1)]];
	for (size_t i = 0; i < COUNT(functions); i++)
		if (*key - (uintptr_t)functions[i] - 1 < 2)
			*key = (uintptr_t)functions[i] + 1 + below(2);
}

/* A word becomes another one; compare; and is itself again. */
static void disturb(void)
{
	size_t from = stack.slot[stack.n];
	uint64_t *word = &words[from + below(40)], kept = *word;
	switch (below(5)) {
	case 0:
		*word = (uintptr_t)any_function() + 1;
		break;
	case 1:
		*word = address(from + below(200));
		break;
	case 2:
		*word += 16;
		break;
	case 3:
		*word = words[from + below(40)];
		break;
	default:
		*word = 0;
	}
	compare_here();
	if (below(8))
		*word = kept;
}

static void with_another_fp(void)
{
	uint64_t fp = below(2) ? address(stack.slot[stack.n] + below(60)) : below(1000);
	compare(&words[stack.slot[stack.n]], fp, 0);
}

START_TEST(what_is_remembered_is_what_a_walk_finds)
{
	tr_trail_start(&trail);
	stack_begin();
	for (unsigned i = 0; i < 300000; i++) {
		switch (below(6)) {
		case 0:
			change_call_site();
			break;
		case 1:
			disturb();
			break;
		case 2:
			with_another_fp();
			break;
		default:
			grow_and_shrink();
		}
		compare_here();
		trail.skip = 0;
	}
	/* It is of use, too. */
	ck_assert_uint_gt(counts.held + counts.followed, counts.walks / 2);
	ck_assert_uint_gt(counts.held, counts.walks / 50);
	ck_assert_uint_gt(counts.from_memo, counts.walks / 50);
}
END_TEST

/* CHANGED is the outermost frame's return address; all other words are the same. */
static void build_twice(uint64_t changed)
{
	tr_trail_start(&trail);
	stack_begin();
	words[stack.slot[0]] = (uintptr_t)outermost + 1;
	for (int i = 0; i < 20; i++)
		stack_push(plain);
	ck_assert(compare_here());
	words[stack.slot[0]] = changed;
}

START_TEST(a_changed_outermost_frame_is_seen)
{
	build_twice((uintptr_t)outermost + 2);
	ck_assert(compare_here());
	ck_assert_uint_eq(pcs[20], (uintptr_t)outermost + 2);
	build_twice(0);
	ck_assert(compare_here());
	ck_assert_uint_eq(tr_trail_top(&trail)->depth, 20);
	words[stack.slot[0]] = (uintptr_t)outermost + 1; /* where a null was read */
	ck_assert(compare_here());
	ck_assert_uint_eq(tr_trail_top(&trail)->depth, 21);
}
END_TEST

START_TEST(a_frame_pointer_counts_where_a_frame_is_found_by_it)
{
	tr_trail_start(&trail);
	stack_begin();
	words[stack.slot[0]] = (uintptr_t)outermost + 1;
	stack_push(plain);
	stack_push(on_fp);
	stack_push(plain); /* leaves fp alone */
	const uint64_t *slot = &words[stack.slot[stack.n]];
	uint64_t fp = stack.fp[stack.n];
	ck_assert(compare(slot, fp, 0));
	ck_assert(tr_trail_holds(&trail, 0, slot, fp));
	ck_assert(!tr_trail_holds(&trail, 0, slot, fp + 8));
	stack_push(
		saves_fp); /* loads it anew: that it has another value is all the same */
	slot = &words[stack.slot[stack.n]];
	ck_assert(compare(slot, 1, 0));
	ck_assert(tr_trail_holds(&trail, 0, slot, 2));
	words[stack.slot[stack.n] + 2] += 8; /* but not where it is loaded from */
	ck_assert(!tr_trail_holds(&trail, 0, slot, 2));
}
END_TEST

START_TEST(another_epoch_remembers_nothing)
{
	build_twice((uintptr_t)outermost + 1);
	const uint64_t *slot = &words[stack.slot[stack.n]];
	uint64_t next = tr_memo_next(slot);
	struct tr_memo_entry *e = tr_memo_at(&memo, slot, next);
	while (!tr_memo_offer(e, &trail, next))
		;
	ck_assert(tr_memo_suits(e, 0, slot, next));
	ck_assert(!tr_memo_suits(e, 1, slot, next));
	ck_assert(!tr_trail_holds(&trail, 1, slot, stack.fp[stack.n]));
	ck_assert(compare(slot, stack.fp[stack.n], 1));
	ck_assert(!tr_trail_holds(&trail, 0, slot, stack.fp[stack.n]));
}
END_TEST

/* Words that a walk reads, at which a stack of the same shape may differ. */
START_TEST(stacks_of_one_shape_are_told_apart)
{
	uint64_t seen[64];
	unsigned n = 0;
	tr_trail_start(&trail);
	memset(&memo, 0, sizeof(memo));
	stack_begin();
	words[stack.slot[0]] = (uintptr_t)outermost + 1;
	for (int i = 0; i < 30; i++)
		stack_push(i % 3 == 2 ? on_fp : plain);
	const uint64_t *slot = &words[stack.slot[stack.n]];
	uint64_t fp = stack.fp[stack.n], next = tr_memo_next(slot);
	struct tr_memo_entry *e = tr_memo_at(&memo, slot, next);
	ck_assert(compare_here());
	while (!tr_memo_offer(e, &trail, next))
		;
	ck_assert(tr_memo_suits(e, 0, slot, next));
	seen[n++] = tr_memo_hash(e, slot, fp);
	seen[n++] = tr_memo_hash(e, slot, fp + 8); /* the innermost frame needs it */
	for (size_t i = 1; i <= stack.n; i++) {
		uint64_t *key = &words[stack.slot[stack.n - i]];
		*key ^= 3; /* as if another call had made that frame */
		seen[n++] = tr_memo_hash(e, slot, fp);
		*key ^= 3;
	}
	ck_assert_uint_eq(tr_memo_hash(e, slot, fp), seen[0]);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(seen[i], seen[k]);
}
END_TEST

/* An entry for a stack of N plain frames; its hash. */
static uint64_t name_of(int n, uint64_t outer)
{
	tr_trail_start(&trail);
	stack_begin();
	words[stack.slot[0]] = outer;
	for (int i = 0; i < n; i++)
		stack_push(plain);
	ck_assert(compare_here());
	const uint64_t *slot = &words[stack.slot[stack.n]];
	uint64_t next = tr_memo_next(slot);
	struct tr_memo_entry *e = tr_memo_at(&memo, slot, next);
	while (!tr_memo_offer(e, &trail, next))
		;
	return tr_memo_hash(e, slot, 0);
}

START_TEST(stacks_of_few_frames_are_told_apart)
{
	uint64_t seen[40];
	unsigned n = 0;
	for (int depth = 0; depth < 20; depth++) {
		seen[n++] = name_of(depth, (uintptr_t)outermost + 1);
		seen[n++] = name_of(depth, (uintptr_t)outermost + 2);
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(seen[i], seen[k]);
}
END_TEST

/* Return addresses are much alike, and callers change places: a weak hash shows soon. */
START_TEST(words_that_change_places_are_told_apart)
{
	enum { DEPTH = 15 };
	ck_assert_uint_ne(name_of(DEPTH, (uintptr_t)outermost + 1), 0);
	const uint64_t *slot = &words[stack.slot[DEPTH]];
	struct tr_memo_entry *e = tr_memo_at(&memo, slot, tr_memo_next(slot));
	for (unsigned round = 0; round < 2000; round++) {
		for (int k = 0; k < DEPTH; k++)
			words[stack.slot[k]] = 0x555555550000 + below(4096);
		uint64_t name = tr_memo_hash(e, slot, 0);
		for (int i = 0; i < DEPTH; i++)
			for (int k = 0; k < i; k++) {
				uint64_t *p = &words[stack.slot[i]],
					 *q = &words[stack.slot[k]], kept = *p;
				if (*p == *q)
					continue;
				*p = *q;
				*q = kept;
				ck_assert_uint_ne(tr_memo_hash(e, slot, 0), name);
				*q = *p;
				*p = kept;
			}
	}
}
END_TEST

START_TEST(a_memo_that_knows_nothing_rests)
{
	unsigned asked = 0, asked_later = 0;
	memo.credit = TR_MEMO_CREDIT;
	memo.rest = 0;
	for (unsigned i = 0; i < 1000000; i++)
		if (!tr_memo_rests(&memo)) {
			tr_memo_failed(&memo);
			asked++;
		}
	ck_assert_uint_gt(asked, 0);
	ck_assert_uint_lt(asked, 1000000 / 5);
	for (unsigned i = 0; i < 1000000; i++)
		if (!tr_memo_rests(&memo)) { /* it knows every other one now */
			if (i % 2)
				tr_memo_failed(&memo);
			else
				tr_memo_knew(&memo);
			asked_later++;
		}
	ck_assert_uint_gt(asked_later, 1000000 / 2);
}
END_TEST

START_TEST(a_stack_is_as_deep_as_a_walk_finds_it)
{
	const uint64_t *slot;
	size_t i = WORDS - 16;
	stack_begin();
	tr_trail_start(&trail);
	words[i] = (uintptr_t)outermost + 1;
	for (unsigned depth = 2; depth <= TR_TRAIL_FRAMES + 1; depth++) {
		i -= 2;
		words[i] = (uintptr_t)plain + 1;
		if (depth < TR_TRAIL_FRAMES - 2)
			continue;
		slot = &words[i];
		/* One more would be cut. */
		ck_assert_int_eq(compare(slot, 0, 0), depth <= TR_TRAIL_FRAMES);
	}
}
END_TEST

START_TEST(what_needs_more_than_memory_is_not_remembered)
{
	tr_trail_start(&trail);
	stack_begin();
	stack_push(plain);
	words[stack.slot[stack.n]] = (uintptr_t)on_rbx + 1;
	stack_push(plain);
	ck_assert(!compare_here());
	words[stack.slot[1]] = 0x1000000; /* no code */
	ck_assert(!compare_here());
}
END_TEST

/* Sixteen pages, and on each side one that cannot be read. */
static uint64_t *new_pages(void)
{
	char *pages = mmap(NULL, 18 << 12, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(pages, MAP_FAILED);
	mprotect(pages + 4096, 16 << 12, PROT_READ | PROT_WRITE);
	return (uint64_t *)(pages + 4096);
}

/* As when a program unmaps a stack of its own and makes a smaller one there. */
START_TEST(memory_that_is_gone_is_not_compared)
{
	uint64_t *s = new_pages();
	tr_trail_start(&trail);
	s[100] = (uintptr_t)on_fp + 1;
	s[5600] = 0;
	s[5601] = (uintptr_t)outermost + 1;
	ck_assert(compare(s + 100, (uintptr_t)(s + 5600), 0));
	/* The thread uses another stack in between, and forgets what it knew of this. */
	for (int i = 0; i < 2; i++) {
		uint64_t *other = new_pages();
		other[100] = (uintptr_t)outermost + 1;
		uint32_t flags = 0;
		ck_assert_uint_eq(tr_unwind(other + 100, 0, pcs, 10, &flags), 1);
	}
	munmap(s + 4096, 8 << 12);
	ck_assert(!compare(s + 100, (uintptr_t)(s + 5600), 0));
}
END_TEST

START_TEST(stacks_that_cannot_be_remembered_are_hardly_tried)
{
	unsigned tried = 0;
	tr_trail_start(&trail);
	stack_begin();
	words[stack.slot[0]] = 0x1000000;
	stack_push(plain);
	for (unsigned i = 0; i < 10000; i++) {
		tried += !trail.skip;
		ck_assert(!compare_here());
	}
	ck_assert_uint_lt(tried, 200);
	words[stack.slot[0]] = (uintptr_t)outermost + 1;
	for (tried = 0; tried < 1000 && !compare_here();)
		tried++;
	ck_assert(compare_here());
}
END_TEST

HS_SUITE("tracker_trail", what_is_remembered_is_what_a_walk_finds,
	 a_changed_outermost_frame_is_seen,
	 a_frame_pointer_counts_where_a_frame_is_found_by_it,
	 another_epoch_remembers_nothing, stacks_of_one_shape_are_told_apart,
	 stacks_of_few_frames_are_told_apart, words_that_change_places_are_told_apart,
	 a_memo_that_knows_nothing_rests, a_stack_is_as_deep_as_a_walk_finds_it,
	 what_needs_more_than_memory_is_not_remembered,
	 memory_that_is_gone_is_not_compared,
	 stacks_that_cannot_be_remembered_are_hardly_tried)
