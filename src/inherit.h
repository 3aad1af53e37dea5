/* SPDX-License-Identifier: MIT */

/*
 * Inheritance: what forked processes took over from their parents' heaps.  A
 * child's capture knows only that it freed blocks which it never allocated; how
 * many it got is in its parent's.
 */
#ifndef HS_INHERIT_H
#define HS_INHERIT_H

#include "src/profile.h"

#define HS_NO_PARENT UINT32_MAX

/*
 * Fill in `inherited` of all N profiles.  PARENTS are indices into PROFILES, or
 * HS_NO_PARENT; circles are survived.
 */
void hs_inherit(struct hs_profile *const *profiles, const uint32_t *parents, size_t n);

#endif /* HS_INHERIT_H */
