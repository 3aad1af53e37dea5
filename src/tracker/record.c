/* SPDX-License-Identifier: MIT */

/* What hooks do that is not done for every block. */
#include "src/tracker/record.h"

/* Counters are those of the thread's first stream, though a handler be in another. */
static bool hits(size_t size)
{
	return !(tr_mode & TR_MODE_SAMPLED) || tr_sample_hits(tr_tls.stream, size);
}

static bool ends(const void *p)
{
	return !(tr_mode & TR_MODE_SAMPLED) || tr_sample_ends(tr_tls.stream, p);
}

bool tr_record_block_by_mode(unsigned kind, const void *p, size_t size,
			     const uint64_t *slot, uint64_t fp)
{
	/* The process may begin to record in here, and only then has a mode. */
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (!s)
		return false;
	bool told = hits(size);
	if (told) {
		tr_tell_block(s, kind, p, size, slot, fp);
		if (tr_mode & TR_MODE_SAMPLED)
			tr_sampled_add(p);
	}
	tr_leave(s);
	return told;
}

/* Inside S: tell that the call at *SLOT gives P back, and where it stands. */
static void tell_end_by(struct tr_stream *s, unsigned kind, const void *p,
			const uint64_t *slot, uint64_t fp)
{
	uintptr_t guard = s->guard;
	uint32_t stack = tr_stack_id(s, slot, fp);
	if (s->guard == guard) /* see tr_tell_block */
		tr_emit_block(s, kind, (uint64_t)(uintptr_t)p, s->last_size, stack);
}

bool tr_record_end_by_mode(unsigned kind, const void *p, const uint64_t *slot,
			   uint64_t fp)
{
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (!s)
		return false;
	bool told = ends(p);
	if (told && kind == HS_WIRE_FREE)
		kind = tr_cxx_take_end(p, slot);
	/* A RELEASE's stack is told by what follows. */
	if (told && (tr_mode & TR_MODE_FREES_BY) && kind != HS_WIRE_RELEASE)
		tell_end_by(s, kind, p, slot, fp);
	else if (told)
		tr_emit_address(s, kind, (uint64_t)(uintptr_t)p);
	tr_leave(s);
	return told;
}

void tr_record_retain(const void *old, bool told, const uint64_t *slot)
{
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (!s)
		return;
	if (tr_mode & TR_MODE_SAMPLED)
		tr_sample_keeps(tr_tls.stream, old, told);
	if (told)
		tr_emit_address(s, HS_WIRE_RETAIN, s->last_addr);
	tr_leave(s);
}

void tr_record_gone(const uint64_t *slot, uint64_t fp)
{
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (!s)
		return;
	if (tr_mode & TR_MODE_FREES_BY)
		tell_end_by(s, HS_WIRE_GONE, (const void *)(uintptr_t)s->last_addr, slot,
			    fp);
	else
		tr_emit_address(s, HS_WIRE_GONE, s->last_addr);
	tr_leave(s);
}
