/* SPDX-License-Identifier: MIT */

/*
 * A round: the log of one target, as far as it has come, is replaced by a
 * checkpoint, while the target runs and its log goes on.
 *
 *      rc_round_prepare()      up to where; later records go to a new generation
 *      rc_round_fork()         a child copies that, folds it, writes
 *      rc_round_hear()         it has copied: chunks may be drained again;
 *                              it is done
 *      rc_round_finish()       the checkpoint counts; what it replaces is freed
 *
 * Whoever is killed at whatever moment leaves the file as good as before or
 * with the new checkpoint.  A child that fails leaves the log longer.
 */
#ifndef RC_ROUND_H
#define RC_ROUND_H

#include <sys/types.h>

#include "src/recorder/chunks.h"
#include "src/recorder/pages.h"

struct rc_target;

struct rc_round {
	pid_t pid; /* of the child at work, or 0 */
	int pipe_fd;
	bool copying; /* no chunk may be given back */
	uint64_t horizon, end_page;
	struct rc_reaches reaches;
	struct rc_pages lent; /* set aside for the next child, or in its hands */
	char text[200];       /* what went wrong */

	unsigned finished;      /* rounds that succeeded */
	unsigned failures;      /* since then */
	uint64_t not_before_ns; /* the next one */
};

/* Is T's log long enough, and no child at work on it? */
bool rc_round_due(const struct rc_target *t, uint64_t now_ns);

/* Touches mapped memory: call it under rc_target_guarded(). */
HS_MUST_USE struct hs_error *rc_round_prepare(struct rc_target *t);

/*
 * Not under rc_target_guarded(): the child has ways of its own to fail.  False
 * where no process can be started: then finish.
 */
HS_MUST_USE bool rc_round_fork(struct rc_target *t);

/* The child's pipe can be read.  Returns false when it has ended. */
HS_MUST_USE bool rc_round_hear(struct rc_target *t);

/*
 * After its end.  An error is the child's: the file is as good as before, and
 * there will be another round.  Touches mapped memory.
 */
HS_MUST_USE struct hs_error *rc_round_finish(struct rc_target *t);

/* Kill the child, if there is one. */
void rc_round_stop(struct rc_target *t);

#endif /* RC_ROUND_H */
