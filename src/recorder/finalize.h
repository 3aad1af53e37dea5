/* SPDX-License-Identifier: MIT */

/*
 * The end of a capture: the file is written anew, without the pages that the
 * tracker and the recorder needed while it grew, and takes the old one's
 * place.  Whoever is killed at whatever moment leaves one or the other.
 */
#ifndef RC_FINALIZE_H
#define RC_FINALIZE_H

#include <sys/types.h>

#include "src/base.h"

struct hs_capture;
struct rc_end;

/*
 * Rewrite NAME in DIR_FD, if it is still the file INODE.  After an error the
 * original is untouched.
 */
HS_MUST_USE struct hs_error *rc_finalize(int dir_fd, const char *name, ino_t inode,
					 const struct rc_end *end);

/* Would a file that is made of C lack something, and not tell? */
bool rc_is_damaged(const struct hs_capture *c);

#endif /* RC_FINALIZE_H */
