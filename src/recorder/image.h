/* SPDX-License-Identifier: MIT */

/*
 * A capture at one moment, in memory: only what counts of it, without its
 * holes, and with what the chunks hold as PIECEs.  A copy, since the file goes
 * on changing, and others may do with it what they like.
 */
#ifndef RC_IMAGE_H
#define RC_IMAGE_H

#include "src/base.h"

struct rc_reaches;
struct rc_store;

struct rc_image {
	uint8_t *data;
	size_t size;
};

/* All that counts in S, and of the chunks what REACHES tells. */
HS_MUST_USE struct hs_error *rc_image_read(const struct rc_store *s,
					   const struct rc_reaches *reaches,
					   struct rc_image *ret);
void rc_image_free(struct rc_image *image);

#endif /* RC_IMAGE_H */
