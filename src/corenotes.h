/* SPDX-License-Identifier: MIT */

/*
 * The notes of a core: threads and their registers, the signal, mapped files,
 * the auxiliary vector.  Layouts are those of the kernel for x86-64 and
 * AArch64, which gdb's gcore writes, too.
 */
#ifndef HS_CORENOTES_H
#define HS_CORENOTES_H

#include "src/image.h"

struct hs_cursor;

/*
 * Read the notes in IN to IMAGE, whose machine is set.  Notes that are cut off
 * or damaged are read as far as they go; returns whether that was to the end.
 */
bool hs_corenotes_read(struct hs_cursor *in, struct hs_image *image);

/* General registers as notes and ptrace(2) have them (NT_PRSTATUS). */
bool hs_corenotes_registers(struct hs_cursor *in, struct hs_image_thread *ret,
			    enum hs_machine machine);

/* An auxiliary vector, as a note or as /proc/PID/auxv. */
void hs_corenotes_auxv(struct hs_cursor *in, struct hs_image *image);

#endif /* HS_CORENOTES_H */
