/* SPDX-License-Identifier: MIT */

/*
 * Which memory may be read.  A walk trusts nothing that it finds on a stack:
 * every address it follows must lie in a stretch of pages that is contiguous
 * with the stack pointer and known to be readable.
 *
 * That rule needs no idea of what kind of stack it is, so it holds alike for
 * the main stack, a thread's, a signal stack and a coroutine's.  Pages become
 * known by asking the kernel for each of them once; every thread remembers its
 * last two stretches, so that a warm walk makes no system call.  What is known
 * can become wrong only when a program unmaps a stack of its own making and,
 * in the same thread, uses a smaller one at the same address; that matters
 * only if the walk then also meets wrong unwind tables.
 */
#ifndef TR_PEEK_H
#define TR_PEEK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "src/tracker/arch.h"

/*
 * A stretch is one word, so that a signal handler never sees half of one:
 * number of the first page, then 28 bits of count.  0 is none.
 */
#define TR_STRETCH_PAGE_SHIFT 12
#define TR_STRETCH_COUNT_BITS 28
extern _Thread_local uint64_t tr_stretches[2];

static inline uint64_t tr_stretch_start(uint64_t stretch)
{
	return stretch >> TR_STRETCH_COUNT_BITS << TR_STRETCH_PAGE_SHIFT;
}

static inline uint64_t tr_stretch_size(uint64_t stretch)
{
	return (stretch & ((1u << TR_STRETCH_COUNT_BITS) - 1)) << TR_STRETCH_PAGE_SHIFT;
}

/* The stretch around ADDR, made the current one; 0 if ADDR is not readable. */
uint64_t tr_stretch_find(uint64_t addr);

/*
 * Let the stretch around ADDR reach up to END.  Returns where it ends now,
 * which is less than END if there is unreadable memory between, or if END is
 * farther away than any sane frame is long.
 */
uint64_t tr_stretch_extend(uint64_t addr, uint64_t end);

/* Return the end of the readable memory around ADDR, 0 if it is not readable. */
static inline uint64_t tr_stretch_end(uint64_t addr)
{
	uint64_t stretch = tr_stretches[0];
	uint64_t start = tr_stretch_start(stretch), size = tr_stretch_size(stretch);
	if (__builtin_expect(addr - start >= size, 0)) {
		stretch = tr_stretch_find(addr);
		start = tr_stretch_start(stretch);
		size = tr_stretch_size(stretch);
	}
	return start + size;
}

/* Ask the kernel whether the page of ADDR is readable.  Leaves errno alone. */
bool tr_page_readable(uint64_t addr);

/* Read the SIZE (1 to 8) bytes at any address at all.  False if impossible. */
bool tr_peek(uint64_t addr, size_t size, uint64_t *ret);

/* Read a word that is known to be readable. */
static inline uint64_t tr_word_at(uint64_t addr)
{
	uint64_t word;
	memcpy(&word, (const void *)(uintptr_t)addr, sizeof(word));
	return word;
}

#endif /* TR_PEEK_H */
