/* SPDX-License-Identifier: MIT */

/* What all hooks do once they know what happened. */
#ifndef TR_RECORD_H
#define TR_RECORD_H

#include "src/tracker/cxx.h"
#include "src/tracker/emit.h"
#include "src/tracker/stacks.h"

/* The call at *SLOT obtained a block; FP is the caller's frame pointer. */
static inline void tr_record_block(unsigned kind, const void *p, size_t size,
				   const uint64_t *slot, uint64_t fp)
{
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (TR_UNLIKELY(!s))
		return;
	if (kind != HS_WIRE_REALLOC)
		tr_cxx_take_block(&kind, &slot, &fp);
	uintptr_t guard = s->guard;
	uint32_t stack = tr_stack_id(s, slot, fp);
	/* Else a handler switched stacks, and S was used from there: see stream.h. */
	if (TR_LIKELY(s->guard == guard))
		tr_emit_block(s, kind, (uint64_t)(uintptr_t)p, size, stack);
	tr_leave(s);
}

/* The call at *SLOT is about to give P back. */
static inline void tr_record_end(unsigned kind, const void *p, const uint64_t *slot)
{
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (TR_UNLIKELY(!s))
		return;
	if (kind == HS_WIRE_FREE)
		kind = tr_cxx_take_end(p, slot);
	tr_emit_address(s, kind, (uint64_t)(uintptr_t)p);
	tr_leave(s);
}

#endif /* TR_RECORD_H */
