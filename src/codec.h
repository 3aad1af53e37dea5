/* SPDX-License-Identifier: MIT */

/*
 * Unpacking gzip, zstd, LZ4 frames and xz, a piece at a time.  Frames may
 * follow one another, and zeros may pad the last one.
 */
#ifndef HS_CODEC_H
#define HS_CODEC_H

#include "src/base.h"

struct hs_codec;

/* The codec of a file which begins with DATA, or NULL if it is not packed. */
const struct hs_codec *hs_codec_find(const uint8_t *data, size_t size);
const char *hs_codec_name(const struct hs_codec *codec);

/* Input and output of one step, which moves both forward. */
struct hs_flow {
	const uint8_t *in, *in_end;
	bool in_is_all; /* nothing follows `in_end` */
	uint8_t *out, *out_end;
};

enum hs_unpacked {
	HS_UNPACKED_MORE, /* wants input or room */
	HS_UNPACKED_ALL,  /* the input ends, and so did its last frame */
	HS_UNPACKED_BAD,  /* damaged, or ends within a frame */
};

struct hs_unpacker;

/* NULL: out of memory. */
struct hs_unpacker *hs_unpacker_new(const struct hs_codec *codec);
void hs_unpacker_free(struct hs_unpacker *u); /* accepts NULL */
enum hs_unpacked hs_unpack(struct hs_unpacker *u, struct hs_flow *flow);

#endif /* HS_CODEC_H */
