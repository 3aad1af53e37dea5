/* SPDX-License-Identifier: MIT */

/* Words of an image: in place in a core, copied by pages from a living process. */
#include "analyzers/glibc.h"

#define WINDOW ((size_t)64 << 10)

void glibc_memory_init(struct glibc_memory *m, const struct hs_image *image)
{
	*m = (struct glibc_memory){.image = image};
	m->buffer = hs_xmalloc(WINDOW);
}

void glibc_memory_deinit(struct glibc_memory *m)
{
	free(m->buffer);
}

bool glibc_word_slow(struct glibc_memory *m, uint64_t addr, uint64_t *ret)
{
	uint64_t n;
	if (addr > UINT64_MAX - WINDOW)
		return false;
	const uint8_t *bytes = hs_image_bytes(m->image, addr, &n);
	if (!bytes) {
		n = hs_image_read(m->image, addr, m->buffer, WINDOW);
		bytes = m->buffer;
	}
	m->bytes = bytes;
	m->start = addr;
	m->end = addr + n;
	if (n < 8)
		return hs_image_word(m->image, addr, ret); /* over a border */
	memcpy(ret, bytes, sizeof(*ret));
	return true;
}
