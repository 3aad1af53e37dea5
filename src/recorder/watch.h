/* SPDX-License-Identifier: MIT */

/*
 * Watching a target from outside: snapshots of its memory, which also tie its
 * clock to the time of day, the names of its threads, its mappings.
 */
#ifndef RC_WATCH_H
#define RC_WATCH_H

#include "src/base.h"

struct rc_target;

/*
 * Append a SNAPSHOT, and what else changed since the last one.  Touches
 * mapped memory: call it under rc_target_guarded().
 */
HS_MUST_USE struct hs_error *rc_watch_snapshot(struct rc_target *t);

/* Append an ENDED with what is known of the target's end; likewise. */
HS_MUST_USE struct hs_error *rc_watch_end(struct rc_target *t);

/* Is the target's process alive?  A zombie is not. */
bool rc_watch_alive(const struct rc_target *t);

#endif /* RC_WATCH_H */
