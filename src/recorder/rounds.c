/* SPDX-License-Identifier: MIT */

/*
 * Rounds of all targets: children of ours fold what was recorded so far while
 * the programs go on.  A child keeps our lock on the directory as long as it
 * lives, so no other recorder meets its half-written checkpoint.
 */
#include <sys/epoll.h>

#include "src/recorder/recorder.h"
#include "src/recorder/round.h"

/* Each may need as much memory as its target has live blocks. */
#define AT_ONCE 2u

static void prepare(struct rc_target *t, void *arg)
{
	*(struct hs_error **)arg = rc_round_prepare(t);
}

static void finish(struct rc_target *t, void *arg)
{
	*(struct hs_error **)arg = rc_round_finish(t);
}

/* Returns false if the target had to be dropped, or FN failed. */
static bool serve(struct rc_recorder *rc, struct rc_target *t,
		  void (*fn)(struct rc_target *, void *))
{
	struct hs_error *err = NULL;
	if (!rc_target_guarded(t, fn, &err)) {
		rc_targets_lose(rc, t);
		return false;
	}
	if (!err)
		return true;
	rc_targets_complain(rc, t, hs_error_message(err));
	hs_error_free(err);
	return false;
}

static void start(struct rc_recorder *rc, struct rc_target *t)
{
	if (!serve(rc, t, prepare))
		return;
	if (rc_round_fork(t))
		rc_poll_add(rc, t->round.pipe_fd, RC_ROUND, t->id, EPOLLIN);
	else
		(void)serve(rc, t, finish);
}

void rc_rounds_start(struct rc_recorder *rc, uint64_t now)
{
	size_t running = 0;
	for (size_t i = 0; i < rc->targets.n; i++)
		running += rc->targets.at[i]->round.pid != 0;
	for (size_t i = rc->targets.n; i-- > 0 && running < AT_ONCE;) {
		struct rc_target *t = rc->targets.at[i];
		if (t->state != RC_ALIVE || t->scanning || !rc_round_due(t, now))
			continue;
		start(rc, t);
		running++;
	}
}

void rc_rounds_hear(struct rc_recorder *rc, uint64_t id)
{
	struct rc_target *t = rc_targets_find(rc, id);
	if (!t || !t->round.pid || rc_round_hear(t))
		return;
	rc_poll_remove(rc, t->round.pipe_fd);
	(void)serve(rc, t, finish);
}
