/* SPDX-License-Identifier: MIT */

/*
 * The tracker's chunks: full ones become PIECE records, and at a barrier all
 * that is committed in any of them is told.
 */
#ifndef RC_CHUNKS_H
#define RC_CHUNKS_H

#include "src/array.h"
#include "src/base.h"

struct rc_target;

/* So much of the chunk at PAGE belongs to a stream's log before a barrier. */
struct rc_reach {
	uint64_t page;
	uint32_t pages;
	uint32_t length; /* of its events */
	uint32_t stream, sequence;
	bool closed; /* that is all of it */
};

struct rc_reaches {
	HS_ARRAY(struct rc_reach) at;
};

/*
 * Copy every closed chunk of T and give it back to its thread.  Adds the
 * number of chunks copied to *COPIED.  Touches mapped memory: call it under
 * rc_target_guarded().  After an error the rest is as it was.
 */
HS_MUST_USE struct hs_error *rc_drain(struct rc_target *t, size_t *copied);

/*
 * All that is committed now in chunks which were not copied yet.  With the
 * PIECEs they are a prefix of each stream's log, which holds every event that
 * was committed before the call; there may be a little more.  They are good
 * until the next drain.  Touches mapped memory, too.
 */
HS_MUST_USE struct hs_error *rc_barrier(struct rc_target *t, struct rc_reaches *ret);

/*
 * What REACHES told is in the file now, if not as PIECEs: give back the chunks
 * which hold nothing else.  Touches mapped memory, too.
 */
void rc_give_back(struct rc_target *t, const struct rc_reaches *reaches);

#endif /* RC_CHUNKS_H */
