/* SPDX-License-Identifier: MIT */

/* Stacks as numbers: each distinct stack is written once and then named by its id. */
#ifndef TR_STACKS_H
#define TR_STACKS_H

#include "src/tracker/stream.h"

/*
 * Walk the stack above the call whose return address lies at SLOT (FP: the
 * caller's frame pointer register) and return its id; writes the stack to S if
 * it is new.  0: unknown, since it could not be written.
 */
TR_HIDDEN uint32_t tr_stack_id(struct tr_stream *s, const uint64_t *slot, uint64_t fp);

/* Forget all ids: this is a forked child with a capture of its own. */
TR_HIDDEN void tr_stacks_restart(void);

#endif /* TR_STACKS_H */
