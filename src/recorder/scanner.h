/* SPDX-License-Identifier: MIT */

/*
 * A scan of one target, in a child of the recorder: its threads are stopped, its log
 * is folded up to that moment, its memory read, and it goes on.
 */
#ifndef RC_SCANNER_H
#define RC_SCANNER_H

#include "src/base.h"

struct rc_target;

struct rc_scanner {
	struct rc_target *target;
	int said_fd;   /* gets a byte when the log has been copied: it may go on */
	int result_fd; /* gets records: u32 tag, u32 length, payload */
	int asker_fd;  /* gets a byte when the process may go on; or -1 */
	bool at_exit;
	uint64_t limit_ns;
};

/* Ends with the process that calls it. */
void rc_scanner_run(const struct rc_scanner *s);

/* Append to the target's capture what RESULT_FD holds.  Touches mapped memory. */
HS_MUST_USE struct hs_error *rc_scanner_append(struct rc_target *t, int result_fd);

#endif /* RC_SCANNER_H */
