/* SPDX-License-Identifier: MIT */

/*
 * Rules: what a frame's row of .eh_frame boils down to, kept for each pc.
 *
 * A pc is looked up by its key, which is one more than the address of an
 * instruction in the frame: for a return address that is the return address
 * itself (the instruction is the call's last byte), for a pc that a signal
 * interrupted it is pc + 1.
 *
 * A rule has 16 bits.  From frame to caller, most are:
 *
 *      TR_RULE_OFFSET   offset of the CFA from its base; from TR_RULE_SPECIAL on,
 *                       see below
 *      bit 15           the base: 0 sp, 1 fp
 *      the others       where the caller's fp and its return address lie: that
 *                       is for the architecture's header
 *
 * The caller's sp is CFA.  Key and rule
 * share one word of the table, so a reader needs no lock and an entry that is
 * lost to another is only computed again.
 */
#ifndef TR_ROWS_H
#define TR_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/tracker/arch.h"

#define TR_RULE_FP      0x8000u
#define TR_RULE_SPECIAL 0x7f80u

/* What the offset says from TR_RULE_SPECIAL on; the other bits are the operand. */
enum tr_rule_code {
	TR_RULE_END = 0x7f80,       /* no caller */
	TR_RULE_DRAP = 0x7f90,      /* CFA at fp - 8 times operand, caller's fp at fp */
	TR_RULE_SIGNAL = 0x7fa0,    /* sp points to what the kernel pushed for a signal */
	TR_RULE_SIDE = 0x7fb0,      /* tr_rows_side knows */
	TR_RULE_GENERAL = 0x7fc0,   /* for tr_machine_step */
	TR_RULE_NO_CFI = 0x7fd0,    /* in an object that tells nothing of this pc */
	TR_RULE_NO_OBJECT = 0x7fe0, /* generated code, probably */
	TR_RULE_NO_CODE = 0x7ff0,   /* not even readable: no return address */
};

static inline uint32_t tr_rule_offset(uint32_t rule)
{
	return rule & TR_RULE_OFFSET;
}

static inline uint32_t tr_rule_operand(uint32_t rule)
{
	return (rule & 7) | (rule & TR_RULE_FP) >> 12;
}

/* A row that does not fit into 16 bits, but needs no more than sp and fp. */
struct tr_side {
	int32_t cfa_offset;
	int32_t fp_offset;
	int32_t ra_offset; /* of where the return address lies from the CFA */
	bool cfa_from_fp;  /* base of the CFA: fp, not sp */
	bool cfa_deref;    /* CFA is not base + offset, but lies there */
	uint8_t fp_how;    /* enum tr_side_fp */
};

enum tr_side_fp {
	TR_SIDE_FP_SAME = 0,
	TR_SIDE_FP_AT_CFA = 1, /* at CFA + offset */
	TR_SIDE_FP_AT_FP = 2,  /* at fp + offset */
};

/* 8 neighbours share a cache line; a key may be in any of its line. */
#define TR_ROWS_BITS 17
#define TR_ROWS_WAYS 8
extern uint64_t tr_rows[1 << TR_ROWS_BITS];

/*
 * Code is laid out with locality, so its addresses make a better index than a
 * hash: a program touches as much of the table as it touches of its code.
 */
static inline uint64_t *tr_rows_at(uint64_t key)
{
	return &tr_rows[key >> 4 & ((1 << TR_ROWS_BITS) - 1)];
}

uint32_t tr_rows_find(uint64_t key);

/* Return KEY's rule; compute it if it was never asked for. */
static inline uint32_t tr_rows_get(uint64_t key)
{
	uint64_t rule = __atomic_load_n(tr_rows_at(key), __ATOMIC_RELAXED) ^ key << 16;
	return __builtin_expect(rule <= UINT16_MAX, 1) ? (uint32_t)rule
						       : tr_rows_find(key);
}

/*
 * Return KEY's rule, which was TR_RULE_NO_OBJECT: an object may have been
 * loaded to where code was generated before.
 */
uint32_t tr_rows_renew(uint64_t key);

/* Get the row of KEY, whose rule is TR_RULE_SIDE.  False if that has changed. */
bool tr_rows_side(uint64_t key, struct tr_side *ret);

/* Empty the table. */
void tr_rows_forget(void);

#endif /* TR_ROWS_H */
