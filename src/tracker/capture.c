/* SPDX-License-Identifier: MIT */

/*
 * Room in the capture file.  Pages are reserved from the end of the file in
 * windows, which grow from 64 KiB to 4 MiB, and carved into chunks without a
 * lock.  The file is opened only while a window is added: no descriptor of
 * ours stays in the program.
 */
#include "src/tracker/capture.h"

#include <fcntl.h>
#include <string.h>

#include "src/tracker/identity.h"
#include "src/tracker/initial.h"
#include "src/tracker/state.h"

#define FIRST_WINDOW_PAGES 16u /* with the header page */
#define LAST_WINDOW_PAGES  1024u
#define RESERVED_PAGES     512u

struct hs_wire_header *tr_header;

static struct {
	char path[4096];
	uint64_t dev, ino;
	uint64_t max_pages;
	/* The open window. */
	struct tr_lock lock;
	uint8_t *base;       /* where its first page is mapped */
	uint64_t first_page; /* in the file */
	uint64_t n_pages, used;
} file;

/* The open page of counters. */
static struct {
	struct tr_lock lock;
	struct hs_wire_counters *rows;
	unsigned used;
} counters;

/* The capture again, if it is still where it was. */
static int reopen(void)
{
	uint64_t dev, ino;
	int fd = (int)sys_open(file.path, O_RDWR | O_NOFOLLOW, 0);
	if (fd >= 0 && sys_identity(fd, &dev, &ino) && dev == file.dev && ino == file.ino)
		return fd;
	if (fd >= 0)
		sys_close(fd);
	return -1;
}

static bool map_window(int fd, uint64_t first, uint64_t n_pages)
{
	uint64_t start = first * HS_WIRE_PAGE, end = start + n_pages * HS_WIRE_PAGE;
	/* The processor's pages may be larger: then others' lie before and behind. */
	uint64_t page = tr_page_size();
	uint64_t from = start & -page, to = (end + page - 1) & -page;
	if (sys_allocate(fd, from, to) < 0)
		return false;
	uint8_t *base = sys_map_file(fd, from, to - from);
	if (!base)
		return false;
	file.base = base + (start - from);
	file.first_page = first;
	file.n_pages = n_pages;
	file.used = 0;
	return true;
}

/* A new window for at least PAGES pages; called with the file locked. */
static bool add_window(uint64_t pages)
{
	uint64_t n = file.n_pages * 4;
	if (n > LAST_WINDOW_PAGES)
		n = LAST_WINDOW_PAGES;
	if (n < pages)
		n = pages;
	if (__atomic_load_n(&tr_header->end_page, __ATOMIC_RELAXED) + n > file.max_pages)
		return false;
	int fd = reopen();
	if (fd < 0)
		return false;
	/* A reservation that cannot be used stays a hole, which readers skip. */
	uint64_t first = __atomic_fetch_add(&tr_header->end_page, n, __ATOMIC_ACQ_REL);
	bool ok = map_window(fd, first, n);
	sys_close(fd);
	return ok;
}

struct hs_wire_chunk *tr_capture_carve(uint32_t pages)
{
	if (!tr_lock_acquire(&file.lock))
		return NULL;
	struct hs_wire_chunk *c = NULL;
	if (file.used + pages <= file.n_pages || add_window(pages)) {
		c = (void *)(file.base + file.used * HS_WIRE_PAGE);
		file.used += pages;
	}
	uint64_t page = c ? file.first_page + file.used - pages : 0;
	tr_lock_release(&file.lock);
	if (!c)
		return NULL;
	c->previous = page; /* its own page until it is published */
	c->section.tag = HS_WIRE_EVENTS;
	c->section.header_size = sizeof(*c);
	c->section.pages = pages;
	return c;
}

/* A page of counters, known to readers. */
static struct hs_wire_counters *new_counters(void)
{
	struct hs_wire_chunk *c = tr_capture_carve(1);
	if (!c)
		return NULL;
	struct hs_wire_counters *first = (void *)c;
	c->previous = 0;
	c->section.tag = HS_WIRE_COUNTERS;
	c->section.header_size = sizeof(*first);
	c->section.length = HS_WIRE_PAGE - sizeof(*first);
	__atomic_store_n(&c->section.magic, HS_WIRE_SECTION_MAGIC, __ATOMIC_RELEASE);
	return first + 1;
}

struct hs_wire_counters *tr_capture_counters(void)
{
	static const unsigned rows = HS_WIRE_PAGE / sizeof(*counters.rows) - 1;
	struct hs_wire_counters *ret = NULL;
	if (!tr_lock_acquire(&counters.lock))
		return NULL;
	if (!counters.rows || counters.used == rows) {
		counters.rows = new_counters();
		counters.used = 0;
	}
	if (counters.rows)
		ret = &counters.rows[counters.used++];
	tr_lock_release(&counters.lock);
	return ret;
}

void tr_capture_reserve(void)
{
	uint64_t mask = sys_signals_block(); /* nothing may jump out */
	if (tr_lock_acquire(&file.lock)) {
		if (file.n_pages - file.used < RESERVED_PAGES)
			add_window(LAST_WINDOW_PAGES);
		tr_lock_release(&file.lock);
	}
	sys_signals_restore(mask);
}

void tr_capture_publish(struct hs_wire_chunk *c)
{
	uint64_t page = c->previous;
	/* The magic goes last, so that a scanning reader finds a whole header. */
	__atomic_store_n(&c->section.magic, HS_WIRE_SECTION_MAGIC, __ATOMIC_RELEASE);
	uint64_t newest = __atomic_load_n(&tr_header->newest_chunk, __ATOMIC_RELAXED);
	do {
		c->previous = newest;
	} while (!__atomic_compare_exchange_n(&tr_header->newest_chunk, &newest, page,
					      true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

/*
 * Create the file, under the first name that is free.  It is as private as a core
 * dump: glibc makes its stack and pointer guards of the bytes at AT_RANDOM, and
 * with them and the addresses of the modules others could attack the process.
 */
static int create(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		tr_identity_path(file.path, sizeof(file.path), i);
		int fd = (int)sys_open(file.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
				       0600);
		if (fd != -17 /* EEXIST */)
			return fd;
	}
	return -1;
}

/* The new capture, mapped, or NULL. */
static struct hs_wire_header *create_header(void)
{
	int fd = create();
	if (fd < 0)
		return NULL;
	file.max_pages = tr_identity_max_disk() / HS_WIRE_PAGE;
	bool ok = sys_identity(fd, &file.dev, &file.ino) &&
		  map_window(fd, 0, FIRST_WINDOW_PAGES);
	sys_close(fd);
	if (!ok) {
		sys_unlink(file.path); /* full disk: leave no empty file behind */
		return NULL;
	}
	struct hs_wire_header *h = (void *)file.base;
	file.used = 1;
	h->end_page = FIRST_WINDOW_PAGES;
	return h;
}

bool tr_capture_open(uint32_t flags)
{
	struct hs_wire_header *parent = flags & HS_WIRE_FORKED ? tr_header : NULL;
	memset(&file, 0, sizeof(file));
	memset(&counters, 0, sizeof(counters));
	tr_identity_start(parent ? parent->id : NULL);
	struct hs_wire_header *h = create_header();
	if (!h)
		return false;
	tr_header = h; /* tr_stamp() needs it */
	tr_identity_fill(h, flags);
	return true;
}

void tr_clock_leave_tsc(void)
{
	if (!tr_clock_is_tsc)
		return;
	if (tr_header)
		__atomic_store_n(&tr_header->sequence, hs_counter(), __ATOMIC_SEQ_CST);
	__atomic_store_n(&tr_clock_is_tsc, false, __ATOMIC_SEQ_CST);
}

void tr_capture_leave(void)
{
	static struct hs_wire_header nowhere;
	tr_header = &nowhere;
}
