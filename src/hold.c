/* SPDX-License-Identifier: MIT */

/* Copying by process_vm_readv, or by /proc/PID/mem where that fails. */
#include "src/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/spool.h"

#define PAGE      4096u /* what fails is tried again by so much */
#define CHUNK     ((size_t)64 << 20)
#define MAX_BATCH ((size_t)64 << 20) /* fits any chunk */
#define MAX_PIECE ((size_t)1 << 20)
#define MAX_IOV   256u

/* Copying is a matter of memory's speed, and of the kernel's work for each page. */
#define MAX_THREADS    8
#define WORTH_A_THREAD ((size_t)4 << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* Half of what is free: the program that stands still needs memory, too. */
static uint64_t memory_budget(void)
{
	char line[128];
	uint64_t kib = 0;
	FILE *in = fopen("/proc/meminfo", "re");
	while (in && !kib && fgets(line, sizeof(line), in))
		if (!strncmp(line, "MemAvailable:", 13))
			kib = strtoull(line + 13, NULL, 10);
	if (in)
		fclose(in);
	return kib * 1024 / 2;
}

void hs_hold_init(struct hs_hold *h, pid_t pid, const char *folder)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	*h = (struct hs_hold){.pid = pid, .folder = folder, .left = memory_budget()};
	h->memory = open(path, O_RDONLY | O_CLOEXEC);
	/* Memory that a sandbox lets nobody read that way is read by /proc. */
	uint8_t byte;
	struct iovec to = {&byte, 1}, from = {NULL, 1};
	h->no_readv = process_vm_readv(pid, &to, 1, &from, 1, 0) < 0 &&
		      (errno == ENOSYS || errno == EPERM);
	h->n_threads =
		(unsigned)HS_MAX(1, HS_MIN(sysconf(_SC_NPROCESSORS_ONLN), MAX_THREADS));
}

void hs_hold_deinit(struct hs_hold *h)
{
	for (size_t i = 0; i < h->chunks.n; i++)
		munmap(h->chunks.at[i].bytes, h->chunks.at[i].size);
	hs_array_free(&h->chunks);
	hs_array_free(&h->wanted);
	hs_array_free(&h->list);
	if (h->memory >= 0)
		close(h->memory);
	h->memory = -1;
}

/* -- Room ----------------------------------------------------------------------- */

static struct hs_error *map_memory(size_t size, void **ret)
{
	*ret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (*ret == MAP_FAILED)
		return hs_error("cannot get %zu bytes of memory: %s", size,
				strerror(errno));
	/* Both are for speed alone, and may fail. */
	(void)madvise(*ret, size, MADV_HUGEPAGE);
	(void)madvise(*ret, size, MADV_POPULATE_WRITE);
	return NULL;
}

/* Its blocks are allocated first: a full disk is an error here, not a SIGBUS later. */
static struct hs_error *map_file(const char *folder, size_t size, void **ret)
{
	int fd;
	struct hs_error *err = hs_spool_file(folder, &fd);
	if (err)
		return err;
	int full = posix_fallocate(fd, 0, (off_t)size);
	*ret = full ? MAP_FAILED
		    : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret == MAP_FAILED)
		err = hs_error("no room for %zu bytes in %s: %s", size, folder,
			       strerror(full ? full : errno));
	close(fd);
	return err;
}

struct hs_error *hs_hold_prepare(struct hs_hold *h, uint64_t size)
{
	void *at;
	size_t whole = (size_t)(size + CHUNK - 1) / CHUNK * CHUNK;
	bool fits = whole <= h->left;
	struct hs_error *err =
		fits ? map_memory(whole, &at) : map_file(h->folder, whole, &at);
	if (err)
		return err;
	h->left -= fits ? whole : 0;
	hs_array_push(&h->chunks, ((struct hs_hold_chunk){.bytes = at, .size = whole}));
	return NULL;
}

static struct hs_error *find_room(struct hs_hold *h, size_t size,
				  struct hs_hold_chunk **ret)
{
	for (size_t i = h->chunks.n; i--;)
		if (h->chunks.at[i].size - h->chunks.at[i].used >= size) {
			*ret = &h->chunks.at[i];
			return NULL;
		}
	struct hs_error *err = hs_hold_prepare(h, size);
	if (!err)
		*ret = &h->chunks.at[h->chunks.n - 1];
	return err;
}

/* -- Copying -------------------------------------------------------------------- */

/* Pieces that one thread copies. */
struct share {
	const struct hs_hold *h;
	const struct hs_held *at, *end;
	uint64_t unreadable;
	pthread_t thread;
	bool begun;
};

/* Pages that process_vm_readv refuses: mapped without PROT_READ, or not at all. */
static void read_slowly(struct share *s, uint64_t start, uint8_t *bytes, size_t size)
{
	for (size_t done = 0, n; done < size; done += n) {
		ssize_t got = -1;
		n = HS_MIN((size_t)(PAGE - (start + done) % PAGE), size - done);
		if (s->h->memory >= 0)
			got = pread(s->h->memory, bytes + done, n, (off_t)(start + done));
		if (got > 0) {
			n = (size_t)got;
		} else {
			memset(bytes + done, 0, n);
			s->unreadable += n;
		}
	}
}

/* Of the pieces from AT on, as many as one call can take, without SKIP bytes of the
 * first. */
static size_t read_fast(const struct share *s, const struct hs_held *at, uint64_t skip)
{
	struct iovec from[MAX_IOV], to[MAX_IOV];
	size_t n = 0;
	if (s->h->no_readv)
		return 0;
	for (; at + n < s->end && n < MAX_IOV; n++, skip = 0) {
		size_t size = (size_t)(at[n].end - at[n].start - skip);
		from[n] = (struct iovec){(void *)(uintptr_t)(at[n].start + skip), size};
		to[n] = (struct iovec){(void *)(uintptr_t)(at[n].bytes + skip), size};
	}
	ssize_t got = n ? process_vm_readv(s->h->pid, to, n, from, n, 0) : 0;
	return got > 0 ? (size_t)got : 0;
}

static void copy_share(struct share *s)
{
	uint64_t done = 0; /* of the piece at work */
	while (s->at < s->end) {
		size_t got = read_fast(s, s->at, done);
		if (!got) {
			uint64_t at = s->at->start + done;
			got = (size_t)HS_MIN(s->at->end - at, (uint64_t)PAGE - at % PAGE);
			read_slowly(s, at, (uint8_t *)(uintptr_t)s->at->bytes + done,
				    got);
		}
		for (done += got; s->at < s->end && done >= s->at->end - s->at->start;
		     s->at++)
			done -= s->at->end - s->at->start;
	}
}

static void *copy_in_thread(void *share)
{
	copy_share(share);
	return NULL;
}

/* Copy the wanted pieces, each to where its bytes shall be, in as many threads as pay. */
static void copy_wanted(struct hs_hold *h)
{
	struct share shares[MAX_THREADS] = {0};
	const struct hs_held *at = h->wanted.at, *end = at + h->wanted.n;
	size_t n =
		(size_t)HS_MIN(h->n_wanted / WORTH_A_THREAD + 1, (uint64_t)h->n_threads);
	for (size_t i = 0; i < n; i++) {
		uint64_t size = 0;
		shares[i] = (struct share){.h = h, .at = at};
		while (at < end && (size < h->n_wanted / n || i == n - 1)) {
			size += at->end - at->start;
			at++;
		}
		shares[i].end = at;
		/* The last share is this thread's. */
		if (i < n - 1)
			shares[i].begun = pthread_create(&shares[i].thread, NULL,
							 copy_in_thread, &shares[i]) == 0;
		if (!shares[i].begun)
			copy_share(&shares[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (shares[i].begun)
			pthread_join(shares[i].thread, NULL);
		h->unreadable += shares[i].unreadable;
	}
}

struct hs_error *hs_hold_flush(struct hs_hold *h)
{
	struct hs_hold_chunk *room;
	if (!h->n_wanted)
		return NULL;
	struct hs_error *err = find_room(h, h->n_wanted, &room);
	if (err)
		return err;
	for (size_t i = 0; i < h->wanted.n; i++) {
		struct hs_held *w = &h->wanted.at[i];
		w->bytes = room->bytes + room->used;
		room->used += (size_t)(w->end - w->start);
	}
	copy_wanted(h);
	for (size_t i = 0; i < h->wanted.n; i++)
		hs_array_push(&h->list, h->wanted.at[i]);
	h->wanted.n = h->n_wanted = 0;
	return NULL;
}

struct hs_error *hs_hold_want(struct hs_hold *h, uint64_t start, uint64_t end)
{
	struct hs_error *err = NULL;
	while (start < end && !err) {
		size_t n = (size_t)HS_MIN(end - start, (uint64_t)MAX_PIECE);
		hs_array_push(&h->wanted, ((struct hs_held){start, start + n, NULL}));
		h->n_wanted += n;
		start += n;
		if (h->n_wanted > MAX_BATCH - MAX_PIECE)
			err = hs_hold_flush(h);
	}
	return err;
}

struct hs_error *hs_hold_file(struct hs_hold *h, uint64_t start, uint64_t end, int fd,
			      uint64_t offset)
{
	struct hs_error *err = hs_hold_flush(h);
	while (start < end && !err) {
		struct hs_hold_chunk *room;
		size_t n = (size_t)HS_MIN(end - start, (uint64_t)MAX_PIECE);
		err = find_room(h, n, &room);
		if (err)
			break;
		ssize_t got = pread(fd, room->bytes + room->used, n, (off_t)offset);
		if (got <= 0)
			break; /* it was cut since */
		hs_array_push(&h->list, ((struct hs_held){start, start + (uint64_t)got,
							  room->bytes + room->used}));
		room->used += (size_t)got;
		start += (uint64_t)got;
		offset += (uint64_t)got;
	}
	return err;
}
