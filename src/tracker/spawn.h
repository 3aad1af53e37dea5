/* SPDX-License-Identifier: MIT */

/* Starting the recorder from within a program that nobody wrapped. */
#ifndef TR_SPAWN_H
#define TR_SPAWN_H

#include "src/tracker/sys.h"

/* Read the environment; once. */
TR_HIDDEN void tr_spawn_settings(void);

/*
 * If no recorder keeps the folder DIR (absolute), start one.  It is no child
 * of the program, holds none of its descriptors, and the program hears nothing
 * of it.  Where that fails, or HEAPSNAP_RECORDER says "none", the capture is a
 * plain log.
 */
TR_HIDDEN void tr_spawn_recorder(const char *dir);

#endif /* TR_SPAWN_H */
