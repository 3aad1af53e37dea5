/* SPDX-License-Identifier: MIT */

/* The totals of a capture, as the reader of captures finds them. */
#ifndef HS_READTOTALS_H
#define HS_READTOTALS_H

#include "tests/lib/fakecapture.h"

struct hs_profile;

/* Read PATH to a sealed profile; the caller frees it.  Fails the test if it cannot. */
struct hs_profile *read_profile(const char *path);

struct fake_truth read_totals(const char *path);

#endif /* HS_READTOTALS_H */
