/* SPDX-License-Identifier: MIT */

/* Reading untrusted little-endian bytes with a sticky failure. */
#include "src/cursor.h"

struct hs_cursor hs_cursor(const void *data, size_t size, const char *name)
{
	const uint8_t *p = data;
	return (struct hs_cursor){.start = p, .pos = p, .end = p + size, .name = name};
}

void hs_cur_fail(struct hs_cursor *c)
{
	if (!c->failed_at)
		c->failed_at = c->pos;
	c->pos = c->end;
}

const uint8_t *hs_cur_bytes(struct hs_cursor *c, size_t size)
{
	if (size > hs_cur_left(c)) {
		hs_cur_fail(c);
		return NULL;
	}
	const uint8_t *p = c->pos;
	c->pos += size;
	return p;
}

void hs_cur_skip(struct hs_cursor *c, uint64_t size)
{
	if (size > hs_cur_left(c))
		hs_cur_fail(c);
	else
		c->pos += size;
}

struct hs_cursor hs_cur_sub(struct hs_cursor *c, uint64_t size)
{
	struct hs_cursor sub = *c;
	hs_cur_skip(c, size);
	sub.end = hs_cur_failed(c) ? sub.pos : c->pos;
	return sub;
}

static uint64_t little_endian(struct hs_cursor *c, size_t size)
{
	const uint8_t *p = hs_cur_bytes(c, size);
	uint64_t v = 0;
	for (size_t i = 0; p && i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t hs_cur_u8(struct hs_cursor *c)
{
	return (uint8_t)little_endian(c, 1);
}

uint16_t hs_cur_u16(struct hs_cursor *c)
{
	return (uint16_t)little_endian(c, 2);
}

uint32_t hs_cur_u32(struct hs_cursor *c)
{
	return (uint32_t)little_endian(c, 4);
}

uint64_t hs_cur_u64(struct hs_cursor *c)
{
	return little_endian(c, 8);
}

uint64_t hs_cur_uleb(struct hs_cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = hs_cur_u8(c);
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 127) << shift;
		if (!(b & 128))
			return hs_cur_failed(c) ? 0 : v;
	}
	hs_cur_fail(c);
	return 0;
}

int64_t hs_cur_zigzag(struct hs_cursor *c)
{
	uint64_t v = hs_cur_uleb(c);
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

size_t hs_cur_count(struct hs_cursor *c, size_t min_size)
{
	uint64_t n = hs_cur_uleb(c);
	if (n > hs_cur_left(c) / (min_size ? min_size : 1)) {
		hs_cur_fail(c);
		return 0;
	}
	return (size_t)n;
}

struct hs_error *hs_cur_check(const struct hs_cursor *c, const char *what)
{
	if (!hs_cur_failed(c))
		return NULL;
	return hs_error("%s: offset 0x%zx: truncated or damaged %s",
			c->name ? c->name : "?", (size_t)(c->failed_at - c->start), what);
}
