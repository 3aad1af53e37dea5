/* SPDX-License-Identifier: MIT */

/*
 * A cursor reads untrusted bytes.  Reading past the end yields zeros and
 * makes the cursor fail for good, remembering where; so a parser reads a
 * whole record and asks once.  All integers are little-endian.
 */
#ifndef HS_CURSOR_H
#define HS_CURSOR_H

#include "src/base.h"

struct hs_cursor {
	const uint8_t *start, *pos, *end;
	const uint8_t *failed_at; /* NULL while all is well */
	const char *name;         /* file name, for messages; borrowed */
	bool truncated;           /* the bytes end before the original did */
};

struct hs_cursor hs_cursor(const void *data, size_t size, const char *name);

static inline size_t hs_cur_left(const struct hs_cursor *c)
{
	return (size_t)(c->end - c->pos);
}

static inline bool hs_cur_failed(const struct hs_cursor *c)
{
	return c->failed_at != NULL;
}

uint8_t hs_cur_u8(struct hs_cursor *c);
uint16_t hs_cur_u16(struct hs_cursor *c);
uint32_t hs_cur_u32(struct hs_cursor *c);
uint64_t hs_cur_u64(struct hs_cursor *c);

/* LEB128; more than ten bytes or more than 64 bits fail. */
uint64_t hs_cur_uleb(struct hs_cursor *c);

/* Zigzag over LEB128: 0, -1, 1, -2 ... */
int64_t hs_cur_zigzag(struct hs_cursor *c);

/* SIZE bytes in place, or NULL (and failed) where they do not follow. */
const uint8_t *hs_cur_bytes(struct hs_cursor *c, size_t size);

/* Skip SIZE bytes. */
void hs_cur_skip(struct hs_cursor *c, uint64_t size);

/* A cursor over the next SIZE bytes, which C skips. */
struct hs_cursor hs_cur_sub(struct hs_cursor *c, uint64_t size);

/*
 * Read a LEB128 count of items that take at least MIN_SIZE bytes each.  Fails
 * if that many cannot follow: no allocation exceeds what the file pays for.
 */
size_t hs_cur_count(struct hs_cursor *c, size_t min_size);

/* Make C fail here (bad value rather than missing bytes). */
void hs_cur_fail(struct hs_cursor *c);

/* "NAME: offset 0x1f: truncated or damaged WHAT" if C failed, else NULL. */
HS_MUST_USE struct hs_error *hs_cur_check(const struct hs_cursor *c, const char *what);

#endif /* HS_CURSOR_H */
