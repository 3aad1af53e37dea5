/* SPDX-License-Identifier: MIT */

/* The general step: apply a row to a register set. */
#include "src/tracker/machine.h"

#include <dlfcn.h>
#include <string.h>

#include "src/tracker/peek.h"

static enum tr_step row_cfa(const struct tr_machine *m, const struct tr_row *row,
			    uint64_t *ret)
{
	if (row->cfa_is_expr)
		return tr_expr_eval(tr_row_expr(row, row->cfa_value), m, NULL, ret);
	if (!tr_machine_knows(m, row->cfa_reg))
		return TR_STEP_UNKNOWN;
	*ret = m->reg[row->cfa_reg] + (uint64_t)row->cfa_value;
	return TR_STEP_DONE;
}

static enum tr_step load(uint64_t addr, uint64_t *ret)
{
	return tr_peek(addr, 8, ret) ? TR_STEP_DONE : TR_STEP_BROKEN;
}

/* Find the caller's value of REG, which TR_SAME and TR_UNDEFINED do not say. */
static enum tr_step row_register(const struct tr_machine *m, const struct tr_row *row,
				 unsigned reg, uint64_t cfa, uint64_t *ret)
{
	int32_t value = row->value[reg];
	enum tr_step step;
	uint64_t addr;
	switch (row->how[reg]) {
	case TR_AT_CFA:
		return load(cfa + (uint64_t)value, ret);
	case TR_IS_CFA:
		*ret = cfa + (uint64_t)value;
		return TR_STEP_DONE;
	case TR_AT_EXPR:
		step = tr_expr_eval(tr_row_expr(row, value), m, &cfa, &addr);
		return step ? step : load(addr, ret);
	case TR_IS_EXPR:
		return tr_expr_eval(tr_row_expr(row, value), m, &cfa, ret);
	case TR_IN_REG:
		if (value < 0 || value >= TR_REGISTERS)
			return TR_STEP_BROKEN;
		*ret = m->reg[value];
		return tr_machine_knows(m, (unsigned)value) ? TR_STEP_DONE
							    : TR_STEP_UNKNOWN;
	default:
		return TR_STEP_UNKNOWN;
	}
}

/*
 * A register about which the table is silent has kept its value if calls
 * preserve it, or if there was no call.
 */
static bool kept(const struct tr_machine *m, const struct tr_row *row, unsigned reg)
{
	bool is_link = TR_HAS_LINK_REGISTER && reg == TR_RA && m->interrupted;
	return row->how[reg] == TR_SAME && tr_machine_knows(m, reg) &&
	       (row->signal || is_link || (TR_CALL_PRESERVED & TR_BIT(reg)));
}

enum tr_step tr_machine_step_row(struct tr_machine *m, const struct tr_row *row)
{
	struct tr_machine caller = {.interrupted = row->signal};
	uint64_t cfa;
	if (row->how[TR_RA] == TR_UNDEFINED)
		return TR_STEP_END;
	/* A function that made a call has put the link register away before. */
	if (row->how[TR_RA] == TR_SAME && !(TR_HAS_LINK_REGISTER && m->interrupted))
		return TR_STEP_BROKEN;
	enum tr_step step = row_cfa(m, row, &cfa);
	if (step)
		return step;
	for (unsigned reg = 0; reg < TR_REGISTERS; reg++) {
		uint64_t value = m->reg[reg];
		if (reg == TR_SP && row->how[reg] == TR_SAME)
			value = cfa;
		else if (!kept(m, row, reg) &&
			 row_register(m, row, reg, cfa, &value) != TR_STEP_DONE)
			continue;
		caller.reg[reg] = value;
		caller.known |= TR_BIT(reg);
	}
	if (!tr_machine_knows(&caller, TR_RA))
		return row_register(m, row, TR_RA, cfa, &cfa);
	if (!tr_machine_knows(&caller, TR_SP))
		return row_register(m, row, TR_SP, cfa, &cfa);
	caller.reg[TR_PC] = tr_code(caller.reg[TR_RA]);
	caller.known |= TR_BIT(TR_PC);
	*m = caller;
	return TR_STEP_DONE;
}

bool tr_returns_from_signal(uint64_t addr)
{
	static const char code[] = TR_SIGNAL_RETURN;
	for (size_t i = 0; i < sizeof(code) - 1; i += 4) {
		uint64_t found, wanted = 0;
		size_t n = sizeof(code) - 1 - i < 4 ? sizeof(code) - 1 - i : 4;
		memcpy(&wanted, code + i, n);
		if (!tr_peek(addr + i, n, &found) || found != wanted)
			return false;
	}
	return true;
}

/* From where a handler returns to: what the kernel keeps there. */
static enum tr_step step_signal(struct tr_machine *m)
{
	struct tr_machine caller = {.interrupted = true};
	uint64_t at = m->reg[TR_SP] + TR_SIGNAL_X0;
	if (!tr_machine_knows(m, TR_SP))
		return TR_STEP_UNKNOWN;
	for (unsigned reg = 0; reg < TR_REGISTERS; reg++, at += 8)
		if (load(at, &caller.reg[reg]) != TR_STEP_DONE)
			return TR_STEP_BROKEN;
	caller.known = TR_BIT(TR_REGISTERS) - 1;
	*m = caller;
	return TR_STEP_DONE;
}

enum tr_step tr_machine_step(struct tr_machine *m)
{
	uint64_t pc = m->reg[TR_PC] - !m->interrupted;
	struct dl_find_object object;
	struct tr_fde fde;
	struct tr_row row;
	bool have_row = _dl_find_object((void *)(uintptr_t)pc, &object) == 0 &&
			tr_fde_find(&object, pc, &fde) && tr_row_compute(&fde, pc, &row);
	if (TR_SIGNAL_X0 && (!have_row || row.signal) &&
	    tr_returns_from_signal(m->reg[TR_PC]))
		return step_signal(m);
	return have_row ? tr_machine_step_row(m, &row) : TR_STEP_NO_CFI;
}
