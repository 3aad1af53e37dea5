/* SPDX-License-Identifier: MIT */

/* Reading untrusted little-endian bytes with a sticky failure. */
#include "src/cursor.h"

#include <string.h>

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

/* -- The window --------------------------------------------------------------- */

#define FIRST_WINDOW ((size_t)1 << 20)

/* More zeros than these are padding, whatever follows them. */
#define MAX_WITHHELD ((size_t)1 << 20)

/* The length of the N bytes at P without the zeros at their end. */
static size_t without_zeros(const uint8_t *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return n;
}

void hs_cur_unpad(struct hs_cursor *c)
{
	size_t shown = hs_cur_left(c), kept = without_zeros(c->pos, shown);
	if (c->feed) {
		c->feed->padded = true;
		c->feed->withheld += shown - kept;
	}
	c->end = c->pos + kept;
}

/* What is left to the front of the buffer, with room for SIZE bytes and more. */
static void move_window(struct hs_cursor *c, size_t size)
{
	struct hs_feed *f = c->feed;
	size_t left = hs_cur_left(c);
	if (left + f->withheld)
		memmove(f->buffer, c->pos, left + f->withheld);
	if (size + f->withheld >= f->room) {
		f->room = HS_MAX(FIRST_WINDOW, 2 * (size + f->withheld));
		f->buffer = hs_xrealloc(f->buffer, f->room);
	}
	c->offset = hs_cur_offset(c);
	c->start = c->pos = f->buffer;
	c->end = f->buffer + left;
}

/* Read once. */
static void extend_window(struct hs_cursor *c)
{
	struct hs_feed *f = c->feed;
	size_t shown = hs_cur_left(c), known = shown + f->withheld;
	if (known == f->room) {
		f->room *= 2;
		f->buffer = hs_xrealloc(f->buffer, f->room);
		c->start = c->pos = f->buffer;
	}
	size_t n = f->read(f, f->buffer + known, f->room - known);
	size_t useful = f->padded ? without_zeros(f->buffer + known, n) : n;
	if (useful)
		shown = known + useful;
	f->withheld = known + n - shown;
	f->over = !n || f->withheld > MAX_WITHHELD;
	c->end = f->buffer + shown;
}

bool hs_cur_refill_(struct hs_cursor *c, size_t size)
{
	if (c->failed_at || !c->feed || c->feed->over || size > HS_MAX_WINDOW)
		return false;
	move_window(c, size);
	while (hs_cur_left(c) < size && !c->feed->over)
		extend_window(c);
	return hs_cur_left(c) >= size;
}

/* -- Values -------------------------------------------------------------------- */

const uint8_t *hs_cur_bytes(struct hs_cursor *c, size_t size)
{
	if (!hs_cur_want(c, size)) {
		hs_cur_fail(c);
		return NULL;
	}
	const uint8_t *p = c->pos;
	c->pos += size;
	return p;
}

const uint8_t *hs_cur_until(struct hs_cursor *c, uint8_t stop, size_t *size_ret)
{
	size_t searched = 0;
	const uint8_t *found = NULL;
	while (hs_cur_want(c, searched + 1)) {
		size_t left = hs_cur_left(c);
		found = memchr(c->pos + searched, stop, left - searched);
		if (found)
			break;
		searched = left;
	}
	*size_ret = 0;
	if (!found) {
		hs_cur_fail(c);
		return NULL;
	}
	*size_ret = (size_t)(found - c->pos);
	const uint8_t *p = c->pos;
	c->pos = found + 1;
	return p;
}

void hs_cur_skip(struct hs_cursor *c, uint64_t size)
{
	while (size > hs_cur_left(c) && c->feed && !c->failed_at) {
		size -= hs_cur_left(c);
		c->pos = c->end;
		if (!hs_cur_refill_(c, 1))
			break;
	}
	if (size > hs_cur_left(c))
		hs_cur_fail(c);
	else
		c->pos += size;
}

struct hs_cursor hs_cur_sub(struct hs_cursor *c, uint64_t size)
{
	bool fits = size <= HS_MAX_WINDOW || !c->feed;
	fits = fits && hs_cur_want(c, (size_t)size);
	struct hs_cursor sub = *c;
	sub.end = sub.pos + (fits ? size : 0);
	sub.feed = NULL;
	c->pos = sub.end;
	if (!fits)
		hs_cur_fail(c);
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

uint8_t hs_cur_next_u8_(struct hs_cursor *c)
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

uint64_t hs_cur_long_uleb_(struct hs_cursor *c)
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

size_t hs_cur_count(struct hs_cursor *c, size_t min_size)
{
	uint64_t n = hs_cur_uleb(c);
	size_t size;
	if (__builtin_mul_overflow(n, min_size ? min_size : 1, &size) ||
	    !hs_cur_want(c, size)) {
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
			c->name ? c->name : "?",
			(size_t)(c->offset + (uint64_t)(c->failed_at - c->start)), what);
}
