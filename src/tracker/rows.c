/* SPDX-License-Identifier: MIT */

/*
 * The tables of rules.  Knows rows and what a rule can say of them; knows no
 * stack.
 */
#include "src/tracker/rows.h"

#include <dlfcn.h>

#include "src/tracker/ehframe.h"
#include "src/tracker/peek.h"
#include "src/tracker/unwind.h"

/*
 * The side table: large frames, odd DRAP rows.  An entry is written once:
 * claimed by its key with CLAIMED, then filled, then published by the key with
 * FILLED.  Only tr_rows_forget takes it back, and never while it is CLAIMED, so
 * a reader that finds the same key before and after has read the key's row.
 */
#define SIDE_BITS    10
#define SIDE_PROBES  8
#define SIDE_CLAIMED 1u
#define SIDE_FILLED  2u

struct side_entry {
	uint64_t key; /* and state in the low 16 bits */
	uint64_t row;
};

uint64_t tr_rows[1 << TR_ROWS_BITS] __attribute__((aligned(64)));
static struct side_entry side_table[1 << SIDE_BITS];

/* A side row as one word: both offsets, kinds in the low bits of fp's. */
static uint64_t side_pack(const struct tr_side *side)
{
	uint64_t kinds = side->cfa_from_fp | side->cfa_deref << 1 | side->fp_how << 2;
	return (uint64_t)side->cfa_offset << 32 | (uint32_t)side->fp_offset << 4 | kinds;
}

static struct tr_side side_unpack(uint64_t word)
{
	return (struct tr_side){
		.cfa_offset = (int32_t)(word >> 32),
		.fp_offset = (int32_t)(uint32_t)word >> 4,
		.cfa_from_fp = word & 1,
		.cfa_deref = word >> 1 & 1,
		.fp_how = word >> 2 & 3,
	};
}

static struct side_entry *side_at(uint64_t key, unsigned probe)
{
	uint64_t hash = key * 0x9e3779b97f4a7c15u >> (64 - SIDE_BITS);
	return &side_table[(hash + probe) & ((1 << SIDE_BITS) - 1)];
}

bool tr_rows_side(uint64_t key, struct tr_side *ret)
{
	for (unsigned probe = 0; probe < SIDE_PROBES; probe++) {
		struct side_entry *entry = side_at(key, probe);
		uint64_t wanted = key << 16 | SIDE_FILLED;
		if (__atomic_load_n(&entry->key, __ATOMIC_ACQUIRE) != wanted)
			continue;
		uint64_t row = __atomic_load_n(&entry->row, __ATOMIC_ACQUIRE);
		*ret = side_unpack(row);
		return __atomic_load_n(&entry->key, __ATOMIC_RELAXED) == wanted;
	}
	return false;
}

/* Keep KEY's row.  False if there is no room. */
static bool side_put(uint64_t key, const struct tr_side *side)
{
	for (unsigned probe = 0; probe < SIDE_PROBES; probe++) {
		struct side_entry *entry = side_at(key, probe);
		uint64_t found = 0;
		if (!__atomic_compare_exchange_n(&entry->key, &found,
						 key << 16 | SIDE_CLAIMED, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			if (found == (key << 16 | SIDE_FILLED))
				return true;
			continue;
		}
		__atomic_store_n(&entry->row, side_pack(side), __ATOMIC_RELEASE);
		__atomic_store_n(&entry->key, key << 16 | SIDE_FILLED, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

/* Is the expression "register REG + offset", then DEREF or nothing? */
static bool expr_is_offset(struct tr_bytes expr, unsigned reg, bool deref, int64_t *ret)
{
	if (tr_bytes_fixed(&expr, 1) != 0x70 + reg) /* DW_OP_breg0 + reg */
		return false;
	*ret = tr_bytes_sleb(&expr);
	if (deref && tr_bytes_fixed(&expr, 1) != 0x06) /* DW_OP_deref */
		return false;
	return !expr.bad && expr.at == expr.end && *ret >= -(1 << 24) && *ret < 1 << 24;
}

/* Is ROW's register REG saved at sp + OFFSET? */
static bool saved_at_sp(const struct tr_row *row, unsigned reg, int64_t offset)
{
	int64_t found;
	return row->how[reg] == TR_AT_EXPR &&
	       expr_is_offset(tr_row_expr(row, row->value[reg]), TR_RSP, false, &found) &&
	       found == offset;
}

/*
 * Is this the kernel's frame for a signal (arch/x86/include/uapi/asm/ucontext.h),
 * as glibc and the others describe it?  A frame that calls itself a signal's may
 * have another layout.
 */
static bool row_is_signal(const struct tr_row *row)
{
	int64_t offset;
	return row->signal && row->cfa_is_expr &&
	       expr_is_offset(tr_row_expr(row, row->cfa_value), TR_RSP, true, &offset) &&
	       offset == TR_SIGNAL_RSP && saved_at_sp(row, TR_RBP, TR_SIGNAL_RBP) &&
	       saved_at_sp(row, TR_RIP, TR_SIGNAL_RIP);
}

/* Put into SIDE where ROW's CFA is.  False if that needs more than sp and fp. */
static bool side_cfa(const struct tr_row *row, struct tr_side *side)
{
	int64_t offset = row->cfa_value;
	if (row->cfa_is_expr) {
		struct tr_bytes expr = tr_row_expr(row, row->cfa_value);
		side->cfa_deref = true;
		side->cfa_from_fp = expr_is_offset(expr, TR_RBP, true, &offset);
		if (!side->cfa_from_fp && !expr_is_offset(expr, TR_RSP, true, &offset))
			return false;
	} else if (row->cfa_reg == TR_RBP) {
		side->cfa_from_fp = true;
	} else if (row->cfa_reg != TR_RSP) {
		return false;
	}
	side->cfa_offset = (int32_t)offset;
	return true;
}

/* Likewise the caller's fp. */
static bool side_fp(const struct tr_row *row, struct tr_side *side)
{
	int64_t offset = row->value[TR_RBP];
	if (row->how[TR_RBP] == TR_SAME || row->how[TR_RBP] == TR_UNDEFINED) {
		side->fp_how = TR_SIDE_FP_SAME;
		return true;
	}
	if (row->how[TR_RBP] == TR_AT_CFA) {
		side->fp_how = TR_SIDE_FP_AT_CFA;
	} else if (row->how[TR_RBP] == TR_AT_EXPR) {
		side->fp_how = TR_SIDE_FP_AT_FP;
		if (!expr_is_offset(tr_row_expr(row, row->value[TR_RBP]), TR_RBP, false,
				    &offset))
			return false;
	} else {
		return false;
	}
	side->fp_offset = (int32_t)offset;
	return offset >= -(1 << 24) && offset < 1 << 24;
}

/* The bits of a special rule that stand for OPERAND, at most 15. */
static uint32_t rule_operand(uint32_t operand)
{
	return (operand & TR_RULE_SLOT) | (operand & 8) << 12;
}

/* Return the rule that says what SIDE says, or 0 if that is too much for one. */
static uint32_t rule_from_side(const struct tr_side *side)
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
	    cfa >= (int32_t)TR_RULE_SPECIAL || slot < 0 || slot > (int32_t)TR_RULE_SLOT ||
	    (side->fp_how == TR_SIDE_FP_AT_CFA && slot == 0))
		return 0;
	return (uint32_t)cfa | (uint32_t)slot | (side->cfa_from_fp ? TR_RULE_FP : 0);
}

static uint32_t rule_from_row(uint64_t key, const struct tr_row *row)
{
	struct tr_side side = {0};
	if (row->how[TR_RIP] == TR_UNDEFINED)
		return TR_RULE_END;
	if (row_is_signal(row))
		return TR_RULE_SIGNAL;
	if (row->signal || row->how[TR_RSP] != TR_SAME || row->how[TR_RIP] != TR_AT_CFA ||
	    row->value[TR_RIP] != -8 || !side_cfa(row, &side) || !side_fp(row, &side))
		return TR_RULE_GENERAL;
	uint32_t rule = rule_from_side(&side);
	if (rule)
		return rule;
	return side_put(key, &side) ? TR_RULE_SIDE : TR_RULE_GENERAL;
}

/*
 * Is KEY the first instruction of a function?  A call's return address is not;
 * but glibc's makecontext pushes such an address as if it had called the
 * coroutine's function, whose stack begins there.
 */
static bool starts_a_stack(const struct dl_find_object *object, uint64_t key)
{
	struct tr_fde fde;
	return tr_fde_find(object, key, &fde) && fde.start == key;
}

/* Is there "mov $15, %rax; syscall" (rt_sigreturn), as where handlers return to? */
static bool returns_from_signal(uint64_t addr)
{
	uint64_t begin, end;
	return tr_peek(addr, 8, &begin) && tr_peek(addr + 8, 1, &end) &&
	       begin == 0x0f0000000fc0c748 && end == 0x05;
}

/* The rule for KEY in OBJECT (NULL: none), which has no CFI for it. */
static uint32_t rule_without_cfi(const struct dl_find_object *object, uint64_t key)
{
	if (!tr_page_readable(key - 1))
		return TR_RULE_NO_CODE;
	if (returns_from_signal(key))
		return TR_RULE_SIGNAL;
	if (object && starts_a_stack(object, key))
		return TR_RULE_END;
	return object ? TR_RULE_NO_CFI : TR_RULE_NO_OBJECT;
}

static uint32_t rule_compute(uint64_t key)
{
	struct dl_find_object object;
	struct tr_fde fde;
	struct tr_row row;
	uint64_t pc = key - 1;
	if (_dl_find_object((void *)(uintptr_t)pc, &object) != 0)
		return rule_without_cfi(NULL, key);
	tr_module_seen(&object);
	if (!tr_fde_find(&object, pc, &fde) || !tr_row_compute(&fde, pc, &row))
		return rule_without_cfi(&object, key);
	return rule_from_row(key, &row);
}

/* Return KEY's place in its line, else an empty one, else its first. */
static uint64_t *rows_place(uint64_t key)
{
	uint64_t *empty = NULL;
	for (uint64_t way = 0; way < TR_ROWS_WAYS; way++) {
		uint64_t *place = tr_rows + ((uint64_t)(tr_rows_at(key) - tr_rows) ^ way);
		uint64_t word = __atomic_load_n(place, __ATOMIC_RELAXED);
		if ((word ^ key << 16) <= UINT16_MAX)
			return place;
		if (!word && !empty)
			empty = place;
	}
	return empty ? empty : tr_rows_at(key);
}

static uint32_t rows_compute(uint64_t key, uint64_t *place)
{
	uint32_t rule = rule_compute(key);
	if (rule != TR_RULE_NO_CODE)
		__atomic_store_n(place, key << 16 | rule, __ATOMIC_RELAXED);
	return rule;
}

uint32_t tr_rows_find(uint64_t key)
{
	uint64_t *place = rows_place(key);
	uint64_t rule = __atomic_load_n(place, __ATOMIC_RELAXED) ^ key << 16;
	return rule <= UINT16_MAX ? (uint32_t)rule : rows_compute(key, place);
}

uint32_t tr_rows_renew(uint64_t key)
{
	struct dl_find_object object;
	if (_dl_find_object((void *)(uintptr_t)(key - 1), &object) != 0)
		return TR_RULE_NO_OBJECT;
	return rows_compute(key, rows_place(key));
}

void tr_rows_forget(void)
{
	/* Pages that were never used are only read. */
	for (size_t i = 0; i < 1 << TR_ROWS_BITS; i++)
		if (__atomic_load_n(&tr_rows[i], __ATOMIC_RELAXED))
			__atomic_store_n(&tr_rows[i], 0, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 1 << SIDE_BITS; i++) {
		uint64_t key = __atomic_load_n(&side_table[i].key, __ATOMIC_RELAXED);
		if (key & SIDE_FILLED)
			__atomic_compare_exchange_n(&side_table[i].key, &key, 0, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}
