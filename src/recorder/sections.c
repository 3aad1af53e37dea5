/* SPDX-License-Identifier: MIT */

/* Filling sections in memory, and writing each when it is full. */
#include "src/recorder/sections.h"

#include <errno.h>
#include <string.h>

#include "src/recorder/io.h"
#include "src/wire.h"

/* A section is larger only where one record is. */
#define FULL (1u << 20)

/* Two LEB128 numbers before the payload. */
#define MOST_PREFIX 20u

void rc_sections_init(struct rc_sections *s, int fd)
{
	*s = (struct rc_sections){.fd = fd, .page = 1};
	hs_out_init(&s->pending, -1);
}

static void flush(struct rc_sections *s)
{
	if (!s->pending.n || s->err)
		return;
	static char zeros[HS_WIRE_PAGE];
	size_t size = sizeof(struct hs_wire_section) + s->pending.n;
	size_t pages = (size + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE;
	struct hs_wire_section head = {.magic = HS_WIRE_SECTION_MAGIC,
				       .tag = HS_WIRE_RECORDS,
				       .header_size = sizeof(head),
				       .pages = (uint32_t)pages,
				       .length = (uint32_t)s->pending.n};
	const struct iovec parts[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = s->pending.buf, .iov_len = s->pending.n},
		{.iov_base = zeros, .iov_len = pages * HS_WIRE_PAGE - size}};
	s->err = s->pending.n > UINT32_MAX - HS_WIRE_PAGE
			 ? EFBIG
			 : rc_write_parts(s->fd, parts, 3, s->page * HS_WIRE_PAGE);
	s->page += pages;
	s->pending.n = 0;
}

bool rc_sections_reserve(struct rc_sections *s, size_t size)
{
	if (s->pending.n + size + MOST_PREFIX > FULL)
		flush(s);
	return s->pending.n == 0;
}

void rc_sections_put(struct rc_sections *s, uint32_t tag, const void *head, size_t n_head,
		     const void *body, size_t n_body)
{
	rc_sections_reserve(s, n_head + n_body);
	hs_put_uleb(&s->pending, tag);
	hs_put_uleb(&s->pending, n_head + n_body);
	if (n_head)
		hs_put(&s->pending, head, n_head);
	if (n_body)
		hs_put(&s->pending, body, n_body);
}

struct hs_error *rc_sections_finish(struct rc_sections *s)
{
	flush(s);
	free(hs_out_take(&s->pending, NULL));
	if (s->err)
		return hs_error("cannot write the new file: %s", strerror(s->err));
	return NULL;
}
