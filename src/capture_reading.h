/* SPDX-License-Identifier: MIT */

/* A capture while it is being read; shared by src/capture*.c alone. */
#ifndef HS_CAPTURE_READING_H
#define HS_CAPTURE_READING_H

#include "src/array.h"
#include "src/capture.h"
#include "src/hash.h"
#include "src/streams.h"

struct hs_reading {
	struct hs_capture pub; /* first: the two are cast into each other */
	const uint8_t *data;
	size_t size;

	HS_ARRAY(struct hs_capture_thread) threads;
	HS_ARRAY(struct hs_capture_module) modules;
	HS_ARRAY(struct hs_capture_node) nodes;
	HS_ARRAY(struct hs_capture_stack) stacks;
	HS_ARRAY(struct hs_capture_snapshot) snapshots;
	HS_ARRAY(struct hs_capture_piece) pieces;
	HS_ARRAY(struct hs_capture_record) records;
	HS_ARRAY(struct hs_capture_mapping) mappings;
	HS_ARRAY(struct hs_capture_moment) clock;
	HS_ARRAY(struct hs_capture_position) positions;
	HS_ARRAY(struct hs_capture_last) lasts;
	HS_ARRAY(uint8_t *) copies; /* of what its recorder may use again meanwhile */
	struct hs_map thread_of;    /* tid -> index */

	/* What is left out: chunks; sections and events that are later. */
	bool without_chunks;
	uint32_t last_generation;
	uint64_t horizon;

	struct hs_streams *streams;
	bool opened;   /* pieces and snapshots are what they are */
	bool complete; /* all events were read; tables are sorted */
};

/* Index of the thread TID, made if it is new. */
uint32_t hs_reading_thread(struct hs_reading *c, uint32_t tid);

/*
 * Read the record at IN into C's tables.  AGAIN: it was met before the checkpoint,
 * and stacks build on each other.  Returns its tag.
 */
uint64_t hs_reading_record(struct hs_reading *c, struct hs_path *path,
			   struct hs_cursor *in, bool again);

#endif /* HS_CAPTURE_READING_H */
