/* SPDX-License-Identifier: MIT */

/*
 * Writes captures for tests, byte by byte as doc/capture-format.md says, and
 * without a line of the tracker's.  Nothing is checked: wrong files are wanted,
 * too.
 */
#ifndef HS_CAPBUILD_H
#define HS_CAPBUILD_H

#include "src/out.h"
#include "src/wire.h"

/* A piece of one stream's log while it is written. */
struct cap_stream {
	struct hs_out events;
	uint32_t number, tid, sequence;
	uint64_t base_stamp;
	uint64_t size, addr, stamp; /* as the reader has them by now */
	uint32_t stack;
	uint64_t pcs[64]; /* of the last STACK */
	size_t n_pcs;
	uint32_t epoch;
};

struct cap {
	struct hs_wire_header header; /* change it as you like, until the end */
	struct hs_out records;        /* of the header page */
	struct hs_out pages;          /* all after it */
};

/* A header that is right for an ended process of pid 4242. */
void cap_init(struct cap *c);

/* The whole file; malloc'ed.  Deinits C. */
uint8_t *cap_finish(struct cap *c, size_t *size_ret);

/* Payloads into OUT, which cap_record() frames and empties. */
void cap_zigzag(struct hs_out *out, int64_t v);
void cap_bytes(struct hs_out *out, const char *s);
void cap_record(struct hs_out *to, uint64_t tag, struct hs_out *payload);
void cap_text(struct hs_out *to, uint64_t tag, const char *text, size_t n);
void cap_ulebs(struct hs_out *to, uint64_t tag, const uint64_t *values, size_t n);
void cap_module(struct hs_out *to, uint32_t epoch, uint64_t start, uint64_t end,
		uint64_t bias, const char *build_id, const char *path);

/* A section of records: appends and empties RECORDS. */
void cap_section(struct cap *c, struct hs_out *records);

/* A page that was reserved and not used. */
void cap_hole(struct cap *c);

void cap_stream(struct cap_stream *s, uint32_t number, uint32_t tid, uint64_t base_stamp);

/*
 * An event with the shortest fields that tell the change; STAMP 0 for none.
 * A free's size and stack are not told.
 */
void cap_event(struct cap_stream *s, enum hs_wire_kind kind, uint32_t stack,
	       uint64_t size, uint64_t addr, uint64_t stamp);

/* The record among the events, which this ends: `to` is S's own bytes. */
void cap_event_record(struct cap_stream *s, uint64_t tag, struct hs_out *payload);
void cap_stack(struct cap_stream *s, uint32_t id, uint32_t epoch, uint32_t flags,
	       const uint64_t *pcs, size_t n);

/* S's events as a chunk, or as a PIECE into RECORDS; S goes on with the next. */
void cap_chunk(struct cap *c, struct cap_stream *s, enum hs_wire_chunk_state state);
void cap_piece(struct hs_out *records, struct cap_stream *s);

#endif /* HS_CAPBUILD_H */
