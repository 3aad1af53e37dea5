/* SPDX-License-Identifier: MIT */

/* Stacks where no table leads on: made here, so that the callers are known. */
#include "src/unwind.h"

#include <string.h>

#include "formats/format.h"
#include "src/build.h"
#include "src/file.h"
#include "src/findings.h"
#include "src/image.h"
#include "src/imagefiles.h"
#include "src/profile.h"
#include "src/symbols.h"
#include "src/unwind_guess.h"
#include "tests/lib/corebuild.h"
#include "tests/lib/suite.h"

#define CODE  0x10000u
#define STACK 0x7ffe00000000u
#define SIZE  0x1000u

/* Addresses behind a call in the code below. */
#define FIRST  (CODE + 0x105)
#define SECOND (CODE + 0x202)
#define THIRD  (CODE + 0x307)

struct world {
	struct core core;
	uint8_t code[SIZE], stack[SIZE];
};

/* call rel32; call *%rax; call *disp32(%rsp): of 5, 2 and 7 bytes (Intel SDM). */
static void begin_x86_64(struct world *w)
{
	memset(w, 0, sizeof(*w));
	memset(w->code, 0x90, SIZE);
	memcpy(w->code + 0x100, "\xe8\x00\x00\x00\x00", 5);
	memcpy(w->code + 0x200, "\xff\xd0", 2);
	memcpy(w->code + 0x300, "\xff\x94\x24\x10\x00\x00\x00", 7);
	core_init(&w->core, EM_X86_64);
}

/* The profile of a thread at PC; the code and the stack are in the core. */
static struct hs_profile *walk(struct world *w, uint64_t pc, uint64_t sp, uint64_t fp,
			       uint64_t lr)
{
	size_t size;
	const struct hs_symbol_options options = {0};
	core_thread_at(&w->core, 5, pc, sp, fp, lr);
	core_segment(&w->core, CODE, SIZE, PF_R | PF_X, w->code, SIZE);
	core_segment(&w->core, STACK, SIZE, PF_R | PF_W, w->stack, SIZE);
	uint8_t *data = core_finish(&w->core, &size);
	struct hs_file file = {.data = data, .heap = data, .size = size};
	struct hs_image *image;
	ck_assert_ptr_null(hs_format_by_name("core")->image(&file, &image));
	struct hs_imagefiles *files = hs_imagefiles_new(image, &options);
	struct hs_builder *b = hs_build_new();
	hs_unwind(image, files, b);
	hs_image_free(image);
	hs_imagefiles_free(files);
	return hs_build_seal(b);
}

struct expected {
	uint64_t address;
	enum hs_frame_how how;
};

/* The thread's frames are the N of WANTED, and then it was cut. */
static void expect(struct hs_profile *p, const struct expected *wanted, size_t n)
{
	hs_frame frames[16];
	ck_assert_uint_eq(p->n_threads, 2);
	ck_assert_uint_eq(p->threads[1].tid, 5);
	size_t found = hs_stack_frames(p, p->threads[1].stack, frames, HS_COUNT(frames));
	ck_assert_uint_eq(found, n + 1);
	for (size_t i = 0; i < n; i++) {
		const struct hs_frame_info *f = &p->frames[frames[i].i];
		ck_assert_uint_eq(f->offset, wanted[i].address);
		ck_assert_int_eq(f->how, wanted[i].how);
		ck_assert_int_eq(f->exact, i == 0);
	}
	ck_assert_str_eq(hs_string(p, p->frames[frames[n].i].function),
			 "[stack was cut here]");
	hs_profile_free(p);
}

static void poke(struct world *w, uint64_t offset, uint64_t value)
{
	core_poke(w->stack, STACK, STACK + offset, value);
}

START_TEST(frame_pointers_lead_on_where_no_table_does)
{
	struct world w;
	begin_x86_64(&w);
	poke(&w, 0x100, STACK + 0x200);
	poke(&w, 0x108, FIRST);
	poke(&w, 0x200, STACK + 0x300);
	poke(&w, 0x208, SECOND);
	poke(&w, 0x300, 0);
	poke(&w, 0x308, THIRD);
	static const struct expected wanted[] = {{CODE + 0x40, HS_FRAME_BY_TABLES},
						 {FIRST, HS_FRAME_BY_POINTER},
						 {SECOND, HS_FRAME_BY_POINTER},
						 {THIRD, HS_FRAME_BY_POINTER}};
	expect(walk(&w, CODE + 0x40, STACK + 0x80, STACK + 0x100, 0), wanted, 4);
}
END_TEST

START_TEST(a_search_finds_words_that_point_behind_calls_and_says_so)
{
	struct world w;
	begin_x86_64(&w);
	poke(&w, 0x90, CODE + 0x50);  /* code, but no call before it */
	poke(&w, 0x98, STACK + 0x40); /* no code */
	poke(&w, 0xa0, FIRST);
	poke(&w, 0xb8, SECOND);
	static const struct expected wanted[] = {{CODE + 0x40, HS_FRAME_BY_TABLES},
						 {FIRST, HS_FRAME_BY_SCAN},
						 {SECOND, HS_FRAME_BY_SCAN}};
	expect(walk(&w, CODE + 0x40, STACK + 0x80, 0x1234, 0), wanted, 3);
}
END_TEST

START_TEST(words_below_the_stack_pointer_are_no_callers)
{
	struct world w;
	begin_x86_64(&w);
	poke(&w, 0x78, FIRST);
	static const struct expected wanted[] = {{CODE + 0x40, HS_FRAME_BY_TABLES}};
	expect(walk(&w, CODE + 0x40, STACK + 0x80, 0, 0), wanted, 1);
}
END_TEST

START_TEST(the_caller_of_a_null_pointer_is_found)
{
	struct world w;
	begin_x86_64(&w);
	poke(&w, 0x80, SECOND);
	poke(&w, 0x100, 0);
	poke(&w, 0x108, THIRD);
	static const struct expected wanted[] = {{0, HS_FRAME_BY_TABLES},
						 {SECOND, HS_FRAME_BY_POINTER},
						 {THIRD, HS_FRAME_BY_POINTER}};
	expect(walk(&w, 0, STACK + 0x80, STACK + 0x100, 0), wanted, 3);
}
END_TEST

START_TEST(frame_pointers_in_a_circle_come_to_an_end)
{
	struct world w;
	begin_x86_64(&w);
	poke(&w, 0x100, STACK + 0x100);
	poke(&w, 0x108, FIRST);
	static const struct expected wanted[] = {{CODE + 0x40, HS_FRAME_BY_TABLES},
						 {FIRST, HS_FRAME_BY_SCAN}};
	expect(walk(&w, CODE + 0x40, STACK + 0x80, STACK + 0x100, 0), wanted, 2);
}
END_TEST

/* bl and blr; {fp, lr} at the frame pointer (AAPCS64, 6.2.3). */
START_TEST(aarch64_goes_by_link_register_and_frame_pointer)
{
	struct world w;
	static const uint32_t bl = 0x94000001, blr = 0xd63f0100;
	memset(&w, 0, sizeof(w));
	memcpy(w.code + 0x100, &bl, 4);
	memcpy(w.code + 0x200, &blr, 4);
	core_init(&w.core, EM_AARCH64);
	poke(&w, 0x100, 0);
	poke(&w, 0x108, CODE + 0x204);
	static const struct expected wanted[] = {{0, HS_FRAME_BY_TABLES},
						 {CODE + 0x104, HS_FRAME_BY_POINTER},
						 {CODE + 0x204, HS_FRAME_BY_POINTER}};
	expect(walk(&w, 0, STACK + 0x80, STACK + 0x100, CODE + 0x104), wanted, 3);
}
END_TEST

static void expect_plain_addresses(bool mask_is_known)
{
	struct world w;
	static const uint32_t blr = 0xd63f0100;
	static const uint64_t masks[2] = {0, 0xff7f000000000000};
	memset(&w, 0, sizeof(w));
	memcpy(w.code + 0x200, &blr, 4);
	core_init(&w.core, EM_AARCH64);
	if (mask_is_known)
		core_note(&w.core, "LINUX", NT_ARM_PAC_MASK, masks, sizeof(masks));
	poke(&w, 0x108, (CODE + 0x204) | 0x5a5a000000000000);
	static const struct expected wanted[] = {{CODE + 0x40, HS_FRAME_BY_TABLES},
						 {CODE + 0x204, HS_FRAME_BY_POINTER}};
	expect(walk(&w, CODE + 0x40, STACK + 0x80, STACK + 0x100, 0), wanted, 2);
}

START_TEST(signed_return_addresses_of_aarch64_are_made_plain)
{
	expect_plain_addresses(true);
}
END_TEST

/* qemu's cores do not say which bits sign. */
START_TEST(they_are_made_plain_where_the_core_tells_no_mask)
{
	expect_plain_addresses(false);
}
END_TEST

/* Every form of an indirect call by its addressing mode, as an assembler has it. */
START_TEST(all_forms_of_calls_are_known)
{
	static const struct {
		const char *code; /* its end is the return address */
		size_t length;
		bool call;
	} cases[] = {
		{"\xe8\x12\x34\x56\x78", 5, true},         /* call rel32 */
		{"\xff\xd0", 2, true},                     /* call *%rax */
		{"\x41\xff\xd3", 3, true},                 /* call *%r11 */
		{"\xff\x13", 2, true},                     /* call *(%rbx) */
		{"\xff\x14\xd8", 3, true},                 /* call *(%rax,%rbx,8) */
		{"\xff\x50\x10", 3, true},                 /* call *0x10(%rax) */
		{"\xff\x54\x24\x10", 4, true},             /* call *0x10(%rsp) */
		{"\xff\x90\x00\x01\x00\x00", 6, true},     /* call *0x100(%rax) */
		{"\xff\x15\x00\x01\x00\x00", 6, true},     /* call *0x100(%rip) */
		{"\xff\x94\x24\x00\x01\x00\x00", 7, true}, /* call *0x100(%rsp) */
		{"\xff\x14\xc5\x00\x01\x00\x00", 7, true}, /* call *0x100(,%rax,8) */
		{"\xff\xe0", 2, false},                    /* jmp *%rax */
		{"\xe9\x12\x34\x56\x78", 5, false},        /* jmp rel32 */
		{"\x90\x90\x90", 3, false},
	};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		struct core c;
		size_t size;
		struct hs_image *image;
		uint8_t code[64];
		memset(code, 0x90, sizeof(code));
		memcpy(code + 32 - cases[i].length, cases[i].code, cases[i].length);
		core_init(&c, EM_X86_64);
		core_segment(&c, CODE, sizeof(code), PF_R | PF_X, code, sizeof(code));
		uint8_t *data = core_finish(&c, &size);
		struct hs_file file = {.data = data, .heap = data, .size = size};
		ck_assert_ptr_null(hs_format_by_name("core")->image(&file, &image));
		ck_assert_msg(hs_guess_is_return(image, CODE + 32) == cases[i].call,
			      "case %zu", i);
		hs_image_free(image);
	}
}
END_TEST

/* A core that names one stack from a hundred thousand threads. */
START_TEST(many_threads_on_one_deep_stack_are_walked_within_bounds)
{
	struct world w;
	begin_x86_64(&w);
	for (uint64_t at = 0; at < SIZE; at += 8)
		poke(&w, at, FIRST);
	for (uint32_t i = 0; i < 20000; i++)
		core_thread_at(&w.core, 100 + i, CODE + 0x40, STACK, 0, 0);
	struct hs_profile *p = walk(&w, CODE + 0x40, STACK, 0, 0);
	ck_assert_uint_eq(p->n_threads, 20002);
	hs_profile_free(p);
}
END_TEST

HS_SUITE("unwind", frame_pointers_lead_on_where_no_table_does,
	 a_search_finds_words_that_point_behind_calls_and_says_so,
	 words_below_the_stack_pointer_are_no_callers,
	 the_caller_of_a_null_pointer_is_found, frame_pointers_in_a_circle_come_to_an_end,
	 aarch64_goes_by_link_register_and_frame_pointer,
	 signed_return_addresses_of_aarch64_are_made_plain,
	 they_are_made_plain_where_the_core_tells_no_mask, all_forms_of_calls_are_known,
	 many_threads_on_one_deep_stack_are_walked_within_bounds)
