/* SPDX-License-Identifier: MIT */

/*
 * Files as a stream: read in pieces, unpacked when they begin as a packed file
 * does.  Knows nothing of what the bytes mean.
 */
#include "src/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/codec.h"
#include "src/file.h"

#define INPUT_SIZE ((size_t)128 << 10)

/* What a format's probe may see; also finds a packed frame behind skippable ones. */
#define HEAD_SIZE ((size_t)4096)

struct hs_source {
	struct hs_feed feed; /* first: the feed is the source */
	struct hs_cursor cursor;
	int fd;
	struct hs_unpacker *unpacker; /* NULL: a plain file */
	struct hs_flow flow;          /* its input lies in `input` */
	uint8_t *input;
	bool truncated;
};

static size_t read_plain(struct hs_source *s, uint8_t *buffer, size_t room)
{
	ssize_t n;
	do
		n = read(s->fd, buffer, room);
	while (n < 0 && errno == EINTR);
	s->truncated = s->truncated || n < 0;
	return n > 0 ? (size_t)n : 0;
}

/* What was not unpacked yet to the front, and more behind it. */
static void refill(struct hs_source *s)
{
	struct hs_flow *flow = &s->flow;
	size_t left = (size_t)(flow->in_end - flow->in);
	if (left)
		memmove(s->input, flow->in, left);
	size_t n = read_plain(s, s->input + left, INPUT_SIZE - left);
	flow->in = s->input;
	flow->in_end = s->input + left + n;
	flow->in_is_all = n == 0;
}

static size_t read_packed(struct hs_source *s, uint8_t *buffer, size_t room)
{
	struct hs_flow *flow = &s->flow;
	enum hs_unpacked step = HS_UNPACKED_MORE;
	flow->out = buffer;
	flow->out_end = buffer + room;
	while (flow->out == buffer && step == HS_UNPACKED_MORE) {
		const uint8_t *in = flow->in;
		step = hs_unpack(s->unpacker, flow);
		if (step == HS_UNPACKED_MORE && flow->in == in && !flow->in_is_all)
			refill(s);
	}
	s->truncated = s->truncated || step == HS_UNPACKED_BAD;
	return (size_t)(flow->out - buffer);
}

static size_t read_more(struct hs_feed *feed, uint8_t *buffer, size_t room)
{
	struct hs_source *s = (struct hs_source *)feed;
	return s->unpacker ? read_packed(s, buffer, room) : read_plain(s, buffer, room);
}

/* Look at the first bytes, and go back to them. */
static struct hs_error *choose_codec(struct hs_source *s, const char *path)
{
	s->input = hs_xmalloc(INPUT_SIZE);
	size_t n = read_plain(s, s->input, INPUT_SIZE);
	const struct hs_codec *codec = hs_codec_find(s->input, n);
	if (lseek(s->fd, 0, SEEK_SET) < 0)
		return hs_error("cannot read %s: %s", path, strerror(errno));
	s->flow.in = s->flow.in_end = s->input;
	if (codec && !(s->unpacker = hs_unpacker_new(codec)))
		return hs_error("%s: cannot set up %s: out of memory", path,
				hs_codec_name(codec));
	if (!hs_cur_want(&s->cursor, HEAD_SIZE) && !hs_cur_left(&s->cursor) &&
	    s->truncated)
		return codec ? hs_error("%s: damaged or cut off at its very beginning: "
					"nothing can be unpacked from this %s file",
					path, hs_codec_name(codec))
			     : hs_error("cannot read %s", path);
	return NULL;
}

struct hs_error *hs_source_open(const char *path, struct hs_source **ret)
{
	int fd;
	size_t size;
	struct hs_error *err = hs_file_open_plain(path, &fd, &size);
	if (err)
		return err;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	struct hs_source *s = hs_xcalloc(1, sizeof(*s));
	s->fd = fd;
	s->feed.read = read_more;
	s->cursor = hs_cursor("", 0, path);
	s->cursor.feed = &s->feed;
	err = choose_codec(s, path);
	if (err)
		hs_source_close(HS_TAKE(s));
	*ret = s;
	return err;
}

void hs_source_close(struct hs_source *s)
{
	if (!s)
		return;
	hs_unpacker_free(s->unpacker);
	close(s->fd);
	free(s->input);
	free(s->feed.buffer);
	free(s);
}

struct hs_cursor *hs_source_cursor(struct hs_source *s)
{
	return &s->cursor;
}

bool hs_source_packed(const struct hs_source *s)
{
	return s->unpacker != NULL;
}

bool hs_source_truncated(const struct hs_source *s)
{
	return s->truncated;
}
