/* SPDX-License-Identifier: MIT */

/* Writing a capture by src/wire.h, as plainly as possible. */
#include "tests/lib/fakecapture.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/counter.h"

#define MAX_STREAMS 16u
#define MAX_CHUNKS  4096u
#define MAX_FILE    (UINT64_C(1) << 30)
#define SLOTS       512u

struct fake {
	int fd;
	uint32_t pages; /* of each chunk */
	uint8_t *map;   /* MAX_FILE bytes; the file covers what is used */
	struct {
		struct hs_wire_chunk *open;
		uint32_t sequence, tick;
		uint64_t last_addr, last_stamp;
	} streams[MAX_STREAMS];
	struct hs_wire_chunk *chunks[MAX_CHUNKS];
	unsigned n_chunks;
	struct fake_truth truth;
	uint64_t addrs[SLOTS];
	uint32_t sizes[SLOTS];
};

uint64_t fake_start_ticks(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	const char *p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

struct hs_wire_header *fake_header(struct fake *f)
{
	return (struct hs_wire_header *)f->map;
}

static void fill_header(struct hs_wire_header *h, pid_t pid)
{
	struct stat ns;
	struct timespec now;
	ck_assert_int_eq(stat("/proc/self/ns/pid", &ns), 0);
	clock_gettime(CLOCK_REALTIME, &now);
	h->version = HS_WIRE_VERSION;
	h->word_size = 8;
	h->clock = HS_WIRE_CLOCK_TSC;
	h->header_size = sizeof(*h);
	memset(h->id, 7, sizeof(h->id));
	h->pid = (uint32_t)pid;
	h->ppid = (uint32_t)getppid();
	h->pid_ns = ns.st_ino;
	h->start_ticks = fake_start_ticks(pid);
	h->start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	h->start_stamp = hs_counter();
	h->state = HS_WIRE_LIVE;
	h->end_page = 1;
	/* NAME "fake", then the end of records. */
	memcpy(h + 1, "\012\004fake", 7);
	memcpy(h->magic, HS_WIRE_MAGIC, sizeof(h->magic));
}

struct fake *fake_new(const char *path, pid_t pid, uint32_t pages)
{
	struct fake *f = hs_xcalloc(1, sizeof(*f));
	f->pages = pages;
	f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_eq(ftruncate(f->fd, HS_WIRE_PAGE), 0);
	f->map = mmap(NULL, MAX_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	ck_assert(f->map != MAP_FAILED);
	fill_header(fake_header(f), pid);
	return f;
}

void fake_free(struct fake *f)
{
	munmap(f->map, MAX_FILE);
	close(f->fd);
	free(f);
}

static struct hs_wire_chunk *carve(struct fake *f)
{
	struct hs_wire_header *h = fake_header(f);
	uint64_t page = __atomic_fetch_add(&h->end_page, f->pages, __ATOMIC_ACQ_REL);
	off_t start = (off_t)(page * HS_WIRE_PAGE);
	ck_assert_int_eq(posix_fallocate(f->fd, start, f->pages * HS_WIRE_PAGE), 0);
	struct hs_wire_chunk *c = (void *)(f->map + start);
	c->section.tag = HS_WIRE_EVENTS;
	c->section.header_size = sizeof(*c);
	c->section.pages = f->pages;
	ck_assert_uint_lt(f->n_chunks, MAX_CHUNKS);
	f->chunks[f->n_chunks++] = c;
	return c;
}

static void publish(struct fake *f, struct hs_wire_chunk *c)
{
	struct hs_wire_header *h = fake_header(f);
	c->section.magic = HS_WIRE_SECTION_MAGIC;
	c->previous = h->newest_chunk;
	uint64_t page = (uint64_t)((uint8_t *)c - f->map) / HS_WIRE_PAGE;
	__atomic_store_n(&h->newest_chunk, page, __ATOMIC_RELEASE);
}

/* A chunk of STREAM that was given back, or NULL. */
static struct hs_wire_chunk *reuse(struct fake *f, uint32_t stream)
{
	for (unsigned i = 0; i < f->n_chunks; i++)
		if (f->chunks[i]->stream == stream &&
		    __atomic_load_n(&f->chunks[i]->state, __ATOMIC_ACQUIRE) ==
			    HS_WIRE_CHUNK_FREE)
			return f->chunks[i];
	return NULL;
}

static void begin_chunk(struct fake *f, uint32_t stream)
{
	struct hs_wire_chunk *c = reuse(f, stream), *used = c;
	if (!c)
		c = carve(f);
	/* The committed length goes first: an old one must not cover new bytes. */
	__atomic_store_n(&c->section.length, 0, __ATOMIC_RELEASE);
	c->stream = stream;
	c->sequence = f->streams[stream].sequence++;
	c->tid = fake_header(f)->pid;
	c->base_stamp = hs_counter();
	__atomic_store_n(&c->state, HS_WIRE_CHUNK_OPEN, __ATOMIC_RELEASE);
	if (!used)
		publish(f, c);
	f->streams[stream].open = c;
	f->streams[stream].last_addr = 0;
	f->streams[stream].last_stamp = c->base_stamp;
}

static void append(struct fake *f, uint32_t stream, const void *event, uint32_t size)
{
	struct hs_wire_chunk *c = f->streams[stream].open;
	uint8_t *end = (uint8_t *)c + c->section.header_size + c->section.length;
	memcpy(end, event, size);
	__atomic_store_n(&c->section.length, c->section.length + size, __ATOMIC_RELEASE);
}

/* Every event has all the fields it may have, in their longest form. */
static void event(struct fake *f, uint32_t stream, enum hs_wire_kind kind, uint64_t addr,
		  uint64_t size)
{
	ck_assert_uint_lt(stream, MAX_STREAMS);
	struct hs_wire_chunk *c = f->streams[stream].open;
	uint32_t room = f->pages * HS_WIRE_PAGE - (uint32_t)sizeof(*c);
	if (!c || c->section.length + HS_WIRE_EVENT_MAX > room) {
		if (c)
			__atomic_store_n(&c->state, HS_WIRE_CHUNK_CLOSED,
					 __ATOMIC_RELEASE);
		begin_chunk(f, stream);
	}
	uint8_t bytes[HS_WIRE_EVENT_MAX], *p = bytes;
	uint64_t now = hs_counter(), since = now - f->streams[stream].last_stamp;
	uint16_t tag =
		(uint16_t)(kind | 3 << HS_WIRE_ADDRESS_SHIFT | 3 << HS_WIRE_STAMP_SHIFT);
	if (size)
		tag |= 3 << HS_WIRE_SIZE_SHIFT;
	memcpy(p, &tag, 2);
	p += 2;
	if (size) {
		memcpy(p, &size, 8);
		p += 8;
	}
	memcpy(p, &addr, 8);
	memcpy(p + 8, &since, 8);
	p += 16;
	f->streams[stream].last_stamp = now;
	append(f, stream, bytes, (uint32_t)(p - bytes));
}

void fake_malloc(struct fake *f, uint32_t stream, uint64_t addr, uint32_t size)
{
	event(f, stream, HS_WIRE_MALLOC, addr, size);
	f->truth.allocs++;
	f->truth.bytes += size;
	f->truth.live_blocks++;
	f->truth.live_bytes += size;
}

void fake_dealloc(struct fake *f, uint32_t stream, uint64_t addr)
{
	event(f, stream, HS_WIRE_FREE, addr, 0);
	f->truth.frees++;
}

void fake_work(struct fake *f, uint32_t stream, unsigned n, unsigned seed)
{
	for (unsigned i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		unsigned slot = (seed >> 16) % SLOTS;
		if (f->addrs[slot]) {
			fake_dealloc(f, stream, f->addrs[slot]);
			f->truth.live_blocks--;
			f->truth.live_bytes -= f->sizes[slot];
			f->addrs[slot] = 0;
			continue;
		}
		f->addrs[slot] = 0x10000 + (uint64_t)(f->truth.allocs + 1) * 4096;
		f->sizes[slot] = 1 + (seed >> 8) % 3000;
		fake_malloc(f, stream, f->addrs[slot], f->sizes[slot]);
	}
}

struct hs_wire_chunk *fake_open_chunk(struct fake *f, uint32_t stream)
{
	return f->streams[stream].open;
}

const struct fake_truth *fake_truth(const struct fake *f)
{
	return &f->truth;
}

unsigned fake_chunks(const struct fake *f, uint32_t state)
{
	unsigned n = 0;
	for (unsigned i = 0; i < f->n_chunks; i++)
		n += f->chunks[i]->state == state;
	return n;
}
