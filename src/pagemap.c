/* SPDX-License-Identifier: MIT */

/*
 * Reading page maps by the batch; see the kernel's
 * Documentation/admin-guide/mm/pagemap.rst.
 */
#include "src/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/array.h"

#define N_ENTRIES 4096u
#define N_REGIONS 512u

/* <linux/fs.h> has these since 6.7: Debian 12's is older. */
struct region {
	uint64_t start, end, categories;
};

struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN_   _IOWR('f', 16, struct scan)
#define SCAN_IS_FILE    ((uint64_t)1 << 2)
#define SCAN_IS_PRESENT ((uint64_t)1 << 3)
#define SCAN_IS_SWAPPED ((uint64_t)1 << 4)

/* Bits of an entry. */
#define ENTRY_FILE    ((uint64_t)1 << 61)
#define ENTRY_SWAPPED ((uint64_t)1 << 62)
#define ENTRY_PRESENT ((uint64_t)1 << 63)

struct hs_pagemap {
	int fd;
	bool no_scan;
	uint64_t page_size;

	uint64_t end; /* runs up to here are known */
	uint64_t at;  /* from here on they are good for who goes straight on */
	HS_ARRAY(struct hs_page_run) runs;
	size_t next;
	uint64_t entries[N_ENTRIES];
};

struct hs_pagemap *hs_pagemap_open(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct hs_pagemap *p = hs_xcalloc(1, sizeof(*p));
	p->fd = fd;
	p->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	return p;
}

void hs_pagemap_close(struct hs_pagemap *p)
{
	if (!p)
		return;
	close(p->fd);
	hs_array_free(&p->runs);
	free(p);
}

static void add_run(struct hs_pagemap *p, uint64_t start, uint64_t end, uint32_t flags)
{
	struct hs_page_run *last = p->runs.n ? &p->runs.at[p->runs.n - 1] : NULL;
	if (last && last->end == start && last->flags == flags)
		last->end = end;
	else
		hs_array_push(&p->runs, ((struct hs_page_run){start, end, flags}));
}

static bool scan(struct hs_pagemap *p, uint64_t from, uint64_t to)
{
	struct region regions[N_REGIONS];
	const uint64_t anywhere = SCAN_IS_PRESENT | SCAN_IS_SWAPPED;
	struct scan s = {
		.size = sizeof(s),
		.start = from,
		.end = to,
		.vec = (uint64_t)(uintptr_t)regions,
		.vec_len = N_REGIONS,
		.category_anyof_mask = anywhere,
		.return_mask = anywhere | SCAN_IS_FILE,
	};
	int n = ioctl(p->fd, PAGEMAP_SCAN_, &s);
	if (n < 0 || s.walk_end <= from)
		return false;
	for (int i = 0; i < n; i++)
		add_run(p, regions[i].start, regions[i].end,
			(regions[i].categories & SCAN_IS_PRESENT ? HS_PAGE_PRESENT : 0u) |
				(regions[i].categories & SCAN_IS_SWAPPED ? HS_PAGE_SWAPPED
									 : 0u) |
				(regions[i].categories & SCAN_IS_FILE ? HS_PAGE_FILE
								      : 0u));
	p->end = s.walk_end;
	return true;
}

static bool read_entries(struct hs_pagemap *p, uint64_t from, uint64_t to)
{
	uint64_t first = from / p->page_size;
	size_t n = (size_t)HS_MIN((to - from) / p->page_size, (uint64_t)N_ENTRIES);
	ssize_t got = pread(p->fd, p->entries, n * 8, (off_t)(first * 8));
	if (got < 8)
		return false;
	n = (size_t)got / 8;
	for (size_t i = 0; i < n; i++) {
		uint64_t e = p->entries[i], at = from + i * p->page_size;
		uint32_t flags = (e & ENTRY_PRESENT ? HS_PAGE_PRESENT : 0u) |
				 (e & ENTRY_SWAPPED ? HS_PAGE_SWAPPED : 0u);
		if (flags)
			add_run(p, at, at + p->page_size,
				flags | (e & ENTRY_FILE ? HS_PAGE_FILE : 0u));
	}
	p->end = from + n * p->page_size;
	return true;
}

/* Learn of what is at FROM, and of more behind it. */
static void refill(struct hs_pagemap *p, uint64_t from, uint64_t to)
{
	p->runs.n = p->next = 0;
	if (!p->no_scan && scan(p, from, to))
		return;
	p->no_scan = true;
	p->runs.n = 0;
	if (read_entries(p, from, to))
		return;
	add_run(p, from, to, HS_PAGE_PRESENT | HS_PAGE_FILE);
	p->end = to;
}

/* From what is known. */
static bool take(struct hs_pagemap *p, uint64_t from, uint64_t to,
		 struct hs_page_run *ret)
{
	for (; p->next < p->runs.n; p->next++) {
		const struct hs_page_run *r = &p->runs.at[p->next];
		if (r->start >= to)
			return false;
		if (r->end <= from)
			continue;
		*ret = (struct hs_page_run){HS_MAX(r->start, from), HS_MIN(r->end, to),
					    r->flags};
		return true;
	}
	return false;
}

bool hs_pagemap_next(struct hs_pagemap *p, uint64_t from, uint64_t to,
		     struct hs_page_run *ret)
{
	from = from / p->page_size * p->page_size;
	while (from < to) {
		if (from != p->at || from >= p->end)
			refill(p, from, to);
		if (take(p, from, to, ret)) {
			p->at = ret->end;
			return true;
		}
		p->at = from = p->end;
	}
	return false;
}
