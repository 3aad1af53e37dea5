/* SPDX-License-Identifier: MIT */

/*
 * The pages of a growing capture: which of them the recorder may fill.  Pages
 * whose contents no longer count give their room back to the disk, and are used
 * again before the file gets longer.
 *
 * Each free range is an UNUSED section: readers skip it at once, and a later
 * recorder knows it.  They need not be able to read what is behind its header:
 * in a tmpfs that is full, touching a hole through a mapping is SIGBUS.
 */
#ifndef RC_PAGES_H
#define RC_PAGES_H

#include "src/array.h"
#include "src/base.h"

struct hs_wire_header;

struct rc_range {
	uint64_t page, pages;
};

struct rc_pages {
	int fd;                         /* borrowed */
	struct hs_wire_header *header;  /* mapped; borrowed */
	HS_ARRAY(struct rc_range) free; /* by page; no two of them touch */
};

void rc_pages_init(struct rc_pages *p, int fd, struct hs_wire_header *header);
void rc_pages_deinit(struct rc_pages *p);

/*
 * PAGES pages from PAGE on are free from now on.  There begins a section which
 * takes them all and does not count, or nothing that a reader would find.  What
 * is free in part is left alone: a damaged file said so.
 */
void rc_pages_give(struct rc_pages *p, uint64_t page, uint64_t pages);

/*
 * Take MOST pages in a row out of the lowest free range that has so many, or
 * else all of the first one that has at least LEAST.  False if there is none.
 */
HS_MUST_USE bool rc_pages_take(struct rc_pages *p, uint64_t least, uint64_t most,
			       struct rc_range *ret);

/*
 * The same, or else MOST pages more than the file has, if it stays within
 * LIMIT pages (0: no limit).  The disk has promised them when this succeeds.
 */
HS_MUST_USE struct hs_error *rc_pages_get(struct rc_pages *p, uint64_t least,
					  uint64_t most, uint64_t limit,
					  struct rc_range *ret);

/* Move free pages from P to TO, PAGES of them or all there are. */
void rc_pages_lend(struct rc_pages *p, struct rc_pages *to, uint64_t pages);

uint64_t rc_pages_count(const struct rc_pages *p);

#endif /* RC_PAGES_H */
