/* SPDX-License-Identifier: MIT */

/*
 * Four codecs behind one small interface, and frames that follow one another.
 * Knows nothing of files, nor of what the bytes mean.
 */
#include "src/codec.h"

#include <limits.h>
#include <lz4frame.h>
#include <lzma.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#include <zstd.h>

enum step {
	STEP_MORE, /* wants input or room */
	STEP_END,  /* the frame (gzip: member, xz: stream) is complete */
	STEP_BAD,
};

struct hs_codec {
	const char *name;
	bool (*is_start)(const uint8_t *data, size_t size);
	void *(*open)(void); /* NULL: no memory */
	bool (*restart)(void *state);
	enum step (*step)(void *state, struct hs_flow *flow);
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

static enum step gzip_step(void *state, struct hs_flow *flow)
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

static enum step zstd_step(void *state, struct hs_flow *flow)
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

static enum step lz4_step(void *state, struct hs_flow *flow)
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

static enum step xz_step(void *state, struct hs_flow *flow)
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

static const struct hs_codec codecs[] = {
	{"gzip", gzip_is_start, gzip_open, gzip_restart, gzip_step, gzip_close},
	{"zstd", zstd_is_start, zstd_open, zstd_restart, zstd_step, zstd_close},
	{"LZ4", lz4_is_start, lz4_open, lz4_restart, lz4_step, lz4_close},
	{"xz", xz_is_start, xz_open, xz_restart, xz_step, xz_close},
};

/* A skippable frame first: what follows it decides between zstd and LZ4. */
const struct hs_codec *hs_codec_find(const uint8_t *data, size_t size)
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

const char *hs_codec_name(const struct hs_codec *codec)
{
	return codec->name;
}

/* -- Frame after frame -------------------------------------------------------- */

/* Longer than any magic number. */
#define MAGIC_SIZE ((size_t)8)

struct hs_unpacker {
	const struct hs_codec *codec;
	void *state;
	bool between; /* after a frame: zeros, the next one, or the end */
};

struct hs_unpacker *hs_unpacker_new(const struct hs_codec *codec)
{
	void *state = codec->open();
	if (!state)
		return NULL;
	struct hs_unpacker *u = hs_xcalloc(1, sizeof(*u));
	u->codec = codec;
	u->state = state;
	return u;
}

void hs_unpacker_free(struct hs_unpacker *u)
{
	if (!u)
		return;
	u->codec->close(u->state);
	free(u);
}

/* Blocks of zeros pad files to the size of a disk block or a window. */
static enum hs_unpacked next_frame(struct hs_unpacker *u, struct hs_flow *flow)
{
	while (flow->in < flow->in_end && !*flow->in)
		flow->in++;
	size_t left = (size_t)(flow->in_end - flow->in);
	if (!left && flow->in_is_all)
		return HS_UNPACKED_ALL;
	if (left < MAGIC_SIZE && !flow->in_is_all)
		return HS_UNPACKED_MORE;
	if (!u->codec->is_start(flow->in, left) || !u->codec->restart(u->state))
		return HS_UNPACKED_BAD;
	u->between = false;
	return HS_UNPACKED_MORE;
}

enum hs_unpacked hs_unpack(struct hs_unpacker *u, struct hs_flow *flow)
{
	if (u->between)
		return next_frame(u, flow);
	const uint8_t *in = flow->in, *out = flow->out;
	enum step step = u->codec->step(u->state, flow);
	if (step == STEP_BAD)
		return HS_UNPACKED_BAD;
	u->between = step == STEP_END;
	bool stuck = step == STEP_MORE && flow->in == in && flow->out == out;
	bool starved = flow->in_is_all && flow->out < flow->out_end;
	return stuck && starved ? HS_UNPACKED_BAD : HS_UNPACKED_MORE;
}
