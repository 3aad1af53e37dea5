/* SPDX-License-Identifier: MIT */

/*
 * Sections one behind the other: of RECORDS in a file of our own that nobody
 * reads yet, or of a checkpoint in free pages of a capture that grows, where
 * nobody counts them yet.  The first failure sticks, and rc_sections_finish()
 * tells it.
 */
#ifndef RC_SECTIONS_H
#define RC_SECTIONS_H

#include "src/base.h"
#include "src/out.h"

struct rc_pages;

struct rc_sections {
	int fd;
	struct hs_error *failure; /* the first one, or NULL */
	uint64_t page;            /* own file: where the next section begins */
	struct rc_pages *pages;   /* of a checkpoint: where its pages come from */
	uint64_t limit;           /* of these pages, see rc_pages_get() */
	uint32_t generation, number;
	struct hs_out pending;
};

/* FD is empty; page 0 is left for the header. */
void rc_sections_init(struct rc_sections *s, int fd);

/* A checkpoint of GENERATION, in pages of PAGES and below page LIMIT. */
void rc_sections_init_checkpoint(struct rc_sections *s, struct rc_pages *pages,
				 uint64_t limit, uint32_t generation);

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
