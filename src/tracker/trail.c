/* SPDX-License-Identifier: MIT */

/*
 * Walking along the trail.  New frames are put down at the end of the arrays
 * while the walk goes outwards, until it meets the trail or ends; then they are
 * taken up again, outermost first, behind the part of the trail that holds.
 */
#include "src/tracker/trail.h"

#include "src/wire.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define NOWHERE (TR_BATCH - 1u) /* before the first read of all */

/*
 * Where it does not pay to remember stacks, since they cannot be remembered or
 * differ too much each time, it is tried but now and then.  It is weighed in
 * frames: one that is kept saves about what a new one costs above a walk's.
 */
#define SAVINGS_MAX       64
#define COST_OF_GIVING_UP 16
#define FEW_FRAMES        3 /* to walk them costs less than to think about it */
#define WALKS_TO_SKIP     8u
#define WALKS_TO_SKIP_MAX 512u

/* A walk in progress. */
struct walk {
	/* The present frame.  Its key is WORD, the return address as it lies at ADDR. */
	uint64_t addr, word, fp;
#if !TR_SP_FOLLOWS_RA
	uint64_t sp;
#endif
	uint64_t end;   /* of the readable memory around it */
	uint32_t limit; /* beyond this number the trail does not hold */
	uint32_t fresh; /* number of the last frame that was put down */
	uint32_t base;  /* where the trail was met, or NOWHERE */
	/*
	 * Frames that look like those of the trail, and then their callers do not,
	 * may be many; so it is looked for ever more rarely.
	 */
	uint32_t pause, blind;
};

/* The sp of a frame whose return address lies at ADDR; SP where that does not tell. */
static inline uint64_t sp_by(uint64_t addr, uint64_t sp)
{
#if TR_SP_FOLLOWS_RA
	(void)sp;
	return addr + 8;
#else
	(void)addr;
	return sp;
#endif
}

static inline uint64_t sp_of(const struct walk *w)
{
#if TR_SP_FOLLOWS_RA
	return w->addr + 8;
#else
	return w->sp;
#endif
}

static inline void set_sp(struct walk *w, uint64_t sp)
{
#if TR_SP_FOLLOWS_RA
	(void)w;
	(void)sp;
#else
	w->sp = sp;
#endif
}

enum pace {
	PACE_ON,
	PACE_MET,   /* the rest is on the trail */
	PACE_ENDED, /* the last frame is the outermost */
	PACE_NULL,  /* so it is, and its caller's address is a null */
	PACE_LOST,  /* this walk cannot be remembered */
};

void tr_trail_start(struct tr_trail *t)
{
	/* Each is compared with itself. */
	for (uint32_t i = 0; i < TR_BATCH; i++) {
		t->reads[i].addr = (uintptr_t)&t->reads[i].value;
		t->reads[i].value = 0;
	}
	t->top = NOWHERE;
	t->balance = SAVINGS_MAX;
	t->skip = t->skipped = 0;
}

static inline uint16_t *index_of(struct tr_trail *t, uint64_t addr)
{
	return &t->index[addr >> 4 & (TR_TRAIL_INDEX - 1)];
}

/* The sp of the frame whose return address is read number AT. */
static inline uint64_t sp_on_trail(const struct tr_trail *t, uint32_t at)
{
#if TR_SP_FOLLOWS_RA
	return t->reads[at].addr + 8;
#else
	return t->marks[at].sp;
#endif
}

/* Where the return addresses lie at one place: do the frames begin there, too? */
static inline bool is_same_sp(const struct tr_trail *t, uint32_t at, const struct walk *w)
{
	return TR_SP_FOLLOWS_RA || sp_on_trail(t, at) == sp_of(w);
}

static inline bool is_special(uint32_t rule)
{
	return tr_rule_offset(rule) >= TR_RULE_SPECIAL;
}

/* Put the present frame down. */
static inline bool put_down(struct tr_trail *t, struct walk *w, uint32_t rule)
{
	uint32_t at = --w->fresh;
	if (UNLIKELY(at <= t->top))
		return false;
	t->reads[at] = (struct tr_read){w->addr, w->word};
	t->marks[at].fp = w->fp;
#if !TR_SP_FOLLOWS_RA
	t->marks[at].sp = w->sp;
#endif
	t->marks[at].rule = (uint16_t)rule;
	t->marks[at].flags = 0;
	return true;
}

/* The frame of the trail that the present one is, or NOWHERE. */
static inline uint32_t on_trail(struct tr_trail *t, struct walk *w)
{
	if (UNLIKELY(w->blind)) {
		w->blind--;
		return NOWHERE;
	}
	uint32_t at = *index_of(t, w->addr);
	const struct tr_mark *m = &t->marks[at];
	if (at > w->limit || t->reads[at].addr != w->addr ||
	    t->reads[at].value != w->word || !is_same_sp(t, at, w) || !m->depth ||
	    (m->needs_fp && m->fp != w->fp))
		return NOWHERE;
	return at;
}

/* Is there still no object where code from frame AT on had none? */
static bool settled(const struct tr_trail *t, uint32_t at)
{
	for (; at != NOWHERE; at--)
		if (t->marks[at].depth &&
		    tr_rule_offset(t->marks[at].rule) == TR_RULE_NO_OBJECT &&
		    tr_rows_renew(tr_code(t->reads[at].value)) != TR_RULE_NO_OBJECT)
			return false;
	return true;
}

/*
 * The trail holds from frame AT to that whose caller was read at CHANGED: put
 * these down and make the last one the present.  What fp was is read again,
 * since the trail has no words for it where it did not matter.
 */
static bool keep_frames(struct tr_trail *t, struct walk *w, uint32_t at, uint32_t changed,
			uint32_t *rule_ret)
{
	for (;;) {
		uint32_t rule = *rule_ret = t->marks[at].rule;
		if (!put_down(t, w, rule))
			return false;
		do
			at--;
		while (at > changed && !t->marks[at].depth);
		if (at <= changed || is_special(rule))
			break;
		uint32_t slots = tr_rule_slots(rule);
		w->addr = t->reads[at].addr;
		w->word = t->reads[at].value;
		set_sp(w, sp_on_trail(t, at));
		if (slots)
			w->fp = tr_word_at(w->addr - 8 * slots);
	}
	w->limit = changed;
	w->blind = w->pause;
	w->pause = 2 * w->pause + 1;
	return true;
}

static __attribute__((__noinline__)) enum pace step_special(struct tr_trail *t,
							    struct walk *w, uint32_t rule)
{
	struct tr_frame f = {
		.key = tr_code(w->word), .sp = sp_of(w), .fp = w->fp, .end = w->end};
	enum tr_outcome outcome = tr_step_special(&f, rule);
	if (outcome == TR_WALK_AGAIN) {
		w->fresh++; /* with another rule */
		return PACE_ON;
	}
	if (outcome == TR_WALK_COMPLETE)
		return f.opaque ? PACE_LOST : PACE_ENDED;
	if (outcome != TR_WALK_ON || f.opaque || !tr_may_be_code(f.key))
		return PACE_LOST;
	t->marks[w->fresh].flags = f.guessed ? HS_WIRE_STACK_GUESSED : 0;
	w->addr = f.addr;
	w->word = tr_word_at(f.addr);
	set_sp(w, f.sp);
	w->fp = f.fp;
	w->end = f.end;
	return PACE_ON;
}

/* Go from the present frame, which was put down, to its caller. */
static inline enum pace step(struct tr_trail *t, struct walk *w, uint32_t rule)
{
	if (UNLIKELY(is_special(rule)))
		return step_special(t, w, rule);
	uint64_t sp = sp_of(w), slots = tr_rule_slots(rule);
	uint64_t cfa = (rule & TR_RULE_FP ? w->fp : sp) + tr_rule_offset(rule);
	uint64_t ra = tr_rule_ra(rule, cfa);
	if (UNLIKELY(!tr_rule_is_sound(sp, cfa, ra)))
		return PACE_LOST;
	if (UNLIKELY(cfa > w->end)) {
		w->end = tr_stretch_extend(sp - TR_BELOW_SP, cfa);
		if (cfa > w->end)
			return PACE_LOST;
	}
	if (slots)
		w->fp = tr_word_at(ra - 8 * slots);
	w->addr = ra;
	w->word = tr_word_at(ra);
	set_sp(w, cfa);
	if (LIKELY(tr_may_be_code(tr_code(w->word))))
		return PACE_ON;
	return w->word ? PACE_LOST : PACE_NULL;
}

/* Walk until the trail is met or the stack ends. */
static inline enum pace walk(struct tr_trail *t, struct walk *w)
{
	enum pace pace;
	do {
		uint32_t rule, at = on_trail(t, w);
		if (at != NOWHERE) {
			uint32_t changed = tr_reads_changed(t->reads, at - 1);
			if (LIKELY(changed <= NOWHERE)) {
				w->base = at;
				return PACE_MET;
			}
			if (!keep_frames(t, w, at, changed, &rule))
				return PACE_LOST;
		} else {
			rule = tr_rows_get(tr_code(w->word));
			if (!put_down(t, w, rule))
				return PACE_LOST;
		}
		pace = step(t, w, rule);
	} while (pace == PACE_ON);
	return pace;
}

/* What finding the caller depends on: words, by their addresses, and fp itself. */
struct needs {
	uint64_t cfa_slot, fp_slot; /* or 0 */
	bool fp;
};

/* As the step did it from the frame of read R at SP, and found CFA. */
static bool special_needs(const struct tr_read *r, const struct tr_mark *m, uint64_t sp,
			  uint64_t cfa, struct needs *ret)
{
	struct tr_side side;
	switch ((enum tr_rule_code)tr_rule_offset(m->rule)) {
	case TR_RULE_END:
		return true;
	case TR_RULE_DRAP:
		*ret = (struct needs){m->fp - 8 * tr_rule_operand(m->rule), m->fp, true};
		return true;
	case TR_RULE_NO_CFI: /* guessed, or the outermost, at which nothing is read */
	case TR_RULE_NO_OBJECT:
		if (m->flags)
			*ret = (struct needs){0, m->fp, true};
		return true;
	case TR_RULE_SIDE:
		if (!tr_rows_side(tr_code(r->value), &side))
			return false;
		if (side.cfa_deref)
			ret->cfa_slot = (side.cfa_from_fp ? m->fp : sp) +
					(uint64_t)side.cfa_offset;
		if (side.fp_how != TR_SIDE_FP_SAME)
			ret->fp_slot = (side.fp_how == TR_SIDE_FP_AT_CFA ? cfa : m->fp) +
				       (uint64_t)side.fp_offset;
		ret->fp = side.cfa_from_fp || side.fp_how == TR_SIDE_FP_AT_FP;
		return true;
	case TR_RULE_SIGNAL: /* those were opaque */
	case TR_RULE_GENERAL:
	case TR_RULE_NO_CODE:
	default:
		return false;
	}
}

static inline void add_word(struct tr_trail *t, uint32_t at, uint64_t addr,
			    uint64_t value)
{
	t->reads[at] = (struct tr_read){addr, value};
	t->marks[at].depth = 0;
	if (addr + 8 > t->high)
		t->high = addr + 8;
}

/* Put the frames that were put down behind the read at number AT; W is where they end. */
static bool take_up(struct tr_trail *t, const struct walk *w, uint32_t at, bool ends_null)
{
	/* The state further out: of what the trail keeps, or of no frame at all. */
	struct tr_mark outer = {.hash = TR_HASH_START};
	if (at != NOWHERE)
		outer = t->marks[at];
	uint64_t caller = w->addr, caller_sp = sp_of(w), caller_fp = w->fp;
	if (at == NOWHERE)
		t->high = 0;
	if (ends_null)
		add_word(t, ++at, w->addr, 0);
	for (uint32_t i = w->fresh; i < TR_TRAIL_READS; i++) {
		struct tr_read r = t->reads[i];
		struct tr_mark m = t->marks[i];
		uint64_t sp = sp_on_trail(t, i);
		struct needs needs = {0};
		if (UNLIKELY(at + 3 > i || outer.depth == TR_TRAIL_FRAMES))
			return false;
		if (UNLIKELY(is_special(m.rule))) {
			if (!special_needs(&r, &m, sp, sp_by(caller, caller_sp), &needs))
				return false;
		} else {
			uint64_t slots = tr_rule_slots(m.rule);
			needs.fp_slot = slots ? caller - 8 * slots : 0;
			needs.fp = m.rule & TR_RULE_FP;
		}
		if (needs.cfa_slot)
			add_word(t, ++at, needs.cfa_slot, sp_by(caller, caller_sp));
		if (needs.fp_slot && outer.needs_fp)
			add_word(t, ++at, needs.fp_slot, caller_fp);
		outer.hash = tr_hash_mix(outer.hash, tr_code(r.value));
		outer.needs_fp = needs.fp || (!needs.fp_slot && outer.needs_fp);
		outer.unsettled |= tr_rule_offset(m.rule) == TR_RULE_NO_OBJECT;
		outer.flags |= m.flags;
		outer.depth++;
		outer.rule = m.rule;
		outer.fp = m.fp;
#if !TR_SP_FOLLOWS_RA
		outer.sp = sp;
#endif
		outer.id = 0;
		add_word(t, ++at, r.addr, r.value);
		t->marks[at] = outer;
		*index_of(t, r.addr) = (uint16_t)at;
		caller = r.addr;
		caller_sp = sp;
		caller_fp = m.fp;
	}
	t->top = at;
	return true;
}

/* *SAVED_RET: by how many frames that was less work than a walk; negative: more. */
static bool follow(struct tr_trail *t, const uint64_t *slot, uint64_t fp,
		   int32_t *saved_ret)
{
	struct walk w = {.addr = (uintptr_t)slot,
			 .word = *slot,
			 .fp = fp,
			 .limit = t->top,
			 .fresh = TR_TRAIL_READS,
			 .base = NOWHERE};
	set_sp(&w, w.addr + 8);
	w.end = tr_stretch_end(w.addr + 8 - TR_BELOW_SP);
	if (t->high > w.end)
		w.limit = NOWHERE;
	enum pace pace = walk(t, &w);
	if (pace == PACE_LOST)
		return false;
	if (pace == PACE_MET && t->marks[w.base].unsettled && !settled(t, w.base)) {
		t->top = NOWHERE;
		return follow(t, slot, fp, saved_ret);
	}
	uint32_t n_fresh = TR_TRAIL_READS - w.fresh;
	uint32_t n_kept = w.base == NOWHERE ? 0 : t->marks[w.base].depth;
	if (!take_up(t, &w, w.base, pace == PACE_NULL)) {
		t->top = NOWHERE;
		return false;
	}
	*saved_ret = (int32_t)n_kept + FEW_FRAMES - (int32_t)n_fresh;
	return true;
}

/* Note what the trail saved, and if it only costs, how long to do without. */
static void learn(struct tr_trail *t, int32_t saved)
{
	t->balance += saved;
	if (LIKELY(t->balance >= SAVINGS_MAX)) {
		t->balance = SAVINGS_MAX;
		t->skipped = 0;
	}
	if (LIKELY(t->balance >= 0))
		return;
	t->balance = 0;
	t->skipped = t->skipped ? t->skipped * 2 : WALKS_TO_SKIP;
	if (t->skipped > WALKS_TO_SKIP_MAX)
		t->skipped = WALKS_TO_SKIP_MAX;
	t->skip = t->skipped;
}

bool tr_trail_follow(struct tr_trail *t, uint32_t epoch, const uint64_t *slot,
		     uint64_t fp)
{
	int32_t saved = -COST_OF_GIVING_UP;
	if (t->skip) {
		t->skip--;
		t->top = NOWHERE; /* too old to hold, or to be followed */
		return false;
	}
	if (t->epoch != epoch) {
		t->epoch = epoch;
		t->top = NOWHERE;
	}
	/* Nothing is saved by the first stack of all. */
	bool begins = t->top == NOWHERE;
	bool followed = follow(t, slot, fp, &saved);
	if (!begins || !followed)
		learn(t, saved);
	return followed;
}

void tr_trail_pcs(const struct tr_trail *t, uint64_t *pcs)
{
	for (uint32_t i = t->top, depth = t->marks[i].depth; depth; i--)
		if (t->marks[i].depth) {
			*pcs++ = tr_code(t->reads[i].value);
			depth--;
		}
}
