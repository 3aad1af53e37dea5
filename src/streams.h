/* SPDX-License-Identifier: MIT */

/*
 * The streams of a capture, merged: events of all of them in the order of
 * their stamps.  Knows pieces and events; what a record says is its caller's
 * business.
 */
#ifndef HS_STREAMS_H
#define HS_STREAMS_H

#include "src/capture.h"

struct hs_streams;

/*
 * The frames of the last STACK record of one chunk, PIECE or section, as
 * nodes, outermost first; empty where a new one begins.
 */
struct hs_path {
	uint32_t *nodes;
	size_t n, room;
	uint32_t epoch;
};

/*
 * A record that lies among events, at IN; PATH is its stream's; AGAIN: it was met
 * before the checkpoint.  Consumes the record; on failure IN has failed.
 */
typedef void hs_record_fn(void *context, struct hs_path *path, struct hs_cursor *in,
			  bool again);

/*
 * What is merged, all of it borrowed: PIECES, sorted by stream and sequence;
 * SNAPSHOTS by stamp, of which those up to FOLDED were met before; nothing
 * that is later than HORIZON.  Damage is counted in LOSS.
 */
struct hs_streams_input {
	const struct hs_capture_piece *pieces;
	size_t n_pieces;
	const struct hs_capture_snapshot *snapshots;
	size_t n_snapshots;
	uint64_t folded, horizon;
	hs_record_fn *record;
	void *context;
	struct hs_capture_loss *loss;
};

struct hs_streams *hs_streams_new(const struct hs_streams_input *input);
void hs_streams_free(struct hs_streams *s); /* accepts NULL */

/* How far stream number I was given out; after the last event.  False: no such. */
bool hs_streams_position(const struct hs_streams *s, size_t i,
			 struct hs_capture_position *ret);

/* As hs_capture_next(). */
size_t hs_streams_next(struct hs_streams *s, const struct hs_capture_event **ret);

#endif /* HS_STREAMS_H */
