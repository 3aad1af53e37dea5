/* SPDX-License-Identifier: MIT */

/* What the whole process shares: whether we record, since when, in which epoch. */
#ifndef TR_STATE_H
#define TR_STATE_H

#include "src/tracker/sys.h"

enum tr_state {
	TR_UNBORN,   /* no hook was called yet */
	TR_WAITING,  /* not selected (yet): see select.h */
	TR_STARTING, /* one thread opens the capture; others go unrecorded */
	TR_ON,
	TR_DEAD, /* the capture could not be opened: hooks only pass calls on */
};

extern TR_HIDDEN enum tr_state tr_state; /* atomic */
extern TR_HIDDEN bool tr_many_streams;   /* stamps are needed from now on */
extern TR_HIDDEN uint32_t tr_epoch;      /* how often code was unloaded */
extern TR_HIDDEN uint32_t tr_pid;        /* the process that opened the capture */

/* Are we recording, or is it time to try to? */
TR_HIDDEN bool tr_may_start(void);

/* Open the capture if that has not been tried; true when recording. */
TR_HIDDEN bool tr_start(void);

/* This is a forked child: begin a capture of its own.  True when recording. */
TR_HIDDEN bool tr_start_forked(void);

#endif /* TR_STATE_H */
