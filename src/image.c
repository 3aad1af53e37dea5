/* SPDX-License-Identifier: MIT */

/* Images: tables by address, and memory put together from what there is. */
#include "src/image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/arena.h"

struct hs_image *hs_image_new(void)
{
	struct hs_image *image = hs_xcalloc(1, sizeof(*image));
	image->arena = hs_arena_new();
	image->name = image->arguments = "";
	image->complete = true;
	return image;
}

void hs_image_own(struct hs_image *image, void (*release)(void *owner), void *owner)
{
	image->release = release;
	image->owner = owner;
}

void hs_image_free(struct hs_image *image)
{
	if (!image)
		return;
	if (image->source.close)
		image->source.close(image->source.context);
	if (image->release)
		image->release(image->owner);
	hs_array_free(&image->mappings);
	hs_array_free(&image->files);
	hs_array_free(&image->modules);
	hs_array_free(&image->threads);
	hs_array_free(&image->auxv);
	hs_array_free(&image->warnings);
	hs_array_free(&image->fills);
	hs_arena_free(image->arena);
	free(image);
}

void hs_image_warn(struct hs_image *image, const char *format, ...)
{
	char *text;
	va_list ap;
	va_start(ap, format);
	int n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		abort();
	hs_array_push(&image->warnings, hs_arena_strndup(image->arena, text, (size_t)n));
	free(text);
}

/* -- Tables by address ---------------------------------------------------------- */

/* Each table's rows begin with their range. */
struct range {
	uint64_t start, end;
};

_Static_assert(offsetof(struct hs_mapping, start) == 0 &&
		       offsetof(struct hs_file_range, start) == 0 &&
		       offsetof(struct hs_image_module, start) == 0 &&
		       offsetof(struct hs_image_fill, start) == 0,
	       "rows begin with their range");

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static const struct range *row(const void *table, size_t size, size_t i)
{
	return (const struct range *)((const char *)table + i * size);
}

/* The last of the N rows that starts at or below ADDR, if it holds ADDR. */
static const void *find(const void *table, size_t n, size_t size, uint64_t addr)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (row(table, size, middle)->start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && addr < row(table, size, low - 1)->end ? row(table, size, low - 1)
							    : NULL;
}

/* The first mapping that ends above ADDR, or the end of all. */
static const struct hs_mapping *find_after(const struct hs_image *image, uint64_t addr)
{
	size_t low = 0, high = image->mappings.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (image->mappings.at[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return image->mappings.at + low;
}

/* Sort the rows; returns how many are left without those that overlap. */
static size_t sort_rows(void *table, size_t n, size_t size)
{
	char *rows = table;
	size_t kept = 0;
	if (n)
		qsort(table, n, size, compare_ranges);
	for (size_t i = 0; i < n; i++) {
		if (kept && row(table, size, i)->start < row(table, size, kept - 1)->end)
			continue;
		if (i != kept)
			memcpy(rows + kept * size, rows + i * size, size);
		kept++;
	}
	return kept;
}

#define SORT(array) \
	((array)->n = sort_rows((array)->at, (array)->n, sizeof(*(array)->at)))

void hs_image_seal(struct hs_image *image)
{
	SORT(&image->mappings);
	SORT(&image->files);
	SORT(&image->modules);
}

const struct hs_mapping *hs_image_mapping(const struct hs_image *image, uint64_t addr)
{
	return find(image->mappings.at, image->mappings.n, sizeof(*image->mappings.at),
		    addr);
}

const struct hs_image_module *hs_image_module(const struct hs_image *image, uint64_t addr)
{
	return find(image->modules.at, image->modules.n, sizeof(*image->modules.at),
		    addr);
}

const struct hs_file_range *hs_image_file(const struct hs_image *image, uint64_t addr)
{
	return find(image->files.at, image->files.n, sizeof(*image->files.at), addr);
}

uint64_t hs_image_auxv(const struct hs_image *image, uint64_t type)
{
	for (size_t i = 0; i < image->auxv.n; i++)
		if (image->auxv.at[i].type == type)
			return image->auxv.at[i].value;
	return 0;
}

uint64_t hs_image_pc(const struct hs_image *image, const struct hs_image_thread *thread)
{
	return thread->registers[image->machine == HS_MACHINE_X86_64 ? 16 : 32];
}

uint64_t hs_image_sp(const struct hs_image *image, const struct hs_image_thread *thread)
{
	return thread->registers[image->machine == HS_MACHINE_X86_64 ? 7 : 31];
}

/* -- Memory --------------------------------------------------------------------- */

void hs_image_fill(struct hs_image *image, uint64_t start, const uint8_t *bytes,
		   uint64_t size)
{
	uint64_t end;
	if (!size || __builtin_add_overflow(start, size, &end))
		return;
	/* Few, and seldom added: kept in order as they come. */
	size_t i = image->fills.n;
	(void)hs_array_add(&image->fills);
	for (; i > 0 && image->fills.at[i - 1].start > start; i--)
		image->fills.at[i] = image->fills.at[i - 1];
	image->fills.at[i] =
		(struct hs_image_fill){.start = start, .end = end, .bytes = bytes};
}

static size_t copy(void *buffer, size_t size, const uint8_t *bytes, uint64_t left)
{
	size_t n = (size_t)HS_MIN((uint64_t)size, left);
	memcpy(buffer, bytes, n);
	return n;
}

static size_t read_fill(const struct hs_image *image, uint64_t addr, void *buffer,
			size_t size)
{
	const struct hs_image_fill *f =
		find(image->fills.at, image->fills.n, sizeof(*image->fills.at), addr);
	return f ? copy(buffer, size, f->bytes + (addr - f->start), f->end - addr) : 0;
}

/* What one mapping or one fill gives, from ADDR on. */
static size_t read_some(const struct hs_image *image, uint64_t addr, void *buffer,
			size_t size)
{
	const struct hs_mapping *m = hs_image_mapping(image, addr);
	if (m && m->bytes && addr - m->start < m->n_bytes)
		return copy(buffer, size, m->bytes + (addr - m->start),
			    m->n_bytes - (addr - m->start));
	/* What the core has of this mapping comes first: stop before the next one. */
	if (m)
		size = (size_t)HS_MIN((uint64_t)size, m->end - addr);
	size_t n = 0;
	if (image->source.read)
		n = image->source.read(image->source.context, addr, buffer, size);
	/* A page that was there and is cut off now may have been changed. */
	bool lost = m && addr - m->start < m->n_bytes + m->n_cut;
	return n || lost ? n : read_fill(image, addr, buffer, size);
}

size_t hs_image_read(const struct hs_image *image, uint64_t addr, void *buffer,
		     size_t size)
{
	size_t done = 0;
	while (done < size && addr + done >= addr) {
		size_t n =
			read_some(image, addr + done, (char *)buffer + done, size - done);
		if (!n)
			break;
		done += n;
	}
	return done;
}

bool hs_image_read_all(const struct hs_image *image, uint64_t addr, void *buffer,
		       size_t size)
{
	return hs_image_read(image, addr, buffer, size) == size;
}

const uint8_t *hs_image_bytes(const struct hs_image *image, uint64_t addr,
			      uint64_t *n_ret)
{
	const struct hs_mapping *m = hs_image_mapping(image, addr);
	if (!m || !m->bytes || addr - m->start >= m->n_bytes)
		return NULL;
	*n_ret = m->n_bytes - (addr - m->start);
	return m->bytes + (addr - m->start);
}

void hs_image_read_many(const struct hs_image *image, struct hs_image_piece *pieces,
			size_t n)
{
	if (image->source.read_many) {
		image->source.read_many(image->source.context, pieces, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		pieces[i].n = hs_image_read(image, pieces[i].addr, pieces[i].buffer,
					    pieces[i].size);
}

/* How far M's memory reaches, as far as it is here. */
static uint64_t readable_end(const struct hs_image *image, const struct hs_mapping *m)
{
	return image->source.read ? m->end : m->start + m->n_bytes;
}

bool hs_image_next_data(const struct hs_image *image, uint64_t from, uint64_t to,
			struct hs_image_extent *ret)
{
	const struct hs_mapping *m = find_after(image, from);
	const struct hs_mapping *end = image->mappings.at + image->mappings.n;
	for (; m < end && m->start < to; m++) {
		struct hs_image_extent e = {HS_MAX(from, m->start),
					    HS_MIN(to, readable_end(image, m))};
		if (e.start >= e.end)
			continue;
		*ret = e;
		if (!image->source.next_data ||
		    image->source.next_data(image->source.context, m, e.start, e.end,
					    ret))
			return true;
	}
	return false;
}

bool hs_image_word(const struct hs_image *image, uint64_t addr, uint64_t *ret)
{
	return hs_image_read_all(image, addr, ret, sizeof(*ret));
}

const char *hs_image_text(const struct hs_image *image, uint64_t addr, size_t max)
{
	char *text = hs_xmalloc(max);
	size_t n = hs_image_read(image, addr, text, max);
	const char *ret = hs_arena_strndup(image->arena, text, strnlen(text, n));
	free(text);
	return ret;
}
