/* SPDX-License-Identifier: MIT */

/* Threads' and the process's end, as far as the tracker hears of them. */
#ifndef TR_LIFE_H
#define TR_LIFE_H

#include "src/tracker/stream.h"

/* Have S retired when the calling thread ends. */
TR_HIDDEN void tr_life_watch_thread(struct tr_stream *s);

/* The process is about to end with CODE; KIND is an enum hs_wire_exit. */
TR_HIDDEN void tr_life_exiting(uint32_t kind, int code);

/* Are there streams of this very process?  Not in a child that has just forked. */
TR_HIDDEN bool tr_streams_alive(void);

/* Streams' common memory; see stream.c. */
TR_HIDDEN bool tr_streams_start(bool *wiped_ret);

#endif /* TR_LIFE_H */
