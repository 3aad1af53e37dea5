/* SPDX-License-Identifier: MIT */

/* What all hooks do once they know what happened. */
#ifndef TR_RECORD_H
#define TR_RECORD_H

#include "src/tracker/cxx.h"
#include "src/tracker/emit.h"
#include "src/tracker/mode.h"
#include "src/tracker/stacks.h"

/* Inside S: tell of a block that the call at *SLOT obtained. */
static inline void tr_tell_block(struct tr_stream *s, unsigned kind, const void *p,
				 size_t size, const uint64_t *slot, uint64_t fp)
{
	if (kind != HS_WIRE_REALLOC)
		tr_cxx_take_block(&kind, &slot, &fp);
	uintptr_t guard = s->guard;
	uint32_t stack = tr_stack_id(s, slot, fp);
	/* Else a handler switched stacks, and S was used from there: see stream.h. */
	if (TR_LIKELY(s->guard == guard))
		tr_emit_block(s, kind, (uint64_t)(uintptr_t)p, size, stack);
}

/* The same where not simply all is recorded; see mode.h. */
TR_HIDDEN bool tr_record_block_by_mode(unsigned kind, const void *p, size_t size,
				       const uint64_t *slot, uint64_t fp);
TR_HIDDEN bool tr_record_end_by_mode(unsigned kind, const void *p, const uint64_t *slot,
				     uint64_t fp);

/*
 * The call at *SLOT obtained a block; FP is the caller's frame pointer.  False: it is
 * not told of.
 */
static inline bool tr_record_block(unsigned kind, const void *p, size_t size,
				   const uint64_t *slot, uint64_t fp)
{
	if (TR_UNLIKELY(tr_mode))
		return !tr_sample_passes(size) &&
		       tr_record_block_by_mode(kind, p, size, slot, fp);
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (TR_UNLIKELY(!s))
		return false;
	tr_tell_block(s, kind, p, size, slot, fp);
	tr_leave(s);
	return true;
}

/* The call at *SLOT is about to give P back.  False: it is not told of. */
static inline bool tr_record_end(unsigned kind, const void *p, const uint64_t *slot,
				 uint64_t fp)
{
	if (TR_UNLIKELY(tr_mode))
		return !tr_sample_ignores(p) && tr_record_end_by_mode(kind, p, slot, fp);
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (TR_UNLIKELY(!s))
		return false;
	if (kind == HS_WIRE_FREE)
		kind = tr_cxx_take_end(p, slot);
	tr_emit_address(s, kind, (uint64_t)(uintptr_t)p);
	tr_leave(s);
	return true;
}

/*
 * A realloc whose RELEASE of OLD was told of, if TOLD, has failed: OLD lives on.  The
 * event's address means nothing.
 */
TR_HIDDEN void tr_record_retain(const void *old, bool told, const uint64_t *slot);

/* It has succeeded, but what it returned is not told of. */
TR_HIDDEN void tr_record_gone(const uint64_t *slot, uint64_t fp);

#endif /* TR_RECORD_H */
