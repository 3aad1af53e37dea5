/* SPDX-License-Identifier: MIT */

/*
 * Walks over stacks made by hand: memory that was never a stack, with return
 * addresses into functions that are never run and whose CFI says whatever a
 * test needs.  So what is above a stack, what a frame pointer is and how wrong
 * CFI may be is all in the test's hands.
 */
#include "src/tracker/unwind.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/wire.h"
#include "tests/lib/suite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     64

static unsigned modules_seen;

void tr_module_seen(const struct dl_find_object *object)
{
	(void)object;
	modules_seen++;
}

/* NAME's CFI is RULES from its beginning; a return address into it is NAME + 1. */
#define FUNCTION(name, rules)                                      \
	__asm__(".text\n.type " #name ", @function\n" #name        \
		":\n\t.cfi_startproc\n\t" rules                    \
		"\n\tnop\n\tnop\n\tnop\n\tnop\n\t.cfi_endproc\n"); \
	extern const char name[] __asm__(#name);

FUNCTION(frame16, ".cfi_def_cfa_offset 16")
FUNCTION(frame32, ".cfi_def_cfa_offset 32\n\t.cfi_offset 6, -24")
FUNCTION(frame_large, ".cfi_def_cfa_offset 40000\n\t.cfi_offset 6, -39992")
FUNCTION(on_fp, ".cfi_def_cfa 6, 16\n\t.cfi_offset 6, -16")
FUNCTION(on_fp_far, ".cfi_def_cfa 6, 65536\n\t.cfi_offset 6, -65536")
FUNCTION(on_rbx, ".cfi_def_cfa 3, 16")
FUNCTION(drap, ".cfi_escape 0x0f,3,0x76,0x78,6\n\t.cfi_escape 0x10,6,2,0x76,0")
FUNCTION(drap_deep, ".cfi_escape 0x0f,3,0x76,0x58,6\n\t.cfi_escape 0x10,6,2,0x76,0")
FUNCTION(drap_odd, ".cfi_escape 0x0f,3,0x76,0x70,6\n\t.cfi_escape 0x10,6,2,0x76,8")
FUNCTION(no_growth, ".cfi_def_cfa_offset 0")
FUNCTION(shrinks, ".cfi_def_cfa_offset -64")
FUNCTION(immense, ".cfi_def_cfa_offset 0x7fffff00")
FUNCTION(outermost, ".cfi_undefined 16")
FUNCTION(senseless, ".cfi_escape 0x0b") /* restores a state that was never remembered */
FUNCTION(wild_expression, ".cfi_escape 0x0f,3,0x08,0xf0,6")
FUNCTION(saved_in_the_red_zone, ".cfi_def_cfa_offset 8\n\t.cfi_offset 6, -16")
__asm__(".text\n.type no_cfi, @function\nno_cfi: nop; nop; nop; nop\n");
extern const char no_cfi[];

#define RA(name) ((uintptr_t)(name) + 1)

static uint64_t pcs[ROOM];
static uint32_t flags;

static size_t walk(const uint64_t *slot, const void *fp)
{
	flags = 0;
	memset(pcs, 0, sizeof(pcs));
	return tr_unwind(slot, (uintptr_t)fp, pcs, ROOM, &flags);
}

/* Pages with an unreadable one on each side. */
#define STACK_SIZE (16 * 4096)
static uint64_t *stack_new(void)
{
	char *pages = mmap(NULL, STACK_SIZE + 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(pages, MAP_FAILED);
	mprotect(pages, 4096, PROT_NONE);
	mprotect(pages + 4096 + STACK_SIZE, 4096, PROT_NONE);
	return (uint64_t *)(pages + 4096);
}
#define STACK_WORDS (STACK_SIZE / 8)

#define ck_assert_walk(n, ...)                                                   \
	do {                                                                     \
		const uint64_t expected[] = {__VA_ARGS__};                       \
		ck_assert_uint_eq(n, COUNT(expected));                           \
		for (size_t i_ = 0; i_ < COUNT(expected); i_++)                  \
			ck_assert_msg(pcs[i_] == expected[i_], "frame %zu", i_); \
	} while (0)

START_TEST(frames_of_all_forms_are_walked_exactly)
{
	uint64_t *s = stack_new();
	s[100] = RA(frame16); /* CFA 103 */
	s[102] = RA(frame32); /* CFA 107, fp at 104 */
	s[104] = (uintptr_t)(s + 200);
	s[106] = RA(on_fp); /* fp 200: CFA 202 */
	s[200] = (uintptr_t)(s + 250);
	s[201] = RA(drap); /* fp 250: CFA at 249 */
	s[249] = (uintptr_t)(s + 300);
	s[250] = (uintptr_t)(s + 350);
	s[299] = RA(drap_deep); /* fp 350: CFA at 345 */
	s[345] = (uintptr_t)(s + 400);
	s[350] = (uintptr_t)(s + 450);
	s[399] = RA(drap_odd); /* fp 450: CFA at 448, fp at 451 */
	s[448] = (uintptr_t)(s + 500);
	s[451] = (uintptr_t)(s + 600);
	s[499] = RA(frame_large); /* CFA 5500, fp at 501 */
	s[501] = (uintptr_t)(s + 5600);
	s[5499] = RA(on_fp); /* fp 5600: CFA 5602 */
	s[5600] = 1;
	s[5601] = RA(outermost);
	for (int warm = 0; warm < 2; warm++) {
		size_t n = walk(s + 100, NULL);
		ck_assert_walk(n, RA(frame16), RA(frame32), RA(on_fp), RA(drap),
			       RA(drap_deep), RA(drap_odd), RA(frame_large), RA(on_fp),
			       RA(outermost));
		ck_assert_uint_eq(flags, 0);
	}
}
END_TEST

START_TEST(a_saved_register_below_the_stack_pointer_is_read)
{
	uint64_t *s = stack_new();
	s[100] = RA(saved_in_the_red_zone); /* CFA 102; fp at 100, below sp */
	s[101] = RA(outermost);
	ck_assert_uint_eq(walk(s + 100, s), 2);
	ck_assert_uint_eq(flags, 0);
}
END_TEST

START_TEST(a_wild_frame_pointer_cuts_the_stack)
{
	static const void *const functions[] = {on_fp, on_fp_far, drap, drap_deep,
						drap_odd};
	uint64_t *s = stack_new();
	char *end = (char *)(s + STACK_WORDS);
	const uintptr_t wild[] = {0,
				  1,
				  8,
				  4096,
				  (uintptr_t)(s + 50), /* below sp */
				  (uintptr_t)s,        /* the stack's first word */
				  (uintptr_t)s - 4096, /* in the page before */
				  (uintptr_t)end - 8,  /* half inside */
				  (uintptr_t)end - 4,
				  (uintptr_t)end, /* outside */
				  (uintptr_t)end + 40,
				  (uintptr_t)end + (1 << 30),
				  (uintptr_t)frame16, /* readable, and far away */
				  0x7ffffffffff0,
				  0x800000000000,     /* not canonical */
				  0xffffffff81000000, /* the kernel's */
				  UINT64_MAX - 7,
				  UINT64_MAX};
	for (size_t f = 0; f < COUNT(functions); f++)
		for (size_t i = 0; i < COUNT(wild); i++) {
			s[100] = RA(functions[f]);
			size_t n = walk(s + 100, (void *)wild[i]);
			ck_assert_msg(n == 1 && flags == HS_WIRE_STACK_CUT,
				      "function %zu, fp %#lx: %zu frames", f, wild[i], n);
		}
}
END_TEST

START_TEST(frames_that_lead_off_the_stack_cut_it)
{
	static const void *const functions[] = {no_growth, shrinks, immense,
						wild_expression};
	uint64_t *s = stack_new();
	for (size_t f = 0; f < COUNT(functions); f++) {
		s[100] = RA(frame16);
		s[102] = RA(functions[f]);
		ck_assert_walk(walk(s + 100, NULL), RA(frame16), RA(functions[f]));
		ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
	}
	/* Good CFI, but the stack ends within the frame. */
	for (size_t left = 1; left < 5; left++) {
		uint64_t *slot = s + STACK_WORDS - left;
		memset(slot, 0, left * 8);
		*slot = RA(frame32);
		ck_assert_walk(walk(slot, NULL), RA(frame32));
		ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
	}
	s[STACK_WORDS - 5] = RA(frame32);
	s[STACK_WORDS - 1] = RA(outermost);
	ck_assert_walk(walk(s + STACK_WORDS - 5, NULL), RA(frame32), RA(outermost));
	ck_assert_uint_eq(flags, 0);
}
END_TEST

START_TEST(a_base_that_is_not_known_cuts_the_stack)
{
	uint64_t *s = stack_new();
	s[100] = RA(frame16);
	s[102] = RA(on_rbx);
	ck_assert_walk(walk(s + 100, NULL), RA(frame16), RA(on_rbx));
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

START_TEST(a_stack_ends_at_a_null_and_is_cut_at_garbage)
{
	uint64_t *s = stack_new();
	const uint64_t garbage[] = {1, 4095, 0x800000000000, 0xffffffff81000000,
				    UINT64_MAX};
	s[100] = RA(frame16);
	s[102] = 0;
	ck_assert_walk(walk(s + 100, NULL), RA(frame16));
	ck_assert_uint_eq(flags, 0);
	for (size_t i = 0; i < COUNT(garbage); i++) {
		s[102] = garbage[i];
		ck_assert_walk(walk(s + 100, NULL), RA(frame16));
		ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
	}
	s[102] = 0x1000000; /* could be code, but there is none */
	ck_assert_walk(walk(s + 100, NULL), RA(frame16), 0x1000000);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

START_TEST(room_is_kept_and_a_stack_that_just_fits_is_whole)
{
	uint64_t *s = stack_new(), small[8];
	for (size_t i = 0; i < 40; i++)
		s[100 + 2 * i] = RA(frame16);
	s[180] = RA(outermost);
	for (size_t room = 0; room <= 7; room++) {
		flags = 0;
		small[room] = 0x5a;
		ck_assert_uint_eq(tr_unwind(s + 100, 0, small, room, &flags), room);
		ck_assert_uint_eq(small[room], 0x5a);
		ck_assert_uint_eq(flags, room ? HS_WIRE_STACK_CUT : 0);
	}
	flags = 0;
	ck_assert_uint_eq(tr_unwind(s + 100, 0, pcs, 41, &flags), 41);
	ck_assert_uint_eq(flags, 0);
	ck_assert_uint_eq(tr_unwind(s + 100, 0, pcs, 40, &flags), 40);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

/* Each form of "no CFI": none at all, and some that is not understood. */
START_TEST(without_cfi_a_chain_of_frame_pointers_is_followed_and_marked)
{
	const void *const functions[] = {no_cfi, senseless};
	uint64_t *s = stack_new();
	for (size_t f = 0; f < COUNT(functions); f++) {
		s[100] = RA(functions[f]);
		s[110] = (uintptr_t)(s + 120);
		s[111] = RA(frame16); /* CFA 114 */
		s[113] = RA(functions[f]);
		s[120] = (uintptr_t)(s + 130);
		s[121] = RA(outermost);
		ck_assert_walk(walk(s + 100, s + 110), RA(functions[f]), RA(frame16),
			       RA(functions[f]), RA(outermost));
		ck_assert_uint_eq(flags, HS_WIRE_STACK_GUESSED);
	}
}
END_TEST

START_TEST(what_is_no_chain_is_not_followed)
{
	uint64_t *s = stack_new();
	char *end = (char *)(s + STACK_WORDS);
	const uintptr_t wild[] = {0,
				  (uintptr_t)(s + 90),
				  (uintptr_t)(s + 110) + 4, /* not aligned */
				  (uintptr_t)end - 8,
				  (uintptr_t)end,
				  (uintptr_t)s + (2 << 20),
				  0xffffffff81000000,
				  UINT64_MAX - 7,
				  UINT64_MAX - 15};
	s[100] = RA(no_cfi);
	for (size_t i = 0; i < COUNT(wild); i++) {
		ck_assert_msg(walk(s + 100, (void *)wild[i]) == 1, "fp %#lx", wild[i]);
		ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
	}
	s[110] = (uintptr_t)(s + 120);
	s[111] = 0x1000000; /* no code */
	ck_assert_uint_eq(walk(s + 100, s + 110), 1);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

START_TEST(code_outside_of_objects_is_looked_at_anew_each_time)
{
	uint64_t *s = stack_new();
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	s[100] = (uintptr_t)code + 16;
	s[110] = 0;
	s[111] = RA(outermost);
	ck_assert_walk(walk(s + 100, s + 110), s[100], RA(outermost));
	ck_assert_uint_eq(flags, HS_WIRE_STACK_GUESSED);
	ck_assert_walk(walk(s + 100, s + 110), s[100], RA(outermost));
}
END_TEST

/* As on every signal: the kernel's frame, whose restorer is known by its code. */
START_TEST(a_signal_leads_to_the_interrupted_instruction_on_another_stack)
{
	static const uint8_t restorer[16] = {0x90, 0x48, 0xc7, 0xc0, 15,
					     0,    0,    0,    0x0f, 0x05};
	uint64_t *s = stack_new(), *other = stack_new();
	char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, restorer, sizeof(restorer));
	s[100] = RA(frame16);
	s[102] = (uintptr_t)code + 1;          /* sp 103: ucontext, mcontext at 108 */
	s[108 + 10] = (uintptr_t)(other + 60); /* rbp */
	s[108 + 15] = (uintptr_t)(other + 40); /* rsp */
	s[108 + 16] = (uintptr_t)on_fp;        /* rip: its first instruction */
	other[60] = 0;
	other[61] = RA(outermost);
	ck_assert_walk(walk(s + 100, NULL), RA(frame16), s[102], (uintptr_t)on_fp + 1,
		       RA(outermost));
	ck_assert_uint_eq(flags, 0);
	s[108 + 15] = (uintptr_t)other - 8; /* an rsp into the unreadable page */
	ck_assert_walk(walk(s + 100, NULL), RA(frame16), s[102]);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
	s[108 + 15] = (uintptr_t)(s + 101); /* round and round: room is the end */
	s[108 + 16] = (uintptr_t)frame16;
	ck_assert_uint_eq(walk(s + 100, NULL), ROOM);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

START_TEST(a_stack_that_was_unmapped_and_is_smaller_now_is_not_run_over)
{
	uint64_t *s = stack_new();
	s[100] = RA(on_fp);
	s[5600] = 0;
	s[5601] = RA(outermost);
	ck_assert_uint_eq(walk(s + 100, s + 5600), 2);
	/* The thread uses another stack in between, twice. */
	for (int i = 0; i < 2; i++) {
		uint64_t *other = stack_new();
		other[100] = RA(outermost);
		ck_assert_uint_eq(walk(other + 100, NULL), 1);
	}
	munmap(s + 4096, (STACK_WORDS - 4096) * 8);
	ck_assert_uint_eq(walk(s + 100, s + 5600), 1);
	ck_assert_uint_eq(flags, HS_WIRE_STACK_CUT);
}
END_TEST

/* Stacks of two forms of frame, whose order changes, and any shape expected. */
START_TEST(what_shape_was_expected_changes_nothing)
{
	uint64_t *s = stack_new(), random = 1, expected[100];
	struct tr_shape shape = {0};
	for (int round = 0; round < 3000; round++) {
		size_t at = 100, n = 0;
		for (; n < 10 + random % 80; random = random * 6364136223846793005u + 1) {
			bool large = random >> (round % 40 + 20) & 1;
			s[at] = expected[n++] = large ? RA(frame32) : RA(frame16);
			at += large ? 4 : 2;
		}
		s[at] = expected[n++] = RA(outermost);
		if (round % 7 == 0)
			shape.rules[random >> 40 & (TR_SHAPE_FRAMES - 1)] =
				(uint16_t)(random >> 32);
		flags = 0;
		ck_assert_uint_eq(tr_unwind_alike(s + 100, 0, &shape, pcs, ROOM, &flags),
				  n);
		ck_assert_mem_eq(pcs, expected, n * sizeof(*pcs));
		ck_assert_uint_eq(flags, 0);
	}
}
END_TEST

START_TEST(errno_and_flags_of_the_caller_are_kept)
{
	uint64_t *s = stack_new();
	uint32_t mine = 0x100;
	s[100] = RA(on_fp);
	errno = 77;
	tr_unwind(s + 100, 12345, pcs, ROOM, &mine);
	ck_assert_int_eq(errno, 77);
	ck_assert_uint_eq(mine, 0x100 | HS_WIRE_STACK_CUT);
}
END_TEST

START_TEST(modules_are_told_of_once_per_pc_and_again_after_forgetting)
{
	uint64_t *s = stack_new();
	s[100] = RA(frame16);
	s[102] = RA(frame_large);
	s[5102] = RA(outermost);
	modules_seen = 0;
	ck_assert_uint_eq(walk(s + 100, NULL), 3);
	ck_assert_uint_eq(modules_seen, 3);
	ck_assert_uint_eq(walk(s + 100, NULL), 3);
	ck_assert_uint_eq(modules_seen, 3);
	tr_unwind_forget();
	ck_assert_uint_eq(walk(s + 100, NULL), 3);
	ck_assert_uint_eq(modules_seen, 6);
}
END_TEST

START_TEST(more_pcs_than_the_tables_hold_are_walked_all_the_same)
{
	size_t size = 64 << 20;
	char *code = mmap(NULL, size, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t *s = stack_new();
	s[110] = 0;
	s[111] = RA(outermost);
	for (size_t offset = 4096; offset < size; offset += 199) {
		s[100] = (uintptr_t)code + offset;
		ck_assert_uint_eq(walk(s + 100, s + 110), 2);
		ck_assert_uint_eq(pcs[1], RA(outermost));
	}
	munmap(code, size);
}
END_TEST

HS_SUITE("tracker_unwind", frames_of_all_forms_are_walked_exactly,
	 a_saved_register_below_the_stack_pointer_is_read,
	 a_wild_frame_pointer_cuts_the_stack, frames_that_lead_off_the_stack_cut_it,
	 a_base_that_is_not_known_cuts_the_stack,
	 a_stack_ends_at_a_null_and_is_cut_at_garbage,
	 room_is_kept_and_a_stack_that_just_fits_is_whole,
	 without_cfi_a_chain_of_frame_pointers_is_followed_and_marked,
	 what_is_no_chain_is_not_followed,
	 code_outside_of_objects_is_looked_at_anew_each_time,
	 a_signal_leads_to_the_interrupted_instruction_on_another_stack,
	 a_stack_that_was_unmapped_and_is_smaller_now_is_not_run_over,
	 what_shape_was_expected_changes_nothing, errno_and_flags_of_the_caller_are_kept,
	 modules_are_told_of_once_per_pc_and_again_after_forgetting,
	 more_pcs_than_the_tables_hold_are_walked_all_the_same)
