/* SPDX-License-Identifier: MIT */

/*
 * The recorder's own records in a growing capture: RECORDS sections, in pages
 * which are reserved as the tracker reserves its chunks.  What was appended is
 * part of the file when rc_store_append() returns, and not before: the bytes
 * come first, then the section's length.
 */
#ifndef RC_STORE_H
#define RC_STORE_H

#include <sys/uio.h>

#include "src/base.h"

struct hs_wire_header;

struct rc_store {
	int fd;
	struct hs_wire_header *header; /* mapped */
	uint64_t page;                 /* the section that is being filled, or 0 */
	uint64_t size;                 /* bytes in its pages */
	uint32_t length;               /* payload bytes in use */
	uint32_t next_pages;           /* size of the next one */
	uint64_t max_size; /* PIECEs stop here, in bytes of the file; 0: no bound */
};

void rc_store_init(struct rc_store *s, int fd, struct hs_wire_header *header);

/*
 * Append a record.  On failure (disk full, too large a file) nothing was
 * appended and the file is as good as before.
 */
HS_MUST_USE struct hs_error *rc_store_append(struct rc_store *s, uint32_t tag,
					     const struct iovec *parts, int n);

/* V in LEB128 at P, at most 10 bytes; returns the end. */
uint8_t *rc_uleb(uint8_t *p, uint64_t v);

#endif /* RC_STORE_H */
