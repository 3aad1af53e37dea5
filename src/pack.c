/* SPDX-License-Identifier: MIT */

/* One step function for each library: input to packed bytes in a buffer. */
#include "src/pack.h"

#include <lz4frame.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "src/out.h"

#define ROOM     ((size_t)128 << 10)
#define MAX_STEP ((size_t)256 << 10) /* of one step; zlib counts in 32 bits */

struct packer_kind {
	const char *name, *suffix;
	bool (*begin)(struct hs_packer *p);
	/* Pack SIZE bytes; END: and what the stream ends with. */
	bool (*step)(struct hs_packer *p, const uint8_t *bytes, size_t size, bool end);
	void (*end)(struct hs_packer *p);
};

struct hs_packer {
	const struct packer_kind *kind;
	struct hs_out *out;
	bool begun;
	ZSTD_CCtx *zstd;
	z_stream zlib;
	lzma_stream xz;
	LZ4F_cctx *lz4;
	uint8_t *buffer;
	size_t room;
};

/* -- zstd --------------------------------------------------------------------------- */

static bool zstd_begin(struct hs_packer *p)
{
	p->zstd = ZSTD_createCCtx();
	return p->zstd != NULL;
}

static bool zstd_step(struct hs_packer *p, const uint8_t *bytes, size_t size, bool end)
{
	ZSTD_inBuffer in = {bytes, size, 0};
	for (;;) {
		ZSTD_outBuffer out = {p->buffer, p->room, 0};
		size_t left = ZSTD_compressStream2(p->zstd, &out, &in,
						   end ? ZSTD_e_end : ZSTD_e_continue);
		hs_put(p->out, p->buffer, out.pos);
		if (ZSTD_isError(left))
			return false;
		if (end ? !left : in.pos == in.size)
			return true;
	}
}

static void zstd_end(struct hs_packer *p)
{
	ZSTD_freeCCtx(p->zstd);
}

/* -- gzip --------------------------------------------------------------------------- */

static bool gzip_begin(struct hs_packer *p)
{
	/* Fast; a window of 32 KiB with gzip's header. */
	return deflateInit2(&p->zlib, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
	       Z_OK;
}

static bool gzip_step(struct hs_packer *p, const uint8_t *bytes, size_t size, bool end)
{
	p->zlib.next_in = (Bytef *)(uintptr_t)bytes;
	p->zlib.avail_in = (uInt)size;
	do {
		p->zlib.next_out = p->buffer;
		p->zlib.avail_out = (uInt)p->room;
		if (deflate(&p->zlib, end ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			return false;
		hs_put(p->out, p->buffer, p->room - p->zlib.avail_out);
	} while (!p->zlib.avail_out);
	return true;
}

static void gzip_end(struct hs_packer *p)
{
	deflateEnd(&p->zlib);
}

/* -- xz ----------------------------------------------------------------------------- */

static bool xz_begin(struct hs_packer *p)
{
	p->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_easy_encoder(&p->xz, 1, LZMA_CHECK_CRC64) == LZMA_OK;
}

static bool xz_step(struct hs_packer *p, const uint8_t *bytes, size_t size, bool end)
{
	p->xz.next_in = bytes;
	p->xz.avail_in = size;
	for (;;) {
		p->xz.next_out = p->buffer;
		p->xz.avail_out = p->room;
		lzma_ret r = lzma_code(&p->xz, end ? LZMA_FINISH : LZMA_RUN);
		hs_put(p->out, p->buffer, p->room - p->xz.avail_out);
		if (r != LZMA_OK)
			return r == LZMA_STREAM_END;
		if (!end && !p->xz.avail_in)
			return true;
	}
}

static void xz_end(struct hs_packer *p)
{
	lzma_end(&p->xz);
}

/* -- LZ4 ---------------------------------------------------------------------------- */

static bool lz4_begin(struct hs_packer *p)
{
	p->room = LZ4F_compressBound(MAX_STEP, NULL) + LZ4F_HEADER_SIZE_MAX;
	free(p->buffer);
	p->buffer = hs_xmalloc(p->room);
	if (LZ4F_isError(LZ4F_createCompressionContext(&p->lz4, LZ4F_VERSION)))
		return false;
	size_t n = LZ4F_compressBegin(p->lz4, p->buffer, p->room, NULL);
	if (LZ4F_isError(n))
		return false;
	hs_put(p->out, p->buffer, n);
	return true;
}

static bool lz4_step(struct hs_packer *p, const uint8_t *bytes, size_t size, bool end)
{
	size_t n =
		end ? LZ4F_compressEnd(p->lz4, p->buffer, p->room, NULL)
		    : LZ4F_compressUpdate(p->lz4, p->buffer, p->room, bytes, size, NULL);
	if (LZ4F_isError(n))
		return false;
	hs_put(p->out, p->buffer, n);
	return true;
}

static void lz4_end(struct hs_packer *p)
{
	LZ4F_freeCompressionContext(p->lz4);
}

/* -- All ---------------------------------------------------------------------------- */

static const struct packer_kind kinds[] = {
	{"zstd", ".zst", zstd_begin, zstd_step, zstd_end},
	{"gzip", ".gz", gzip_begin, gzip_step, gzip_end},
	{"lz4", ".lz4", lz4_begin, lz4_step, lz4_end},
	{"xz", ".xz", xz_begin, xz_step, xz_end},
};

static const struct packer_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < HS_COUNT(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

const char *hs_pack_suffix(const char *name)
{
	const struct packer_kind *kind = find_kind(name);
	return kind ? kind->suffix : NULL;
}

struct hs_packer *hs_packer_new(const char *name, struct hs_out *out)
{
	struct hs_packer *p = hs_xcalloc(1, sizeof(*p));
	p->kind = find_kind(name);
	p->out = out;
	p->room = ROOM;
	p->buffer = hs_xmalloc(p->room);
	p->begun = p->kind->begin(p);
	return p;
}

bool hs_packer_put(struct hs_packer *p, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	bool good = p->begun;
	for (size_t n; size && good; at += n, size -= n) {
		n = HS_MIN(size, MAX_STEP);
		good = p->kind->step(p, at, n, false);
	}
	return good;
}

bool hs_packer_finish(struct hs_packer *p)
{
	return p->begun && p->kind->step(p, NULL, 0, true);
}

void hs_packer_free(struct hs_packer *p)
{
	if (!p)
		return;
	p->kind->end(p);
	free(p->buffer);
	free(p);
}
