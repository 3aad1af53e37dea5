/* SPDX-License-Identifier: MIT */

/*
 * Forks: their moments are events of the parent's log, and the child's capture
 * names its own, so that readers know which blocks it inherited.
 */
#ifndef TR_FORK_H
#define TR_FORK_H

#include "src/tracker/stream.h"

/* Once, early: other handlers of the program may allocate before and after ours. */
TR_HIDDEN void tr_fork_watch(void);

/* In a forked child: the stamp of its FORK in the parent's log, or 0; once. */
TR_HIDDEN uint64_t tr_fork_take_stamp(void);

#endif /* TR_FORK_H */
