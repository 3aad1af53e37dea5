/* SPDX-License-Identifier: MIT */

/* Who has freed what a stack allocated, where the recording tells (--free-stacks). */
#ifndef HS_FREED_H
#define HS_FREED_H

#include "src/profile.h"

/*
 * Fill in at most ROOM rows of what was freed of STACK's blocks, those that freed most
 * of them first.  Returns how many stacks there are.  Their `site` means nothing.
 */
size_t hs_freed_by(const struct hs_profile *p, hs_stack stack, struct hs_frees *rows,
		   size_t room);

#endif /* HS_FREED_H */
