/* SPDX-License-Identifier: MIT */

/*
 * The unwinder: from a call to the return addresses above it.
 *
 * It knows .eh_frame and the memory of the running thread.  It knows neither
 * modules, symbols, stack ids nor events.  Everything here takes no lock,
 * allocates nothing from a heap, is async-signal-safe and leaves errno alone.
 */
#ifndef TR_UNWIND_H
#define TR_UNWIND_H

#include <stddef.h>
#include <stdint.h>

struct dl_find_object;

/*
 * Walk the stack from the call whose return address lies at *SLOT, where the
 * caller's frame pointer register was FP.  Write return addresses, innermost
 * first (pcs[0] is *SLOT), at most ROOM, and return their number.  A pc that a
 * signal interrupted is written plus 1: like a return address it has the
 * instruction that matters before it.  Set in *FLAGS_RET, which is not cleared:
 *
 *      HS_WIRE_STACK_CUT      older frames are missing
 *      HS_WIRE_STACK_GUESSED  frame pointers were followed in code without CFI
 */
size_t tr_unwind(const uint64_t *slot, uint64_t fp, uint64_t *pcs, size_t room,
		 uint32_t *flags_ret);

#define TR_SHAPE_FRAMES 64u

/* How the innermost frames of a walk led to their callers.  Zeroed: nothing known. */
struct tr_shape {
	uint16_t rules[TR_SHAPE_FRAMES];
};

/*
 * The same, faster where the stack is built like the last one that was walked with
 * SHAPE, whatever that was: SHAPE changes no result, and anybody may write to it.
 */
size_t tr_unwind_alike(const uint64_t *slot, uint64_t fp, struct tr_shape *shape,
		       uint64_t *pcs, size_t room, uint32_t *flags_ret);

/*
 * Forget all cached rows, since code was unloaded (call after the dlclose) or
 * the process forked.  May run while other threads unwind.
 */
void tr_unwind_forget(void);

/*
 * Provided by the rest of the tracker: OBJECT holds the code of a pc which was
 * seen for the first time (or again after tr_unwind_forget).  Called from
 * within tr_unwind, so it must obey the same rules.
 */
void tr_module_seen(const struct dl_find_object *object);

#endif /* TR_UNWIND_H */
