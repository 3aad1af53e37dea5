/* SPDX-License-Identifier: MIT */

/*
 * RECORDS sections one behind the other, in a file of our own that nobody
 * reads yet.  The first failed write sticks, and rc_sections_finish() tells.
 */
#ifndef RC_SECTIONS_H
#define RC_SECTIONS_H

#include "src/base.h"
#include "src/out.h"

struct rc_sections {
	int fd;
	int err;       /* errno of the first failed write, or 0 */
	uint64_t page; /* where the section begins that is being filled */
	struct hs_out pending;
};

/* FD is empty; page 0 is left for the header. */
void rc_sections_init(struct rc_sections *s, int fd);

/*
 * Make sure that a record of SIZE bytes goes into the section which is being
 * filled.  Returns true if it will be the first one there.
 */
bool rc_sections_reserve(struct rc_sections *s, size_t size);

/* Append a record whose payload is HEAD and then BODY; either may be empty. */
void rc_sections_put(struct rc_sections *s, uint32_t tag, const void *head, size_t n_head,
		     const void *body, size_t n_body);

/* Write what is pending; deinits. */
HS_MUST_USE struct hs_error *rc_sections_finish(struct rc_sections *s);

#endif /* RC_SECTIONS_H */
