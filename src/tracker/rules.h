/* SPDX-License-Identifier: MIT */

/*
 * From rows to rules, as far as that differs between architectures.  Used by
 * rows.c, implemented by rules-ARCH.c; pure functions of rows and of code.
 */
#ifndef TR_RULES_H
#define TR_RULES_H

#include "src/tracker/ehframe.h"
#include "src/tracker/rows.h"

/* Is this the frame of the instruction before KEY, from which handlers return? */
bool tr_row_is_signal(const struct tr_row *row, uint64_t key);

/*
 * Take from ROW where the caller's return address lies.  False if that is not at
 * an offset from the CFA, or the caller's sp is not the CFA.
 */
bool tr_side_take_ra(const struct tr_row *row, struct tr_side *side);

/* Return the rule that says what SIDE says, or 0 if that is too much for one. */
uint32_t tr_rule_from_side(const struct tr_side *side);

/*
 * Is EXPR "register REG + offset", then DW_OP_deref if DEREF?  Of rows.c, and for
 * all.
 */
bool tr_expr_is_offset(struct tr_bytes expr, unsigned reg, bool deref, int64_t *ret);

#endif /* TR_RULES_H */
