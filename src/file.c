/* SPDX-License-Identifier: MIT */

/*
 * Input files: mapped when plain, unpacked into memory when they begin with
 * the magic number of a compressor.  Knows four codecs behind one small
 * interface; knows nothing of what the bytes mean.
 */
#include "src/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lz4frame.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#include <zstd.h>

/* Input and output of one step of a codec; the step moves both forward. */
struct flow {
	const uint8_t *in, *in_end;
	uint8_t *out, *out_end;
};

enum step {
	STEP_MORE, /* wants input or room */
	STEP_END,  /* the frame (gzip: member, xz: stream) is complete */
	STEP_BAD,
};

struct codec {
	const char *name;
	bool (*is_start)(const uint8_t *data, size_t size);
	void *(*open)(void); /* NULL: no memory */
	bool (*restart)(void *state);
	enum step (*step)(void *state, struct flow *flow);
	void (*close)(void *state);
};

static bool starts_with(const uint8_t *data, size_t size, const char *magic, size_t n)
{
	return size >= n && memcmp(data, magic, n) == 0;
}

/* zstd and LZ4 share the magic numbers of frames that carry no data. */
static bool is_skippable(const uint8_t *data, size_t size)
{
	return size >= 4 && (data[0] & 0xf0) == 0x50 &&
	       memcmp(data + 1, "\x2a\x4d\x18", 3) == 0;
}

/* -- gzip ------------------------------------------------------------------ */

static bool gzip_is_start(const uint8_t *data, size_t size)
{
	return starts_with(data, size, "\x1f\x8b\x08", 3);
}

static void *gzip_open(void)
{
	z_stream *z = hs_xcalloc(1, sizeof(*z));
	if (inflateInit2(z, 15 + 16) == Z_OK) /* 16: expect a gzip header */
		return z;
	free(z);
	return NULL;
}

static bool gzip_restart(void *state)
{
	return inflateReset(state) == Z_OK;
}

static enum step gzip_step(void *state, struct flow *flow)
{
	z_stream *z = state;
	z->next_in = flow->in;
	z->avail_in = (uInt)HS_MIN(flow->in_end - flow->in, INT_MAX);
	z->next_out = flow->out;
	z->avail_out = (uInt)HS_MIN(flow->out_end - flow->out, INT_MAX);
	int r = inflate(z, Z_NO_FLUSH);
	flow->in = z->next_in;
	flow->out = z->next_out;
	if (r == Z_STREAM_END)
		return STEP_END;
	return r == Z_OK || r == Z_BUF_ERROR ? STEP_MORE : STEP_BAD;
}

static void gzip_close(void *state)
{
	inflateEnd(state);
	free(state);
}

/* -- zstd ------------------------------------------------------------------ */

/*
 * On an error neither libzstd nor liblz4 says how much it had written before.
 * Fed with no more than they ask for, that is one block at most.
 */
struct zstd_state {
	ZSTD_DCtx *context;
	size_t wanted;
};

static bool zstd_is_start(const uint8_t *data, size_t size)
{
	return starts_with(data, size, "\x28\xb5\x2f\xfd", 4) || is_skippable(data, size);
}

static bool zstd_restart(void *state)
{
	struct zstd_state *s = state;
	s->wanted = 5; /* magic number and descriptor (RFC 8878, 3.1.1) */
	return !ZSTD_isError(ZSTD_DCtx_reset(s->context, ZSTD_reset_session_only));
}

static void *zstd_open(void)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	if (!context)
		return NULL;
	/* As `zstd --long=31` writes; the window is bounded by the frame's own size. */
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 31);
	struct zstd_state *s = hs_xcalloc(1, sizeof(*s));
	s->context = context;
	zstd_restart(s);
	return s;
}

static enum step zstd_step(void *state, struct flow *flow)
{
	struct zstd_state *s = state;
	ZSTD_inBuffer in = {.src = flow->in,
			    .size = HS_MIN((size_t)(flow->in_end - flow->in), s->wanted)};
	ZSTD_outBuffer out = {.dst = flow->out,
			      .size = (size_t)(flow->out_end - flow->out)};
	size_t r = ZSTD_decompressStream(s->context, &out, &in);
	if (ZSTD_isError(r))
		return STEP_BAD;
	flow->in += in.pos;
	flow->out += out.pos;
	s->wanted = r;
	return r == 0 ? STEP_END : STEP_MORE;
}

static void zstd_close(void *state)
{
	struct zstd_state *s = state;
	ZSTD_freeDCtx(s->context);
	free(s);
}

/* -- LZ4 frames ------------------------------------------------------------ */

struct lz4_state {
	LZ4F_dctx *context;
	size_t wanted;
};

static bool lz4_is_start(const uint8_t *data, size_t size)
{
	return starts_with(data, size, "\x04\x22\x4d\x18", 4) || is_skippable(data, size);
}

static bool lz4_restart(void *state)
{
	struct lz4_state *s = state;
	s->wanted = LZ4F_HEADER_SIZE_MIN;
	LZ4F_resetDecompressionContext(s->context);
	return true;
}

static void *lz4_open(void)
{
	LZ4F_dctx *context;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return NULL;
	struct lz4_state *s = hs_xcalloc(1, sizeof(*s));
	s->context = context;
	lz4_restart(s);
	return s;
}

static enum step lz4_step(void *state, struct flow *flow)
{
	struct lz4_state *s = state;
	size_t in = HS_MIN((size_t)(flow->in_end - flow->in), s->wanted);
	size_t out = (size_t)(flow->out_end - flow->out);
	size_t r = LZ4F_decompress(s->context, flow->out, &out, flow->in, &in, NULL);
	if (LZ4F_isError(r))
		return STEP_BAD;
	flow->in += in;
	flow->out += out;
	s->wanted = r;
	return r == 0 ? STEP_END : STEP_MORE;
}

static void lz4_close(void *state)
{
	struct lz4_state *s = state;
	LZ4F_freeDecompressionContext(s->context);
	free(s);
}

/* -- xz -------------------------------------------------------------------- */

/* `xz -9` needs 65 MiB; a hostile header may ask for 4 GiB. */
#define XZ_MEMORY_LIMIT ((uint64_t)1 << 30)

static bool xz_is_start(const uint8_t *data, size_t size)
{
	return starts_with(data, size,
			   "\xfd"
			   "7zXZ",
			   6);
}

static bool xz_restart(void *state)
{
	return lzma_stream_decoder(state, XZ_MEMORY_LIMIT, 0) == LZMA_OK;
}

static void xz_close(void *state)
{
	lzma_end(state);
	free(state);
}

static void *xz_open(void)
{
	lzma_stream *s = hs_xmalloc(sizeof(*s));
	*s = (lzma_stream)LZMA_STREAM_INIT;
	if (xz_restart(s))
		return s;
	xz_close(s);
	return NULL;
}

static enum step xz_step(void *state, struct flow *flow)
{
	lzma_stream *s = state;
	s->next_in = flow->in;
	s->avail_in = (size_t)(flow->in_end - flow->in);
	s->next_out = flow->out;
	s->avail_out = (size_t)(flow->out_end - flow->out);
	lzma_ret r = lzma_code(s, LZMA_RUN);
	flow->in = s->next_in;
	flow->out = s->next_out;
	if (r == LZMA_STREAM_END)
		return STEP_END;
	return r == LZMA_OK || r == LZMA_BUF_ERROR ? STEP_MORE : STEP_BAD;
}

static const struct codec codecs[] = {
	{"gzip", gzip_is_start, gzip_open, gzip_restart, gzip_step, gzip_close},
	{"zstd", zstd_is_start, zstd_open, zstd_restart, zstd_step, zstd_close},
	{"LZ4", lz4_is_start, lz4_open, lz4_restart, lz4_step, lz4_close},
	{"xz", xz_is_start, xz_open, xz_restart, xz_step, xz_close},
};

/* A skippable frame first: what follows it decides between zstd and LZ4. */
static const struct codec *find_codec(const uint8_t *data, size_t size)
{
	while (is_skippable(data, size) && size >= 8) {
		uint32_t length =
			data[4] | data[5] << 8 | data[6] << 16 | (uint32_t)data[7] << 24;
		if (length > size - 8)
			break;
		data += 8 + (size_t)length;
		size -= 8 + (size_t)length;
	}
	for (size_t i = 0; i < HS_COUNT(codecs) && !is_skippable(data, size); i++)
		if (codecs[i].is_start(data, size))
			return &codecs[i];
	return NULL;
}

/* -- Unpacking -------------------------------------------------------------- */

struct unpacked {
	uint8_t *data;
	size_t n, room;
};

static void make_room(struct unpacked *u, uint64_t limit)
{
	const size_t first = (size_t)256 << 10;
	if (u->n < u->room)
		return;
	/* One byte more than allowed tells "just fits" from "too large". */
	u->room = (size_t)HS_MIN(u->room ? (uint64_t)u->room * 2 : first, limit + 1);
	u->data = hs_xrealloc(u->data, u->room);
}

static const uint8_t *skip_zeros(const uint8_t *p, const uint8_t *end)
{
	while (p < end && !*p)
		p++;
	return p;
}

/* Unpack frame after frame; returns whether the last one was complete. */
static bool unpack(const struct codec *codec, void *state, const uint8_t *in, size_t size,
		   uint64_t limit, struct unpacked *u)
{
	struct flow flow = {.in = in, .in_end = in + size};
	while (u->n <= limit) {
		make_room(u, limit);
		const uint8_t *in_before = flow.in;
		uint8_t *out_before = flow.out = u->data + u->n;
		flow.out_end = u->data + u->room;
		enum step step = codec->step(state, &flow);
		u->n = (size_t)(flow.out - u->data);
		if (step == STEP_BAD)
			return false;
		if (step == STEP_MORE && flow.in == in_before && flow.out == out_before)
			return false; /* starved: the file ends within a frame */
		if (step == STEP_MORE)
			continue;
		/* Blocks of zeros pad files to the size of a disk block or a window. */
		flow.in = skip_zeros(flow.in, flow.in_end);
		if (flow.in == flow.in_end)
			return true;
		if (!codec->is_start(flow.in, (size_t)(flow.in_end - flow.in)) ||
		    !codec->restart(state))
			return false;
	}
	return true;
}

static uint64_t default_limit(void)
{
	const uint64_t most = (uint64_t)64 << 30;
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	if (pages <= 0 || page_size <= 0)
		return most;
	return HS_MIN(most, (uint64_t)pages * (uint64_t)page_size / 2);
}

static struct hs_error *unpack_with(const struct codec *codec, const uint8_t *data,
				    size_t size, uint64_t limit, struct hs_file *ret)
{
	void *state = codec->open();
	if (!state)
		return hs_error("cannot set up %s: out of memory", codec->name);
	struct unpacked u = {0};
	limit = HS_MIN(limit ? limit : default_limit(), (uint64_t)SIZE_MAX / 4);
	bool complete = unpack(codec, state, data, size, limit, &u);
	codec->close(state);
	if (u.n > limit || (!u.n && !complete)) {
		free(u.data);
		return u.n > limit
			       ? hs_error("unpacks to more than %llu bytes; unpack it "
					  "with a tool for %s files and give the result",
					  (unsigned long long)limit, codec->name)
			       : hs_error("damaged or cut off at its very beginning: "
					  "nothing can be unpacked from this %s file",
					  codec->name);
	}
	*ret = (struct hs_file){.data = u.data, .heap = u.data, .size = u.n};
	ret->truncated = !complete;
	return NULL;
}

struct hs_error *hs_file_unpack(const void *data, size_t size, uint64_t max_unpacked,
				struct hs_file *ret)
{
	const struct codec *codec = find_codec(data, size);
	if (!codec)
		return hs_error("not packed with gzip, zstd, LZ4 or xz");
	return unpack_with(codec, data, size, max_unpacked, ret);
}

/* -- Files ------------------------------------------------------------------- */

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode)    ? "a directory"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

static struct hs_error *open_error(const char *path, int err)
{
	if (err == EACCES || err == EPERM)
		return hs_error("cannot open %s: %s; run as its owner, or as root", path,
				strerror(err));
	if (err == ENXIO) /* a socket; or a pipe nobody writes to */
		return hs_error("%s is not a regular file", path);
	return hs_error("cannot open %s: %s", path, strerror(err));
}

static struct hs_error *map_file(const char *path, int fd, struct hs_file *ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return hs_error("cannot examine %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return hs_error("%s is a directory; name a file in it", path);
	if (!S_ISREG(st.st_mode))
		return hs_error(
			"%s is %s, not a regular file; copy its bytes into a file "
			"and name that",
			path, kind_of(st.st_mode));
	*ret = (struct hs_file){.data = (const uint8_t *)""};
	if (st.st_size == 0)
		return NULL;
	size_t size = (size_t)st.st_size;
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return hs_error("cannot map %s (%zu bytes): %s", path, size,
				strerror(errno));
	*ret = (struct hs_file){.data = map, .size = size, .map = map, .map_size = size};
	return NULL;
}

struct hs_error *hs_file_open(const char *path, uint64_t max_unpacked,
			      struct hs_file *ret)
{
	/* O_NONBLOCK: a pipe without a writer must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return open_error(path, errno);
	struct hs_file mapped;
	struct hs_error *err = map_file(path, fd, &mapped);
	close(fd);
	if (err)
		return err;
	const struct codec *codec = find_codec(mapped.data, mapped.size);
	if (!codec) {
		*ret = mapped;
		return NULL;
	}
	err = unpack_with(codec, mapped.data, mapped.size, max_unpacked, ret);
	hs_file_close(&mapped);
	return hs_error_in(err, "%s", path);
}

void hs_file_close(struct hs_file *file)
{
	if (file->map)
		munmap(file->map, file->map_size);
	free(file->heap);
	*file = (struct hs_file){0};
}
