/* SPDX-License-Identifier: MIT */

/*
 * Running the program as if nobody stood between it and the shell: its
 * signals, descriptors and terminal are those that we were given.
 */
#ifndef HS_LAUNCH_H
#define HS_LAUNCH_H

#include <signal.h>
#include <sys/types.h>

#include "src/base.h"

struct hs_launch {
	pid_t pid;
	int signal_fd;
	sigset_t mask;               /* what we were started with */
	struct sigaction actions[4]; /* likewise, of SIGINT, QUIT, PIPE, CHLD */
};

struct hs_environment {
	const char *name, *value;
};

/*
 * Start PATH with ARGV and the environment, in which ENV (ends with a NULL
 * name) replaces what was there.  From here on signals to us go to it.
 */
HS_MUST_USE struct hs_error *hs_launch(const char *path, char *const *argv,
				       const struct hs_environment *env,
				       struct hs_launch *ret);

/* Call it when signal_fd is readable.  True when the program has ended. */
bool hs_launch_signalled(struct hs_launch *l);

/* How it ended; it stays a zombie. */
void hs_launch_look(const struct hs_launch *l, siginfo_t *ret);

/* Let the zombie go, and take signals for ourselves again. */
void hs_launch_reap(struct hs_launch *l);

#endif /* HS_LAUNCH_H */
