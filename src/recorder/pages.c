/* SPDX-License-Identifier: MIT */

/* Free ranges in an ordered array: there are tens of them, hardly ever more. */
#include "src/recorder/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "src/recorder/io.h"
#include "src/wire.h"

void rc_pages_init(struct rc_pages *p, int fd, struct hs_wire_header *header)
{
	*p = (struct rc_pages){.fd = fd, .header = header};
}

void rc_pages_deinit(struct rc_pages *p)
{
	hs_array_free(&p->free);
}

static void remove_range(struct rc_pages *p, size_t i)
{
	memmove(&p->free.at[i], &p->free.at[i + 1],
		(--p->free.n - i) * sizeof(p->free.at[0]));
}

static void insert_range(struct rc_pages *p, size_t i, struct rc_range r)
{
	(void)hs_array_add(&p->free);
	memmove(&p->free.at[i + 1], &p->free.at[i],
		(p->free.n - 1 - i) * sizeof(p->free.at[0]));
	p->free.at[i] = r;
}

/* The first range that begins behind PAGE. */
static size_t behind(const struct rc_pages *p, uint64_t page)
{
	size_t low = 0, high = p->free.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->free.at[middle].page <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Let the UNUSED section at R's beginning take all of it.  Returns 0 or an errno. */
static int label(const struct rc_pages *p, struct rc_range r)
{
	const struct hs_wire_records head = {.section = {.magic = HS_WIRE_SECTION_MAGIC,
							 .tag = HS_WIRE_UNUSED,
							 .header_size = sizeof(head),
							 .pages = (uint32_t)r.pages}};
	if (r.pages > UINT32_MAX)
		return EFBIG;
	return rc_write(p->fd, &head, sizeof(head), r.page * HS_WIRE_PAGE);
}

void rc_pages_give(struct rc_pages *p, uint64_t page, uint64_t pages)
{
	size_t i = behind(p, page);
	struct rc_range *before = i ? &p->free.at[i - 1] : NULL;
	struct rc_range *after = i < p->free.n ? &p->free.at[i] : NULL;
	/* Whoever can write to the file may have us free something twice. */
	if (!pages || (before && before->page + before->pages > page) ||
	    (after && (after->page <= page || pages > after->page - page)))
		return;
	/* Up to here the section's own header has readers skip all of it. */
	rc_punch(p->fd, page + 1, pages - 1);
	struct rc_range all = {page, pages};
	bool joins_before = before && before->page + before->pages == page;
	bool joins_after = after && page + pages == after->page;
	if (joins_before)
		all = (struct rc_range){before->page, before->pages + pages};
	if (joins_after)
		all.pages += after->pages;
	if (label(p, all))
		return; /* they stay unused */
	if (joins_before)
		rc_punch(p->fd, page, 1);
	if (joins_after) {
		rc_punch(p->fd, after->page, 1);
		remove_range(p, i);
	}
	if (joins_before)
		p->free.at[i - 1] = all;
	else
		insert_range(p, i, all);
}

/* The first PAGES of range I; readers find two sections from now on. */
static bool cut_front(struct rc_pages *p, size_t i, uint64_t pages, struct rc_range *ret)
{
	const struct rc_range all = p->free.at[i];
	const struct rc_range front = {all.page, pages};
	const struct rc_range rest = {all.page + pages, all.pages - pages};
	if (rest.pages && (label(p, rest) || label(p, front)))
		return false;
	if (rest.pages)
		p->free.at[i] = rest;
	else
		remove_range(p, i);
	*ret = front;
	return true;
}

bool rc_pages_take(struct rc_pages *p, uint64_t least, uint64_t most,
		   struct rc_range *ret)
{
	for (size_t i = 0; i < p->free.n; i++)
		if (p->free.at[i].pages >= most)
			return cut_front(p, i, most, ret);
	for (size_t i = 0; i < p->free.n; i++)
		if (p->free.at[i].pages >= least)
			return cut_front(p, i, p->free.at[i].pages, ret);
	return false;
}

/* Unless others have reserved more in the meantime: then they stay a hole. */
static void shrink(struct rc_pages *p, const struct rc_range *r)
{
	uint64_t end = r->page + r->pages;
	__atomic_compare_exchange_n(&p->header->end_page, &end, r->page, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static struct hs_error *grow(struct rc_pages *p, uint64_t pages, uint64_t limit,
			     struct rc_range *ret)
{
	uint64_t end = __atomic_load_n(&p->header->end_page, __ATOMIC_ACQUIRE);
	if (limit && end + pages > limit)
		return hs_error("the capture has reached its bound (--max-disk)");
	ret->page = __atomic_fetch_add(&p->header->end_page, pages, __ATOMIC_ACQ_REL);
	ret->pages = pages;
	if (ret->page == 0 || ret->page > UINT64_MAX / 2 / HS_WIRE_PAGE)
		return hs_error("the capture's header is damaged (end_page)");
	return NULL;
}

static int allocate(int fd, const struct rc_range *r)
{
	if (fallocate(fd, 0, (off_t)(r->page * HS_WIRE_PAGE),
		      (off_t)(r->pages * HS_WIRE_PAGE)) &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return errno;
	return 0;
}

struct hs_error *rc_pages_get(struct rc_pages *p, uint64_t least, uint64_t most,
			      uint64_t limit, struct rc_range *ret)
{
	bool used = rc_pages_take(p, least, most, ret);
	if (!used) {
		struct hs_error *err = grow(p, most, limit, ret);
		if (err)
			return err;
	}
	int failed = allocate(p->fd, ret);
	if (!failed)
		return NULL;
	if (used)
		rc_pages_give(p, ret->page, ret->pages);
	else
		shrink(p, ret);
	return hs_error("cannot write to the capture: %s", strerror(failed));
}

void rc_pages_lend(struct rc_pages *p, struct rc_pages *to, uint64_t pages)
{
	struct rc_range r;
	while (pages && p->free.n &&
	       cut_front(p, 0, HS_MIN(pages, p->free.at[0].pages), &r)) {
		insert_range(to, to->free.n, r);
		pages -= r.pages;
	}
}

uint64_t rc_pages_count(const struct rc_pages *p)
{
	uint64_t n = 0;
	for (size_t i = 0; i < p->free.n; i++)
		n += p->free.at[i].pages;
	return n;
}
