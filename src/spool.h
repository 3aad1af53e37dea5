/* SPDX-License-Identifier: MIT */

/*
 * A packed file, unpacked into a file without a name that is mapped: for cores,
 * which are larger than the memory, and mostly zeros.  Pages of zeros become
 * holes, which cost neither disk nor memory.
 */
#ifndef HS_SPOOL_H
#define HS_SPOOL_H

#include "src/base.h"

struct hs_file;
struct hs_source;

/*
 * Unpack SOURCE, of which nothing was read yet, into FOLDER, up to half of the
 * room there.  A damaged file yields its good prefix and sets truncated.
 */
HS_MUST_USE struct hs_error *hs_spool(struct hs_source *source, const char *folder,
				      struct hs_file *ret);

/* A file without a name in FOLDER; it goes when it is closed. */
HS_MUST_USE struct hs_error *hs_spool_file(const char *folder, int *fd_ret);

#endif /* HS_SPOOL_H */
