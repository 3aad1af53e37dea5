/* SPDX-License-Identifier: MIT */

/*
 * The walk.  A frame is its key (rows.h), sp and fp; a rule leads from it to
 * its caller with two loads.  What rules cannot say is done apart (frame.h),
 * and a walk that turns out to need more than sp and fp is done again with all
 * registers.  Every frame takes one place of the caller's room.
 */
#include "src/tracker/unwind.h"

#include <stdbool.h>

#include "src/tracker/frame.h"
#include "src/tracker/machine.h"
#include "src/tracker/verify.h"
#include "src/wire.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* From M, whose caller is to be guessed. */
static enum tr_step machine_guess(struct tr_machine *m, struct tr_frame *f)
{
	if (!tr_machine_knows(m, TR_FP))
		return TR_STEP_BROKEN;
	f->sp = m->reg[TR_SP];
	f->fp = m->reg[TR_FP];
	if (!tr_frame_set_sp(f, f->sp) || tr_step_guess(f) != TR_WALK_ON)
		return TR_STEP_BROKEN;
	m->reg[TR_PC] = f->key;
	m->reg[TR_SP] = f->sp;
	m->reg[TR_FP] = f->fp;
	m->known = TR_BIT(TR_PC) | TR_BIT(TR_SP) | TR_BIT(TR_FP);
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
	struct tr_machine m = {.known = TR_CALL_PRESERVED | TR_BIT(TR_PC),
			       .interrupted = true};
	struct tr_frame f = {0};
	uint64_t sp = (uintptr_t)(slot + 1);
	enum tr_step step = TR_STEP_DONE;
	size_t n = 0;
	TR_MACHINE_CAPTURE(&m);
	while (m.reg[TR_SP] < sp)
		if (tr_machine_step(&m) != TR_STEP_DONE)
			return 0;
	if (m.reg[TR_SP] != sp || m.reg[TR_PC] != tr_code(*slot))
		return 0;
	while (tr_may_be_code(m.reg[TR_PC]) && n < room) {
		pcs[n++] = m.reg[TR_PC] + m.interrupted;
		tr_rows_get(m.reg[TR_PC] + m.interrupted); /* makes its module known */
		/* A leaf has no frame where calls leave their address in a register. */
		sp = m.reg[TR_SP] - (TR_HAS_LINK_REGISTER && m.interrupted);
		step = tr_machine_step(&m);
		if (step == TR_STEP_NO_CFI)
			step = machine_guess(&m, &f);
		if (step || (m.reg[TR_SP] <= sp && !m.interrupted))
			break;
	}
	*flags = f.guessed ? HS_WIRE_STACK_GUESSED : 0;
	if (step != TR_STEP_END && m.reg[TR_PC] != 0)
		*flags |= HS_WIRE_STACK_CUT;
	return n;
}

/* Finish a walk of N frames that ended with OUTCOME. */
static size_t finish(const uint64_t *slot, struct tr_frame *f, enum tr_outcome outcome,
		     uint64_t *pcs, size_t n, size_t room, uint32_t *flags)
{
	*flags = f->guessed ? HS_WIRE_STACK_GUESSED : 0;
	if (outcome == TR_WALK_COMPLETE)
		return n;
	if (outcome == TR_WALK_FULLY) {
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

/*
 * RULE, that of frame number N; ALIKE as long as all have had the rules of SHAPE.
 * Where it was expected, what is returned was known before RULE: a processor that
 * predicts the branch goes on to the next frames while their words and rules are
 * still on the way from memory, which are else fetched one after the other.
 */
static inline uint32_t expect(struct tr_shape *shape, size_t n, bool *alike,
			      uint32_t rule)
{
	uint16_t *at = &shape->rules[n % TR_SHAPE_FRAMES];
	uint32_t expected = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (LIKELY(*alike)) {
		if (LIKELY(rule == expected)) {
			/* The compiler shall not take the one for the other. */
			__asm__("" : "+r"(expected));
			return expected;
		}
		*alike = false;
	}
	__atomic_store_n(at, (uint16_t)rule, __ATOMIC_RELAXED);
	return rule;
}

static inline __attribute__((__always_inline__)) size_t walk(const uint64_t *slot,
							     uint64_t fp,
							     struct tr_shape *shape,
							     uint64_t *pcs, size_t room,
							     uint32_t *flags)
{
	struct tr_frame f = {0};
	uint64_t key = tr_code(*slot), sp = (uintptr_t)(slot + 1),
		 end = tr_stretch_end(sp - TR_BELOW_SP);
	enum tr_outcome outcome = TR_WALK_CUT;
	bool alike = true;
	size_t n = 1;
	pcs[0] = key;
	for (;;) {
		uint32_t rule = expect(shape, n, &alike, tr_rows_get(key));
		uint32_t offset = tr_rule_offset(rule);
		if (LIKELY(offset < TR_RULE_SPECIAL)) {
			uint64_t cfa = (rule & TR_RULE_FP ? fp : sp) + offset;
			uint64_t slots = tr_rule_slots(rule), ra = tr_rule_ra(rule, cfa);
			if (UNLIKELY(!tr_rule_is_sound(sp, cfa, ra)))
				break;
			if (UNLIKELY(cfa > end)) {
				end = tr_stretch_extend(sp - TR_BELOW_SP, cfa);
				if (cfa > end)
					break;
			}
			if (slots)
				fp = tr_word_at(ra - 8 * slots);
			key = tr_code(tr_word_at(ra));
			sp = cfa;
		} else {
			f.key = key;
			f.sp = sp;
			f.fp = fp;
			f.end = end;
			outcome = tr_step_special(&f, rule);
			if (outcome == TR_WALK_AGAIN)
				continue;
			if (outcome != TR_WALK_ON)
				break;
			outcome = TR_WALK_CUT;
			key = f.key;
			sp = f.sp;
			fp = f.fp;
			end = f.end;
		}
		if (UNLIKELY(!tr_may_be_code(key))) {
			outcome = key ? TR_WALK_CUT : TR_WALK_COMPLETE;
			break;
		}
		if (UNLIKELY(n == room))
			break;
		pcs[n++] = key;
	}
	return finish(slot, &f, outcome, pcs, n, room, flags);
}

size_t tr_unwind_alike(const uint64_t *slot, uint64_t fp, struct tr_shape *shape,
		       uint64_t *pcs, size_t room, uint32_t *flags_ret)
{
	uint32_t flags;
	if (room == 0)
		return 0;
	size_t n = walk(slot, fp, shape, pcs, room, &flags);
	*flags_ret |= flags;
#ifdef HS_VERIFY_UNWIND
	if (n < room) /* else it may be that there was none for the rest */
		tr_verify_unwind(slot, pcs, n, flags);
#endif
	return n;
}

size_t tr_unwind(const uint64_t *slot, uint64_t fp, uint64_t *pcs, size_t room,
		 uint32_t *flags_ret)
{
	struct tr_shape shape = {0};
	return tr_unwind_alike(slot, fp, &shape, pcs, room, flags_ret);
}

void tr_unwind_forget(void)
{
	tr_rows_forget();
#ifdef HS_VERIFY_UNWIND
	tr_verify_forget();
#endif
}
