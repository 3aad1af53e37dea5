/* SPDX-License-Identifier: MIT */

/*
 * What a thread remembers of its stacks: a trail (trail.h) once it allocates at
 * all often, a memo (memo.h) once it is busy, as long as there are any: so a
 * thread that does little costs nothing, and many busy ones a bounded sum.
 */
#ifndef TR_RECALL_H
#define TR_RECALL_H

#include "src/tracker/memo.h"
#include "src/tracker/stream.h"

/* S had to walk: see whether it has earned more memory.  S->trail may be NULL after. */
TR_HIDDEN void tr_recall_grow(struct tr_stream *s);

/*
 * Somebody is inside S who may come back, and go on writing: leave everything
 * to him.  S gets something new, but not again and again.
 */
TR_HIDDEN void tr_recall_leave(struct tr_stream *s);

/* S serves another thread from now on. */
TR_HIDDEN void tr_recall_change_thread(struct tr_stream *s);

/* This is a forked child, whose streams are zeroed. */
TR_HIDDEN void tr_recall_restart(void);

#endif /* TR_RECALL_H */
