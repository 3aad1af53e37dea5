/* SPDX-License-Identifier: MIT */

/* Writing massif's files. */
#ifndef HS_MASSIF_WRITE_H
#define HS_MASSIF_WRITE_H

#include "src/base.h"

struct hs_out;
struct hs_report;

struct hs_error *hs_massif_check(const struct hs_report *report);
void hs_massif_write(const struct hs_report *report, struct hs_out *out);

#endif /* HS_MASSIF_WRITE_H */
