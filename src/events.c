/* SPDX-License-Identifier: MIT */

/*
 * The decoder of events.  No branches on what fields an event has: each field
 * is loaded whole from where a table says it lies, masked to its width, and taken
 * or not, since the mix of widths in a real log cannot be predicted.
 */
#include "src/events.h"

#include <string.h>

#include "src/capture.h"
#include "src/wire.h"

/* As many bytes may be loaded at the last event's fields. */
#define SLACK ((size_t)32)
_Static_assert(SLACK >= HS_WIRE_EVENT_MAX, "an event fits");

/* Bytes of a field by its two bits, as hexadecimal digits from the right. */
#define STACK_BYTES        0x4320
#define SIZE_BYTES         0x8210
#define ADDRESS_BYTES      0x8420
#define STAMP_BYTES        0x8420
#define WIDTH(bytes, code) ((bytes) >> (4 * (code)) & 15)

/* Where fields lie in an event, by bits 4 to 11 of its tag. */
struct layout {
	uint8_t size, address, stamp, length;
};

#define SIZE_AT(stack)             (2 + WIDTH(STACK_BYTES, stack))
#define ADDRESS_AT(stack, size)    (SIZE_AT(stack) + WIDTH(SIZE_BYTES, size))
#define STAMP_AT(stack, size, adr) (ADDRESS_AT(stack, size) + WIDTH(ADDRESS_BYTES, adr))
#define LAYOUT(stack, size, adr, stamp)                                              \
	{                                                                            \
		SIZE_AT(stack), ADDRESS_AT(stack, size), STAMP_AT(stack, size, adr), \
			STAMP_AT(stack, size, adr) + WIDTH(STAMP_BYTES, stamp)       \
	}
#define FOUR_STACKS(size, adr, stamp)                             \
	LAYOUT(0, size, adr, stamp), LAYOUT(1, size, adr, stamp), \
		LAYOUT(2, size, adr, stamp), LAYOUT(3, size, adr, stamp)
#define FOUR_SIZES(adr, stamp)                                  \
	FOUR_STACKS(0, adr, stamp), FOUR_STACKS(1, adr, stamp), \
		FOUR_STACKS(2, adr, stamp), FOUR_STACKS(3, adr, stamp)
#define FOUR_ADDRESSES(stamp)                                             \
	FOUR_SIZES(0, stamp), FOUR_SIZES(1, stamp), FOUR_SIZES(2, stamp), \
		FOUR_SIZES(3, stamp)

static const struct layout layouts[256] = {FOUR_ADDRESSES(0), FOUR_ADDRESSES(1),
					   FOUR_ADDRESSES(2), FOUR_ADDRESSES(3)};
_Static_assert(HS_WIRE_STACK_SHIFT == 4 && HS_WIRE_SIZE_SHIFT == 6 &&
		       HS_WIRE_ADDRESS_SHIFT == 8 && HS_WIRE_STAMP_SHIFT == 10,
	       "as in the table");

static inline unsigned code_at(uint16_t tag, unsigned shift)
{
	return tag >> shift & 3;
}

static inline uint16_t load_u16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load_u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "fields are loaded as they are");

/*
 * Decode the event at P, of which SLACK bytes can be loaded, into E's state.
 * Returns its length, or 0 if stamps would run backwards.  The way to the next
 * event is short (tag, layout, length), so that several are under way at once.
 */
static inline size_t decode(struct hs_events *e, uint16_t tag, const uint8_t *p)
{
	static const uint32_t stack_mask[4] = {0, 0xffff, 0xffffff, UINT32_MAX};
	static const uint64_t size_mask[4] = {0, 0xff, 0xffff, UINT64_MAX};
	static const uint64_t stamp_mask[4] = {0, 0xffff, UINT32_MAX, UINT64_MAX};
	const struct layout at = layouts[tag >> HS_WIRE_STACK_SHIFT & 255];

	unsigned code = code_at(tag, HS_WIRE_STACK_SHIFT);
	uint32_t stack = load_u32(p + sizeof(tag)) & stack_mask[code];
	e->stack = code ? stack : e->stack;

	code = code_at(tag, HS_WIRE_SIZE_SHIFT);
	uint64_t size = load_u64(p + at.size) & size_mask[code];
	e->size = code ? size : e->size;

	code = code_at(tag, HS_WIRE_ADDRESS_SHIFT);
	uint64_t raw = load_u64(p + at.address);
	int64_t step = code == 1 ? (int16_t)raw : code == 2 ? (int32_t)raw : 0;
	e->addr = code == 3 ? raw : e->addr + (uint64_t)step * 16;

	code = code_at(tag, HS_WIRE_STAMP_SHIFT);
	uint64_t passed = load_u64(p + at.stamp) & stamp_mask[code];
	if (passed > UINT64_MAX - e->stamp)
		return 0;
	e->stamp += passed;
	return at.length;
}

/* Near the end, where SLACK bytes cannot be loaded: decode a copy. */
static size_t decode_last(struct hs_events *e, uint16_t tag)
{
	uint8_t copy[SLACK] = {0};
	size_t left = (size_t)(e->end - e->pos);
	memcpy(copy, e->pos, HS_MIN(left, SLACK));
	size_t length = decode(e, tag, copy);
	return length <= left ? length : 0;
}

enum hs_events_stop hs_events_decode(struct hs_events *events, uint64_t limit,
				     struct hs_capture_event *out, size_t max,
				     size_t *n_ret)
{
	struct hs_events e = *events; /* in registers */
	enum hs_events_stop stop = HS_EVENTS_FULL;
	size_t n = 0;
	while (n < max) {
		size_t left = (size_t)(e.end - e.pos);
		if (left < sizeof(uint16_t)) {
			stop = left ? HS_EVENTS_DAMAGED : HS_EVENTS_END;
			break;
		}
		uint16_t tag = load_u16(e.pos);
		if (tag == HS_WIRE_RECORD) {
			e.pos += sizeof(tag);
			stop = HS_EVENTS_RECORD;
			break;
		}
		uint32_t kind = tag & 15;
		size_t length =
			left >= SLACK ? decode(&e, tag, e.pos) : decode_last(&e, tag);
		if (!length || kind == HS_WIRE_RECORD || tag > HS_WIRE_TAG_MASK) {
			stop = HS_EVENTS_DAMAGED;
			break;
		}
		e.pos += length;
		if (kind > HS_WIRE_GONE) {
			e.unknown++;
			continue;
		}
		out[n] = (struct hs_capture_event){.addr = e.addr,
						   .size = e.size,
						   .stamp = e.stamp,
						   .stack = e.stack,
						   .thread = e.thread,
						   .kind = kind};
		if (e.stamp > limit) {
			e.later = e.pos - length;
			stop = HS_EVENTS_LATER;
			break;
		}
		n++;
	}
	*events = e;
	*n_ret = n;
	return stop;
}
