/* SPDX-License-Identifier: MIT */

/*
 * Files that appear whole or not at all: bytes go to a temporary file beside
 * the target, which takes its name when everything was written.  "-" is
 * stdout; pipes and devices are written directly.
 */
#ifndef HS_OUTPUT_H
#define HS_OUTPUT_H

#include "src/out.h"

struct hs_output {
	struct hs_out out; /* write here */
	char *path;        /* the file that shall appear */
	char *temporary;   /* or NULL: written directly */
	int fd;
};

/* PATH is one that the user gave: links are followed. */
HS_MUST_USE struct hs_error *hs_output_open(const char *path, struct hs_output *ret);

/*
 * PATH is a name that we chose, in a directory where others may write: a link
 * of that name is replaced and not followed, and anything but a file is refused.
 */
HS_MUST_USE struct hs_error *hs_output_create(const char *path, struct hs_output *ret);

/* Finish and give the file its name.  On error nothing of it is left. */
HS_MUST_USE struct hs_error *hs_output_close(struct hs_output *o);

/* Leave no file; what was there before stays. */
void hs_output_discard(struct hs_output *o);

/* DIR/NAME, malloc'ed. */
char *hs_path_join(const char *dir, const char *name);

/* PATH without the last part; "." if it has none; malloc'ed. */
char *hs_path_dir(const char *path);

#endif /* HS_OUTPUT_H */
