/* SPDX-License-Identifier: MIT */

/* Taking a dump: what is wanted, and copying it while the threads stand still. */
#include "src/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "src/dump_parts.h"
#include "src/pagemap.h"
#include "src/stopper.h"

#define MAX_REGSET ((size_t)64 << 10) /* AMX's tiles make 11 KiB of state */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- What is wanted --------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n >= k && !strcmp(s + n - k, end);
}

/* Memory that processes share, and no file that will be there later. */
static bool is_anonymous_file(const char *path)
{
	return ends_with(path, " (deleted)") || !strncmp(path, "/memfd:", 7) ||
	       !strncmp(path, "/dev/zero", 9) || !strncmp(path, "/SYSV", 5);
}

/* Were pages of this private mapping of a file written to? */
static bool has_own_pages(struct hs_pagemap *pages, const struct hs_vma *v)
{
	struct hs_page_run run;
	for (uint64_t at = v->start; hs_pagemap_next(pages, at, v->end, &run);
	     at = run.end)
		if (!(run.flags & HS_PAGE_FILE))
			return true;
	return false;
}

/* As vma_dump_size() of the kernel (fs/coredump.c) does with its default filter. */
static enum hs_dump_want want_of(const struct hs_dump *d, struct hs_pagemap *pages,
				 const struct hs_vma *v)
{
	if (!strcmp(v->path, "[vdso]"))
		return HS_DUMP_ALL;
	if ((v->flags & (HS_VMA_DONTDUMP | HS_VMA_IO)) || !strncmp(v->path, "[vvar", 5))
		return HS_DUMP_NOTHING;
	if (!hs_vma_has_file(v))
		return HS_DUMP_TOUCHED;
	if (v->flags & HS_VMA_SHARED)
		return is_anonymous_file(v->path) ? HS_DUMP_SHARED
		       : d->options.file_pages    ? HS_DUMP_ALL
						  : HS_DUMP_NOTHING;
	if (d->options.file_pages || has_own_pages(pages, v))
		return HS_DUMP_ALL;
	return v->offset == 0 && (v->flags & HS_VMA_READ) ? HS_DUMP_HEADER
							  : HS_DUMP_NOTHING;
}

/* Bytes of V in page tables that are wanted. */
static uint64_t count_bytes(const struct hs_dump *d, struct hs_pagemap *pages,
			    const struct hs_vma *v)
{
	struct hs_page_run run;
	uint64_t bytes = 0;
	switch (want_of(d, pages, v)) {
	case HS_DUMP_NOTHING:
		return 0;
	case HS_DUMP_HEADER:
		return (uint64_t)sysconf(_SC_PAGESIZE);
	case HS_DUMP_ALL:
		return v->end - v->start;
	case HS_DUMP_TOUCHED:
	case HS_DUMP_SHARED:
		break;
	}
	for (uint64_t at = v->start; hs_pagemap_next(pages, at, v->end, &run);
	     at = run.end)
		bytes += run.end - run.start;
	return bytes;
}

/* How much will there be to copy?  It runs on: somewhat more. */
static uint64_t estimate(const struct hs_dump *d)
{
	const uint64_t slack = (uint64_t)16 << 20;
	struct hs_pagemap *pages = hs_pagemap_open(d->pid);
	uint64_t bytes = 0;
	for (size_t i = 0; pages && i < d->vmas.list.n; i++)
		bytes += count_bytes(d, pages, &d->vmas.list.at[i]);
	hs_pagemap_close(pages);
	return bytes + bytes / 32 + slack;
}

/* -- Threads ---------------------------------------------------------------------- */

static const uint32_t regset_types[HS_DUMP_REGSETS] = {
	NT_PRSTATUS,
	NT_PRFPREG,
#ifdef __x86_64__
	NT_X86_XSTATE,
#else
	NT_ARM_TLS,
	NT_ARM_PAC_MASK,
#endif
};

static void read_thread(struct hs_dump *d, pid_t tid, uint8_t *buffer)
{
	struct hs_dump_thread t = {.tid = tid};
	for (size_t i = 0; i < HS_COUNT(regset_types) && regset_types[i]; i++) {
		struct iovec v = {buffer, MAX_REGSET};
		if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)regset_types[i],
			   &v) != 0)
			continue;
		struct hs_dump_regset *r = &t.regsets[t.n_regsets++];
		*r = (struct hs_dump_regset){regset_types[i], (uint32_t)v.iov_len,
					     hs_xmalloc(v.iov_len)};
		memcpy(r->bytes, buffer, v.iov_len);
	}
	(void)ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof(t.blocked), &t.blocked);
	hs_array_push(&d->threads, t);
}

static void read_threads(struct hs_dump *d, const struct hs_stopper *s)
{
	uint8_t *buffer = hs_xmalloc(MAX_REGSET);
	for (size_t i = 0; i < s->threads.n; i++)
		if (s->threads.at[i].stopped)
			read_thread(d, s->threads.at[i].tid, buffer);
	free(buffer);
	d->stats.n_threads = d->threads.n;
}

/* Threads that ended as they were stopped leave nothing; what is left is of one kind. */
static struct hs_error *check_threads(struct hs_dump *d)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->threads.n; i++) {
		struct hs_dump_thread *t = &d->threads.at[i];
		if (t->n_regsets && t->regsets[0].type == NT_PRSTATUS) {
			if (!hs_dump_fits(t))
				return hs_error("process %d is a 32-bit one: there is no "
						"dump of such; gcore makes them",
						d->pid);
			d->threads.at[kept++] = *t;
			continue;
		}
		for (size_t k = 0; k < t->n_regsets; k++)
			free(t->regsets[k].bytes);
	}
	d->threads.n = kept;
	d->stats.n_threads = kept;
	return kept ? NULL
		    : hs_error("process %d has no thread that can be read: it ended",
			       d->pid);
}

/* -- Memory, while it stands still -------------------------------------------------- */

/*
 * Shared memory without a file: what nobody touched would come to be if it was read
 * through the process.  Root reads the memory itself.
 */
static struct hs_error *copy_shared(struct hs_dump *d, struct hs_pagemap *pages,
				    const struct hs_vma *v)
{
	char path[96];
	struct hs_page_run run;
	struct hs_error *err = NULL;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", d->pid,
		 (unsigned long long)v->start, (unsigned long long)v->end);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		uint64_t seen = 0;
		for (uint64_t at = v->start;
		     !err && hs_pagemap_next(pages, at, v->end, &run);
		     at = run.end, seen += run.end - run.start)
			err = hs_hold_want(&d->hold, run.start, run.end);
		d->stats.not_touched += v->end - v->start - seen;
		return err;
	}
	uint64_t end = v->offset + (v->end - v->start), at = v->offset;
	while (!err && at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)data >= end)
			break;
		uint64_t stop = HS_MIN((uint64_t)hole, end);
		err = hs_hold_file(&d->hold, v->start + ((uint64_t)data - v->offset),
				   v->start + (stop - v->offset), fd, (uint64_t)data);
		at = stop;
	}
	close(fd);
	return err;
}

static struct hs_error *copy_mapping(struct hs_dump *d, struct hs_pagemap *pages,
				     const struct hs_vma *v, enum hs_dump_want want)
{
	struct hs_page_run run;
	struct hs_error *err = NULL;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	switch (want) {
	case HS_DUMP_NOTHING:
		return NULL;
	case HS_DUMP_HEADER:
		return hs_hold_want(&d->hold, v->start, v->start + page);
	case HS_DUMP_ALL:
		return hs_hold_want(&d->hold, v->start, v->end);
	case HS_DUMP_SHARED:
		return copy_shared(d, pages, v);
	case HS_DUMP_TOUCHED:
		break;
	}
	for (uint64_t at = v->start; !err && hs_pagemap_next(pages, at, v->end, &run);
	     at = run.end)
		err = hs_hold_want(&d->hold, run.start, run.end);
	return err;
}

static uint32_t program_flags(const struct hs_vma *v)
{
	return (v->flags & HS_VMA_READ ? (uint32_t)PF_R : 0u) |
	       (v->flags & HS_VMA_WRITE ? (uint32_t)PF_W : 0u) |
	       (v->flags & HS_VMA_EXEC ? (uint32_t)PF_X : 0u);
}

static struct hs_error *copy_memory(struct hs_dump *d)
{
	struct hs_error *err = NULL;
	struct hs_pagemap *pages = hs_pagemap_open(d->pid);
	if (!pages)
		return hs_error("cannot open /proc/%d/pagemap: %s", d->pid,
				strerror(errno));
	for (size_t i = 0; i < d->vmas.list.n && !err; i++) {
		const struct hs_vma *v = &d->vmas.list.at[i];
		/* The kernel's, at the end of the address space; no code runs there. */
		if (!strcmp(v->path, "[vsyscall]"))
			continue;
		enum hs_dump_want want = want_of(d, pages, v);
		err = copy_mapping(d, pages, v, want);
		const struct hs_dump_segment s = {
			.start = v->start,
			.end = v->end,
			.flags = program_flags(v),
			.n_bytes = want == HS_DUMP_NOTHING ? 0 : v->end - v->start,
			.header = want == HS_DUMP_HEADER,
		};
		hs_array_push(&d->segments, s);
	}
	if (!err)
		err = hs_hold_flush(&d->hold);
	hs_pagemap_close(pages);
	return err;
}

static bool same_mappings(const struct hs_vmas *a, const struct hs_vmas *b)
{
	if (a->list.n != b->list.n)
		return false;
	for (size_t i = 0; i < a->list.n; i++) {
		const struct hs_vma *x = &a->list.at[i], *y = &b->list.at[i];
		/* A heap or a stack that has grown is the same. */
		if (x->end != y->end && strcmp(x->path, "[heap]") != 0 &&
		    strcmp(x->path, "[stack]") != 0)
			return false;
		if ((x->start != y->start && strcmp(x->path, "[stack]") != 0) ||
		    ((x->flags ^ y->flags) & 15) || strcmp(x->path, y->path) != 0)
			return false;
	}
	return true;
}

/*
 * The mappings as they are now.  What was advised is in smaps alone, which walks all
 * pages: it was read before, and is again only if the mappings have changed.
 */
static void update_mappings(struct hs_dump *d)
{
	struct hs_vmas now;
	if (!hs_vmas_read(d->pid, false, &now))
		return;
	if (same_mappings(&d->vmas, &now)) {
		for (size_t i = 0; i < now.list.n; i++)
			now.list.at[i].flags |= d->vmas.list.at[i].flags;
	} else {
		struct hs_vmas details;
		if (hs_vmas_read(d->pid, true, &details) && details.list.n) {
			hs_vmas_deinit(&now);
			now = details;
		}
	}
	hs_vmas_deinit(&d->vmas);
	d->vmas = now;
}

static struct hs_error *copy_stopped(struct hs_dump *d)
{
	struct hs_stopper stopper;
	uint64_t begun = now_ns();
	struct hs_error *err = hs_stopper_stop(d->pid, &stopper);
	if (err)
		return err;
	read_threads(d, &stopper);
	update_mappings(d);
	err = copy_memory(d);
	hs_stopper_release(&stopper);
	d->stats.stopped_ns = now_ns() - begun;
	return err ? err : check_threads(d);
}

/* -- Before and after ---------------------------------------------------------------- */

/* The first page of a file counts only if it tells of a module. */
static bool is_header(const struct hs_dump_segment *s, const struct hs_held *h)
{
	return h->start == s->start && !memcmp(h->bytes, ELFMAG, SELFMAG);
}

/* Of a segment without any copied byte there is nothing in the core. */
static void trim_segments(struct hs_dump *d)
{
	const struct hs_held *h = d->hold.list.at;
	const struct hs_held *end = h + d->hold.list.n;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < d->segments.n; i++) {
		struct hs_dump_segment *s = &d->segments.at[i];
		const struct hs_held *first = h;
		while (h < end && h->start < s->end)
			h++;
		if (h == first)
			s->n_bytes = 0;
		else if (s->header)
			s->n_bytes = is_header(s, first) ? page : 0;
	}
}

static struct hs_error *take(struct hs_dump *d)
{
	if (hs_vmas_read(d->pid, true, &d->vmas) && !d->vmas.list.n)
		return hs_error("process %d has no memory: it is a zombie, or the "
				"kernel's",
				d->pid);
	hs_hold_init(&d->hold, d->pid, d->options.folder);
	struct hs_error *err = hs_hold_prepare(&d->hold, estimate(d));
	if (!err)
		err = copy_stopped(d);
	if (err)
		return err;
	trim_segments(d);
	for (size_t i = 0; i < d->hold.list.n; i++)
		d->stats.copied += d->hold.list.at[i].end - d->hold.list.at[i].start;
	d->stats.unreadable = d->hold.unreadable;
	d->stats.n_mappings = d->vmas.list.n;
	return NULL;
}

static void read_name(struct hs_dump *d)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", d->pid);
	FILE *in = fopen(path, "re");
	if (in && !fgets(d->name, sizeof(d->name), in))
		d->name[0] = '\0';
	if (in)
		fclose(in);
	d->name[strcspn(d->name, "\n")] = '\0';
}

struct hs_error *hs_dump_take(pid_t pid, const struct hs_dump_options *options,
			      struct hs_dump **ret)
{
	struct hs_dump *d = hs_xcalloc(1, sizeof(*d));
	d->pid = pid;
	d->options = *options;
	d->hold.memory = -1;
	read_name(d);
	struct hs_error *err = take(d);
	if (err)
		hs_dump_free(d);
	else
		*ret = d;
	return err;
}

void hs_dump_free(struct hs_dump *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->threads.n; i++)
		for (size_t k = 0; k < d->threads.at[i].n_regsets; k++)
			free(d->threads.at[i].regsets[k].bytes);
	hs_array_free(&d->threads);
	hs_array_free(&d->segments);
	hs_hold_deinit(&d->hold);
	hs_vmas_deinit(&d->vmas);
	free(d);
}

const struct hs_dump_stats *hs_dump_stats(const struct hs_dump *d)
{
	return &d->stats;
}

const char *hs_dump_name(const struct hs_dump *d)
{
	return d->name;
}
