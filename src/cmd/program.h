/* SPDX-License-Identifier: MIT */

/*
 * Will the tracker work in this program?  Looked at before anything is
 * started, so that the answer is a sentence and not an empty directory.
 */
#ifndef HS_PROGRAM_H
#define HS_PROGRAM_H

#include "src/base.h"

struct hs_program {
	char *path;     /* what to execute */
	bool sanitizer; /* it needs AddressSanitizer's library */
};

/* Find NAME as execvp(3) does, and look at it and at its interpreters. */
HS_MUST_USE struct hs_error *hs_program_find(const char *name, struct hs_program *ret);
void hs_program_deinit(struct hs_program *program);

/*
 * HEAPSNAP_DIR's %n, %h and %p as one directory for the whole run of the
 * program PATH: its name, the host's, our own pid.  The caller frees.
 */
char *hs_expand_dir(const char *pattern, const char *path);

/*
 * Make DIR, which may exist, and see that files can be made in it and have
 * room.  Returns its absolute path, owned by the caller.
 */
HS_MUST_USE struct hs_error *hs_output_dir(const char *dir, char **ret);

#endif /* HS_PROGRAM_H */
