/* SPDX-License-Identifier: MIT */

/* Appending records to a capture in such an order that a kill hurts nothing. */
#include "src/recorder/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "src/recorder/io.h"
#include "src/wire.h"

#define FIRST_PAGES 4u   /* most processes are short */
#define MOST_PAGES  256u /* 1 MiB */
#define MAX_PARTS   4

void rc_store_init(struct rc_store *s, int fd, struct hs_wire_header *header)
{
	*s = (struct rc_store){.fd = fd, .header = header, .next_pages = FIRST_PAGES};
}

uint8_t *rc_uleb(uint8_t *p, uint64_t v)
{
	do {
		uint8_t byte = v & 0x7f;
		v >>= 7;
		*p++ = (uint8_t)(byte | (v ? 0x80 : 0));
	} while (v);
	return p;
}

static struct hs_error *write_error(int err)
{
	return hs_error("cannot write to the capture: %s", strerror(err));
}

static bool beyond_bound(const struct rc_store *s, uint64_t pages)
{
	uint64_t end = __atomic_load_n(&s->header->end_page, __ATOMIC_ACQUIRE) + pages;
	return s->max_size && end > s->max_size / HS_WIRE_PAGE;
}

/* Unless others have reserved more in the meantime: then it stays a hole. */
static void give_back(struct rc_store *s, uint64_t page, uint64_t pages)
{
	uint64_t end = page + pages;
	__atomic_compare_exchange_n(&s->header->end_page, &end, page, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Reserve pages for a section of NEEDED bytes, and have the disk promise them. */
static struct hs_error *open_section(struct rc_store *s, uint32_t tag, uint64_t needed)
{
	uint64_t pages = (needed + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE;
	pages = HS_MAX(pages, s->next_pages);
	if (tag == HS_WIRE_PIECE && beyond_bound(s, pages))
		return hs_error("the capture has reached its bound of %llu bytes "
				"(--max-disk)",
				(unsigned long long)s->max_size);
	uint64_t page = __atomic_fetch_add(&s->header->end_page, pages, __ATOMIC_ACQ_REL);
	if (page == 0 || page > UINT64_MAX / 2 / HS_WIRE_PAGE)
		return hs_error("the capture's header is damaged (end_page)");
	if (fallocate(s->fd, 0, (off_t)(page * HS_WIRE_PAGE),
		      (off_t)(pages * HS_WIRE_PAGE)) &&
	    errno != EOPNOTSUPP && errno != ENOSYS) {
		int err = errno;
		give_back(s, page, pages);
		return write_error(err);
	}
	struct hs_wire_section section = {.magic = HS_WIRE_SECTION_MAGIC,
					  .tag = HS_WIRE_RECORDS,
					  .header_size = sizeof(section),
					  .pages = (uint32_t)pages};
	int err = rc_write(s->fd, &section, sizeof(section), page * HS_WIRE_PAGE);
	if (err)
		return write_error(err);
	s->page = page;
	s->size = pages * HS_WIRE_PAGE;
	s->length = 0;
	s->next_pages = HS_MIN(2 * s->next_pages, MOST_PAGES);
	return NULL;
}

static size_t size_of(const struct iovec *parts, int n)
{
	size_t size = 0;
	for (int i = 0; i < n; i++)
		size += parts[i].iov_len;
	return size;
}

struct hs_error *rc_store_append(struct rc_store *s, uint32_t tag,
				 const struct iovec *parts, int n)
{
	uint8_t head[20];
	struct iovec all[1 + MAX_PARTS];
	assert(n <= MAX_PARTS);
	size_t payload = size_of(parts, n);
	uint8_t *end = rc_uleb(rc_uleb(head, tag), payload);
	all[0] = (struct iovec){.iov_base = head, .iov_len = (size_t)(end - head)};
	memcpy(all + 1, parts, sizeof(*parts) * (size_t)n);
	size_t size = all[0].iov_len + payload;
	const size_t before = sizeof(struct hs_wire_section);
	if (size > UINT32_MAX / 2)
		return hs_error("a record of %zu bytes is too large", size);
	if (!s->page || before + s->length + size > s->size) {
		struct hs_error *err = open_section(s, tag, before + size);
		if (err)
			return err;
	}
	uint64_t offset = s->page * HS_WIRE_PAGE;
	int err = rc_write_parts(s->fd, all, n + 1, offset + before + s->length);
	if (err)
		return write_error(err);
	uint32_t length = s->length + (uint32_t)size;
	err = rc_write(s->fd, &length, sizeof(length),
		       offset + offsetof(struct hs_wire_section, length));
	if (err)
		return write_error(err);
	s->length = length;
	return NULL;
}
