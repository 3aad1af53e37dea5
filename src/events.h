/* SPDX-License-Identifier: MIT */

/*
 * Decoding the events of one piece of a stream's log, as fast as it goes: a
 * long recording has billions.  Knows the encoding of src/wire.h, and neither
 * records nor the order between streams.
 */
#ifndef HS_EVENTS_H
#define HS_EVENTS_H

#include "src/base.h"

struct hs_capture_event;

enum hs_events_stop {
	HS_EVENTS_FULL,    /* MAX events */
	HS_EVENTS_LATER,   /* the next event is later than LIMIT; it begins at `later` */
	HS_EVENTS_RECORD,  /* a record begins at `pos`; move `pos` behind it */
	HS_EVENTS_END,     /* no bytes are left */
	HS_EVENTS_DAMAGED, /* what comes at `pos` is no event */
};

struct hs_events {
	const uint8_t *pos, *end;
	const uint8_t *later; /* after HS_EVENTS_LATER; `pos` is behind that event */
	uint64_t size, addr, stamp;
	uint32_t stack;
	uint32_t thread;  /* put into each event */
	uint64_t unknown; /* events of unknown kinds that were skipped */
};

/*
 * Decode up to MAX events with stamps up to LIMIT into OUT, which has room for
 * MAX + 1: where it stops at HS_EVENTS_LATER, the later event comes behind the
 * others and is not counted.
 */
enum hs_events_stop hs_events_decode(struct hs_events *e, uint64_t limit,
				     struct hs_capture_event *out, size_t max,
				     size_t *n_ret);

#endif /* HS_EVENTS_H */
