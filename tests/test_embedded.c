/* SPDX-License-Identifier: MIT */

/* Which address a function of a few instructions returns, as assemblers encode it. */
#include "src/embedded.h"

#include <elf.h>
#include <string.h>

#include "tests/lib/suite.h"

#define ADDRESS 0x401000u

static uint64_t returned(unsigned machine, const char *code, size_t size)
{
	uint8_t bytes[64] = {0};
	memcpy(bytes, code, size);
	return hs_returned_address(machine, bytes, size, ADDRESS);
}
#define X86(code) returned(EM_X86_64, code, sizeof(code) - 1)
#define ARM(code) returned(EM_AARCH64, code, sizeof(code) - 1)

START_TEST(x86_64_functions_that_return_a_literal_are_understood)
{
	/* lea rax,[rip+0x100]; ret.  The nops are what follows a function. */
	ck_assert_uint_eq(X86("\x48\x8d\x05\x00\x01\x00\x00\xc3\x90\x90\x90"),
			  ADDRESS + 7 + 0x100);
	/* endbr64; push rbp; mov rbp,rsp; lea rax,[rip-16]; pop rbp; ret */
	ck_assert_uint_eq(X86("\xf3\x0f\x1e\xfa\x55\x48\x89\xe5"
			      "\x48\x8d\x05\xf0\xff\xff\xff\x5d\xc3\x90\x90\x90"),
			  ADDRESS + 15 - 16);
	/* mov eax,0x402010; ret */
	ck_assert_uint_eq(X86("\xb8\x10\x20\x40\x00\xc3\x90\x90\x90\x90\x90"), 0x402010);
	/* movabs rax,0x123456789a; ret */
	ck_assert_uint_eq(X86("\x48\xb8\x9a\x78\x56\x34\x12\x00\x00\x00\xc3"),
			  0x123456789a);
}
END_TEST

START_TEST(aarch64_functions_that_return_a_literal_are_understood)
{
	/* adrp x0,0x403000; add x0,x0,#0x10; ret */
	ck_assert_uint_eq(ARM("\x00\x00\x00\xd0\x00\x40\x00\x91\xc0\x03\x5f\xd6"),
			  0x403010);
	/* bti c; adrp x0,0x400000; add x0,x0,#0xff8; ret */
	ck_assert_uint_eq(ARM("\x5f\x24\x03\xd5\xe0\xff\xff\xf0\x00\xe0\x3f\x91"
			      "\xc0\x03\x5f\xd6"),
			  0x400ff8);
}
END_TEST

START_TEST(all_other_code_is_not_guessed_at)
{
	ck_assert_uint_eq(X86(""), 0);
	ck_assert_uint_eq(X86("\xc3"), 0);
	/* mov rax,[rip+0x100]: a variable */
	ck_assert_uint_eq(X86("\x48\x8b\x05\x00\x01\x00\x00\xc3\x90\x90\x90"), 0);
	/* lea rax,[rip+0x100]; call: something is done with it */
	ck_assert_uint_eq(X86("\x48\x8d\x05\x00\x01\x00\x00\xe8\x90\x90\x90\x90"), 0);
	/* lea rax,[rip+...], and the file ends */
	ck_assert_uint_eq(X86("\x48\x8d\x05\x00\x01\x00\x00"), 0);
	ck_assert_uint_eq(ARM("\x00\x00\x00\xd0\x00\x40\x00\x91"), 0);
	/* adrp x1 */
	ck_assert_uint_eq(ARM("\x01\x00\x00\xd0\x00\x40\x00\x91\xc0\x03\x5f\xd6"), 0);
	ck_assert_uint_eq(
		returned(EM_386, "\xb8\x10\x20\x40\x00\xc3\x90\x90\x90\x90\x90", 11), 0);
}
END_TEST

HS_SUITE("embedded", x86_64_functions_that_return_a_literal_are_understood,
	 aarch64_functions_that_return_a_literal_are_understood,
	 all_other_code_is_not_guessed_at)
