/* SPDX-License-Identifier: MIT */

/* Three encodings of one table: instructions to lines. */
#include "src/pylines.h"

struct walk {
	const uint8_t *pos, *end;
	int64_t at;   /* address of the next instruction, in the table's unit */
	int64_t line; /* hostile deltas may take it anywhere */
};

static uint32_t clamped(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* Deltas are small; a sum that leaves 32 bits is damage. */
static void add_line(struct walk *w, int64_t delta)
{
	w->line += delta;
	if (w->line > INT32_MAX || w->line < INT32_MIN)
		w->pos = w->end;
}

/* Objects/lnotab_notes.txt of 3.9: the lines where addresses begin. */
static uint32_t line_39(struct walk w, int64_t offset)
{
	for (; w.end - w.pos >= 2; w.pos += 2) {
		w.at += w.pos[0];
		if (w.at > offset)
			break;
		w.line += (int8_t)w.pos[1];
	}
	return clamped(w.line);
}

/* PEP 626 as of 3.10: the line of a range, and the range's length. */
static uint32_t line_310(struct walk w, int64_t offset)
{
	const int8_t no_line = -128;
	int64_t target = 2 * offset;
	for (; w.end - w.pos >= 2; w.pos += 2) {
		int8_t delta = (int8_t)w.pos[1];
		w.at += w.pos[0];
		w.line += delta == no_line ? 0 : delta;
		if (w.at > target)
			break;
	}
	return clamped(w.line);
}

/* Six bits a byte, bit 6 says that more follow. */
static uint32_t take_varint(struct walk *w)
{
	uint64_t value = 0;
	for (unsigned shift = 0; w->pos < w->end; shift += 6) {
		uint8_t b = *w->pos++;
		if (shift < 32)
			value |= (uint64_t)(b & 63) << shift;
		if (!(b & 64))
			break;
	}
	return (uint32_t)value;
}

/* The sign is bit 0. */
static int64_t take_signed(struct walk *w)
{
	uint32_t v = take_varint(w);
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

static void skip_bytes(struct walk *w, size_t n)
{
	w->pos += HS_MIN((size_t)(w->end - w->pos), n);
}

/* The location of one entry of Objects/locations.md (3.11). */
static void take_location(struct walk *w, unsigned code)
{
	switch (code) {
	case 15: /* none */
		break;
	case 14: /* end line, column, end column */
		add_line(w, take_signed(w));
		for (int i = 0; i < 3; i++)
			take_varint(w);
		break;
	case 13:
		add_line(w, take_signed(w));
		break;
	case 10:
	case 11:
	case 12:
		add_line(w, code - 10);
		skip_bytes(w, 2);
		break;
	default: /* the same line */
		skip_bytes(w, 1);
		break;
	}
}

static uint32_t line_311(struct walk w, int64_t offset)
{
	int64_t unit = offset / 2;
	while (w.pos < w.end && w.at <= unit) {
		uint8_t head = *w.pos++;
		take_location(&w, head >> 3 & 15);
		w.at += (head & 7) + 1;
	}
	return clamped(w.line);
}

uint32_t hs_python_line(const struct hs_python_lines *lines, int64_t offset)
{
	struct walk w = {.pos = lines->table,
			 .end = lines->table + lines->n,
			 .line = lines->first};
	if (offset < 0 || offset > INT32_MAX || !lines->n)
		return 0;
	if (lines->version >= 0x030b0000)
		return line_311(w, offset);
	return lines->version >= 0x030a0000 ? line_310(w, offset) : line_39(w, offset);
}
