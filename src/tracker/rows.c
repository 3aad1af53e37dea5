/* SPDX-License-Identifier: MIT */

/*
 * The tables of rules.  Knows rows and what a rule can say of them; knows no
 * stack.
 */
#include "src/tracker/rows.h"

#include <dlfcn.h>

#include "src/tracker/machine.h"
#include "src/tracker/peek.h"
#include "src/tracker/rules.h"
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

/*
 * A side row as one word: kinds (4 bits), and in units of 8 how far the return
 * address lies below the CFA (19), the caller's fp (19) and the CFA (22).
 */
static uint64_t side_pack(const struct tr_side *side)
{
	uint64_t kinds = side->cfa_from_fp | side->cfa_deref << 1 | side->fp_how << 2;
	uint64_t ra = (uint32_t)-side->ra_offset / 8,
		 fp = (uint32_t)side->fp_offset << 10;
	return (uint64_t)(side->cfa_offset / 8) << 42 | fp >> 13 << 23 | ra << 4 | kinds;
}

static struct tr_side side_unpack(uint64_t word)
{
	return (struct tr_side){
		.cfa_offset = (int32_t)((int64_t)word >> 42) * 8,
		.fp_offset = ((int32_t)(uint32_t)(word >> 23 << 13) >> 13) * 8,
		.ra_offset = -(int32_t)(word >> 4 & 0x7ffff) * 8,
		.cfa_from_fp = word & 1,
		.cfa_deref = word >> 1 & 1,
		.fp_how = word >> 2 & 3,
	};
}

/* Would that give SIDE back? */
static bool side_fits(const struct tr_side *side)
{
	struct tr_side back = side_unpack(side_pack(side));
	return back.cfa_offset == side->cfa_offset && back.fp_offset == side->fp_offset &&
	       back.ra_offset == side->ra_offset;
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

/* Keep KEY's row.  False if there is no room, or not for such an odd one. */
static bool side_put(uint64_t key, const struct tr_side *side)
{
	if (!side_fits(side))
		return false;
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

bool tr_expr_is_offset(struct tr_bytes expr, unsigned reg, bool deref, int64_t *ret)
{
	if (tr_bytes_fixed(&expr, 1) != 0x70 + reg) /* DW_OP_breg0 + reg */
		return false;
	*ret = tr_bytes_sleb(&expr);
	if (deref && tr_bytes_fixed(&expr, 1) != 0x06) /* DW_OP_deref */
		return false;
	return !expr.bad && expr.at == expr.end && *ret >= -(1 << 24) && *ret < 1 << 24;
}

/* Put into SIDE where ROW's CFA is.  False if that needs more than sp and fp. */
static bool side_cfa(const struct tr_row *row, struct tr_side *side)
{
	int64_t offset = row->cfa_value;
	if (row->cfa_is_expr) {
		struct tr_bytes expr = tr_row_expr(row, row->cfa_value);
		side->cfa_deref = true;
		side->cfa_from_fp = tr_expr_is_offset(expr, TR_FP, true, &offset);
		if (!side->cfa_from_fp && !tr_expr_is_offset(expr, TR_SP, true, &offset))
			return false;
	} else if (row->cfa_reg == TR_FP) {
		side->cfa_from_fp = true;
	} else if (row->cfa_reg != TR_SP) {
		return false;
	}
	side->cfa_offset = (int32_t)offset;
	return true;
}

/* Likewise the caller's fp. */
static bool side_fp(const struct tr_row *row, struct tr_side *side)
{
	int64_t offset = row->value[TR_FP];
	if (row->how[TR_FP] == TR_SAME || row->how[TR_FP] == TR_UNDEFINED) {
		side->fp_how = TR_SIDE_FP_SAME;
		return true;
	}
	if (row->how[TR_FP] == TR_AT_CFA) {
		side->fp_how = TR_SIDE_FP_AT_CFA;
	} else if (row->how[TR_FP] == TR_AT_EXPR) {
		side->fp_how = TR_SIDE_FP_AT_FP;
		if (!tr_expr_is_offset(tr_row_expr(row, row->value[TR_FP]), TR_FP, false,
				       &offset))
			return false;
	} else {
		return false;
	}
	side->fp_offset = (int32_t)offset;
	return offset >= -(1 << 24) && offset < 1 << 24;
}

static uint32_t rule_from_row(uint64_t key, const struct tr_row *row)
{
	struct tr_side side = {0};
	if (row->how[TR_RA] == TR_UNDEFINED)
		return TR_RULE_END;
	if (tr_row_is_signal(row, key))
		return TR_RULE_SIGNAL;
	if (row->signal || !tr_side_take_ra(row, &side) || !side_cfa(row, &side) ||
	    !side_fp(row, &side))
		return TR_RULE_GENERAL;
	uint32_t rule = tr_rule_from_side(&side);
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

/* The rule for KEY in OBJECT (NULL: none), which has no CFI for it. */
static uint32_t rule_without_cfi(const struct dl_find_object *object, uint64_t key)
{
	/* What handlers return to is not behind a call, but may begin a page. */
	if (!tr_page_readable(key - 1))
		return tr_returns_from_signal(key) ? TR_RULE_SIGNAL : TR_RULE_NO_CODE;
	if (tr_returns_from_signal(key))
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
