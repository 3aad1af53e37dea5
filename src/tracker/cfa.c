/* SPDX-License-Identifier: MIT */

/*
 * CFA programs: DWARF 5 section 6.4.2, with GNU's additions.  Each instruction
 * takes at least one byte, so a program ends; what it may remember is bounded.
 */
#include "src/tracker/ehframe.h"

/* gcc and clang nest two at most. */
#define REMEMBERED_MAX 6

struct program {
	struct tr_bytes b;
	const struct tr_fde *fde;
	const struct tr_row *initial;
	struct tr_row *row;
	uint64_t at, pc; /* the row is for AT and on; we want the one for PC */
	bool bad;
	unsigned n_remembered;
	struct tr_row remembered[REMEMBERED_MAX];
};

static int32_t narrow(struct program *p, int64_t value)
{
	p->bad |= value != (int32_t)value;
	return (int32_t)value;
}

/* Registers beyond these (vectors, saved by functions of Windows' ABI) do not matter. */
static void set_register(struct program *p, uint64_t reg, enum tr_how how, int64_t value)
{
	if (reg >= TR_REGISTERS)
		return;
	p->row->how[reg] = (uint8_t)how;
	p->row->value[reg] = narrow(p, value);
}

static void set_register_offset(struct program *p, uint64_t reg, enum tr_how how,
				uint64_t factored)
{
	set_register(p, reg, how, (int64_t)(factored * (uint64_t)p->fde->data_align));
}

static void restore_register(struct program *p, uint64_t reg)
{
	if (reg >= TR_REGISTERS)
		return;
	p->row->how[reg] = p->initial->how[reg];
	p->row->value[reg] = p->initial->value[reg];
}

/* Skip an expression; return where its length stands. */
static int64_t take_expr(struct program *p)
{
	int64_t offset = p->b.at - p->row->base;
	tr_bytes_take(&p->b, tr_bytes_uleb(&p->b));
	return offset;
}

static void set_cfa_reg(struct program *p, uint64_t reg)
{
	p->bad |= reg >= TR_REGISTERS;
	p->row->cfa_is_expr = false;
	p->row->cfa_reg = (uint8_t)reg;
}

static void set_cfa_offset(struct program *p, uint64_t offset)
{
	p->row->cfa_value = narrow(p, (int64_t)offset);
}

static void remember(struct program *p)
{
	if (p->n_remembered == REMEMBERED_MAX)
		p->bad = true;
	else
		p->remembered[p->n_remembered++] = *p->row;
}

static void restore(struct program *p)
{
	if (p->n_remembered == 0)
		p->bad = true;
	else
		*p->row = p->remembered[--p->n_remembered];
}

static void advance(struct program *p, uint64_t delta)
{
	p->at += delta * p->fde->code_align;
}

/* DW_CFA_set_loc: pc-relative in everything that was ever seen, else absolute. */
static void set_location(struct program *p)
{
	uint64_t here = (uintptr_t)p->b.at;
	switch (p->fde->pointer_encoding) {
	case 0x1b: /* pcrel, sdata4 */
		p->at = here + (uint64_t)tr_bytes_signed(&p->b, 4);
		break;
	case 0x10: /* pcrel, absptr */
	case 0x1c: /* pcrel, sdata8 */
		p->at = here + tr_bytes_fixed(&p->b, 8);
		break;
	case 0x00:
		p->at = tr_bytes_fixed(&p->b, 8);
		break;
	default:
		p->bad = true;
	}
}

static void run_cfa_rule(struct program *p, uint8_t op)
{
	/* def_cfa_register and def_cfa_offset change half of a rule, not an expression.
	 */
	if ((op == 0x0d || op == 0x0e || op == 0x13) && p->row->cfa_is_expr)
		p->bad = true;
	switch (op) {
	case 0x0c: /* def_cfa */
		set_cfa_reg(p, tr_bytes_uleb(&p->b));
		set_cfa_offset(p, tr_bytes_uleb(&p->b));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa_reg(p, tr_bytes_uleb(&p->b));
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa_offset(p, tr_bytes_uleb(&p->b));
		break;
	case 0x0f: /* def_cfa_expression */
		p->row->cfa_is_expr = true;
		p->row->cfa_value = narrow(p, take_expr(p));
		break;
	case 0x12: /* def_cfa_sf */
		set_cfa_reg(p, tr_bytes_uleb(&p->b));
		set_cfa_offset(p, (uint64_t)tr_bytes_sleb(&p->b) *
					  (uint64_t)p->fde->data_align);
		break;
	case 0x13: /* def_cfa_offset_sf */
		set_cfa_offset(p, (uint64_t)tr_bytes_sleb(&p->b) *
					  (uint64_t)p->fde->data_align);
		break;
	default:
		p->bad = true;
	}
}

static void run_register_rule(struct program *p, uint8_t op)
{
	uint64_t reg = tr_bytes_uleb(&p->b);
	switch (op) {
	case 0x05: /* offset_extended */
		set_register_offset(p, reg, TR_AT_CFA, tr_bytes_uleb(&p->b));
		break;
	case 0x06: /* restore_extended */
		restore_register(p, reg);
		break;
	case 0x07: /* undefined */
		set_register(p, reg, TR_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_register(p, reg, TR_SAME, 0);
		break;
	case 0x09: /* register */
		set_register(p, reg, TR_IN_REG, (int64_t)tr_bytes_uleb(&p->b));
		break;
	case 0x10: /* expression */
		set_register(p, reg, TR_AT_EXPR, take_expr(p));
		break;
	case 0x11: /* offset_extended_sf */
		set_register_offset(p, reg, TR_AT_CFA, (uint64_t)tr_bytes_sleb(&p->b));
		break;
	case 0x14: /* val_offset */
		set_register_offset(p, reg, TR_IS_CFA, tr_bytes_uleb(&p->b));
		break;
	case 0x15: /* val_offset_sf */
		set_register_offset(p, reg, TR_IS_CFA, (uint64_t)tr_bytes_sleb(&p->b));
		break;
	case 0x16: /* val_expression */
		set_register(p, reg, TR_IS_EXPR, take_expr(p));
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set_register_offset(p, reg, TR_AT_CFA, -tr_bytes_uleb(&p->b));
		break;
	default:
		p->bad = true;
	}
}

static void run_extended(struct program *p, uint8_t op)
{
	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		set_location(p);
		break;
	case 0x02: /* advance_loc1 */
		advance(p, tr_bytes_fixed(&p->b, 1));
		break;
	case 0x03: /* advance_loc2 */
		advance(p, tr_bytes_fixed(&p->b, 2));
		break;
	case 0x04: /* advance_loc4 */
		advance(p, tr_bytes_fixed(&p->b, 4));
		break;
	case 0x0a: /* remember_state */
		remember(p);
		break;
	case 0x0b: /* restore_state */
		restore(p);
		break;
	case 0x2e: /* GNU_args_size */
		tr_bytes_uleb(&p->b);
		break;
	default:
		if (tr_cfa_is_marker(op))
			break;
		if ((op >= 0x0c && op <= 0x0f) || op == 0x12 || op == 0x13)
			run_cfa_rule(p, op);
		else
			run_register_rule(p, op);
	}
}

static void run(struct program *p, struct tr_bytes bytes)
{
	p->b = bytes;
	while (p->b.at < p->b.end && !p->bad && p->at <= p->pc) {
		uint8_t op = (uint8_t)tr_bytes_fixed(&p->b, 1), low = op & 0x3f;
		switch (op >> 6) {
		case 0:
			run_extended(p, low);
			break;
		case 1: /* advance_loc */
			advance(p, low);
			break;
		case 2: /* offset */
			set_register_offset(p, low, TR_AT_CFA, tr_bytes_uleb(&p->b));
			break;
		default: /* restore */
			restore_register(p, low);
		}
		p->bad |= p->b.bad;
	}
}

bool tr_row_compute(const struct tr_fde *fde, uint64_t pc, struct tr_row *ret)
{
	/* Both programs lie in one section; wrong lengths may make them overlap. */
	const struct tr_bytes *common = &fde->common, *own = &fde->own;
	*ret = (struct tr_row){.base = common->at < own->at ? common->at : own->at,
			       .end = common->end > own->end ? common->end : own->end,
			       .signal = fde->signal,
			       .cfa_reg = TR_REGISTERS};
	struct tr_row initial = *ret;
	struct program p;
	p.fde = fde;
	p.initial = &initial;
	p.row = ret;
	p.at = 0;
	p.pc = UINT64_MAX;
	p.bad = false;
	p.n_remembered = 0;
	run(&p, fde->common);
	initial = *ret;
	p.at = fde->start;
	p.pc = pc;
	p.n_remembered = 0;
	run(&p, fde->own);
	return !p.bad && (ret->cfa_is_expr || ret->cfa_reg < TR_REGISTERS);
}

struct tr_bytes tr_row_expr(const struct tr_row *row, int32_t value)
{
	struct tr_bytes b = {row->base + value, row->end, false};
	return tr_bytes_take(&b, tr_bytes_uleb(&b));
}
