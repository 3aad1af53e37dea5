/* SPDX-License-Identifier: MIT */

/*
 * A living process as an image.  Its threads are stopped together, for as long
 * as it takes to copy their registers and stacks, and then go on; other memory
 * is read later, while the process runs.
 */
#ifndef HS_LIVE_H
#define HS_LIVE_H

#include <sys/types.h>

#include "src/base.h"

struct hs_image;
struct hs_stopper;

/* On failure the error says what forbids it, and the remedy. */
HS_MUST_USE struct hs_error *hs_live_open(pid_t pid, struct hs_image **ret);

/*
 * The same of one whose threads STOPPER has stopped, and which it will let go on:
 * until then memory is what it is now.
 */
HS_MUST_USE struct hs_error *hs_live_open_stopped(pid_t pid,
						  const struct hs_stopper *stopper,
						  struct hs_image **ret);

#endif /* HS_LIVE_H */
