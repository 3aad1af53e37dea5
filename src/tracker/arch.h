/* SPDX-License-Identifier: MIT */

/*
 * What differs between the architectures.  For each there are three files: the
 * entry stubs (stub-ARCH.S), which rules its unwind tables boil down to
 * (rules-ARCH.c), and a header of what is so small or so hot that it has to be
 * inline (arch-ARCH.h).  All else is the same everywhere.
 *
 * An arch-ARCH.h defines:
 *
 *      TR_FP, TR_SP, TR_PC, TR_RA       DWARF's numbers of these registers; TR_RA
 *                                       is the column of return addresses
 *      TR_REGISTERS                     so many are numbered
 *      TR_CALL_PRESERVED                of these, what calls preserve, as bits
 *      TR_HAS_LINK_REGISTER             a call leaves its return address in TR_RA
 *      TR_MACHINE_CAPTURE               see machine.h
 *      TR_ADDRESS_BITS                  of the greatest address of a program
 *      TR_SIGNAL_RETURN                 the instructions that handlers return to
 *      TR_SIGNAL_*                      where the kernel keeps registers, counted
 *                                       from sp there; TR_SIGNAL_X0: all of them,
 *                                       or 0 if unwind tables tell it
 *      TR_SP_FOLLOWS_RA                 see trail.h
 *      TR_RULE_OFFSET, tr_rule_slots,   the bits of a rule; see rows.h
 *      tr_rule_ra, tr_rule_is_sound
 *      tr_code                          a return address as memory has it -> where
 *                                       it returns to
 *      tr_cfa_is_marker                 an operation of CFA programs that is the
 *                                       architecture's own, has no operand, and
 *                                       leaves all rules as they are
 *      tr_system_call, tr_pause, tr_counter_is_usable, tr_counter_per_second
 *      TR_STUBS_RETURN                  hooks return by their stubs: what the real
 *                                       function that was called jumps to seems to
 *                                       be called from there
 *      TR_PLAIN_*                       see hooks_mmap.c
 */
#ifndef TR_ARCH_H
#define TR_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "src/tracker/arch-x86_64.h"
#elif defined(__aarch64__)
#include "src/tracker/arch-aarch64.h"
#else
#error "the tracker does not know this architecture"
#endif

#endif /* TR_ARCH_H */
