/* SPDX-License-Identifier: MIT */

/*
 * DWARF expressions (DWARF 5 section 2.5) as far as CFA programs may use them.
 * Bounded in depth and in operations, since branches may go backwards.
 */
#include "src/tracker/machine.h"
#include "src/tracker/peek.h"

#define DEPTH_MAX      32
#define OPERATIONS_MAX 512

struct evaluation {
	struct tr_bytes b;
	const uint8_t *start;
	const struct tr_machine *m;
	enum tr_step trouble;
	size_t depth;
	uint64_t stack[DEPTH_MAX];
};

static void push(struct evaluation *e, uint64_t value)
{
	if (e->depth == DEPTH_MAX)
		e->trouble = TR_STEP_BROKEN;
	else
		e->stack[e->depth++] = value;
}

static uint64_t pop(struct evaluation *e)
{
	if (e->depth == 0) {
		e->trouble = TR_STEP_BROKEN;
		return 0;
	}
	return e->stack[--e->depth];
}

static uint64_t pick(struct evaluation *e, uint64_t index)
{
	if (index >= e->depth) {
		e->trouble = TR_STEP_BROKEN;
		return 0;
	}
	return e->stack[e->depth - 1 - index];
}

static uint64_t register_value(struct evaluation *e, uint64_t reg)
{
	if (reg >= TR_REGISTERS || !tr_machine_knows(e->m, (unsigned)reg)) {
		e->trouble = reg >= TR_REGISTERS ? TR_STEP_BROKEN : TR_STEP_UNKNOWN;
		return 0;
	}
	return e->m->reg[reg];
}

static void dereference(struct evaluation *e, uint64_t size)
{
	uint64_t value = 0, addr = pop(e);
	if (size == 0 || size > 8 || !tr_peek(addr, size, &value))
		e->trouble = TR_STEP_BROKEN;
	push(e, value);
}

static void jump(struct evaluation *e, bool taken)
{
	int64_t distance = tr_bytes_signed(&e->b, 2);
	if (!taken)
		return;
	if (distance < e->start - e->b.at || distance > e->b.end - e->b.at)
		e->trouble = TR_STEP_BROKEN;
	else
		e->b.at += distance;
}

static void run_constant(struct evaluation *e, uint8_t op)
{
	switch (op) {
	case 0x03: /* addr */
	case 0x0e: /* const8u */
	case 0x0f: /* const8s */
		push(e, tr_bytes_fixed(&e->b, 8));
		break;
	case 0x08: /* const1u */
	case 0x0a: /* const2u */
	case 0x0c: /* const4u */
		push(e, tr_bytes_fixed(&e->b, (size_t)1 << (op - 0x08) / 2));
		break;
	case 0x09: /* const1s */
	case 0x0b: /* const2s */
	case 0x0d: /* const4s */
		push(e, (uint64_t)tr_bytes_signed(&e->b, (size_t)1 << (op - 0x09) / 2));
		break;
	case 0x10: /* constu */
		push(e, tr_bytes_uleb(&e->b));
		break;
	case 0x11: /* consts */
		push(e, (uint64_t)tr_bytes_sleb(&e->b));
		break;
	default:
		e->trouble = TR_STEP_BROKEN;
	}
}

static void run_stack(struct evaluation *e, uint8_t op)
{
	uint64_t first, second, third;
	switch (op) {
	case 0x12: /* dup */
		push(e, pick(e, 0));
		break;
	case 0x13: /* drop */
		pop(e);
		break;
	case 0x14: /* over */
		push(e, pick(e, 1));
		break;
	case 0x15: /* pick */
		push(e, pick(e, tr_bytes_fixed(&e->b, 1)));
		break;
	case 0x16: /* swap */
		first = pop(e);
		second = pop(e);
		push(e, first);
		push(e, second);
		break;
	default: /* rot: the top becomes third */
		first = pop(e);
		second = pop(e);
		third = pop(e);
		push(e, first);
		push(e, third);
		push(e, second);
	}
}

static void run_unary(struct evaluation *e, uint8_t op)
{
	uint64_t value = pop(e);
	switch (op) {
	case 0x19: /* abs */
		push(e, (int64_t)value < 0 ? -value : value);
		break;
	case 0x1f: /* neg */
		push(e, -value);
		break;
	case 0x20: /* not */
		push(e, ~value);
		break;
	default: /* plus_uconst */
		push(e, value + tr_bytes_uleb(&e->b));
	}
}

static uint64_t quotient(struct evaluation *e, uint64_t left, uint64_t right)
{
	if (right == 0) {
		e->trouble = TR_STEP_BROKEN;
		return 0;
	}
	/* The one overflow of a division, which traps: -2^63 / -1. */
	return right == UINT64_MAX ? -left : (uint64_t)((int64_t)left / (int64_t)right);
}

static uint64_t remainder_of(struct evaluation *e, uint64_t left, uint64_t right)
{
	if (right == 0)
		e->trouble = TR_STEP_BROKEN;
	return right ? left % right : 0;
}

static void run_binary(struct evaluation *e, uint8_t op)
{
	uint64_t right = pop(e), left = pop(e);
	int64_t a = (int64_t)left, b = (int64_t)right;
	switch (op) {
	case 0x1a: /* and */
		push(e, left & right);
		break;
	case 0x1b: /* div */
		push(e, quotient(e, left, right));
		break;
	case 0x1c: /* minus */
		push(e, left - right);
		break;
	case 0x1d: /* mod */
		push(e, remainder_of(e, left, right));
		break;
	case 0x1e: /* mul */
		push(e, left * right);
		break;
	case 0x21: /* or */
		push(e, left | right);
		break;
	case 0x22: /* plus */
		push(e, left + right);
		break;
	case 0x24: /* shl */
		push(e, right < 64 ? left << right : 0);
		break;
	case 0x25: /* shr */
		push(e, right < 64 ? left >> right : 0);
		break;
	case 0x26: /* shra */
		push(e, (uint64_t)(a >> (right < 64 ? right : 63)));
		break;
	case 0x27: /* xor */
		push(e, left ^ right);
		break;
	case 0x29: /* eq */
		push(e, a == b);
		break;
	case 0x2a: /* ge */
		push(e, a >= b);
		break;
	case 0x2b: /* gt */
		push(e, a > b);
		break;
	case 0x2c: /* le */
		push(e, a <= b);
		break;
	case 0x2d: /* lt */
		push(e, a < b);
		break;
	case 0x2e: /* ne */
		push(e, a != b);
		break;
	default:
		e->trouble = TR_STEP_BROKEN;
	}
}

static void run_register(struct evaluation *e, uint64_t reg, bool with_offset)
{
	uint64_t offset = with_offset ? (uint64_t)tr_bytes_sleb(&e->b) : 0;
	push(e, register_value(e, reg) + offset);
}

static void run_operation(struct evaluation *e, uint8_t op)
{
	if (op >= 0x30 && op <= 0x4f) /* lit0 ... */
		push(e, op - 0x30u);
	else if (op >= 0x50 && op <= 0x6f) /* reg0 ...: as libgcc takes it */
		run_register(e, op - 0x50u, false);
	else if (op >= 0x70 && op <= 0x8f) /* breg0 ... */
		run_register(e, op - 0x70u, true);
	else if (op == 0x90 || op == 0x92) /* regx, bregx */
		run_register(e, tr_bytes_uleb(&e->b), op == 0x92);
	else if (op == 0x06) /* deref */
		dereference(e, 8);
	else if (op == 0x94) /* deref_size */
		dereference(e, tr_bytes_fixed(&e->b, 1));
	else if (op == 0x28) /* bra */
		jump(e, pop(e) != 0);
	else if (op == 0x2f) /* skip */
		jump(e, true);
	else if (op == 0x19 || op == 0x1f || op == 0x20 || op == 0x23)
		run_unary(e, op);
	else if (op >= 0x12 && op <= 0x17)
		run_stack(e, op);
	else if (op <= 0x11)
		run_constant(e, op);
	else if (op != 0x96) /* nop */
		run_binary(e, op);
}

enum tr_step tr_expr_eval(struct tr_bytes expr, const struct tr_machine *m,
			  const uint64_t *cfa, uint64_t *ret)
{
	struct evaluation e;
	e.b = expr;
	e.start = expr.at;
	e.m = m;
	e.trouble = expr.bad ? TR_STEP_BROKEN : TR_STEP_DONE;
	e.depth = 0;
	if (cfa)
		push(&e, *cfa);
	for (unsigned n = 0; e.b.at < e.b.end && !e.trouble; n++) {
		if (n == OPERATIONS_MAX)
			return TR_STEP_BROKEN;
		run_operation(&e, (uint8_t)tr_bytes_fixed(&e.b, 1));
		if (e.b.bad)
			e.trouble = TR_STEP_BROKEN;
	}
	uint64_t result = pop(&e);
	if (!e.trouble)
		*ret = result;
	return e.trouble;
}
