/* SPDX-License-Identifier: MIT */

/*
 * A capture, folded: the state that its checkpoint or its final form tells, if
 * it has one, and on top of that whatever log is there.  Every user of a
 * capture's contents comes through here: the reader, the recorder when it makes
 * a checkpoint, the recorder when it finishes a capture.
 */
#ifndef HS_FOLDING_H
#define HS_FOLDING_H

#include "src/array.h"
#include "src/capture.h"
#include "src/forks.h"

struct hs_fold;
struct hs_mappings;
struct hs_out;

struct hs_folding {
	struct hs_capture *capture; /* borrowed; all of its events were read */
	struct hs_fold *fold;       /* its threads are indices of the capture's */
	struct hs_mappings *mappings;
	struct hs_forks forks;
	/*
	 * Payloads of SEGMENT records, in order; each ends with a snapshot, but for
	 * the last.
	 */
	const struct hs_capture_text *segments;
	size_t n_segments;
	/* What is known: all of it where there was a log alone. */
	bool has_totals, has_live, has_peak, has_spreads;
	bool has_mappings; /* any calls were seen */
	uint32_t damaged;  /* records of the state that could not be read */
	uint64_t last_stamp;
};

/*
 * Read all events of C.  With END these are all there will be: reallocs under way
 * keep their blocks.  Without, the fold can be written down and taken up again.
 */
struct hs_folding *hs_folding_run(struct hs_capture *c, bool end);
void hs_folding_free(struct hs_folding *f); /* accepts NULL */

/*
 * The payload of FOLDED: how far the log was folded, up to HORIZON, and what the
 * fold needs to go on.  F was run without END.
 */
void hs_folded_encode(const struct hs_folding *f, uint64_t horizon, struct hs_out *out);

#endif /* HS_FOLDING_H */
