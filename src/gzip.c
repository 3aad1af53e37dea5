/* SPDX-License-Identifier: MIT */

/* Packing with gzip. */
#include "src/gzip.h"

#include <zlib.h>

struct hs_gzip {
	z_stream z;
	struct hs_out *to;
};

struct hs_gzip *hs_gzip_new(struct hs_out *to)
{
	struct hs_gzip *g = hs_xcalloc(1, sizeof(*g));
	g->to = to;
	/* 16: with gzip's header, whose date stays 0. */
	if (deflateInit2(&g->z, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return g;
}

static void pack(struct hs_gzip *g, const void *data, size_t size, int flush)
{
	unsigned char packed[16 << 10];
	g->z.next_in = (unsigned char *)(uintptr_t)data;
	g->z.avail_in = (unsigned)size;
	do {
		g->z.next_out = packed;
		g->z.avail_out = sizeof(packed);
		deflate(&g->z, flush);
		hs_put(g->to, packed, sizeof(packed) - g->z.avail_out);
	} while (!g->z.avail_out);
}

void hs_gzip_put(struct hs_gzip *g, const void *data, size_t size)
{
	static const size_t most = (size_t)1 << 30; /* zlib counts in 32 bits */
	const char *p = data;
	for (; size > most; p += most, size -= most)
		pack(g, p, most, Z_NO_FLUSH);
	if (size)
		pack(g, p, size, Z_NO_FLUSH);
}

void hs_gzip_finish(struct hs_gzip *g)
{
	pack(g, "", 0, Z_FINISH);
	deflateEnd(&g->z);
	free(g);
}
