/* SPDX-License-Identifier: MIT */

/* What a rule cannot say, and what to do without one. */
#include "src/tracker/frame.h"

#include "src/tracker/machine.h"

/* ld.so's: where the kernel put argc. */
extern void *__libc_stack_end;

/* A frame without CFI is hardly longer; what claims to be is no frame. */
#define GUESSED_FRAME_MAX ((uint64_t)1 << 20)

static bool interrupted(const struct tr_frame *f)
{
	return f->key == f->interrupted_key;
}

/* Is everything from just below sp to END readable? */
static inline bool reaches(struct tr_frame *f, uint64_t end)
{
	if (__builtin_expect(end <= f->end, 1))
		return true;
	f->end = tr_stretch_extend(f->sp - TR_BELOW_SP, end);
	return end <= f->end;
}

/* May the word at ADDR be read? */
static bool in_reach(struct tr_frame *f, uint64_t addr)
{
	return addr >= f->sp - TR_BELOW_SP && addr < UINT64_MAX - 8 &&
	       reaches(f, addr + 8);
}

/* Only a signal may interrupt one stack from another. */
bool tr_frame_set_sp(struct tr_frame *f, uint64_t sp)
{
	f->sp = sp;
	f->end = tr_stretch_end(sp - TR_BELOW_SP);
	return f->end != 0;
}

/*
 * Go to the caller, whose sp is CFA, whose fp lies at FP_SLOT unless that is 0, and
 * to which the word at RA returns.
 */
static enum tr_outcome step_to_cfa(struct tr_frame *f, uint64_t cfa, uint64_t fp_slot,
				   uint64_t ra)
{
	if (cfa <= f->sp || !reaches(f, cfa) || !in_reach(f, ra) ||
	    (fp_slot && !in_reach(f, fp_slot)))
		return TR_WALK_CUT;
	f->reads.fp_slot = fp_slot;
	f->addr = ra;
	f->key = tr_code(tr_word_at(ra));
	f->fp = fp_slot ? tr_word_at(fp_slot) : f->fp;
	f->sp = cfa;
	return TR_WALK_ON;
}

static enum tr_outcome step_drap(struct tr_frame *f, unsigned slots)
{
	uint64_t cfa_slot = f->fp - slots * 8;
	if (!in_reach(f, cfa_slot))
		return TR_WALK_CUT;
	f->reads.cfa_slot = cfa_slot;
	uint64_t cfa = tr_word_at(cfa_slot);
	return step_to_cfa(f, cfa, f->fp, cfa - 8);
}

static enum tr_outcome step_signal(struct tr_frame *f)
{
	uint64_t sp = f->sp;
	f->opaque = true;
	if (!reaches(f, sp + TR_SIGNAL_SIZE))
		return TR_WALK_CUT;
	f->key = tr_word_at(sp + TR_SIGNAL_PC) + 1;
	f->fp = tr_word_at(sp + TR_SIGNAL_FP);
	f->interrupted_key = f->key;
	return tr_frame_set_sp(f, tr_word_at(sp + TR_SIGNAL_SP)) ? TR_WALK_ON
								 : TR_WALK_CUT;
}

/* Take over what the general step found. */
static enum tr_outcome step_general(struct tr_frame *f)
{
	struct tr_machine m = {.known = TR_BIT(TR_SP) | TR_BIT(TR_FP) | TR_BIT(TR_PC),
			       .interrupted = interrupted(f)};
	m.reg[TR_SP] = f->sp;
	m.reg[TR_FP] = f->fp;
	m.reg[TR_PC] = f->key - interrupted(f);
	f->opaque = true;
	enum tr_step step = tr_machine_step(&m);
	if (step == TR_STEP_UNKNOWN || (!step && !tr_machine_knows(&m, TR_FP)))
		return TR_WALK_FULLY;
	if (step)
		return step == TR_STEP_END ? TR_WALK_COMPLETE : TR_WALK_CUT;
	if (m.reg[TR_SP] <= f->sp && !m.interrupted)
		return TR_WALK_CUT;
	f->key = m.reg[TR_PC] + m.interrupted;
	f->fp = m.reg[TR_FP];
	f->interrupted_key = m.interrupted ? f->key : f->interrupted_key;
	return tr_frame_set_sp(f, m.reg[TR_SP]) ? TR_WALK_ON : TR_WALK_CUT;
}

static enum tr_outcome step_side(struct tr_frame *f)
{
	struct tr_side side;
	if (!tr_rows_side(f->key, &side))
		return step_general(f);
	uint64_t cfa = (side.cfa_from_fp ? f->fp : f->sp) + (uint64_t)side.cfa_offset;
	if (side.cfa_deref) {
		if (!in_reach(f, cfa))
			return TR_WALK_CUT;
		f->reads.cfa_slot = cfa;
		cfa = tr_word_at(cfa);
	}
	uint64_t fp_slot = 0;
	if (side.fp_how != TR_SIDE_FP_SAME)
		fp_slot = (side.fp_how == TR_SIDE_FP_AT_CFA ? cfa : f->fp) +
			  (uint64_t)side.fp_offset;
	return step_to_cfa(f, cfa, fp_slot, cfa + (uint64_t)side.ra_offset);
}

/*
 * Code without CFI, such as a just-in-time compiler's, often keeps a chain of
 * frame pointers.  Follow it while it looks like one.  A thread's stack ends
 * where its control block begins (glibc's allocate_stack).
 */
enum tr_outcome tr_step_guess(struct tr_frame *f)
{
	uint64_t fp = f->fp, tp = (uintptr_t)__builtin_thread_pointer();
	if (fp < f->sp || fp % 8 || fp - f->sp > GUESSED_FRAME_MAX ||
	    !reaches(f, fp + 16) || (f->sp < tp && fp + 16 > tp))
		return TR_WALK_CUT;
	uint64_t key = tr_code(tr_word_at(fp + 8));
	if (!tr_may_be_code(key) || tr_rows_get(key) == TR_RULE_NO_CODE)
		return TR_WALK_CUT;
	f->guessed = true;
	return step_to_cfa(f, fp + 16, fp, fp + 8);
}

/*
 * ld.so runs constructors from a piece of assembly without CFI (_dl_start_user,
 * glibc's sysdeps/x86_64/dl-machine.h), whose sp is where the kernel put argc,
 * but for alignment.  Nothing called it.
 */
static bool at_process_start(const struct tr_frame *f)
{
	return (uintptr_t)__libc_stack_end - f->sp < 64;
}

static enum tr_outcome step_without_object(struct tr_frame *f)
{
	if (tr_rows_renew(f->key) != TR_RULE_NO_OBJECT)
		return TR_WALK_AGAIN;
	return tr_step_guess(f);
}

enum tr_outcome tr_step_special(struct tr_frame *f, uint32_t rule)
{
	f->reads = (struct tr_step_reads){0};
	f->opaque = false;
	switch ((enum tr_rule_code)tr_rule_offset(rule)) {
	case TR_RULE_END:
		return TR_WALK_COMPLETE;
	case TR_RULE_DRAP:
		return step_drap(f, tr_rule_operand(rule));
	case TR_RULE_SIGNAL:
		return step_signal(f);
	case TR_RULE_SIDE:
		return step_side(f);
	case TR_RULE_GENERAL:
		return step_general(f);
	case TR_RULE_NO_CFI:
		return at_process_start(f) ? TR_WALK_COMPLETE : tr_step_guess(f);
	case TR_RULE_NO_OBJECT:
		return step_without_object(f);
	case TR_RULE_NO_CODE:
	default:
		return TR_WALK_CUT;
	}
}
