/* SPDX-License-Identifier: MIT */

/*
 * The numbers of stacks: hash -> id, for all threads, without a lock.  A stack may
 * have several hashes: of its frames, and of where they were found (memo.h).
 *
 * Equal hashes are taken as equal stacks.  At least 58 of their 64 bits count:
 * among a million stacks, two are taken for one with a probability of 2e-6.
 *
 * Who loses a race gives a stack a second id; readers merge the two by content.
 */
#ifndef TR_INTERN_H
#define TR_INTERN_H

#include "src/tracker/sys.h"

/* The id of HASH, or 0. */
TR_HIDDEN uint32_t tr_intern_find(uint64_t hash);

/*
 * The same if HASH was put or found since the table grew the last time: for what may
 * not be a stack's at all.
 */
TR_HIDDEN uint32_t tr_intern_recent(uint64_t hash);

/* ID, which is not 0, stands for HASH from now on, unless memory has run out. */
TR_HIDDEN void tr_intern_put(uint64_t hash, uint32_t id);

/* Forget all ids: this is a forked child with a capture of its own. */
TR_HIDDEN void tr_intern_restart(void);

#endif /* TR_INTERN_H */
