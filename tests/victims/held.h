/* SPDX-License-Identifier: MIT */

/* What held.c and held.cc share: blocks that can be told apart by their size. */
#ifndef HELD_H
#define HELD_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * What calls left on the stack would seem to hold blocks.  Not inlined, and deeper
 * than all that came before.
 */
__attribute__((noinline)) static void scrub(void)
{
	volatile char dead[65536];
	for (size_t i = 0; i < sizeof(dead); i++)
		dead[i] = 0;
}

/* The compiler may not remove what makes P. */
static inline void escape(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#endif /* HELD_H */
