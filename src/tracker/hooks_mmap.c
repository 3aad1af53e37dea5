/* SPDX-License-Identifier: MIT */

/*
 * The hooks of mmap and its kin.  What the loader, libc's own malloc and the
 * tracker map does not come by here; what a foreign malloc maps does, and is
 * passed over: its blocks are known.
 *
 * Where six arguments fill all registers of the calling convention there is no
 * stub: TR_PLAIN_FRAME() is where the caller's frame pointer lies, the return
 * address above it; and behind that, the caller's frame.
 *
 * A range's end is stamped before the call and its beginning after, as blocks'
 * are; the records follow the call, when it is known to have succeeded.
 */
#include <errno.h>
#include <linux/mman.h>

#include "src/tracker/real.h"
#include "src/tracker/record.h"

#define FAILED ((void *)-1)

struct range {
	uint64_t at, length;
};

static struct range range_of(const void *at, size_t length)
{
	uint64_t whole = ((uint64_t)length + HS_WIRE_PAGE - 1) & -(uint64_t)HS_WIRE_PAGE;
	return (struct range){(uint64_t)(uintptr_t)at, whole};
}

static uint64_t stamp_before(void)
{
	return tr_header ? tr_stamp() : 0;
}

/* Tell of the call whose frame is FRAME; STAMP 0: now. */
static void record(unsigned op, struct range range, int prot, int flags, uint64_t stamp,
		   const uint64_t *frame)
{
	const uint64_t *slot = frame + 1;
	if (tr_real.foreign && tr_is_foreign_code(*slot))
		return;
	struct tr_stream *s = tr_enter((uintptr_t)slot);
	if (!s)
		return;
	uint64_t stack = tr_stack_id(s, slot, frame[0]);
	const uint64_t numbers[] = {op,
				    range.at,
				    range.length,
				    (unsigned)prot,
				    (unsigned)flags,
				    stack,
				    stamp ? stamp : tr_stamp()};
	tr_emit_text(s, HS_WIRE_MAPPING, numbers, 7, NULL, 0, NULL, 0);
	tr_leave(s);
}

#define MMAP(name)                                                                      \
	TR_PLAIN_LINKAGE void *TR_PLAIN_NAME(name)(void *at, size_t length, int prot,   \
						   int flags, int fd, int64_t offset);  \
	void *TR_PLAIN_NAME(name)(void *at, size_t length, int prot, int flags, int fd, \
				  int64_t offset)                                       \
	{                                                                               \
		void *p = tr_real.name(at, length, prot, flags, fd, offset);            \
		if (p != FAILED)                                                        \
			record(HS_WIRE_MAP_MMAP, range_of(p, length), prot, flags, 0,   \
			       TR_PLAIN_FRAME());                                       \
		return p;                                                               \
	}

MMAP(mmap)
MMAP(mmap64)

TR_PLAIN_LINKAGE int TR_PLAIN_NAME(munmap)(void *at, size_t length);
int TR_PLAIN_NAME(munmap)(void *at, size_t length)
{
	uint64_t stamp = stamp_before();
	int ret = tr_real.munmap(at, length);
	if (ret == 0)
		record(HS_WIRE_MAP_MUNMAP, range_of(at, length), 0, 0, stamp,
		       TR_PLAIN_FRAME());
	return ret;
}

/* What mremap gave up of OLD when it returned P. */
static struct range released(struct range old, struct range new, int flags)
{
	if (new.at != old.at && !(flags & MREMAP_DONTUNMAP))
		return old;
	if (new.at == old.at &&new.length < old.length)
		return (struct range){old.at + new.length, old.length - new.length};
	return (struct range){0, 0};
}

/* Declared variadic by libc; it takes five words wherever it is called. */
TR_PLAIN_LINKAGE void *TR_PLAIN_NAME(mremap)(void *at, size_t old_size, size_t new_size,
					     int flags, void *to);
void *TR_PLAIN_NAME(mremap)(void *at, size_t old_size, size_t new_size, int flags,
			    void *to)
{
	uint64_t stamp = stamp_before();
	void *p = tr_real.mremap(at, old_size, new_size, flags, to);
	if (p == FAILED)
		return p;
	struct range old = range_of(at, old_size), new = range_of(p, new_size);
	struct range gone = released(old, new, flags);
	if (gone.length)
		record(HS_WIRE_MAP_RELEASE, gone, 0, 0, stamp, TR_PLAIN_FRAME());
	record(HS_WIRE_MAP_MREMAP, new, 0, flags, 0, TR_PLAIN_FRAME());
	return p;
}
