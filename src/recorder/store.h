/* SPDX-License-Identifier: MIT */

/*
 * The recorder's own records in a growing capture: RECORDS sections, in pages
 * which are reserved as the tracker reserves its chunks.  What was appended is
 * part of the file when rc_store_append() returns, and not before: the bytes
 * come first, then the section's length.
 *
 * Sections have generations.  While a checkpoint is made of all up to one of
 * them, others are filled in the next one; rc_store_commit() makes it count,
 * and what it replaces becomes free pages.
 */
#ifndef RC_STORE_H
#define RC_STORE_H

#include <sys/uio.h>

#include "src/base.h"
#include "src/recorder/pages.h"

/* One that was met or made: of RECORDS or CHECKPOINT. */
struct rc_section {
	uint64_t page;
	uint32_t pages;
	uint32_t generation;
	uint16_t tag;
};

struct rc_store {
	int fd;
	struct hs_wire_header *header; /* mapped */
	struct rc_pages pages;
	HS_ARRAY(struct rc_section)
	sections;              /* that count, or did until the last commit */
	uint32_t committed;    /* header.generation */
	uint32_t generation;   /* of sections that are begun now */
	uint32_t number;       /* of the last one */
	uint64_t page;         /* the section that is being filled, or 0 */
	uint64_t size;         /* bytes in its pages */
	uint32_t length;       /* payload bytes in use */
	uint32_t next_pages;   /* size of the next one */
	uint64_t max_size;     /* PIECEs stop here, in bytes of the file; 0: no bound */
	bool folds;            /* leave room for checkpoints */
	uint64_t set_aside;    /* free pages that only a checkpoint may take */
	uint64_t log_size;     /* bytes appended in this generation */
	uint64_t folding_size; /* ... in those of which a checkpoint is being made */
	bool full;             /* a PIECE of this generation found no room */
};

void rc_store_init(struct rc_store *s, int fd, struct hs_wire_header *header);
void rc_store_deinit(struct rc_store *s);

/*
 * Go on with what another recorder left: learn its sections, free those which
 * do not count, begin a generation that nobody has used.
 */
void rc_store_adopt(struct rc_store *s);

/*
 * Append a record.  On failure (disk full, too large a file) nothing was
 * appended and the file is as good as before.
 */
HS_MUST_USE struct hs_error *rc_store_append(struct rc_store *s, uint32_t tag,
					     const struct iovec *parts, int n);

/* Begin the next generation. */
void rc_store_rotate(struct rc_store *s);

/*
 * A child of ours has put CHECKPOINT sections of the generation that is being
 * filled into pages of LENT and behind page FROM: learn them, take back the
 * rest.  They do not count yet.
 */
void rc_store_collect(struct rc_store *s, const struct rc_pages *lent, uint64_t from);

/* Pages of the checkpoint that counts, or 0. */
uint64_t rc_store_checkpoint_pages(const struct rc_store *s);

/* From now on that checkpoint counts, and no generation before it. */
void rc_store_commit(struct rc_store *s);

/* Is what SECTION says part of the capture? */
bool rc_store_counts(const struct rc_store *s, const struct rc_section *section);

/* Free the pages of all sections that do not count. */
void rc_store_reclaim(struct rc_store *s);

/* V in LEB128 at P, at most 10 bytes; returns the end. */
uint8_t *rc_uleb(uint8_t *p, uint64_t v);

#endif /* RC_STORE_H */
