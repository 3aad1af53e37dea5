/* SPDX-License-Identifier: MIT */

/*
 * operator new and delete by their own names.
 *
 * A C++ runtime's operator new asks malloc for the block, and its operator
 * delete gives it to free, so their hooks record nothing: they leave a note,
 * and go on to the real one by a jump.  The malloc hook that finds itself
 * called by that function takes the note: its event has the kind and the stack
 * of the note.  So each block has one event, whatever throws, jumps or fails
 * in between; what a new-handler allocates is its own; an operator new that the
 * program wrote, a pool perhaps, is recorded by what it takes from malloc; and
 * a note that nobody took harms nobody.
 *
 * Allocators that define malloc and operator new alike (jemalloc) do not come
 * by the malloc hook; of those the hooks here record the blocks themselves.
 *
 * A note is believed only as long as the return address that it names is still
 * in place, a little above the caller.  Signal handlers that overwrite a note
 * cost a block its kind and nothing else.
 */
#ifndef TR_CXX_H
#define TR_CXX_H

#include "src/tracker/real.h"

/* The forms, numbered as in the stubs. */
enum tr_cxx_op {
	TR_CXX_FIRST_NEW = 0,
	TR_CXX_FIRST_DELETE = 8,
	TR_CXX_OPS = 20,
};

/* Whatever the form, three words hold its arguments. */
typedef uint64_t tr_cxx_function(uint64_t, uint64_t, uint64_t);

struct tr_cxx_real {
	tr_cxx_function *call; /* NULL: not found yet; stored last */
	uint64_t size;         /* of its code */
	bool own;              /* does not come by the malloc hook */
	bool late;             /* in an object that was not there from the start */
};
extern TR_HIDDEN struct tr_cxx_real tr_cxx_reals[TR_CXX_OPS];

/* Find the real functions of the objects that are loaded. */
TR_HIDDEN void tr_cxx_start(void);

/* The real OP, or NULL where no loaded object has it. */
__attribute__((cold)) TR_HIDDEN const struct tr_cxx_real *tr_cxx_find(unsigned op);

/* Something was unloaded: find anew what may be gone. */
TR_HIDDEN void tr_cxx_forget(void);

/* Is PC in any of the real functions? */
__attribute__((cold)) TR_HIDDEN bool tr_cxx_is_code(uint64_t pc);

/* Between a note and its use lie but the frames of the real function. */
#define TR_CXX_NEAR 4096u

/* The parts of a note's CALL above the return address. */
#define TR_CXX_KIND_SHIFT 48
#define TR_CXX_OP_SHIFT   56

static inline unsigned tr_cxx_kind(const struct tr_cxx_note *n)
{
	return n->call >> TR_CXX_KIND_SHIFT & 0xff;
}

static inline unsigned tr_cxx_op(const struct tr_cxx_note *n)
{
	return (unsigned)(n->call >> TR_CXX_OP_SHIFT);
}

static inline bool tr_cxx_calls(unsigned op, uint64_t pc)
{
	const struct tr_cxx_real *r = &tr_cxx_reals[op];
	return pc - (uint64_t)(uintptr_t)r->call < r->size;
}

/* The place where the note's return address lies, if it is near above SLOT. */
static inline const uint64_t *tr_cxx_slot(const struct tr_cxx_note *n,
					  const uint64_t *slot)
{
	uint16_t above = (uint16_t)(n->slot - (uintptr_t)slot);
	return above < TR_CXX_NEAR ? slot + above / sizeof(*slot) : NULL;
}

/* Likewise, if the return address is still there. */
static inline const uint64_t *tr_cxx_near(const struct tr_cxx_note *n,
					  const uint64_t *slot)
{
	const uint64_t *at = tr_cxx_slot(n, slot);
	return at && *at == (n->call & (((uint64_t)1 << TR_CXX_KIND_SHIFT) - 1)) ? at
										 : NULL;
}

/*
 * Leave a note.  Forms are made of each other, by calls and by jumps: then the
 * program called the outer one.
 */
static inline void tr_cxx_leave_note(unsigned kind, unsigned op, const uint64_t *slot,
				     uint64_t word)
{
	struct tr_cxx_note *n = &tr_tls.note;
	const uint64_t *outer = n->call ? tr_cxx_near(n, slot) : NULL;
	if (outer && outer != slot &&
	    (tr_cxx_is_code(*slot) || (TR_STUBS_RETURN && tr_is_own_code(*slot)))) {
		n->call = (n->call << 8 >> 8) | (uint64_t)op << TR_CXX_OP_SHIFT;
		return;
	}
	if (outer == slot)
		kind = tr_cxx_kind(n);
	n->call = 0; /* for a handler that interrupts us */
	__asm__ volatile("" ::: "memory");
	n->slot = (uint16_t)(uintptr_t)slot;
	n->word = word;
	__asm__ volatile("" ::: "memory");
	n->call = *slot | (uint64_t)kind << TR_CXX_KIND_SHIFT |
		  (uint64_t)op << TR_CXX_OP_SHIFT;
}

/* If the call at *SLOT was operator new's: whose it was. */
static inline void tr_cxx_take_block(unsigned *kind, const uint64_t **slot, uint64_t *fp)
{
	struct tr_cxx_note *n = &tr_tls.note;
	const uint64_t *at;
	if (TR_LIKELY(!n->call) || tr_cxx_op(n) >= TR_CXX_FIRST_DELETE ||
	    !tr_cxx_calls(tr_cxx_op(n), **slot) || !(at = tr_cxx_near(n, *slot)))
		return;
	*kind = tr_cxx_kind(n);
	*slot = at;
	*fp = n->word;
	n->call = 0;
}

/* The kind of the end of P, by a free whose return address lies at SLOT. */
static inline unsigned tr_cxx_take_end(const void *p, const uint64_t *slot)
{
	struct tr_cxx_note *n = &tr_tls.note;
	if (TR_LIKELY(!n->call) || tr_cxx_op(n) < TR_CXX_FIRST_DELETE ||
	    n->word != (uint64_t)(uintptr_t)p || !tr_cxx_near(n, slot))
		return HS_WIRE_FREE;
	unsigned kind = tr_cxx_kind(n);
	n->call = 0;
	return kind;
}

#endif /* TR_CXX_H */
