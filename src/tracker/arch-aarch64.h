/* SPDX-License-Identifier: MIT */

/* AArch64, for arch.h, which tells what these are. */
#ifndef TR_ARCH_AARCH64_H
#define TR_ARCH_AARCH64_H

#include <stdbool.h>
#include <stdint.h>

#include "src/counter.h"

/* DWARF for the Arm 64-bit Architecture (aadwarf64), section 4.1 */
enum {
	TR_X19 = 19,
	TR_X29 = 29,
	TR_X30 = 30,
	TR_X31 = 31,
	TR_X32 = 32,
	TR_REGISTERS = 33,
};

#define TR_FP TR_X29
#define TR_SP TR_X31
#define TR_PC TR_X32
#define TR_RA TR_X30

#define TR_CALL_PRESERVED    0xbff80000u /* x19 to x29, sp (AAPCS64, 6.1.1) */
#define TR_HAS_LINK_REGISTER true
#define TR_ADDRESS_BITS      48 /* more only for mmap with such an address as a hint */

#define TR_MACHINE_CAPTURE(m)                           \
	__asm__ volatile("stp x19, x20, [%0, #152]\n\t" \
			 "stp x21, x22, [%0, #168]\n\t" \
			 "stp x23, x24, [%0, #184]\n\t" \
			 "stp x25, x26, [%0, #200]\n\t" \
			 "stp x27, x28, [%0, #216]\n\t" \
			 "str x29, [%0, #232]\n\t"      \
			 "mov x9, sp\n\t"               \
			 "str x9, [%0, #248]\n"         \
			 "1:\tadr x9, 1b\n\t"           \
			 "str x9, [%0, #256]"           \
			 :                              \
			 : "r"((m)->reg)                \
			 : "x9", "memory")

/*
 * struct rt_sigframe (arch/arm64/kernel/signal.c): siginfo_t, struct ucontext.
 * Its uc_mcontext (asm/sigcontext.h) is aligned to 16.
 */
enum {
	TR_SIGNAL_X0 = 128 + 176 + 8,
	TR_SIGNAL_FP = TR_SIGNAL_X0 + 8 * TR_X29,
	TR_SIGNAL_SP = TR_SIGNAL_X0 + 8 * 31,
	TR_SIGNAL_PC = TR_SIGNAL_X0 + 8 * 32,
	TR_SIGNAL_SIZE = TR_SIGNAL_PC + 8,
};

/* mov x8, #139; svc #0: in the vDSO, whose tables do not tell of it (Linux 5.8). */
#define TR_SIGNAL_RETURN "\x68\x11\x80\xd2\x01\x00\x00\xd4"

/* A function puts its return address anywhere in its frame. */
#define TR_SP_FOLLOWS_RA 0

/*
 * A rule: in bits 0 and 1 m.  The return address lies at CFA - 8 - 8m, or if bit
 * 2 is set 8m above the base of the CFA.  Bit 3: the caller's fp lies before it,
 * as in a frame record (AAPCS64, 6.4.6); else it is unchanged.  So these rules
 * have what compilers make: records at a frame's end (clang) and at its beginning
 * (gcc), also behind arguments on the stack, and with fp or sp as the base.
 */
#define TR_RULE_OFFSET    0x7ff0u
#define TR_RULE_FROM_BASE 4u
#define TR_RULE_RECORD    8u

static inline uint32_t tr_rule_slots(uint32_t rule)
{
	return rule >> 3 & 1;
}

static inline uint64_t tr_rule_ra(uint32_t rule, uint64_t cfa)
{
	uint64_t distance = (uint64_t)(rule & 3) * 8;
	return rule & TR_RULE_FROM_BASE ? cfa - (rule & TR_RULE_OFFSET) + distance
					: cfa - 8 - distance;
}

/* The CFA lies behind the return address, by at most as much as the offset is. */
static inline bool tr_rule_is_sound(uint64_t sp, uint64_t cfa, uint64_t ra)
{
	(void)cfa;
	return (int64_t)(ra - sp) >= 0;
}

/*
 * Without the code that authenticates it (FEAT_PAuth), which takes the bits above
 * the address; how many these are depends on the kernel.  xpaclri knows, and on
 * processors that sign nothing it does nothing.  So it does not matter which
 * functions sign (DW_CFA_AARCH64_negate_ra_state).
 */
static inline uint64_t tr_code(uint64_t word)
{
	register uint64_t x30 __asm__("x30") = word;
	__asm__("hint #7" : "+r"(x30));
	return x30;
}

/* DW_CFA_AARCH64_negate_ra_state_with_pc, DW_CFA_AARCH64_negate_ra_state */
static inline bool tr_cfa_is_marker(uint8_t op)
{
	return op == 0x2c || op == 0x2d;
}

static inline long tr_system_call(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

/* Between two looks at a lock: yield does nothing on most processors. */
static inline void tr_pause(void)
{
	__asm__ volatile("isb" ::: "memory");
}

static inline uint64_t tr_counter_per_second(void)
{
	uint64_t frequency;
	__asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
	return frequency;
}

/* By how much the counter advances at once: not always by one. */
static inline uint64_t tr_counter_step(void)
{
	uint64_t last = hs_counter(), least = UINT64_MAX;
	bool stood = false;
	for (unsigned i = 0; i < 256; i++) {
		uint64_t now = hs_counter();
		if (stood && now != last && now - last < least)
			least = now - last;
		stood = now == last;
		last = now;
	}
	return least == UINT64_MAX ? 1 : least; /* faster than it can be read */
}

/*
 * A block goes from one thread to another in no less than some 50 ns: in as much
 * the counter has to advance, or the two have one stamp.  Else events are numbered.
 */
static inline bool tr_counter_is_usable(void)
{
	return tr_counter_per_second() / 19000000 >= tr_counter_step();
}

#define TR_STUBS_RETURN true

/*
 * The hooks are stubs, too, which make a frame record and go on to tr_NAME; so
 * that one's frame record leads to the stub's.
 */
#define TR_PLAIN_NAME(name) tr_##name
#define TR_PLAIN_LINKAGE    __attribute__((visibility("hidden")))
#define TR_PLAIN_FRAME()    (*(const uint64_t **)__builtin_frame_address(0))

#endif /* TR_ARCH_AARCH64_H */
