/* SPDX-License-Identifier: MIT */

/* Sizes and times as people write them; the same in every locale. */
#ifndef HS_UNITS_H
#define HS_UNITS_H

#include "src/base.h"

/* "512k", "1MiB", "2GB", "4096": always powers of 1024.  False if it is none. */
bool hs_parse_size(const char *text, uint64_t *bytes_ret);

/* "250ms", "1s", "1.5m", "2h", "1d", "10" (seconds).  False if it is none. */
bool hs_parse_time(const char *text, uint64_t *ns_ret);

#endif /* HS_UNITS_H */
