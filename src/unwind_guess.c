/* SPDX-License-Identifier: MIT */

/* Guessing the caller's frame from the words on a stack. */
#include "src/unwind_guess.h"

#include <string.h>

#include "src/image.h"

#define SCAN_BYTES 65536u /* a larger frame without any table is not looked through */

/* -- What a call looks like -------------------------------------------------------- */

/*
 * call rel32 is e8 and four bytes; an indirect call is ff /2, of two to seven
 * bytes by its addressing form (Intel SDM, CALL; table 2-2).
 */
static bool ends_in_call_x86_64(const uint8_t code[7])
{
	if (code[2] == 0xe8)
		return true;
	for (size_t length = 2; length <= 7; length++) {
		const uint8_t *p = code + 7 - length;
		uint8_t mod = p[1] >> 6, rm = p[1] & 7;
		size_t sib = mod != 3 && rm == 4;
		size_t displacement = mod == 1                         ? 1
				      : mod == 2                       ? 4
				      : mod == 0 && rm == 5            ? 4
				      : sib && mod == 0 && length == 7 ? 4
								       : 0;
		if (p[0] == 0xff && (p[1] >> 3 & 7) == 2 &&
		    length == 2 + sib + displacement)
			return true;
	}
	return false;
}

/* bl, and blr with its forms that check the pointer (Arm ARM, C6.2). */
static bool is_call_aarch64(uint32_t code)
{
	return (code & 0xfc000000) == 0x94000000 || (code & 0xfefff000) == 0xd63f0000;
}

static bool follows_call(const struct hs_image *image, uint64_t addr)
{
	uint8_t code[7];
	uint32_t word;
	if (image->machine == HS_MACHINE_X86_64) {
		if (addr < sizeof(code) ||
		    !hs_image_read_all(image, addr - sizeof(code), code, sizeof(code)))
			return true; /* not to be seen: benefit of the doubt */
		return ends_in_call_x86_64(code);
	}
	if (addr % 4 || addr < sizeof(word))
		return false;
	return !hs_image_read_all(image, addr - sizeof(word), &word, sizeof(word)) ||
	       is_call_aarch64(word);
}

bool hs_guess_is_return(const struct hs_image *image, uint64_t addr)
{
	const struct hs_mapping *m = hs_image_mapping(image, addr);
	return m && (m->flags & HS_MAPPING_EXEC) && follows_call(image, addr);
}

/* -- Steps --------------------------------------------------------------------------- */

/* Both machines keep {caller's frame pointer, return address} where it points. */
static bool by_pointer(const struct hs_image *image, struct hs_spot *spot)
{
	const struct hs_mapping *stack = hs_image_mapping(image, spot->sp);
	uint64_t fp, pc;
	if (!stack || spot->fp % 8 || spot->fp < spot->sp || spot->fp >= stack->end ||
	    !hs_image_word(image, spot->fp, &fp) ||
	    !hs_image_word(image, spot->fp + 8, &pc))
		return false;
	pc &= ~image->pac_mask;
	if (!hs_guess_is_return(image, pc) || (fp && fp <= spot->fp))
		return false;
	*spot = (struct hs_spot){.pc = pc, .sp = spot->fp + 16, .fp = fp};
	return true;
}

static bool by_scan(const struct hs_image *image, struct hs_spot *spot)
{
	const struct hs_mapping *stack = hs_image_mapping(image, spot->sp);
	if (!stack || stack->end - spot->sp < 8)
		return false;
	uint64_t last = HS_MIN(stack->end - 8, spot->sp + SCAN_BYTES);
	for (uint64_t at = (spot->sp + 7) / 8 * 8; at <= last; at += 8) {
		uint64_t pc;
		if (!hs_image_word(image, at, &pc))
			return false;
		pc &= ~image->pac_mask;
		if (!hs_guess_is_return(image, pc))
			continue;
		*spot = (struct hs_spot){.pc = pc, .sp = at + 8, .fp = spot->fp};
		return true;
	}
	return false;
}

/* A jump to where no code is: the link register has the caller (AArch64). */
static bool by_link(const struct hs_image *image, struct hs_spot *spot)
{
	uint64_t pc = spot->lr & ~image->pac_mask;
	const struct hs_mapping *m = hs_image_mapping(image, spot->pc);
	if (!spot->lr || (m && (m->flags & HS_MAPPING_EXEC)) ||
	    !hs_guess_is_return(image, pc))
		return false;
	spot->pc = pc;
	spot->lr = 0;
	return true;
}

/* The same on x86-64: the call had just pushed its return address. */
static bool by_push(const struct hs_image *image, struct hs_spot *spot)
{
	uint64_t pc;
	const struct hs_mapping *m = hs_image_mapping(image, spot->pc);
	if (image->machine != HS_MACHINE_X86_64 || (m && (m->flags & HS_MAPPING_EXEC)) ||
	    !hs_image_word(image, spot->sp, &pc) || !hs_guess_is_return(image, pc))
		return false;
	spot->pc = pc;
	spot->sp += 8;
	return true;
}

bool hs_guess_caller(const struct hs_image *image, struct hs_spot *spot,
		     enum hs_frame_how *how_ret)
{
	*how_ret = HS_FRAME_BY_POINTER;
	if (by_link(image, spot) || by_push(image, spot) || by_pointer(image, spot))
		return true;
	*how_ret = HS_FRAME_BY_SCAN;
	return by_scan(image, spot);
}
