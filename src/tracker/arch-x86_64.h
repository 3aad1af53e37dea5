/* SPDX-License-Identifier: MIT */

/* x86-64, for arch.h, which tells what these are. */
#ifndef TR_ARCH_X86_64_H
#define TR_ARCH_X86_64_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* psABI figure 3.36 */
enum {
	TR_RBX = 3,
	TR_RBP = 6,
	TR_RSP = 7,
	TR_R12 = 12,
	TR_RIP = 16,
	TR_REGISTERS = 17,
};

#define TR_FP TR_RBP
#define TR_SP TR_RSP
#define TR_PC TR_RIP
#define TR_RA TR_RIP

#define TR_CALL_PRESERVED    0xf0c8u
#define TR_HAS_LINK_REGISTER false
#define TR_ADDRESS_BITS      47

#define TR_MACHINE_CAPTURE(m)                      \
	__asm__ volatile("movq %%rbx, 24(%0)\n\t"  \
			 "movq %%rbp, 48(%0)\n\t"  \
			 "movq %%rsp, 56(%0)\n\t"  \
			 "movq %%r12, 96(%0)\n\t"  \
			 "movq %%r13, 104(%0)\n\t" \
			 "movq %%r14, 112(%0)\n\t" \
			 "movq %%r15, 120(%0)\n\t" \
			 "leaq 1f(%%rip), %%rax\n" \
			 "1:\tmovq %%rax, 128(%0)" \
			 :                         \
			 : "r"((m)->reg)           \
			 : "rax", "memory")

/* struct ucontext's uc_mcontext (asm/ucontext.h). */
enum {
	TR_SIGNAL_FP = 40 + 8 * 10,
	TR_SIGNAL_SP = 40 + 8 * 15,
	TR_SIGNAL_PC = 40 + 8 * 16,
	TR_SIGNAL_SIZE = 40 + 8 * 23,
	TR_SIGNAL_X0 = 0,
};

/* mov $15, %rax; syscall */
#define TR_SIGNAL_RETURN "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"

/* A call pushes its return address, and that is where the caller's frame ends. */
#define TR_SP_FOLLOWS_RA 1

/*
 * A rule: in bits 0-2 k: the caller's fp lies at CFA - 8 - 8k; 0: it is
 * unchanged.  The return address lies at CFA - 8.
 */
#define TR_RULE_OFFSET 0x7ff8u

static inline uint32_t tr_rule_slots(uint32_t rule)
{
	return rule & 7;
}

static inline uint64_t tr_rule_ra(uint32_t rule, uint64_t cfa)
{
	(void)rule;
	return cfa - 8;
}

static inline bool tr_rule_is_sound(uint64_t sp, uint64_t cfa, uint64_t ra)
{
	(void)ra;
	return cfa > sp;
}

static inline uint64_t tr_code(uint64_t word)
{
	return word;
}

static inline bool tr_cfa_is_marker(uint8_t op)
{
	(void)op;
	return false;
}

static inline long tr_system_call(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Between two looks at a lock. */
static inline void tr_pause(void)
{
	__builtin_ia32_pause();
}

/* Does the counter run at one rate in all states (CPUID 80000007h, EDX bit 8)? */
static inline bool tr_counter_is_usable(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

/* Roughly: it is somewhere between 1 and 5 GHz. */
static inline uint64_t tr_counter_per_second(void)
{
	return (uint64_t)1000 << 20;
}

#define TR_STUBS_RETURN false

/*
 * Six arguments fill all registers of the calling convention, so there is no
 * stub.  A function that asks for its frame's address keeps a frame pointer: the
 * caller's lies there, and the return address above it.
 */
#define TR_PLAIN_NAME(name) name
#define TR_PLAIN_LINKAGE    __attribute__((visibility("default")))
#define TR_PLAIN_FRAME()    ((const uint64_t *)__builtin_frame_address(0))

#endif /* TR_ARCH_X86_64_H */
