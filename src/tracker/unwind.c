/* SPDX-License-Identifier: MIT */

/*
 * The walk.  A frame is its key (rows.h), sp and fp; a rule leads from it to
 * its caller with two loads.  What rules cannot say is done apart, and a walk
 * that turns out to need more than sp and fp is done again with all registers.
 *
 * Safety: a walk reads only between 64 bytes below sp and the end of the
 * readable memory around it (peek.h), sp grows with every frame but a
 * signal's, and every frame takes one place of the caller's room.
 */
#include "src/tracker/unwind.h"

#include <stdbool.h>

#include "src/tracker/machine.h"
#include "src/tracker/peek.h"
#include "src/tracker/rows.h"
#include "src/tracker/verify.h"
#include "src/wire.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ld.so's: where the kernel put argc. */
extern void *__libc_stack_end;

/* The least that is known to be readable below sp: the reach of k in a rule. */
#define BELOW_SP 64

/* A frame without CFI is hardly longer; what claims to be is no frame. */
#define GUESSED_FRAME_MAX ((uint64_t)1 << 20)

struct frame {
	uint64_t key, sp, fp;
	uint64_t end; /* of the readable memory around sp */
	/*
	 * The last key that was of an interrupted pc.  It cannot be a return
	 * address too: no call ends where another instruction begins.
	 */
	uint64_t interrupted_key;
	bool guessed;
};

enum outcome {
	WALK_ON,       /* the frame is now the caller's */
	WALK_AGAIN,    /* the frame has another rule now */
	WALK_COMPLETE, /* there is no caller */
	WALK_CUT,      /* there should be one */
	WALK_FULLY,    /* needs registers that the frame does not have */
};

/* User code lies above the unmappable first page and below 2^47. */
static inline bool may_be_code(uint64_t addr)
{
	return addr - 4096 < ((uint64_t)1 << 47) - 4096;
}

static bool interrupted(const struct frame *f)
{
	return f->key == f->interrupted_key;
}

/* Is everything from just below sp to END readable? */
static inline bool reaches(struct frame *f, uint64_t end)
{
	if (LIKELY(end <= f->end))
		return true;
	f->end = tr_stretch_extend(f->sp - BELOW_SP, end);
	return end <= f->end;
}

/* May the word at ADDR be read? */
static bool in_reach(struct frame *f, uint64_t addr)
{
	return addr >= f->sp - BELOW_SP && addr < UINT64_MAX - 8 && reaches(f, addr + 8);
}

/* Move SP to the caller's.  Only a signal may interrupt one stack from another. */
static bool set_sp(struct frame *f, uint64_t sp)
{
	f->sp = sp;
	f->end = tr_stretch_end(sp - BELOW_SP);
	return f->end != 0;
}

/* Go to the caller, whose sp is CFA and whose fp lies at FP_SLOT unless that is 0. */
static enum outcome step_to_cfa(struct frame *f, uint64_t cfa, uint64_t fp_slot)
{
	if (cfa <= f->sp || !reaches(f, cfa) || (fp_slot && !in_reach(f, fp_slot)))
		return WALK_CUT;
	f->key = tr_word_at(cfa - 8);
	f->fp = fp_slot ? tr_word_at(fp_slot) : f->fp;
	f->sp = cfa;
	return WALK_ON;
}

static enum outcome step_drap(struct frame *f, unsigned slots)
{
	uint64_t cfa_slot = f->fp - slots * 8;
	if (!in_reach(f, cfa_slot))
		return WALK_CUT;
	return step_to_cfa(f, tr_word_at(cfa_slot), f->fp);
}

static enum outcome step_signal(struct frame *f)
{
	uint64_t sp = f->sp;
	if (!reaches(f, sp + TR_SIGNAL_SIZE))
		return WALK_CUT;
	f->key = tr_word_at(sp + TR_SIGNAL_RIP) + 1;
	f->fp = tr_word_at(sp + TR_SIGNAL_RBP);
	f->interrupted_key = f->key;
	return set_sp(f, tr_word_at(sp + TR_SIGNAL_RSP)) ? WALK_ON : WALK_CUT;
}

/* Take over what the general step found. */
static enum outcome step_general(struct frame *f)
{
	struct tr_machine m = {.known = 1u << TR_RSP | 1u << TR_RBP | 1u << TR_RIP,
			       .interrupted = interrupted(f)};
	m.reg[TR_RSP] = f->sp;
	m.reg[TR_RBP] = f->fp;
	m.reg[TR_RIP] = f->key - interrupted(f);
	enum tr_step step = tr_machine_step(&m);
	if (step == TR_STEP_UNKNOWN || (!step && !tr_machine_knows(&m, TR_RBP)))
		return WALK_FULLY;
	if (step)
		return step == TR_STEP_END ? WALK_COMPLETE : WALK_CUT;
	if (m.reg[TR_RSP] <= f->sp && !m.interrupted)
		return WALK_CUT;
	f->key = m.reg[TR_RIP] + m.interrupted;
	f->fp = m.reg[TR_RBP];
	f->interrupted_key = m.interrupted ? f->key : f->interrupted_key;
	return set_sp(f, m.reg[TR_RSP]) ? WALK_ON : WALK_CUT;
}

static enum outcome step_side(struct frame *f)
{
	struct tr_side side;
	if (!tr_rows_side(f->key, &side))
		return step_general(f);
	uint64_t cfa = (side.cfa_from_fp ? f->fp : f->sp) + (uint64_t)side.cfa_offset;
	if (side.cfa_deref) {
		if (!in_reach(f, cfa))
			return WALK_CUT;
		cfa = tr_word_at(cfa);
	}
	uint64_t fp_slot = 0;
	if (side.fp_how != TR_SIDE_FP_SAME)
		fp_slot = (side.fp_how == TR_SIDE_FP_AT_CFA ? cfa : f->fp) +
			  (uint64_t)side.fp_offset;
	return step_to_cfa(f, cfa, fp_slot);
}

static uint64_t thread_pointer(void)
{
	uint64_t tp;
	__asm__("movq %%fs:0, %0" : "=r"(tp));
	return tp;
}

/*
 * Code without CFI, such as a just-in-time compiler's, often keeps a chain of
 * frame pointers.  Follow it while it looks like one.  A thread's stack ends
 * where its control block begins (glibc's allocate_stack).
 */
static enum outcome step_guess(struct frame *f)
{
	uint64_t fp = f->fp, tp = thread_pointer();
	if (fp < f->sp || fp % 8 || fp - f->sp > GUESSED_FRAME_MAX ||
	    !reaches(f, fp + 16) || (f->sp < tp && fp + 16 > tp))
		return WALK_CUT;
	uint64_t key = tr_word_at(fp + 8);
	if (!may_be_code(key) || tr_rows_get(key) == TR_RULE_NO_CODE)
		return WALK_CUT;
	f->guessed = true;
	return step_to_cfa(f, fp + 16, fp);
}

/*
 * ld.so runs constructors from a piece of assembly without CFI (_dl_start_user,
 * glibc's sysdeps/x86_64/dl-machine.h), whose sp is where the kernel put argc,
 * but for alignment.  Nothing called it.
 */
static bool at_process_start(const struct frame *f)
{
	return (uintptr_t)__libc_stack_end - f->sp < 64;
}

static enum outcome step_without_object(struct frame *f)
{
	if (tr_rows_renew(f->key) != TR_RULE_NO_OBJECT)
		return WALK_AGAIN;
	return step_guess(f);
}

static __attribute__((__noinline__)) enum outcome step_special(struct frame *f,
							       uint32_t rule)
{
	switch ((enum tr_rule_code)tr_rule_offset(rule)) {
	case TR_RULE_END:
		return WALK_COMPLETE;
	case TR_RULE_DRAP:
		return step_drap(f, tr_rule_operand(rule));
	case TR_RULE_SIGNAL:
		return step_signal(f);
	case TR_RULE_SIDE:
		return step_side(f);
	case TR_RULE_GENERAL:
		return step_general(f);
	case TR_RULE_NO_CFI:
		return at_process_start(f) ? WALK_COMPLETE : step_guess(f);
	case TR_RULE_NO_OBJECT:
		return step_without_object(f);
	case TR_RULE_NO_CODE:
	default:
		return WALK_CUT;
	}
}

/* From M, whose caller is to be guessed. */
static enum tr_step machine_guess(struct tr_machine *m, struct frame *f)
{
	if (!tr_machine_knows(m, TR_RBP))
		return TR_STEP_BROKEN;
	f->sp = m->reg[TR_RSP];
	f->fp = m->reg[TR_RBP];
	if (!set_sp(f, f->sp) || step_guess(f) != WALK_ON)
		return TR_STEP_BROKEN;
	m->reg[TR_RIP] = f->key;
	m->reg[TR_RSP] = f->sp;
	m->reg[TR_RBP] = f->fp;
	m->known = 1u << TR_RIP | 1u << TR_RSP | 1u << TR_RBP;
	m->interrupted = false;
	return TR_STEP_DONE;
}

/*
 * Walk again with all registers that calls preserve, from here through the
 * tracker's own frames to the call at SLOT and on.  Returns the number of pcs,
 * 0 if SLOT was not met.
 */
static __attribute__((__noinline__)) size_t walk_fully(const uint64_t *slot,
						       uint64_t *pcs, size_t room,
						       uint32_t *flags)
{
	struct tr_machine m = {.known = TR_CALL_PRESERVED | 1u << TR_RIP,
			       .interrupted = true};
	struct frame f = {0};
	uint64_t sp = (uintptr_t)(slot + 1);
	enum tr_step step = TR_STEP_DONE;
	size_t n = 0;
	TR_MACHINE_CAPTURE(&m);
	while (m.reg[TR_RSP] < sp)
		if (tr_machine_step(&m) != TR_STEP_DONE)
			return 0;
	if (m.reg[TR_RSP] != sp || m.reg[TR_RIP] != *slot)
		return 0;
	while (may_be_code(m.reg[TR_RIP]) && n < room) {
		pcs[n++] = m.reg[TR_RIP] + m.interrupted;
		tr_rows_get(m.reg[TR_RIP] + m.interrupted); /* makes its module known */
		sp = m.reg[TR_RSP];
		step = tr_machine_step(&m);
		if (step == TR_STEP_NO_CFI)
			step = machine_guess(&m, &f);
		if (step || (m.reg[TR_RSP] <= sp && !m.interrupted))
			break;
	}
	*flags = f.guessed ? HS_WIRE_STACK_GUESSED : 0;
	if (step != TR_STEP_END && m.reg[TR_RIP] != 0)
		*flags |= HS_WIRE_STACK_CUT;
	return n;
}

/* Finish a walk of N frames that ended with OUTCOME. */
static size_t finish(const uint64_t *slot, struct frame *f, enum outcome outcome,
		     uint64_t *pcs, size_t n, size_t room, uint32_t *flags)
{
	*flags = f->guessed ? HS_WIRE_STACK_GUESSED : 0;
	if (outcome == WALK_COMPLETE)
		return n;
	if (outcome == WALK_FULLY) {
		uint32_t full_flags;
		size_t n_full = walk_fully(slot, pcs, room, &full_flags);
		if (n_full >= n) {
			*flags = full_flags;
			return n_full;
		}
	}
	*flags |= HS_WIRE_STACK_CUT;
	return n;
}

static inline __attribute__((__always_inline__)) size_t walk(const uint64_t *slot,
							     uint64_t fp, uint64_t *pcs,
							     size_t room, uint32_t *flags)
{
	struct frame f = {0};
	uint64_t key = *slot, sp = (uintptr_t)(slot + 1),
		 end = tr_stretch_end(sp - BELOW_SP);
	enum outcome outcome = WALK_CUT;
	size_t n = 1;
	pcs[0] = key;
	for (;;) {
		uint32_t rule = tr_rows_get(key), offset = tr_rule_offset(rule);
		if (LIKELY(offset < TR_RULE_SPECIAL)) {
			uint64_t cfa = (rule & TR_RULE_FP ? fp : sp) + offset;
			uint64_t slots = rule & TR_RULE_SLOT;
			if (UNLIKELY(cfa <= sp))
				break;
			if (UNLIKELY(cfa > end)) {
				end = tr_stretch_extend(sp - BELOW_SP, cfa);
				if (cfa > end)
					break;
			}
			if (slots)
				fp = tr_word_at(cfa - 8 - 8 * slots);
			key = tr_word_at(cfa - 8);
			sp = cfa;
		} else {
			f.key = key;
			f.sp = sp;
			f.fp = fp;
			f.end = end;
			outcome = step_special(&f, rule);
			if (outcome == WALK_AGAIN)
				continue;
			if (outcome != WALK_ON)
				break;
			outcome = WALK_CUT;
			key = f.key;
			sp = f.sp;
			fp = f.fp;
			end = f.end;
		}
		if (UNLIKELY(!may_be_code(key))) {
			outcome = key ? WALK_CUT : WALK_COMPLETE;
			break;
		}
		if (UNLIKELY(n == room))
			break;
		pcs[n++] = key;
	}
	return finish(slot, &f, outcome, pcs, n, room, flags);
}

size_t tr_unwind(const uint64_t *slot, uint64_t fp, uint64_t *pcs, size_t room,
		 uint32_t *flags_ret)
{
	uint32_t flags;
	if (room == 0)
		return 0;
	size_t n = walk(slot, fp, pcs, room, &flags);
	*flags_ret |= flags;
#ifdef HS_VERIFY_UNWIND
	tr_verify_unwind(slot, pcs, n, flags);
#endif
	return n;
}

void tr_unwind_forget(void)
{
	tr_rows_forget();
#ifdef HS_VERIFY_UNWIND
	tr_verify_forget();
#endif
}
