/* SPDX-License-Identifier: MIT */

/*
 * What the kernel gave the process at its start: arguments, environment, the
 * auxiliary vector.  Read where the kernel put it, since hooks may be called
 * before libc knows of it.  A program may write over the strings later.
 */
#ifndef TR_INITIAL_H
#define TR_INITIAL_H

#include "src/tracker/sys.h"

TR_HIDDEN char **tr_argv(void);

/* The value of the variable NAME, or NULL. */
TR_HIDDEN const char *tr_env(const char *name);

/* The whole entry that begins with PREFIX ("NAME="), or NULL. */
TR_HIDDEN char *tr_env_entry(const char *prefix);

/* Bytes of a page of this kernel's, a power of 2, at least 4096. */
TR_HIDDEN uint64_t tr_page_size(void);

/* The 16 random bytes of AT_RANDOM; untouched where there are none. */
TR_HIDDEN void tr_at_random(uint8_t ret[16]);

#endif /* TR_INITIAL_H */
