/* SPDX-License-Identifier: MIT */

/*
 * The blocks that were sampled and still live, by address: added when they were
 * obtained, taken out before they are given back, by whatever thread.  No lock.
 *
 * An address is in the hands of one thread at a time: who frees it has learned of it
 * from who allocated it, and the allocator hands it out again after that.  So nobody
 * adds or takes an address while another does the same, and who asks for one that is
 * there finds it.
 */
#ifndef TR_SAMPLED_H
#define TR_SAMPLED_H

#include "src/tracker/sys.h"

/*
 * How many sampled blocks have addresses like this one; nearly always none.  Blocks
 * that lie beside each other have their counts side by side, so a program that stays
 * within some memory stays within a 32nd of that here.
 */
#define TR_FILTER_SIZE ((size_t)1 << 20)
extern TR_HIDDEN uint8_t *tr_sampled_filter;

static inline size_t tr_sampled_index(const void *p)
{
	uint64_t unit = (uint64_t)(uintptr_t)p >> 5; /* the smallest block of glibc */
	return (unit ^ unit >> 20) & (TR_FILTER_SIZE - 1);
}

/* False: it was not sampled, or is gone. */
static inline bool tr_sampled_maybe(const void *p)
{
	return __atomic_load_n(&tr_sampled_filter[tr_sampled_index(p)],
			       __ATOMIC_RELAXED) != 0;
}

/* Before the first block; and in a forked child, which finds none.  False: no memory. */
TR_HIDDEN bool tr_sampled_start(void);

TR_HIDDEN void tr_sampled_add(const void *p);

/* Take P out.  False: it is not there. */
TR_HIDDEN bool tr_sampled_take(const void *p);

#endif /* TR_SAMPLED_H */
