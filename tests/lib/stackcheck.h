/* SPDX-License-Identifier: MIT */

/*
 * Call stack_check() anywhere: it walks the stack from that call with
 * tr_unwind, by what is remembered of the walks before, and with libunwind's
 * unw_step, and counts whether they agree.
 */
#ifndef STACKCHECK_H
#define STACKCHECK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STACK_CHECK_ROOM 4096

struct stack_check_counts {
	uint64_t stacks;
	uint64_t inexact; /* they differ, and ours is marked as cut or guessed */
	uint64_t differ;  /* they differ otherwise */
	uint64_t frames, deepest;
	uint64_t guessed, cut; /* by tr_unwind's flags */
	uint64_t remembered;   /* stacks that trails and memos knew, too */
	uint64_t wrong;        /* and that were not those of tr_unwind */
};
extern struct stack_check_counts stack_check_counts;

/* Walk and compare.  Preserves nothing but what every function preserves. */
void stack_check(void);

/* Code was unloaded. */
void stack_check_forget(void);

/* The last stack of this process (only useful without threads). */
extern const uint64_t *stack_check_pcs;
extern size_t stack_check_n;
extern uint32_t stack_check_flags;

/* Calls of tr_module_seen so far. */
extern uint64_t stack_check_modules_seen;

#ifdef __cplusplus
}
#endif

#endif /* STACKCHECK_H */
