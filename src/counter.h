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

#endif

#endif /* HS_COUNTER_H */
