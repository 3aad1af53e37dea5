/* SPDX-License-Identifier: MIT */

/* Bytes on their way out, packed with gzip.  Same bytes in, same bytes out: no date. */
#ifndef HS_GZIP_H
#define HS_GZIP_H

#include "src/out.h"

struct hs_gzip;

/* Packs into TO, which is borrowed. */
struct hs_gzip *hs_gzip_new(struct hs_out *to);
void hs_gzip_put(struct hs_gzip *gzip, const void *data, size_t size);

/* Write the end; frees GZIP. */
void hs_gzip_finish(struct hs_gzip *gzip);

#endif /* HS_GZIP_H */
