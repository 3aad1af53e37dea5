/* SPDX-License-Identifier: MIT */

/*
 * Walkers: from an image to the blocks in it.  One walker knows one allocator; it is
 * one file that defines one constant, hs_walker_NAME, and is listed in Makefile.inc.
 */
#ifndef HS_WALKER_H
#define HS_WALKER_H

#include "src/base.h"

struct hs_image;
struct hs_walked;

struct hs_walker {
	const char *name;
	const char *summary;

	/*
	 * Find this allocator's blocks in IMAGE.  Returns what was found, or NULL
	 * where IMAGE has none of it.  What is broken is said in the result, and the
	 * walk goes on with what is not: nothing in an image makes it fail.
	 */
	struct hs_walked *(*walk)(const struct hs_image *image);

	/*
	 * What the allocator said before it aborted is MESSAGE: add to W what that
	 * means.  May be NULL.
	 */
	void (*explain)(const struct hs_image *image, const char *message,
			struct hs_walked *w);
};

/* All walkers, in the order of analyzers/Makefile.inc; ends with NULL. */
extern const struct hs_walker *const hs_walkers[];

#endif /* HS_WALKER_H */
