/* SPDX-License-Identifier: MIT */

/*
 * Whose core is it?  Reads a core as a stream, once and forwards, so that a packed
 * one is not stored anywhere: the notes, which are at its beginning, and the 16 bytes
 * at AT_RANDOM.
 */
#ifndef HS_COREPEEK_H
#define HS_COREPEEK_H

#include "src/base.h"

struct hs_cursor;

/*
 * True if IN, of which nothing was read yet, is a core of process PID, and RET has its
 * random bytes.  Reads at most MAX bytes; of a core of another process only the notes.
 */
bool hs_core_peek(struct hs_cursor *in, uint32_t pid, uint64_t max, uint8_t ret[16]);

#endif /* HS_COREPEEK_H */
