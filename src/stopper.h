/* SPDX-License-Identifier: MIT */

/*
 * Stopping all threads of a process by ptrace(2), and letting them go on as if
 * nothing had been: signals that arrived meanwhile are delivered.
 */
#ifndef HS_STOPPER_H
#define HS_STOPPER_H

#include <sys/types.h>

#include "src/array.h"
#include "src/hash.h"

struct hs_stopped {
	pid_t tid;
	int signal;   /* to be delivered when it goes on */
	bool stopped; /* or it ended meanwhile */
};

struct hs_stopper {
	pid_t pid;
	HS_ARRAY(struct hs_stopped) threads;
	struct hs_map known; /* tids of those */
};

/* On failure nothing is stopped any more. */
HS_MUST_USE struct hs_error *hs_stopper_stop(pid_t pid, struct hs_stopper *ret);

/* Let all go on; deinits S. */
void hs_stopper_release(struct hs_stopper *s);

#endif /* HS_STOPPER_H */
