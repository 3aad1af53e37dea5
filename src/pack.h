/* SPDX-License-Identifier: MIT */

/* Packing a stream with gzip, zstd, LZ4 or xz; src/codec.h unpacks them. */
#ifndef HS_PACK_H
#define HS_PACK_H

#include "src/base.h"

struct hs_out;
struct hs_packer;

/* The names that hs_packer_new() knows, in words: "zstd gzip lz4 xz". */
#define HS_PACK_NAMES "zstd gzip lz4 xz"

/* How files of that kind end: ".zst"; NULL if NAME is none of those. */
const char *hs_pack_suffix(const char *name);

/* Packs into OUT, which is borrowed; NAME is one of those above. */
struct hs_packer *hs_packer_new(const char *name, struct hs_out *out);

/* These return false where the library fails; OUT remembers its own errors. */
bool hs_packer_put(struct hs_packer *p, const void *bytes, size_t size);
bool hs_packer_finish(struct hs_packer *p);
void hs_packer_free(struct hs_packer *p); /* accepts NULL */

#endif /* HS_PACK_H */
