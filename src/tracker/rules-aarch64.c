/* SPDX-License-Identifier: MIT */

/* What AArch64's unwind tables say, as rules. */
#include "src/tracker/machine.h"
#include "src/tracker/rules.h"

/*
 * Some kernels' vDSO has a table for its trampoline, which says that all but x29
 * and x30 is lost.  The kernel's frame has everything.
 */
bool tr_row_is_signal(const struct tr_row *row, uint64_t key)
{
	return row->signal && tr_returns_from_signal(key);
}

bool tr_side_take_ra(const struct tr_row *row, struct tr_side *side)
{
	side->ra_offset = row->value[TR_RA];
	return row->how[TR_SP] == TR_SAME && row->how[TR_RA] == TR_AT_CFA &&
	       side->ra_offset <= -8 && side->ra_offset % 8 == 0;
}

/* The bits for a return address BELOW the CFA and ABOVE its base; false: none fit. */
static bool rule_place(int32_t below, int32_t above, uint32_t *ret)
{
	if (below <= 32)
		*ret = (uint32_t)below / 8 - 1;
	else if (above >= 0 && above <= 24 && above % 8 == 0)
		*ret = (uint32_t)above / 8 | TR_RULE_FROM_BASE;
	else
		return false;
	return true;
}

uint32_t tr_rule_from_side(const struct tr_side *side)
{
	int32_t cfa = side->cfa_offset;
	uint32_t place;
	bool record = side->fp_how == TR_SIDE_FP_AT_CFA;
	if (cfa % 16 || cfa <= 0 || cfa >= (int32_t)TR_RULE_SPECIAL || side->cfa_deref ||
	    side->fp_how == TR_SIDE_FP_AT_FP ||
	    (record && side->fp_offset != side->ra_offset - 8) ||
	    !rule_place(-side->ra_offset, cfa + side->ra_offset, &place))
		return 0;
	return (uint32_t)cfa | place | (record ? TR_RULE_RECORD : 0) |
	       (side->cfa_from_fp ? TR_RULE_FP : 0);
}
