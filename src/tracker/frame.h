/* SPDX-License-Identifier: MIT */

/*
 * One step of a walk: from a frame to its caller.  Knows rules (rows.h) and
 * readable memory (peek.h), and nothing of whole stacks.
 *
 * Safety: a step reads only between TR_BELOW_SP bytes below sp and the end of
 * the readable memory around it, and sp grows with every frame but a signal's.
 */
#ifndef TR_FRAME_H
#define TR_FRAME_H

#include "src/tracker/peek.h"
#include "src/tracker/rows.h"

/* The least that is known to be readable below sp: the reach of k in a rule. */
#define TR_BELOW_SP 64

/* The words that a step reads besides the return address, or 0. */
struct tr_step_reads {
	uint64_t cfa_slot; /* where the CFA lay */
	uint64_t fp_slot;  /* where the caller's fp lay */
};

struct tr_frame {
	uint64_t key, sp, fp;
	uint64_t end; /* of the readable memory around sp */
	/*
	 * The last key that was of an interrupted pc.  It cannot be a return
	 * address too: no call ends where another instruction begins.
	 */
	uint64_t interrupted_key;
	bool guessed;
	/*
	 * What the last special step depended on: `reads`, its frame and the
	 * rule.  OPAQUE: on more than that.
	 */
	bool opaque;
	struct tr_step_reads reads;
	uint64_t addr; /* where the last step, unless it was opaque, found the key */
};

enum tr_outcome {
	TR_WALK_ON,       /* the frame is now the caller's */
	TR_WALK_AGAIN,    /* the frame has another rule now */
	TR_WALK_COMPLETE, /* there is no caller */
	TR_WALK_CUT,      /* there should be one */
	TR_WALK_FULLY,    /* needs registers that the frame does not have */
};

/* User code lies above the unmappable first page. */
static inline bool tr_may_be_code(uint64_t addr)
{
	return addr - 4096 < ((uint64_t)1 << TR_ADDRESS_BITS) - 4096;
}

/* Go to the caller of F, whose rule is the special RULE. */
enum tr_outcome tr_step_special(struct tr_frame *f, uint32_t rule);

/* Follow the frame pointer of F, which has no CFI, if that makes sense. */
enum tr_outcome tr_step_guess(struct tr_frame *f);

/* Move F to SP, which may be on another stack.  False if that cannot be read. */
bool tr_frame_set_sp(struct tr_frame *f, uint64_t sp);

#endif /* TR_FRAME_H */
