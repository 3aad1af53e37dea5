/* SPDX-License-Identifier: MIT */

/*
 * Reading a living process: what /proc tells of it, registers by ptrace, and
 * memory by process_vm_readv, or by /proc/PID/mem where a filter forbids that.
 */
#include "src/live.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/arena.h"
#include "src/corenotes.h"
#include "src/cursor.h"
#include "src/image.h"
#include "src/modules.h"
#include "src/pagemap.h"
#include "src/stopper.h"
#include "src/vmas.h"

#define RED_ZONE   128u                /* below the stack pointer (psABI 3.2.2) */
#define MAX_BATCH  256u                /* pieces of one call */
#define MAX_COPIED ((uint64_t)1 << 20) /* of one stack; what is deeper is read later */

#if defined(__x86_64__)
#define KNOWN_MACHINE true
#define OUR_MACHINE   HS_MACHINE_X86_64
#elif defined(__aarch64__)
#define KNOWN_MACHINE true
#define OUR_MACHINE   HS_MACHINE_AARCH64
#else
#define KNOWN_MACHINE false
#define OUR_MACHINE   HS_MACHINE_X86_64
#endif

/* Bytes of a stack as they were when the threads stood still. */
struct copy {
	uint64_t start, end;
	uint8_t *bytes;
};

struct live {
	pid_t pid;
	int memory;               /* /proc/PID/mem, or -1 */
	struct hs_pagemap *pages; /* or NULL */
	struct hs_image *image;
	bool no_readv;
	HS_ARRAY(struct copy) copies; /* by address */
};

/* -- Memory ----------------------------------------------------------------------------
 */

static size_t read_now(struct live *l, uint64_t addr, void *buffer, size_t size)
{
	struct iovec to = {buffer, size};
	struct iovec from = {(void *)(uintptr_t)addr, size};
	ssize_t n = -1;
	if (!l->no_readv) {
		n = process_vm_readv(l->pid, &to, 1, &from, 1, 0);
		l->no_readv = n < 0 && (errno == ENOSYS || errno == EPERM);
	}
	/* Which also reads pages that are mapped without PROT_READ. */
	if (n <= 0 && l->memory >= 0)
		n = pread(l->memory, buffer, size, (off_t)addr);
	return n > 0 ? (size_t)n : 0;
}

static size_t live_read(void *context, uint64_t addr, void *buffer, size_t size)
{
	struct live *l = context;
	for (size_t i = 0; i < l->copies.n; i++) {
		const struct copy *c = &l->copies.at[i];
		if (addr >= c->start && addr < c->end) {
			size_t n = (size_t)HS_MIN((uint64_t)size, c->end - addr);
			memcpy(buffer, c->bytes + (addr - c->start), n);
			return n;
		}
		if (addr < c->start)
			size = (size_t)HS_MIN((uint64_t)size, c->start - addr);
	}
	return read_now(l, addr, buffer, size);
}

/* Is any byte of [ADDR, ADDR + SIZE) as it was when the threads stood still? */
static bool is_copied(const struct live *l, uint64_t addr, size_t size)
{
	for (size_t i = 0; i < l->copies.n; i++)
		if (addr < l->copies.at[i].end && addr + size > l->copies.at[i].start)
			return true;
	return false;
}

/* One call for up to N pieces, none of them copied; returns how many are done with. */
static size_t read_batch(struct live *l, struct hs_image_piece *pieces, size_t n)
{
	struct iovec to[MAX_BATCH] = {0}, from[MAX_BATCH] = {0};
	for (size_t i = 0; i < n; i++) {
		to[i] = (struct iovec){pieces[i].buffer, pieces[i].size};
		from[i] =
			(struct iovec){(void *)(uintptr_t)pieces[i].addr, pieces[i].size};
		pieces[i].n = 0;
	}
	ssize_t got = n ? process_vm_readv(l->pid, to, n, from, n, 0) : 0;
	size_t done = 0;
	for (size_t left = got > 0 ? (size_t)got : 0; done < n; done++) {
		pieces[done].n = HS_MIN(left, pieces[done].size);
		left -= pieces[done].n;
		if (pieces[done].n < pieces[done].size)
			break; /* the first that cannot be read ends the call */
	}
	return done;
}

static void live_read_many(void *context, struct hs_image_piece *pieces, size_t n)
{
	struct live *l = context;
	for (size_t i = 0; i < n;) {
		size_t k = 0;
		while (!l->no_readv && k < MAX_BATCH && i + k < n &&
		       !is_copied(l, pieces[i + k].addr, pieces[i + k].size))
			k++;
		size_t done = k ? read_batch(l, pieces + i, k) : 0;
		i += done;
		if (done == k && k)
			continue;
		struct hs_image_piece *p = &pieces[i++];
		p->n = hs_image_read(l->image, p->addr, p->buffer, p->size);
	}
}

/* What has no file is zero until it is touched. */
static bool live_next_data(void *context, const struct hs_mapping *m, uint64_t from,
			   uint64_t to, struct hs_image_extent *ret)
{
	struct live *l = context;
	struct hs_page_run run;
	if (!l->pages || hs_image_file(l->image, m->start)) {
		*ret = (struct hs_image_extent){from, to};
		return true;
	}
	if (!hs_pagemap_next(l->pages, from, to, &run))
		return false;
	*ret = (struct hs_image_extent){HS_MAX(run.start, from), run.end};
	return true;
}

static void live_close(void *context)
{
	struct live *l = context;
	for (size_t i = 0; i < l->copies.n; i++)
		free(l->copies.at[i].bytes);
	hs_array_free(&l->copies);
	hs_pagemap_close(l->pages);
	if (l->memory >= 0)
		close(l->memory);
	free(l);
}

/* -- What /proc tells
 * -------------------------------------------------------------------- */

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

static void add_mapping(struct hs_image *image, const struct hs_vma *v)
{
	const struct hs_mapping m = {
		.start = v->start,
		.end = v->end,
		.flags = (v->flags & HS_VMA_READ ? HS_MAPPING_READ : 0u) |
			 (v->flags & HS_VMA_WRITE ? HS_MAPPING_WRITE : 0u) |
			 (v->flags & HS_VMA_EXEC ? HS_MAPPING_EXEC : 0u)};
	hs_array_push(&image->mappings, m);
	if (!hs_vma_has_file(v))
		return;
	const struct hs_file_range r = {
		.start = v->start,
		.end = v->end,
		.offset = v->offset,
		.path = hs_arena_strndup(image->arena, v->path, strlen(v->path))};
	hs_array_push(&image->files, r);
}

/* Returns whether the list may be read. */
static bool read_mappings(struct hs_image *image)
{
	struct hs_vmas vmas;
	if (!hs_vmas_read((pid_t)image->pid, false, &vmas))
		return false;
	for (size_t i = 0; i < vmas.list.n; i++)
		add_mapping(image, &vmas.list.at[i]);
	hs_vmas_deinit(&vmas);
	return true;
}

static void read_auxv(struct hs_image *image)
{
	uint8_t bytes[4096];
	FILE *in = open_proc((pid_t)image->pid, "auxv");
	if (!in)
		return;
	struct hs_cursor c = hs_cursor(bytes, fread(bytes, 1, sizeof(bytes), in), "auxv");
	fclose(in);
	hs_corenotes_auxv(&c, image);
}

/* The name of the process, or with TID that of a thread. */
static const char *read_comm(struct hs_image *image, pid_t tid)
{
	char name[64], text[32] = "";
	snprintf(name, sizeof(name), "task/%d/comm", tid);
	FILE *in = open_proc((pid_t)image->pid, name);
	if (in && !fgets(text, sizeof(text), in))
		text[0] = '\0';
	if (in)
		fclose(in);
	return hs_arena_strndup(image->arena, text, strcspn(text, "\n"));
}

/* -- Threads
 * ------------------------------------------------------------------------------- */

/* What the kernel has in sets of their own: TPIDR_EL0, and which bits sign pointers. */
static void read_aarch64_words(struct hs_image *image, struct hs_image_thread *t)
{
	pid_t tid = (pid_t)t->tid;
	uint64_t words[2] = {0};
	struct iovec v = {words, sizeof(words)};
	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_ARM_TLS, &v) == 0)
		t->tls = words[0];
	v = (struct iovec){words, sizeof(words)};
	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_ARM_PAC_MASK, &v) == 0)
		image->pac_mask = words[1];
}

/* False for a thread that ended, or that runs 32-bit code. */
static bool read_registers(struct hs_image *image, pid_t tid)
{
	uint8_t bytes[512];
	struct iovec v = {bytes, sizeof(bytes)};
	struct hs_image_thread t = {.tid = (uint32_t)tid, .name = ""};
	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_PRSTATUS, &v) != 0)
		return false;
	struct hs_cursor c = hs_cursor(bytes, v.iov_len, "registers");
	if (!hs_corenotes_registers(&c, &t, image->machine))
		return false;
	if (image->machine == HS_MACHINE_AARCH64)
		read_aarch64_words(image, &t);
	hs_array_push(&image->threads, t);
	return true;
}

static void copy_stack(struct live *l, const struct hs_image *image,
		       const struct hs_image_thread *t)
{
	uint64_t sp = hs_image_sp(image, t);
	const struct hs_mapping *m = hs_image_mapping(image, sp);
	if (!m)
		return;
	struct copy c = {.start = sp - HS_MIN(sp - m->start, (uint64_t)RED_ZONE)};
	size_t size = (size_t)HS_MIN(m->end - c.start, MAX_COPIED);
	c.bytes = hs_xmalloc(size);
	c.end = c.start + read_now(l, c.start, c.bytes, size);
	hs_array_push(&l->copies, c);
}

static int compare_copies(const void *pa, const void *pb)
{
	const struct copy *a = pa, *b = pb;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* The main thread first, then as they were made. */
static int compare_threads(const void *pa, const void *pb)
{
	const struct hs_image_thread *a = pa, *b = pb;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

/* With COPY their stacks, too: they will go on before those are read. */
static void read_stopped(struct live *l, struct hs_image *image,
			 const struct hs_stopper *stopper, bool copy)
{
	for (size_t i = 0; i < stopper->threads.n; i++)
		if (stopper->threads.at[i].stopped &&
		    read_registers(image, stopper->threads.at[i].tid) && copy)
			copy_stack(l, image, &image->threads.at[image->threads.n - 1]);
}

static struct hs_error *read_threads(struct live *l, struct hs_image *image,
				     const struct hs_stopper *stopped)
{
	struct hs_stopper stopper;
	if (stopped) {
		read_stopped(l, image, stopped, false);
	} else {
		struct hs_error *err = hs_stopper_stop(l->pid, &stopper);
		if (err)
			return err;
		read_stopped(l, image, &stopper, true);
		hs_stopper_release(&stopper);
	}
	if (!image->threads.n)
		return hs_error("process %d has no thread that can be read: it ended, or "
				"is a 32-bit one",
				l->pid);
	if (l->copies.n)
		qsort(l->copies.at, l->copies.n, sizeof(*l->copies.at), compare_copies);
	qsort(image->threads.at, image->threads.n, sizeof(*image->threads.at),
	      compare_threads);
	for (size_t i = 0; i < image->threads.n; i++)
		image->threads.at[i].name =
			read_comm(image, (pid_t)image->threads.at[i].tid);
	return NULL;
}

static struct live *connect_memory(struct hs_image *image, pid_t pid)
{
	char path[64];
	struct live *l = hs_xcalloc(1, sizeof(*l));
	l->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	l->memory = open(path, O_RDONLY | O_CLOEXEC);
	l->pages = hs_pagemap_open(pid);
	l->image = image;
	image->source = (struct hs_image_source){.read = live_read,
						 .read_many = live_read_many,
						 .next_data = live_next_data,
						 .close = live_close,
						 .context = l};
	return l;
}

static struct hs_error *fill(struct hs_image *image, pid_t pid,
			     const struct hs_stopper *stopped)
{
	bool allowed = read_mappings(image);
	if (allowed && !image->mappings.n)
		return hs_error("process %d has no memory: it is a zombie, or the "
				"kernel's",
				pid);
	read_auxv(image);
	hs_image_seal(image);
	struct hs_error *err = read_threads(connect_memory(image, pid), image, stopped);
	if (!err)
		hs_modules_find(image);
	return err;
}

static struct hs_error *open_live(pid_t pid, const struct hs_stopper *stopped,
				  struct hs_image **ret)
{
	if (!KNOWN_MACHINE)
		return hs_error("cannot read living processes here: heapsnap knows the "
				"registers of x86-64 and AArch64 only; make a core and "
				"look at that");
	struct hs_image *image = hs_image_new();
	image->machine = OUR_MACHINE;
	image->pid = (uint32_t)pid;
	image->live = true;
	image->name = read_comm(image, pid);
	struct hs_error *err = fill(image, pid, stopped);
	if (err)
		hs_image_free(image);
	else
		*ret = image;
	return err;
}

struct hs_error *hs_live_open(pid_t pid, struct hs_image **ret)
{
	return open_live(pid, NULL, ret);
}

struct hs_error *hs_live_open_stopped(pid_t pid, const struct hs_stopper *stopper,
				      struct hs_image **ret)
{
	return open_live(pid, stopper, ret);
}
