/* SPDX-License-Identifier: MIT */

/* Filling sections in memory, and writing each when it is full. */
#include "src/recorder/sections.h"

#include <string.h>

#include "src/recorder/io.h"
#include "src/recorder/pages.h"
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

void rc_sections_init_checkpoint(struct rc_sections *s, struct rc_pages *pages,
				 uint64_t limit, uint32_t generation)
{
	*s = (struct rc_sections){.fd = pages->fd,
				  .pages = pages,
				  .limit = limit,
				  .generation = generation};
	hs_out_init(&s->pending, -1);
}

static struct hs_error *place(struct rc_sections *s, uint64_t pages, uint64_t *page)
{
	struct rc_range r;
	if (!s->pages) {
		*page = s->page;
		s->page += pages;
		return NULL;
	}
	struct hs_error *err = rc_pages_get(s->pages, pages, pages, s->limit, &r);
	*page = r.page;
	return err;
}

static size_t header_size(const struct rc_sections *s)
{
	return s->pages ? sizeof(struct hs_wire_records) : sizeof(struct hs_wire_section);
}

static struct hs_error *write_section(struct rc_sections *s)
{
	static char zeros[HS_WIRE_PAGE];
	size_t size = header_size(s) + s->pending.n;
	size_t pages = (size + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE;
	if (s->pending.n > UINT32_MAX - HS_WIRE_PAGE)
		return hs_error("a record is too large to be written");
	uint64_t page = 0;
	struct hs_error *err = place(s, pages, &page);
	if (err)
		return err;
	struct hs_wire_records head = {
		.section = {.magic = HS_WIRE_SECTION_MAGIC,
			    .tag = s->pages ? HS_WIRE_CHECKPOINT : HS_WIRE_RECORDS,
			    .header_size = (uint16_t)header_size(s),
			    .pages = (uint32_t)pages,
			    .length = (uint32_t)s->pending.n},
		.generation = s->generation,
		.number = ++s->number};
	const struct iovec parts[] = {
		{.iov_base = &head, .iov_len = header_size(s)},
		{.iov_base = s->pending.buf, .iov_len = s->pending.n},
		{.iov_base = zeros, .iov_len = pages * HS_WIRE_PAGE - size}};
	int failed = rc_write_parts(s->fd, parts, 3, page * HS_WIRE_PAGE);
	return failed ? hs_error("cannot write: %s", strerror(failed)) : NULL;
}

static void flush(struct rc_sections *s)
{
	if (s->pending.n && !s->failure)
		s->failure = write_section(s);
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
	return s->failure;
}
