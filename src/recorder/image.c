/* SPDX-License-Identifier: MIT */

/* Laying out an image, and filling it. */
#include "src/recorder/image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "src/recorder/chunks.h"
#include "src/recorder/io.h"
#include "src/recorder/store.h"
#include "src/wire.h"

/* Before the events of a PIECE: the section's header, six numbers. */
#define MOST_HEAD (sizeof(struct hs_wire_records) + 60)

static uint64_t pages_of(uint64_t size)
{
	return (size + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE;
}

static uint64_t count_pages(const struct rc_store *s, const struct rc_reaches *reaches)
{
	uint64_t n = 1;
	for (size_t i = 0; i < s->sections.n; i++)
		if (rc_store_counts(s, &s->sections.at[i]))
			n += s->sections.at[i].pages;
	for (size_t i = 0; i < reaches->at.n; i++)
		n += pages_of(MOST_HEAD + reaches->at.at[i].length);
	return n;
}

static struct hs_error *read_all(int fd, void *data, size_t size, uint64_t page)
{
	ssize_t got = rc_read(fd, data, size, page * HS_WIRE_PAGE);
	if (got < 0)
		return hs_error("cannot read the capture: %s", strerror(errno));
	if ((size_t)got < size)
		return hs_error("the capture was cut short");
	return NULL;
}

static struct hs_error *put_section(const struct rc_store *s, const struct rc_section *r,
				    uint8_t *at)
{
	struct hs_wire_section head;
	struct hs_error *err =
		read_all(s->fd, at, (size_t)r->pages * HS_WIRE_PAGE, r->page);
	/* As it was when we met it, whatever has happened to it since. */
	memcpy(&head, at, sizeof(head));
	head.pages = r->pages;
	memcpy(at, &head, sizeof(head));
	return err;
}

/* A section with one PIECE: what REACH tells of a chunk. */
static struct hs_error *put_chunk(const struct rc_store *s, const struct rc_reach *reach,
				  uint8_t *at)
{
	struct hs_wire_chunk chunk;
	struct hs_error *err = read_all(s->fd, &chunk, sizeof(chunk), reach->page);
	if (err)
		return err;
	uint64_t start = chunk.section.header_size, room = reach->pages * HS_WIRE_PAGE;
	if (start < sizeof(chunk) || start > room || reach->length > room - start)
		return hs_error("the chunk at page %llu is damaged",
				(unsigned long long)reach->page);
	uint8_t numbers[40], *p = numbers, *body = at + sizeof(struct hs_wire_records);
	p = rc_uleb(p, chunk.stream);
	p = rc_uleb(p, chunk.sequence);
	p = rc_uleb(p, chunk.tid);
	p = rc_uleb(p, chunk.base_stamp);
	size_t n = (size_t)(p - numbers);
	p = rc_uleb(rc_uleb(body, HS_WIRE_PIECE), n + reach->length);
	memcpy(p, numbers, n);
	p += n;
	ssize_t got =
		rc_read(s->fd, p, reach->length, reach->page * HS_WIRE_PAGE + start);
	if (got != (ssize_t)reach->length)
		return hs_error("the capture was cut short");
	const struct hs_wire_records head = {
		.section = {.magic = HS_WIRE_SECTION_MAGIC,
			    .tag = HS_WIRE_RECORDS,
			    .header_size = sizeof(head),
			    .pages = (uint32_t)pages_of(MOST_HEAD + reach->length),
			    .length = (uint32_t)(p + reach->length - body)},
		.generation = s->committed};
	memcpy(at, &head, sizeof(head));
	return NULL;
}

static struct hs_error *put_header(const struct rc_store *s, struct rc_image *image)
{
	struct hs_wire_header header;
	struct hs_error *err = read_all(s->fd, image->data, HS_WIRE_PAGE, 0);
	memcpy(&header, image->data, sizeof(header));
	header.generation = s->committed;
	header.end_page = image->size / HS_WIRE_PAGE;
	header.newest_chunk = 0;
	header.recorder_pid = 0; /* nobody changes this */
	memcpy(image->data, &header, sizeof(header));
	return err;
}

static struct hs_error *fill(const struct rc_store *s, const struct rc_reaches *reaches,
			     struct rc_image *image)
{
	struct hs_error *err = put_header(s, image);
	uint8_t *at = image->data + HS_WIRE_PAGE;
	for (size_t i = 0; i < s->sections.n && !err; i++) {
		const struct rc_section *r = &s->sections.at[i];
		if (!rc_store_counts(s, r))
			continue;
		err = put_section(s, r, at);
		at += (size_t)r->pages * HS_WIRE_PAGE;
	}
	for (size_t i = 0; i < reaches->at.n && !err; i++) {
		err = put_chunk(s, &reaches->at.at[i], at);
		at += pages_of(MOST_HEAD + reaches->at.at[i].length) * HS_WIRE_PAGE;
	}
	return err;
}

struct hs_error *rc_image_read(const struct rc_store *s, const struct rc_reaches *reaches,
			       struct rc_image *ret)
{
	struct rc_image image = {.size = count_pages(s, reaches) * HS_WIRE_PAGE};
	void *p = mmap(NULL, image.size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return hs_error("no memory for %zu bytes of log", image.size);
	image.data = p;
	struct hs_error *err = fill(s, reaches, &image);
	if (err)
		rc_image_free(&image);
	else
		*ret = image;
	return err;
}

void rc_image_free(struct rc_image *image)
{
	if (image->data)
		munmap(image->data, image->size);
	image->data = NULL;
}
