/* SPDX-License-Identifier: MIT */

/*
 * A target: everything that is known of one process, bundled.  Just holds what it is
 * given.
 */
#ifndef HS_TARGET_H
#define HS_TARGET_H

#include "src/profile.h"

struct hs_graph;
struct hs_image;
struct hs_walked;

struct hs_target {
	const struct hs_profile *profile; /* or NULL */
	const struct hs_image *image;     /* of a core or a live process, or NULL */
	const struct hs_walked *walked;   /* its heap, or NULL */
	const struct hs_graph *graph;     /* who holds what in it, or NULL */
	uint32_t has;                     /* the profile's bits */
	const uint8_t *suppressed; /* by site: its leaks are hidden; NULL: none is */
};

#endif /* HS_TARGET_H */
