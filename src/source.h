/* SPDX-License-Identifier: MIT */

/*
 * An input file read from its beginning to its end, through a window of
 * bounded size: for files of many gigabytes.  Packed files are unpacked on
 * the way.
 */
#ifndef HS_SOURCE_H
#define HS_SOURCE_H

#include "src/cursor.h"

struct hs_source;

/*
 * Open PATH for reading, under the rules of hs_file_open(); nothing bounds
 * what a packed file unpacks to.
 */
HS_MUST_USE struct hs_error *hs_source_open(const char *path, struct hs_source **ret);
void hs_source_close(struct hs_source *source); /* accepts NULL */

/* The cursor over it: there is one, and its first window holds HS_PROBE_SIZE
 * bytes, if the file does. */
struct hs_cursor *hs_source_cursor(struct hs_source *source);

/* Is the file packed, so that the cursor's bytes are not its own? */
bool hs_source_packed(const struct hs_source *source);

/* So far: the packed file is damaged or ended early, and its prefix is all. */
bool hs_source_truncated(const struct hs_source *source);

#endif /* HS_SOURCE_H */
