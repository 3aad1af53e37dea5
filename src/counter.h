/* SPDX-License-Identifier: MIT */

/*
 * The processor's counter, which stamps are made of: the same for tracker and
 * recorder, on all processors of the machine.
 */
#ifndef HS_COUNTER_H
#define HS_COUNTER_H

#include <stdint.h>

#if defined(__x86_64__)

/* The time stamp counter. */
static inline uint64_t hs_counter(void)
{
	return __builtin_ia32_rdtsc();
}

#elif defined(__aarch64__)

/*
 * The virtual counter.  A processor may read it long before it is its turn, even
 * before a lock was taken: the barrier keeps it from that, as in Linux's vDSO.
 */
static inline uint64_t hs_counter(void)
{
	uint64_t value;
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

#endif

#endif /* HS_COUNTER_H */
