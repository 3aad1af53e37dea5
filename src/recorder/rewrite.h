/* SPDX-License-Identifier: MIT */

/* The contents of a final capture, and of a checkpoint. */
#ifndef RC_REWRITE_H
#define RC_REWRITE_H

#include "src/base.h"

struct hs_capture;
struct rc_end;

/*
 * Write C, whose process ended as END says, to the empty file FD: its log if
 * it asks for that (HS_WIRE_KEEP_LOG), else what the log folds to.  Reads all
 * events of C.
 */
HS_MUST_USE struct hs_error *rc_rewrite(int fd, struct hs_capture *c,
					const struct rc_end *end);

/*
 * Fold C, which was opened by hs_capture_open_until() with HORIZON, and put a
 * checkpoint of it to OUT: all that its sections told so far.
 */
struct rc_sections;
void rc_put_checkpoint(struct rc_sections *out, struct hs_capture *c, uint64_t horizon);

#endif /* RC_REWRITE_H */
