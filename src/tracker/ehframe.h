/* SPDX-License-Identifier: MIT */

/*
 * .eh_frame: from a pc to the row of its unwind table, that is, to where its
 * caller's registers are.  Knows the bytes (DWARF 5 section 6.4, LSB 5.0
 * section 10.6) and nothing of stacks; it reads no memory but the tables'.
 * Bytes may be wrong in every way: nothing outside the given range is read,
 * and every function ends after a time linear in the size of its input.
 */
#ifndef TR_EHFRAME_H
#define TR_EHFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/tracker/arch.h"

struct dl_find_object;

/* Unread bytes.  Reading past the end yields 0 and sets BAD for good. */
struct tr_bytes {
	const uint8_t *at, *end;
	bool bad;
};

uint64_t tr_bytes_fixed(struct tr_bytes *b, size_t size);
int64_t tr_bytes_signed(struct tr_bytes *b, size_t size);
uint64_t tr_bytes_uleb(struct tr_bytes *b);
int64_t tr_bytes_sleb(struct tr_bytes *b);

/* Cut the next SIZE bytes off B. */
struct tr_bytes tr_bytes_take(struct tr_bytes *b, uint64_t size);

/* A function's entry (FDE) together with what it shares with others (CIE). */
struct tr_fde {
	uint64_t start, size;        /* code */
	struct tr_bytes common, own; /* CFA programs */
	uint64_t code_align;
	int64_t data_align;
	uint8_t pointer_encoding;
	bool signal; /* its callers were interrupted: they made no call */
};

/* Where the caller's value of a register is. */
enum tr_how {
	TR_SAME = 0,      /* where it was */
	TR_UNDEFINED = 1, /* nowhere; for the return address: there is no caller */
	TR_AT_CFA = 2,    /* in memory at CFA + value */
	TR_IS_CFA = 3,    /* it is CFA + value */
	TR_AT_EXPR = 4,   /* in memory at the result of expression value */
	TR_IS_EXPR = 5,   /* it is that result */
	TR_IN_REG = 6,    /* in register value */
};

/*
 * A row.  Expressions are kept as offsets from BASE, where their uleb length
 * stands; that keeps a row small enough to remember several on a signal stack.
 */
struct tr_row {
	const uint8_t *base, *end;
	bool signal;
	bool cfa_is_expr;
	uint8_t cfa_reg;
	uint8_t how[TR_REGISTERS];
	int32_t cfa_value;
	int32_t value[TR_REGISTERS];
};

/* The bytes of the expression which a row calls VALUE. */
struct tr_bytes tr_row_expr(const struct tr_row *row, int32_t value);

/*
 * Find the entry for the instruction at PC through the search table of OBJECT
 * (.eh_frame_hdr).  False if there is none, or none that can be understood.
 */
bool tr_fde_find(const struct dl_find_object *object, uint64_t pc, struct tr_fde *ret);

/* Read the entry at AT.  It and its CIE must lie between START and END. */
bool tr_fde_parse(const uint8_t *at, const uint8_t *start, const uint8_t *end,
		  struct tr_fde *ret);

/* Run FDE's programs up to PC.  False if they make no sense. */
bool tr_row_compute(const struct tr_fde *fde, uint64_t pc, struct tr_row *ret);

#endif /* TR_EHFRAME_H */
