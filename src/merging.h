/* SPDX-License-Identifier: MIT */

/*
 * Adding up profiles: their sites become those of one, stack by stack, and each may be
 * freed as soon as it was added.  What remains grows with the stacks that differ.
 * Modules are the same by path and build-id, wherever they were mapped.
 */
#ifndef HS_MERGING_H
#define HS_MERGING_H

#include "src/profile.h"

struct hs_merging;

struct hs_merging *hs_merging_new(void);
void hs_merging_free(struct hs_merging *m); /* accepts NULL */

/* PROFILE has its names already. */
void hs_merging_add(struct hs_merging *m, const struct hs_profile *profile);

/*
 * All that was added; frees M.  What one of them did not tell, the sum does not; peaks
 * are not added, as they were not at the same time.
 */
struct hs_profile *hs_merging_seal(struct hs_merging *m);

#endif /* HS_MERGING_H */
