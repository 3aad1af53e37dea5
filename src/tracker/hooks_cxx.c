/* SPDX-License-Identifier: MIT */

/*
 * The hooks of operator new and delete; see cxx.h.  One of each serves all
 * forms: A, B and C are the program's arguments, OP says which form it called.
 *
 * The real function is called last, as a jump, so that it returns and throws to
 * the program itself.
 */
#include "src/tracker/real.h"
#include "src/tracker/record.h"

TR_HIDDEN uint64_t tr_new(uint64_t a, uint64_t b, uint64_t c, const uint64_t *slot,
			  uint64_t fp, uint64_t op);
TR_HIDDEN uint64_t tr_delete(uint64_t a, uint64_t b, uint64_t c, const uint64_t *slot,
			     uint64_t fp, uint64_t op);

/* Odd forms are those of arrays. */
static unsigned kind_of(unsigned op)
{
	unsigned array = op & 1;
	return (op < TR_CXX_FIRST_DELETE ? HS_WIRE_NEW : HS_WIRE_DELETE) + array;
}

/*
 * Nothing that is loaded has an operator new, so there is neither a new-handler
 * nor a bad_alloc: a form that may not return NULL can only end the program, as
 * an exception that nobody catches does.
 */
static void *new_without_runtime(uint64_t size, uint64_t align, unsigned op)
{
	bool aligned = op >= 4, may_fail = op & 2;
	size = size ? size : 1;
	void *p = aligned ? tr_real.aligned_alloc(align, (size + align - 1) & -align)
			  : tr_real.malloc(size);
	if (!p && !may_fail)
		__builtin_trap();
	return p;
}

/* A new that the malloc hook does not get to see. */
__attribute__((noinline, cold)) static uint64_t new_unseen(const struct tr_cxx_real *real,
							   uint64_t a, uint64_t b,
							   uint64_t c,
							   const uint64_t *slot,
							   uint64_t fp, unsigned op)
{
	bool outermost = tr_real_enter(slot);
	uint64_t block =
		real ? real->call(a, b, c) : (uint64_t)new_without_runtime(a, b, op);
	tr_real_leave(outermost);
	if (block && outermost)
		tr_record_block(kind_of(op), (const void *)block, a, slot, fp);
	return block;
}

__attribute__((noinline, cold)) static void delete_unseen(const struct tr_cxx_real *real,
							  uint64_t a, uint64_t b,
							  uint64_t c,
							  const uint64_t *slot,
							  uint64_t fp, unsigned op)
{
	bool outermost = tr_real_enter(slot);
	if (outermost)
		tr_record_end(kind_of(op), (const void *)a, slot, fp);
	if (real)
		real->call(a, b, c);
	else
		tr_real.free((void *)a);
	tr_real_leave(outermost);
}

static inline const struct tr_cxx_real *real_of(unsigned op, tr_cxx_function **call_ret)
{
	const struct tr_cxx_real *real = &tr_cxx_reals[op];
	*call_ret = __atomic_load_n(&real->call, __ATOMIC_ACQUIRE);
	if (TR_LIKELY(*call_ret))
		return real;
	real = tr_cxx_find(op);
	*call_ret = real ? real->call : NULL;
	return real;
}

uint64_t tr_new(uint64_t a, uint64_t b, uint64_t c, const uint64_t *slot, uint64_t fp,
		uint64_t op)
{
	tr_cxx_function *call;
	const struct tr_cxx_real *real = real_of((unsigned)op, &call);
	if (TR_UNLIKELY(!call || real->own))
		return new_unseen(real, a, b, c, slot, fp, (unsigned)op);
	/* Forms that align ask malloc for more than A. */
	if (!tr_mode || op >= 4 || !tr_sample_would_pass(a))
		tr_cxx_leave_note(kind_of((unsigned)op), (unsigned)op, slot, fp);
	return call(a, b, c);
}

uint64_t tr_delete(uint64_t a, uint64_t b, uint64_t c, const uint64_t *slot, uint64_t fp,
		   uint64_t op)
{
	if (!a)
		return 0;
	tr_cxx_function *call;
	const struct tr_cxx_real *real = real_of((unsigned)op, &call);
	if (TR_UNLIKELY(!call || real->own)) {
		delete_unseen(real, a, b, c, slot, fp, (unsigned)op);
		return 0;
	}
	if (!tr_mode || !tr_sample_knows_not((const void *)a))
		tr_cxx_leave_note(kind_of((unsigned)op), (unsigned)op, slot, a);
	return call(a, b, c);
}
