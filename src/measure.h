/* SPDX-License-Identifier: MIT */

/*
 * Measures: by which of a site's figures its stack is weighed.  The words are
 * those of `heapsnap export --by`.
 */
#ifndef HS_MEASURE_H
#define HS_MEASURE_H

#include "src/profile.h"

enum hs_measure {
	HS_MEASURE_PEAK,   /* bytes that were live at the highest point */
	HS_MEASURE_LEAKED, /* bytes that are live at the end */
	HS_MEASURE_ALLOCATED,
	HS_MEASURE_ALLOCATIONS, /* counts, as is the next */
	HS_MEASURE_TEMPORARY,
	HS_MEASURES,
};

struct hs_amount {
	uint64_t blocks, bytes; /* 0 where they are not known */
};

const char *hs_measure_name(enum hs_measure measure);

/* False if NAME is none. */
bool hs_measure_by_name(const char *name, enum hs_measure *ret);

/* "bytes live at the peak" ... */
const char *hs_measure_phrase(enum hs_measure measure);

/* Are values of MEASURE counts of blocks, not bytes? */
bool hs_measure_counts(enum hs_measure measure);

/* Does PROFILE know it?  What it does not know is 0 in its sites. */
bool hs_measure_known(const struct hs_profile *profile, enum hs_measure measure);

/* Both sides of it, and the one that counts. */
struct hs_amount hs_measure_amount(const struct hs_site *site, enum hs_measure measure);
uint64_t hs_measure_value(const struct hs_site *site, enum hs_measure measure);

#endif /* HS_MEASURE_H */
