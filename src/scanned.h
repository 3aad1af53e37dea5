/* SPDX-License-Identifier: MIT */

/*
 * What a scan found, as captures have it: SCAN and SCAN_BLOCKS records, whose bytes
 * doc/capture-format.md specifies.
 */
#ifndef HS_SCANNED_H
#define HS_SCANNED_H

#include "src/array.h"
#include "src/graph.h"

struct hs_capture_record;
struct hs_out;

#define HS_SCANNED_AT_EXIT  1u /* the process was about to end by itself */
#define HS_SCANNED_FAILED   2u /* nothing is known; `why` tells the reason */
#define HS_SCANNED_PARTIAL  4u /* roots are missing: what is lost may be held by them */
#define HS_SCANNED_CAUTIOUS 8u /* blocks are not all known: all of the heap is a root */

/* A block that is not simply reachable. */
struct hs_scanned_block {
	uint64_t addr;
	enum hs_reach reach;
	struct hs_reach_count retained; /* of a leak: with itself */
	uint32_t leak; /* of an indirect one: index of the block that alone holds it, or
			  HS_HEAP_NONE */
};

struct hs_scanned {
	uint64_t stamp, flags; /* HS_SCANNED_*; blocks born later are not told of */
	uint64_t duration_ns;  /* for which the process was stopped */
	struct hs_reach_count counts[HS_REACH_COUNT];
	uint64_t unread_root_bytes, unread_block_bytes;
	HS_ARRAY(struct hs_scanned_block) blocks; /* by address */
	char why[200];
};

/* The payload of SCAN. */
void hs_scanned_encode(const struct hs_scanned *s, struct hs_out *out);
/* The payload of SCAN_BLOCKS with up to N blocks of G, from *NEXT on, which moves. */
void hs_scanned_encode_blocks(const struct hs_graph *g, uint32_t *next, uint32_t n,
			      struct hs_out *out);

/* The latest scan among N RECORDS.  False: there is none, or it is damaged. */
bool hs_scanned_decode(const struct hs_capture_record *records, size_t n,
		       struct hs_scanned *ret);
void hs_scanned_deinit(struct hs_scanned *s);

/* The row of the block at ADDR, or NULL: it is reachable. */
const struct hs_scanned_block *hs_scanned_find(const struct hs_scanned *s, uint64_t addr);

#endif /* HS_SCANNED_H */
