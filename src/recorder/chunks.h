/* SPDX-License-Identifier: MIT */

/* Draining: full chunks of the tracker's log become PIECE records. */
#ifndef RC_CHUNKS_H
#define RC_CHUNKS_H

#include "src/base.h"

struct rc_target;

/*
 * Copy every closed chunk of T and give it back to its thread.  Adds the
 * number of chunks copied to *COPIED.  Touches mapped memory: call it under
 * rc_target_guarded().  After an error the rest is as it was.
 */
HS_MUST_USE struct hs_error *rc_drain(struct rc_target *t, size_t *copied);

#endif /* RC_CHUNKS_H */
