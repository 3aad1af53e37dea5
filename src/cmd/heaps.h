/* SPDX-License-Identifier: MIT */

/* The heap in an image: walked, and marked from its roots. */
#ifndef HS_HEAPS_H
#define HS_HEAPS_H

#include "src/roots.h"

struct hs_graph;
struct hs_image;
struct hs_profile;
struct hs_walked;

struct hs_image_heap {
	struct hs_walked *walked; /* NULL: no allocator that is known */
	struct hs_roots roots;
	struct hs_graph *graph; /* NULL: what is lost cannot be told */
};

/*
 * Walk IMAGE's heap, whose process died as PROFILE says.  Warnings go to PROFILE,
 * which nobody shares yet.
 */
void hs_image_heap_read(const struct hs_image *image, struct hs_profile *profile,
			struct hs_image_heap *ret);
void hs_image_heap_deinit(struct hs_image_heap *h);

#endif /* HS_HEAPS_H */
