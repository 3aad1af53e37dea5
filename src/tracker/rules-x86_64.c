/* SPDX-License-Identifier: MIT */

/* What x86-64's unwind tables say, as rules. */
#include "src/tracker/rules.h"

/* Is ROW's register REG saved at sp + OFFSET? */
static bool saved_at_sp(const struct tr_row *row, unsigned reg, int64_t offset)
{
	int64_t found;
	return row->how[reg] == TR_AT_EXPR &&
	       tr_expr_is_offset(tr_row_expr(row, row->value[reg]), TR_SP, false,
				 &found) &&
	       found == offset;
}

/*
 * Is this the kernel's frame for a signal (arch/x86/include/uapi/asm/ucontext.h),
 * as glibc and the others describe it?  A frame that calls itself a signal's may
 * have another layout.
 */
bool tr_row_is_signal(const struct tr_row *row, uint64_t key)
{
	int64_t offset;
	(void)key;
	return row->signal && row->cfa_is_expr &&
	       tr_expr_is_offset(tr_row_expr(row, row->cfa_value), TR_SP, true,
				 &offset) &&
	       offset == TR_SIGNAL_SP && saved_at_sp(row, TR_FP, TR_SIGNAL_FP) &&
	       saved_at_sp(row, TR_PC, TR_SIGNAL_PC);
}

bool tr_side_take_ra(const struct tr_row *row, struct tr_side *side)
{
	side->ra_offset = -8;
	return row->how[TR_SP] == TR_SAME && row->how[TR_RA] == TR_AT_CFA &&
	       row->value[TR_RA] == -8;
}

/* The bits of a special rule that stand for OPERAND, at most 15. */
static uint32_t rule_operand(uint32_t operand)
{
	return (operand & 7) | (operand & 8) << 12;
}

uint32_t tr_rule_from_side(const struct tr_side *side)
{
	int32_t cfa = side->cfa_offset, slot = 0;
	if (cfa % 8 || side->fp_offset % 8)
		return 0;
	if (side->cfa_deref) {
		bool drap = side->cfa_from_fp && side->fp_how == TR_SIDE_FP_AT_FP &&
			    side->fp_offset == 0 && cfa < 0 && cfa >= -15 * 8;
		return drap ? TR_RULE_DRAP | rule_operand((uint32_t)-cfa / 8) : 0;
	}
	if (side->fp_how == TR_SIDE_FP_AT_CFA)
		slot = -side->fp_offset / 8 - 1;
	if (side->fp_how == TR_SIDE_FP_AT_FP || cfa <= 0 ||
	    cfa >= (int32_t)TR_RULE_SPECIAL || slot < 0 || slot > 7 ||
	    (side->fp_how == TR_SIDE_FP_AT_CFA && slot == 0))
		return 0;
	return (uint32_t)cfa | (uint32_t)slot | (side->cfa_from_fp ? TR_RULE_FP : 0);
}
