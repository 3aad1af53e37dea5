/* SPDX-License-Identifier: MIT */

/*
 * Progress on stderr: a bar, when stderr is a terminal and the work has taken
 * longer than a second.  Nothing otherwise, so that logs stay clean.
 */
#ifndef HS_PROGRESS_H
#define HS_PROGRESS_H

#include "src/base.h"

/* Progress is off until this was called with true. */
void hs_progress_enable(bool on);

/* What is being done now: "reading myserver.4242".  Copied, cut where too long. */
void hs_progress_task(const char *format, ...) HS_PRINTF(1, 2);

/* DONE of TOTAL; cheap, call it often.  CONTEXT is ignored. */
void hs_progress(void *context, size_t done, size_t total);

/* Take the bar off the line, if it is there. */
void hs_progress_clear(void);

#endif /* HS_PROGRESS_H */
