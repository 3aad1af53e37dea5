/* SPDX-License-Identifier: MIT */

/*
 * heaptrack's recordings in parts: formats/heaptrack.c reads what all of them
 * have and takes the lines apart; one file for each of its two dialects knows
 * what their lines mean:
 *
 *      raw           what its tracker writes: addresses, modules, pointers
 *      interpreted   what its interpreter makes of that: names, kinds of blocks
 *
 * Numbers are hexadecimal.  A function that gets a line gets what follows the
 * letter and its space, and returns whether it made sense.
 */
#ifndef HS_HEAPTRACK_PARTS_H
#define HS_HEAPTRACK_PARTS_H

#include "src/build.h"
#include "src/scan.h"

struct hs_heaptrack {
	struct hs_builder *b;
	unsigned format;  /* 0 to 3 */
	uint64_t version; /* of the heaptrack that recorded: 0x10400 is 1.4.0 */
	uint64_t now_ns;  /* since the recording began */
	hs_str exe;
	struct hs_heaptrack_raw *raw;
	struct hs_heaptrack_interpreted *interpreted;
};

/* A number and the space before it; false where none comes. */
static inline bool hs_heaptrack_number(struct hs_span *s, uint64_t *ret)
{
	if (s->at < s->end && *s->at == ' ')
		s->at++;
	return hs_scan_hex(s, ret);
}

/* Text with its length before it, as since format 3; or else the rest of S. */
bool hs_heaptrack_text(const struct hs_heaptrack *h, struct hs_span *s, hs_str *ret);

/* Events that name pointers: all raw ones, and interpreted ones of format 0. */
bool hs_heaptrack_alloc(struct hs_heaptrack *h, hs_stack stack, enum hs_alloc_kind kind,
			uint64_t size, uint64_t pointer);
bool hs_heaptrack_free(struct hs_heaptrack *h, struct hs_span s);

/* -- raw: formats/heaptrack_raw.c -- */

struct hs_heaptrack_raw *hs_heaptrack_raw_new(void);
void hs_heaptrack_raw_free(struct hs_heaptrack_raw *r); /* accepts NULL */
bool hs_heaptrack_raw_line(struct hs_heaptrack *h, char letter, struct hs_span s);

/* -- interpreted: formats/heaptrack_interpreted.c -- */

struct hs_heaptrack_interpreted *hs_heaptrack_interpreted_new(void);
void hs_heaptrack_interpreted_free(struct hs_heaptrack_interpreted *i); /* accepts NULL */
bool hs_heaptrack_interpreted_line(struct hs_heaptrack *h, char letter, struct hs_span s);
/*
 * Nearly all lines are events, and short: take those that are whole and plain,
 * as far as they are in memory.
 */
void hs_heaptrack_interpreted_events(struct hs_heaptrack *h, struct hs_cursor *in);
/* "A": what was counted before does not count. */
void hs_heaptrack_interpreted_reset(struct hs_heaptrack *h);
/* Figures of now, with the time but without the RSS. */
struct hs_snapshot hs_heaptrack_interpreted_snapshot(struct hs_heaptrack *h);
/* All that was counted, into the builder. */
void hs_heaptrack_interpreted_finish(struct hs_heaptrack *h);

#endif /* HS_HEAPTRACK_PARTS_H */
