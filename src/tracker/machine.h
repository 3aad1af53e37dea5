/* SPDX-License-Identifier: MIT */

/*
 * A set of registers, some of them unknown, and the general step from a frame
 * to its caller: everything that DWARF can say.  Slow and exact; unwind.c uses
 * it where a row does not fit into a rule.
 */
#ifndef TR_MACHINE_H
#define TR_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/tracker/ehframe.h"

struct tr_machine {
	uint64_t known;   /* bit per register */
	bool interrupted; /* pc is an instruction that was not yet run, not a return
			     address */
	uint64_t reg[TR_REGISTERS];
};

enum tr_step {
	TR_STEP_DONE = 0,
	TR_STEP_END = 1,     /* the outermost frame */
	TR_STEP_NO_CFI = 2,  /* none for this pc, or none that makes sense */
	TR_STEP_UNKNOWN = 3, /* needs a register that is not known */
	TR_STEP_BROKEN = 4,  /* leads to memory that cannot be read, or nowhere */
};

/*
 * TR_MACHINE_CAPTURE(M) takes in the registers of the calling function as they
 * are here: those that calls preserve (TR_CALL_PRESERVED), and pc.
 */

/* REG's bit. */
#define TR_BIT(reg) ((uint64_t)1 << (reg))

static inline bool tr_machine_knows(const struct tr_machine *m, unsigned reg)
{
	return m->known >> reg & 1;
}

/* Go from the frame M to its caller.  Unless DONE is returned, M is as before. */
enum tr_step tr_machine_step(struct tr_machine *m);

/* The same where the row for the frame's pc is known. */
enum tr_step tr_machine_step_row(struct tr_machine *m, const struct tr_row *row);

/* Are the instructions at ADDR those that handlers return to (rt_sigreturn)? */
bool tr_returns_from_signal(uint64_t addr);

/*
 * Evaluate a DWARF expression over M's registers, with CFA on the stack first
 * unless it is NULL.  Ends after a bounded number of operations.
 */
enum tr_step tr_expr_eval(struct tr_bytes expr, const struct tr_machine *m,
			  const uint64_t *cfa, uint64_t *ret);

#endif /* TR_MACHINE_H */
