/* SPDX-License-Identifier: MIT */

/* Captures of ended processes: told to their run, and left as they are. */
#include <stdio.h>

#include "src/recorder/recorder.h"

static void report(struct rc_recorder *rc, struct rc_target *t, const char *why)
{
	struct rc_message m = {.kind = RC_FINALIZED, .pid = (uint32_t)t->pid};
	snprintf(m.name, sizeof(m.name), "%s", t->name);
	snprintf(m.text, sizeof(m.text), "%s", why);
	rc_peers_tell(rc, t->peer, &m);
	rc_targets_drop(rc, t);
}

void rc_writers_start(struct rc_recorder *rc)
{
	for (size_t i = rc->targets.n; i-- > 0;)
		if (rc->targets.at[i]->state == RC_DEAD)
			report(rc, rc->targets.at[i], "");
}
