/* SPDX-License-Identifier: MIT */

/*
 * Making a checkpoint: what the log so far came to, in sections of the file in
 * which the log grows.  Runs in a child of ours.
 */
#ifndef RC_CHECKPOINT_H
#define RC_CHECKPOINT_H

#include "src/base.h"

struct rc_image;
struct rc_pages;

struct rc_checkpoint {
	uint32_t generation;    /* its own: it replaces all before */
	uint64_t horizon;       /* events up to this stamp are folded */
	struct rc_pages *pages; /* where it goes */
	uint64_t limit;         /* of these, see rc_pages_get() */
};

/*
 * Fold IMAGE and write what comes of it.  It does not count until its
 * generation is that of the file's header.
 */
HS_MUST_USE struct hs_error *rc_checkpoint_write(const struct rc_checkpoint *k,
						 const struct rc_image *image);

#endif /* RC_CHECKPOINT_H */
