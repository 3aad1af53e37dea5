/* SPDX-License-Identifier: MIT */

/* Writing pprof's profile.proto. */
#ifndef HS_PPROF_WRITE_H
#define HS_PPROF_WRITE_H

#include "src/base.h"

struct hs_out;
struct hs_report;

struct hs_error *hs_pprof_check(const struct hs_report *report);
void hs_pprof_write(const struct hs_report *report, struct hs_out *out);

#endif /* HS_PPROF_WRITE_H */
