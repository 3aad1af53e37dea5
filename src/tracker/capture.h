/* SPDX-License-Identifier: MIT */

/*
 * The capture file as the tracker sees it: the header page and room for
 * chunks.  Every page is allocated on disk before it is touched.
 */
#ifndef TR_CAPTURE_H
#define TR_CAPTURE_H

#include "src/tracker/sys.h"
#include "src/wire.h"

/* The header page of this process's capture; NULL until it is open. */
extern TR_HIDDEN struct hs_wire_header *tr_header;

/*
 * Create the capture of this process; see identity.c for its name and the
 * header's content.  FLAGS: HS_WIRE_FORKED, HS_WIRE_ATTACHED.  Returns false if that
 * cannot be done: the process is then not recorded.  Called once per process image and
 * after a fork.
 */
TR_HIDDEN bool tr_capture_open(uint32_t flags);

/* This forked child has no capture: what it counts must not go to its parent's. */
TR_HIDDEN void tr_capture_leave(void);

/*
 * A fresh events section of PAGES pages, header zeroed except for `section`,
 * not yet published.  NULL when there is no room; later calls may succeed.
 */
TR_HIDDEN struct hs_wire_chunk *tr_capture_carve(uint32_t pages);

/* Counters for one thread, or NULL where there is no room; nobody gives them back. */
TR_HIDDEN struct hs_wire_counters *tr_capture_counters(void);

/*
 * The process may soon be unable to open the file again: reserve as much of it as
 * a thread needs whose chunks the recorder takes away.
 */
TR_HIDDEN void tr_capture_reserve(void);

/* Make CHUNK known to the recorder; its header is complete by now. */
TR_HIDDEN void tr_capture_publish(struct hs_wire_chunk *chunk);

/* Is the recorder taking chunks away? */
static inline bool tr_capture_drained(void)
{
	return __atomic_load_n(&tr_header->recorder_pid, __ATOMIC_RELAXED) != 0;
}

/* The stamp of this moment. */
extern TR_HIDDEN bool tr_clock_is_tsc;
static inline uint64_t tr_stamp(void)
{
	if (TR_LIKELY(tr_clock_is_tsc))
		return hs_counter();
	return __atomic_add_fetch(&tr_header->sequence, 1, __ATOMIC_SEQ_CST);
}

/*
 * The program wants the counter to itself or to nobody (PR_SET_TSC): stamps go
 * on as mere numbers from where it stands.
 */
TR_HIDDEN void tr_clock_leave_tsc(void);

/* Count an event that could not be recorded. */
static inline void tr_count_lost(void)
{
	if (tr_header)
		__atomic_fetch_add(&tr_header->lost_events, 1, __ATOMIC_RELAXED);
}

#endif /* TR_CAPTURE_H */
