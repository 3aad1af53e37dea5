/* SPDX-License-Identifier: MIT */

/*
 * The scan at the end: while the process still exists, its recorder looks which
 * blocks are still held.
 */
#ifndef TR_SCAN_H
#define TR_SCAN_H

#include "src/tracker/sys.h"

TR_HIDDEN void tr_scan_settings(void);

/*
 * The process is about to end, by itself: ask for a scan, and wait for it, as long as
 * HEAPSNAP_SCAN says.  Once in a process; does nothing where nobody records.
 */
TR_HIDDEN void tr_scan_ending(void);

/* The program puts itself under a seccomp filter: it may forbid what we would do. */
TR_HIDDEN void tr_scan_never(void);

#endif /* TR_SCAN_H */
