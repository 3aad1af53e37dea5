/* SPDX-License-Identifier: MIT */

/*
 * What holds memory, in an image.  Left out is what only seems to: the allocator's
 * own structures and free memory, stacks below the stack pointer and those of
 * threads that ended, and whatever the caller names.
 */
#include "src/roots.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/heap.h"
#include "src/image.h"

#define PAGE         4096u
#define DESCRIPTOR   PAGE /* struct pthread and what follows it: 2368 in glibc 2.36 */
#define MOST_HEADERS 64u

/* glibc: heaps of arenas lie at multiples of this (arena.c, HEAP_MAX_SIZE). */
#define HEAP_ALIGNMENT ((uint64_t)64 << 20)
/* What is smaller does not get a mapping of its own (M_MMAP_THRESHOLD). */
#define LARGE ((uint64_t)64 << 10)

struct finder {
	const struct hs_image *image;
	const struct hs_heap *heap;
	const struct hs_root_hole *holes;
	size_t n_holes;
	bool gaps;
	struct hs_roots *out;
	uint64_t tls_bytes;                    /* of all modules */
	HS_ARRAY(struct hs_root_hole) claimed; /* stacks */
	struct hs_root_hole arena;             /* glibc's main_arena, or 0 */
};

/* -- Adding ------------------------------------------------------------------------ */

static void miss(struct finder *f, const char *format, ...) HS_PRINTF(2, 3);
static void miss(struct finder *f, const char *format, ...)
{
	char text[200];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	hs_array_push(&f->out->missing, hs_xstrdup(text));
}

/* [START, END) without the holes. */
static void add(struct finder *f, uint64_t start, uint64_t end, enum hs_root_kind kind,
		uint32_t owner)
{
	for (size_t i = 0; i <= f->n_holes && start < end; i++) {
		const struct hs_root_hole *h = i < f->n_holes ? &f->holes[i] : &f->arena;
		if (h->start >= end || h->end <= start)
			continue;
		if (h->start > start)
			add(f, start, h->start, kind, owner);
		start = h->end;
	}
	if (start < end)
		hs_array_push(&f->out->at, ((struct hs_root){start, end, kind, owner}));
}

/* Those parts of [START, END) that are mapped to be read. */
static void add_mapped(struct finder *f, uint64_t start, uint64_t end,
		       enum hs_root_kind kind, uint32_t owner)
{
	for (size_t i = 0; i < f->image->mappings.n; i++) {
		const struct hs_mapping *m = &f->image->mappings.at[i];
		if (m->start < end && m->end > start && m->flags & HS_MAPPING_READ)
			add(f, HS_MAX(start, m->start), HS_MIN(end, m->end), kind, owner);
	}
}

/* -- Modules ------------------------------------------------------------------------ */

static size_t read_headers(const struct hs_image *image, uint64_t start,
			   Elf64_Phdr ret[MOST_HEADERS])
{
	Elf64_Ehdr e;
	if (!hs_image_read_all(image, start, &e, sizeof(e)) ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_phentsize != sizeof(*ret) ||
	    e.e_phnum > MOST_HEADERS ||
	    !hs_image_read_all(image, start + e.e_phoff, ret, e.e_phnum * sizeof(*ret)))
		return 0;
	return e.e_phnum;
}

/*
 * glibc's main_arena in [START, END): its lists of free chunks, which it would
 * seem to hold.  Each empty list is two words that point 16 bytes before the first
 * of them; the last of the 127 lists is always empty (malloc.c, bin_at, NBINS).
 * Before the lists: top, the fast lists, flags; behind: a map and sums.
 */
static void find_arena(struct finder *f, uint64_t start, uint64_t end)
{
	uint64_t words[512], last = 0, found = 0;
	for (uint64_t at = start; at + sizeof(words) / 2 <= end;
	     at += sizeof(words) - 16) {
		size_t size = (size_t)HS_MIN(end - at, (uint64_t)sizeof(words));
		size_t n = hs_image_read(f->image, at, words, size) / 8;
		for (size_t i = 0; i + 1 < n; i++)
			if (words[i] == words[i + 1] && words[i] == at + 8 * i - 16) {
				found = last && at + 8 * i - last < 2032 ? found + 1 : 1;
				last = at + 8 * i;
			}
		if (found >= 8 && at + sizeof(words) > last + 4096)
			break;
	}
	if (found >= 8)
		f->arena =
			(struct hs_root_hole){last - 126 * 16 - 0x70, last + 16 + 0x38};
}

static bool has_malloc(const struct hs_image_module *m)
{
	const char *slash = strrchr(m->path, '/');
	return m->executable || !strncmp(slash ? slash + 1 : m->path, "libc", 4);
}

static void add_module(struct finder *f, uint32_t i)
{
	const struct hs_image_module *m = &f->image->modules.at[i];
	Elf64_Phdr headers[MOST_HEADERS];
	size_t n = m->known_bias ? read_headers(f->image, m->start, headers) : 0;
	for (size_t k = 0; k < n; k++) {
		const Elf64_Phdr *p = &headers[k];
		uint64_t start = m->bias + p->p_vaddr, end = start + p->p_memsz;
		if (p->p_type == PT_TLS && p->p_memsz < (1u << 20))
			f->tls_bytes += p->p_memsz + p->p_align % PAGE;
		/* RELRO is a part of such a segment. */
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_W) || end <= start)
			continue;
		if (has_malloc(m) && !f->arena.end)
			find_arena(f, (start + 7) & ~(uint64_t)7, end);
		add_mapped(f, start, end, HS_ROOT_STATIC, i);
	}
	for (size_t k = 0; !n && k < f->image->mappings.n; k++) {
		const struct hs_mapping *p = &f->image->mappings.at[k];
		if (p->flags & HS_MAPPING_WRITE && p->start >= m->start &&
		    p->start < m->end)
			add(f, p->start, p->end, HS_ROOT_STATIC, i);
	}
}

/* -- Threads ------------------------------------------------------------------------ */

/* Part of a mapping: what lies above a thread's descriptor is not its stack's. */
static void claim(struct finder *f, uint64_t start, uint64_t end)
{
	hs_array_push(&f->claimed, ((struct hs_root_hole){start, end}));
}

static bool is_claimed(const struct finder *f, uint64_t addr)
{
	for (size_t i = 0; i < f->claimed.n; i++)
		if (addr >= f->claimed.at[i].start && addr < f->claimed.at[i].end)
			return true;
	return false;
}

static uint64_t end_of_descriptor(uint64_t tls, const struct hs_mapping *m)
{
	return HS_MIN((tls + DESCRIPTOR) / PAGE * PAGE, m->end);
}

/*
 * A thread's data lies at the upper end of its stack, and its descriptor there;
 * the first thread's somewhere else.
 */
static void add_thread(struct finder *f, uint32_t i)
{
	const struct hs_image_thread *t = &f->image->threads.at[i];
	uint64_t sp = hs_image_sp(f->image, t);
	const struct hs_mapping *stack = hs_image_mapping(f->image, sp);
	const struct hs_mapping *data =
		t->tls ? hs_image_mapping(f->image, t->tls) : NULL;
	for (uint32_t r = 0; r < HS_IMAGE_REGISTERS; r++)
		hs_array_push(&f->out->at, ((struct hs_root){t->registers[r], r,
							     HS_ROOT_REGISTER, i}));
	uint64_t tls = data ? t->tls - HS_MIN(f->tls_bytes, t->tls - data->start) : 0;
	if (stack) {
		uint64_t end =
			stack == data && t->tls > sp ? HS_MAX(tls, sp) : stack->end;
		/*
		 * As LeakSanitizer does, not from the red zone below it on: what lies
		 * there is of functions that have returned, but for a moment.
		 */
		add(f, sp, end, HS_ROOT_STACK, i);
		claim(f, stack->start,
		      stack == data && t->tls > sp ? end_of_descriptor(t->tls, stack)
						   : stack->end);
	} else {
		miss(f, "the stack of thread %u is missing", t->tid);
	}
	if (data)
		add(f, stack == data ? HS_MAX(tls, sp) : tls,
		    end_of_descriptor(t->tls, data), HS_ROOT_TLS, i);
	else if (t->tls)
		miss(f, "the thread-local data of thread %u is missing", t->tid);
}

/*
 * A thread that runs on a stack of its program's own making has another one, too:
 * how much of that is in use cannot be told, so all of it counts.
 */
static void add_stack_around(struct finder *f, uint64_t addr, uint32_t thread)
{
	const struct hs_mapping *m = addr ? hs_image_mapping(f->image, addr) : NULL;
	if (!m || is_claimed(f, addr) || !(m->flags & HS_MAPPING_WRITE))
		return;
	add(f, m->start, m->end, HS_ROOT_STACK, thread);
	claim(f, m->start, m->end);
}

/* Before the mapping M there is one that nobody may touch. */
static bool is_guarded(const struct hs_image *image, const struct hs_mapping *m)
{
	return m > image->mappings.at && m[-1].end == m->start &&
	       !(m[-1].flags & (HS_MAPPING_READ | HS_MAPPING_WRITE | HS_MAPPING_EXEC));
}

static void add_threads(struct finder *f)
{
	const struct hs_image *image = f->image;
	for (uint32_t i = 0; i < image->threads.n; i++)
		add_thread(f, i);
	for (uint32_t i = 0; i < image->threads.n; i++) {
		const struct hs_image_thread *t = &image->threads.at[i];
		const struct hs_mapping *m =
			t->tls ? hs_image_mapping(image, t->tls) : NULL;
		if (m && t->tid != image->pid && is_guarded(image, m))
			add_stack_around(f, t->tls, i);
	}
	/* The kernel puts these bytes above the first stack (AT_RANDOM). */
	add_stack_around(f, hs_image_auxv(image, AT_RANDOM), 0);
}

/* -- Other memory -------------------------------------------------------------------- */

/*
 * The stack of a thread that ended, kept for the next one: its descriptor points
 * to itself twice (tcbhead_t: tcb, self), and is no living thread's.
 */
static bool is_living(const struct finder *f, uint64_t descriptor)
{
	for (size_t i = 0; i < f->image->threads.n; i++)
		if (f->image->threads.at[i].tls == descriptor)
			return true;
	return false;
}

static bool is_dead_stack(const struct finder *f, const struct hs_mapping *m)
{
	uint64_t words[DESCRIPTOR / 8];
	if (!is_guarded(f->image, m) || m->end - m->start < sizeof(words))
		return false;
	uint64_t at = m->end - sizeof(words);
	size_t n = hs_image_read(f->image, at, words, sizeof(words)) / 8;
	for (size_t i = 0; i + 2 < n; i += 2)
		if (words[i] == at + 8 * i && words[i + 2] == words[i])
			return !is_living(f, words[i]);
	return false;
}

static bool is_arena(const struct finder *f, const struct hs_mapping *m)
{
	uint64_t arena, again;
	return m->start % HEAP_ALIGNMENT == 0 &&
	       hs_image_word(f->image, m->start, &arena) && arena &&
	       hs_image_word(f->image, arena & -HEAP_ALIGNMENT, &again) && again == arena;
}

/* Between blocks which have mappings of their own, as glibc's large ones. */
static void add_gaps(struct finder *f, const struct hs_mapping *m, uint32_t first)
{
	uint64_t at = m->start;
	uint32_t i = first;
	for (; i < f->heap->n && f->heap->blocks[i].addr < m->end; i++) {
		const struct hs_block *b = &f->heap->blocks[i];
		/* The rest of a page is the block's, as is its header. */
		if (b->addr > at && (f->gaps || b->addr - at > 2 * PAGE))
			add(f, at, b->addr, HS_ROOT_MAPPED, 0);
		at = b->addr + b->size;
	}
	if (m->end > at && (f->gaps || i == first || m->end - at > PAGE))
		add(f, at, m->end, HS_ROOT_MAPPED, 0);
}

static void add_mapping(struct finder *f, const struct hs_mapping *m)
{
	const struct hs_heap *h = f->heap;
	uint32_t first = hs_heap_lower_bound(h, m->start);
	/* One that begins in the mapping before belongs to both. */
	if (hs_heap_find(h, m->start) != HS_HEAP_NONE && first && first < h->n &&
	    h->blocks[first].addr != m->start)
		first--;
	for (uint32_t i = first; !f->gaps && i < h->n && h->blocks[i].addr < m->end; i++)
		if (h->blocks[i].size < LARGE && h->blocks[i].addr % PAGE != 16)
			return; /* memory that an allocator divides up */
	add_gaps(f, m, first);
}

static bool is_capture(const struct hs_file_range *file)
{
	size_t n = strlen(file->path);
	return n > 6 && !strcmp(file->path + n - 6, ".hsnap");
}

/*
 * The kernel makes one mapping of neighbours: a library's .bss, a stack and what the
 * program mapped.  So known parts are left out, and not whole mappings.
 */
static void add_parts(struct finder *f, struct hs_mapping part)
{
	uint64_t end = part.end;
	for (uint64_t at = part.start; at < end; at = part.end) {
		const struct hs_image_module *in = hs_image_module(f->image, at);
		part = (struct hs_mapping){.start = at, .end = end};
		for (size_t i = 0; !in && i < f->image->modules.n; i++)
			if (f->image->modules.at[i].start > at)
				part.end =
					HS_MIN(part.end, f->image->modules.at[i].start);
		bool claimed = false;
		for (size_t i = 0; i < f->claimed.n; i++) {
			const struct hs_root_hole *c = &f->claimed.at[i];
			if (at >= c->start && at < c->end) {
				claimed = true;
				part.end = HS_MIN(part.end, c->end);
			} else if (c->start > at) {
				part.end = HS_MIN(part.end, c->start);
			}
		}
		if (in)
			part.end = HS_MIN(part.end, in->end);
		else if (!claimed)
			add_mapping(f, &part);
	}
}

static void add_mappings(struct finder *f)
{
	const struct hs_image *image = f->image;
	for (size_t i = 0; i < image->mappings.n; i++) {
		const struct hs_mapping *m = &image->mappings.at[i];
		const struct hs_file_range *file = hs_image_file(image, m->start);
		if (m->flags & HS_MAPPING_WRITE && m->flags & HS_MAPPING_READ &&
		    !(file && is_capture(file)) &&
		    (m->start % HEAP_ALIGNMENT || f->gaps || !is_arena(f, m)) &&
		    !is_dead_stack(f, m))
			add_parts(f, *m);
	}
}

/* -- The whole ------------------------------------------------------------------------
 */

static int compare(const void *pa, const void *pb)
{
	const struct hs_root *a = pa, *b = pb;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

void hs_roots_find(const struct hs_image *image, const struct hs_heap *heap,
		   const struct hs_root_options *options, struct hs_roots *ret)
{
	*ret = (struct hs_roots){0};
	struct finder f = {.image = image,
			   .heap = heap,
			   .holes = options->holes,
			   .n_holes = options->n_holes,
			   .gaps = options->gaps,
			   .out = ret};
	for (uint32_t i = 0; i < image->modules.n; i++)
		add_module(&f, i);
	add_threads(&f);
	add_mappings(&f);
	if (ret->at.n)
		qsort(ret->at.at, ret->at.n, sizeof(*ret->at.at), compare);
	hs_array_free(&f.claimed);
}

void hs_roots_deinit(struct hs_roots *r)
{
	for (size_t i = 0; i < r->missing.n; i++)
		free((void *)(uintptr_t)r->missing.at[i]);
	hs_array_free(&r->at);
	hs_array_free(&r->missing);
}
