/* SPDX-License-Identifier: MIT */

/* Appending records to a capture in such an order that a kill hurts nothing. */
#include "src/recorder/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "src/recorder/io.h"
#include "src/recorder/survey.h"
#include "src/wire.h"

#define FIRST_PAGES 4u   /* most processes are short */
#define MOST_PAGES  256u /* 1 MiB */
#define SHARE       64u  /* of the bound, at most, in one section */
#define MAX_PARTS   4

void rc_store_init(struct rc_store *s, int fd, struct hs_wire_header *header)
{
	*s = (struct rc_store){.fd = fd, .header = header, .next_pages = FIRST_PAGES};
	rc_pages_init(&s->pages, fd, header);
	s->committed = __atomic_load_n(&header->generation, __ATOMIC_ACQUIRE);
	s->generation = s->committed;
}

void rc_store_deinit(struct rc_store *s)
{
	rc_pages_deinit(&s->pages);
	hs_array_free(&s->sections);
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

/*
 * Would the next checkpoint find room if the log took PAGES more?  It may be as
 * large as the last one and, where the program only allocates, two and a half
 * times the log since: a block takes some 5 bytes there and 12 in a LIVE_SET.
 */
static bool leaves_room(const struct rc_store *s, uint64_t pages)
{
	uint64_t max = s->max_size / HS_WIRE_PAGE;
	uint64_t end = __atomic_load_n(&s->header->end_page, __ATOMIC_ACQUIRE);
	uint64_t left =
		rc_pages_count(&s->pages) + s->set_aside + (end < max ? max - end : 0);
	uint64_t log = (s->folding_size + s->log_size) / HS_WIRE_PAGE + pages;
	uint64_t last = rc_store_checkpoint_pages(s);
	return left >= pages + last + last / 8 + HS_MIN(log * 5 / 2, max / 4);
}

static struct hs_error *write_head(struct rc_store *s, const struct rc_range *r)
{
	const struct hs_wire_records head = {.section = {.magic = HS_WIRE_SECTION_MAGIC,
							 .tag = HS_WIRE_RECORDS,
							 .header_size = sizeof(head),
							 .pages = (uint32_t)r->pages},
					     .generation = s->generation,
					     .number = ++s->number};
	int err = rc_write(s->fd, &head, sizeof(head), r->page * HS_WIRE_PAGE);
	return err ? write_error(err) : NULL;
}

/* Have pages for a section of NEEDED bytes. */
static struct hs_error *open_section(struct rc_store *s, uint32_t tag, uint64_t needed)
{
	uint64_t least = (needed + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE, share;
	uint64_t most = s->next_pages;
	share = s->max_size / HS_WIRE_PAGE / SHARE;
	if (s->max_size && most > share)
		most = share;
	struct rc_range r;
	bool bounded = s->max_size && tag == HS_WIRE_PIECE;
	struct hs_error *err = NULL;
	if (bounded && s->folds && !leaves_room(s, HS_MAX(most, least)))
		err = hs_error("the capture has reached its bound (--max-disk)");
	if (!err)
		err = rc_pages_get(&s->pages, least, HS_MAX(most, least),
				   bounded ? s->max_size / HS_WIRE_PAGE : 0, &r);
	if (err) {
		s->full = s->full || tag == HS_WIRE_PIECE;
		return err;
	}
	s->page = 0;
	err = write_head(s, &r);
	if (err) {
		rc_pages_give(&s->pages, r.page, r.pages);
		return err;
	}
	hs_array_push(&s->sections, ((struct rc_section){.page = r.page,
							 .pages = (uint32_t)r.pages,
							 .generation = s->generation,
							 .tag = HS_WIRE_RECORDS}));
	s->page = r.page;
	s->size = r.pages * HS_WIRE_PAGE;
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
	const size_t before = sizeof(struct hs_wire_records);
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
	s->log_size += size;
	return NULL;
}

void rc_store_rotate(struct rc_store *s)
{
	s->page = 0;
	s->generation++;
	s->folding_size = s->log_size;
	s->log_size = 0;
	s->full = false;
}

bool rc_store_counts(const struct rc_store *s, const struct rc_section *section)
{
	return section->tag == HS_WIRE_RECORDS ? section->generation >= s->committed
					       : section->generation == s->committed;
}

void rc_store_reclaim(struct rc_store *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->sections.n; i++) {
		const struct rc_section section = s->sections.at[i];
		if (rc_store_counts(s, &section))
			s->sections.at[kept++] = section;
		else
			rc_pages_give(&s->pages, section.page, section.pages);
	}
	s->sections.n = kept;
}

void rc_store_commit(struct rc_store *s)
{
	rc_step();
	s->committed = s->generation;
	__atomic_store_n(&s->header->generation, s->generation, __ATOMIC_RELEASE);
}

/* The child's sections are ours now; in what was lent, all else is free again. */
static void collect(struct rc_store *s, uint64_t page, const struct hs_wire_records *head,
		    bool lent)
{
	if (head->section.tag == HS_WIRE_CHECKPOINT && head->generation == s->generation)
		hs_array_push(&s->sections,
			      ((struct rc_section){.page = page,
						   .pages = head->section.pages,
						   .generation = head->generation,
						   .tag = HS_WIRE_CHECKPOINT}));
	else if (lent)
		rc_pages_give(&s->pages, page, head->section.pages);
}

static void collect_lent(void *context, uint64_t page, const struct hs_wire_records *head)
{
	collect(context, page, head, true);
}

static void collect_new(void *context, uint64_t page, const struct hs_wire_records *head)
{
	collect(context, page, head, false);
}

void rc_store_collect(struct rc_store *s, const struct rc_pages *lent, uint64_t from)
{
	uint64_t end = __atomic_load_n(&s->header->end_page, __ATOMIC_ACQUIRE);
	s->folding_size = 0;
	for (size_t i = 0; i < lent->free.n; i++) {
		const struct rc_range *r = &lent->free.at[i];
		rc_survey(s->fd, r->page, r->page + r->pages, collect_lent, s);
	}
	rc_survey(s->fd, from, end, collect_new, s);
}

uint64_t rc_store_checkpoint_pages(const struct rc_store *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->sections.n; i++)
		if (s->sections.at[i].tag == HS_WIRE_CHECKPOINT &&
		    rc_store_counts(s, &s->sections.at[i]))
			n += s->sections.at[i].pages;
	return n;
}

static void learn(void *context, uint64_t page, const struct hs_wire_records *head)
{
	struct rc_store *s = context;
	uint16_t tag = head->section.tag;
	if (tag == HS_WIRE_UNUSED)
		rc_pages_give(&s->pages, page, head->section.pages);
	if (tag != HS_WIRE_RECORDS && tag != HS_WIRE_CHECKPOINT)
		return;
	hs_array_push(&s->sections, ((struct rc_section){.page = page,
							 .pages = head->section.pages,
							 .generation = head->generation,
							 .tag = tag}));
	s->generation = HS_MAX(s->generation, head->generation);
	if (tag == HS_WIRE_RECORDS)
		s->number = HS_MAX(s->number, head->number);
}

void rc_store_adopt(struct rc_store *s)
{
	rc_survey(s->fd, 1, __atomic_load_n(&s->header->end_page, __ATOMIC_ACQUIRE),
		  learn, s);
	s->generation++;
	rc_store_reclaim(s);
}
