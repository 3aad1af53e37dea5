/* SPDX-License-Identifier: MIT */

/*
 * Selection: is this process one of those that HEAPSNAP_MODULES names?
 * Services name their workers late, so the answer may change.
 */
#ifndef TR_SELECT_H
#define TR_SELECT_H

#include "src/tracker/sys.h"

/* The names to look for, comma-separated; NULL or "": every process. */
TR_HIDDEN void tr_select_start(const char *names);

/* Does one of this process's present names fit?  If so it becomes its name. */
TR_HIDDEN bool tr_selected(void);

/*
 * The name that fitted, or the process's first argument's base name, or its
 * executable's.  Good until the next tr_selected().
 */
TR_HIDDEN const char *tr_process_name(void);

/*
 * For a process that is not selected, where tr_asleep() says that there may be
 * something to do: is it time to look again?  About 20 times a second.
 */
TR_HIDDEN bool tr_select_due(void);

/* The process was renamed: look again at the next hook. */
TR_HIDDEN void tr_select_renamed(void);

/* Does NAME, or NAME up to a ':' or '.', equal PATTERN of N bytes?  For tests. */
TR_HIDDEN bool tr_name_fits(const char *name, const char *pattern, size_t n);

#endif /* TR_SELECT_H */
