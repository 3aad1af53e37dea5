/* SPDX-License-Identifier: MIT */

/* Who this process is: the capture's name, its header and the environment. */
#ifndef TR_IDENTITY_H
#define TR_IDENTITY_H

#include "src/tracker/sys.h"
#include "src/wire.h"

/* Read the environment; once, before all else. */
TR_HIDDEN void tr_identity_settings(void);

/*
 * Put together what names the capture: the folder, the process's name and pid; make
 * the folder.  PARENT_ID: the capture this process was forked from, or NULL.
 */
TR_HIDDEN void tr_identity_start(const uint8_t *parent_id);

/* The folder, absolute. */
TR_HIDDEN const char *tr_identity_dir(void);

/* DIR/NAME.PID.hsnap; the ATTEMPT-th (from 0) name to try. */
TR_HIDDEN void tr_identity_path(char *path, size_t size, unsigned attempt);

/* HEAPSNAP_MAX_DISK in bytes. */
TR_HIDDEN uint64_t tr_identity_max_disk(void);

/* Another malloc comes before ours: this capture and those of children tell so. */
TR_HIDDEN void tr_identity_outrun(void);

/* Fill the header page; FLAGS are HS_WIRE_*; the magic goes last. */
TR_HIDDEN void tr_identity_fill(struct hs_wire_header *h, uint32_t flags);

#endif /* TR_IDENTITY_H */
