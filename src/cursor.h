/* SPDX-License-Identifier: MIT */

/*
 * A cursor reads untrusted bytes.  Reading past the end yields zeros and
 * makes the cursor fail for good, remembering where; so a parser reads a
 * whole record and asks once.  All integers are little-endian.
 *
 * The bytes are either all in memory, or a window that moves through a file
 * (src/source.h): then each call may move the window, which ends the life of
 * all pointers into it, and nothing that was read comes back.
 */
#ifndef HS_CURSOR_H
#define HS_CURSOR_H

#include "src/base.h"

/* Where a window's bytes come from. */
struct hs_feed {
	/* Puts up to ROOM bytes at BUFFER, returns how many; 0 at the end. */
	size_t (*read)(struct hs_feed *feed, uint8_t *buffer, size_t room);

	/* The cursor's own: */
	uint8_t *buffer;
	size_t room;
	size_t withheld; /* zeros behind the window, which may be padding */
	bool padded, over;
};

struct hs_cursor {
	const uint8_t *start, *pos, *end;
	const uint8_t *failed_at; /* NULL while all is well */
	const char *name;         /* file name, for messages; borrowed */
	bool truncated;           /* the bytes end before the original did */
	bool changed;             /* others wrote to the file meanwhile: map it again, */
	bool as_is;               /* ... or read it as it is, if it cannot be whole */
	uint64_t offset;          /* of `start` in the file */
	struct hs_feed *feed;     /* NULL: the bytes are all in memory */
};

struct hs_cursor hs_cursor(const void *data, size_t size, const char *name);

/* No record that a window must hold at once is larger. */
#define HS_MAX_WINDOW ((size_t)64 << 20)

/* Zeros at the very end of the file are padding: end before them. */
void hs_cur_unpad(struct hs_cursor *c);

static inline size_t hs_cur_left(const struct hs_cursor *c)
{
	return (size_t)(c->end - c->pos);
}

static inline bool hs_cur_failed(const struct hs_cursor *c)
{
	return c->failed_at != NULL;
}

/* Where the next byte lies in the file. */
static inline uint64_t hs_cur_offset(const struct hs_cursor *c)
{
	return c->offset + (uint64_t)(c->pos - c->start);
}

/* Are there SIZE more bytes?  Moves the window so that they are in it. */
bool hs_cur_refill_(struct hs_cursor *c, size_t size);
static inline bool hs_cur_want(struct hs_cursor *c, size_t size)
{
	return size <= hs_cur_left(c) || hs_cur_refill_(c, size);
}

uint8_t hs_cur_next_u8_(struct hs_cursor *c);
static inline uint8_t hs_cur_u8(struct hs_cursor *c)
{
	return c->pos < c->end ? *c->pos++ : hs_cur_next_u8_(c);
}
uint16_t hs_cur_u16(struct hs_cursor *c);
uint32_t hs_cur_u32(struct hs_cursor *c);
uint64_t hs_cur_u64(struct hs_cursor *c);

/* LEB128; more than ten bytes or more than 64 bits fail. */
uint64_t hs_cur_long_uleb_(struct hs_cursor *c);
static inline uint64_t hs_cur_uleb(struct hs_cursor *c)
{
	return c->pos < c->end && *c->pos < 128 ? *c->pos++ : hs_cur_long_uleb_(c);
}

/* Zigzag over LEB128: 0, -1, 1, -2 ... */
static inline int64_t hs_cur_zigzag(struct hs_cursor *c)
{
	uint64_t v = hs_cur_uleb(c);
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* SIZE bytes in place, or NULL (and failed) where they do not follow. */
const uint8_t *hs_cur_bytes(struct hs_cursor *c, size_t size);

/*
 * The bytes before the next one that is STOP, which is skipped; sets *SIZE_RET.
 * NULL (and failed) where there is none, or only HS_MAX_WINDOW bytes further on.
 */
const uint8_t *hs_cur_until(struct hs_cursor *c, uint8_t stop, size_t *size_ret);

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
