/* SPDX-License-Identifier: MIT */

/*
 * Any bytes, read as the program reads a file: guess the format, read, seal.
 * Sealing checks every invariant of a profile.
 */
#include "formats/format.h"

#include <string.h>

#include "src/build.h"
#include "src/cursor.h"
#include "tests/fuzz/fuzz.h"

/* Gives what it has in pieces of seven bytes. */
struct pieces {
	struct hs_feed feed;
	const uint8_t *pos, *end;
};

static size_t next_piece(struct hs_feed *feed, uint8_t *buffer, size_t room)
{
	struct pieces *p = (struct pieces *)feed;
	size_t n = HS_MIN(HS_MIN(room, (size_t)7), (size_t)(p->end - p->pos));
	memcpy(buffer, p->pos, n);
	p->pos += n;
	return n;
}

static void read_all(const struct hs_format *format, struct hs_cursor in)
{
	struct hs_builder *b = hs_build_new();
	hs_error_free(format->read(&in, b));
	hs_profile_free(hs_build_seal(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum hs_match match;
	const struct hs_format *format = hs_format_guess(data, size, NULL, &match);
	if (!format || !format->read)
		return 0;
	read_all(format, hs_cursor(data, size, "fuzz"));
	if (!format->streams)
		return 0;
	struct pieces p = {.feed.read = next_piece, .pos = data, .end = data + size};
	struct hs_cursor window = hs_cursor("", 0, "fuzz");
	window.feed = &p.feed;
	read_all(format, window);
	free(p.feed.buffer);
	return 0;
}
