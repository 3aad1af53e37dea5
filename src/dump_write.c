/* SPDX-License-Identifier: MIT */

/*
 * The layout of a dump: ELF header, program headers, notes, and from the next page
 * on the segments one after another.  Zeros become holes.
 */
#include <unistd.h>

#include "src/dump_parts.h"

/*
 * What is not touched for so long within a mapping is left out of the file: a
 * reservation of terabytes is more than a file may have.
 */
#define MAX_HOLE ((uint64_t)1 << 30)

struct writer {
	const struct hs_dump *d;
	const struct hs_dump_sink *sink;
	HS_ARRAY(struct hs_dump_segment) segments;
	uint64_t page;
	uint64_t at; /* in the file */
	uint64_t hole;
	const struct hs_held *held; /* the next to be written */
	bool failed;
};

/* -- Bytes ------------------------------------------------------------------------- */

static void put(struct writer *w, const void *bytes, uint64_t size)
{
	if (w->hole && !w->failed)
		w->failed = !w->sink->skip(w->sink->context, w->hole);
	w->hole = 0;
	if (!w->failed && size)
		w->failed = !w->sink->put(w->sink->context, bytes, (size_t)size);
	w->at += size;
}

static void skip(struct writer *w, uint64_t size)
{
	w->hole += size;
	w->at += size;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Pages that are zero all over are holes; the others go out in runs. */
static void put_pages(struct writer *w, const uint8_t *bytes, uint64_t size)
{
	while (size && !w->failed) {
		uint64_t n = 0;
		while (n < size && !is_zero(bytes + n, HS_MIN(w->page, size - n)))
			n += HS_MIN(w->page, size - n);
		if (n)
			put(w, bytes, n);
		else
			skip(w, n = HS_MIN(w->page, size));
		bytes += n;
		size -= n;
	}
}

/* -- Layout ------------------------------------------------------------------------ */

/* [START, END) of S as a segment of its own, with its bytes or without. */
static void add_segment(struct writer *w, const struct hs_dump_segment *s, uint64_t start,
			uint64_t end, bool bytes)
{
	if (start < end)
		hs_array_push(&w->segments, ((struct hs_dump_segment){
						    .start = start,
						    .end = end,
						    .flags = s->flags,
						    .n_bytes = bytes ? end - start : 0}));
}

/* Split S where nothing was copied for long; H is the first piece of it. */
static const struct hs_held *split(struct writer *w, const struct hs_dump_segment *s,
				   const struct hs_held *h, const struct hs_held *end)
{
	uint64_t start = s->start, done = start;
	if (s->n_bytes != s->end - s->start) {
		hs_array_push(&w->segments, *s);
		while (h < end && h->start < s->end)
			h++;
		return h;
	}
	for (; h < end && h->start < s->end; done = h++->end)
		if (h->start - done >= MAX_HOLE) {
			add_segment(w, s, start, done, true);
			add_segment(w, s, done, h->start, false);
			start = h->start;
		}
	bool long_end = s->end - done >= MAX_HOLE;
	add_segment(w, s, start, long_end ? done : s->end, true);
	add_segment(w, s, long_end ? done : s->end, s->end, false);
	return h;
}

static void lay_out(struct writer *w)
{
	const struct hs_held *h = w->d->hold.list.at, *end = h + w->d->hold.list.n;
	for (size_t i = 0; i < w->d->segments.n; i++)
		h = split(w, &w->d->segments.at[i], h, end);
}

static void put_header(struct writer *w, uint64_t n_headers)
{
	bool many = n_headers >= PN_XNUM;
	Elf64_Ehdr h = {
		.e_type = ET_CORE,
#ifdef __x86_64__
		.e_machine = EM_X86_64,
#else
		.e_machine = EM_AARCH64,
#endif
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (uint16_t)n_headers,
		.e_shoff = many ? sizeof(h) + n_headers * sizeof(Elf64_Phdr) : 0,
		.e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
		.e_shnum = many,
	};
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_ident[EI_VERSION] = EV_CURRENT;
	put(w, &h, sizeof(h));
}

/* Where the segments begin. */
static uint64_t put_headers(struct writer *w, size_t n_notes)
{
	uint64_t n = w->segments.n + 1;
	uint64_t behind = sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr) +
			  (n >= PN_XNUM ? sizeof(Elf64_Shdr) : 0);
	uint64_t first = (behind + n_notes + w->page - 1) / w->page * w->page;
	put_header(w, n);
	const Elf64_Phdr notes = {
		.p_type = PT_NOTE, .p_offset = behind, .p_filesz = n_notes, .p_align = 4};
	put(w, &notes, sizeof(notes));
	uint64_t offset = first;
	for (size_t i = 0; i < w->segments.n; i++) {
		const struct hs_dump_segment *s = &w->segments.at[i];
		const Elf64_Phdr p = {.p_type = PT_LOAD,
				      .p_flags = s->flags,
				      .p_offset = offset,
				      .p_vaddr = s->start,
				      .p_filesz = s->n_bytes,
				      .p_memsz = s->end - s->start,
				      .p_align = w->page};
		put(w, &p, sizeof(p));
		offset += s->n_bytes;
	}
	if (n >= PN_XNUM) {
		const Elf64_Shdr count = {.sh_size = 1, .sh_info = (uint32_t)n};
		put(w, &count, sizeof(count));
	}
	return first;
}

static void put_segment(struct writer *w, const struct hs_dump_segment *s)
{
	const struct hs_held *end = w->d->hold.list.at + w->d->hold.list.n;
	uint64_t at = s->start, limit = s->start + s->n_bytes;
	for (; w->held < end && w->held->start < s->end && !w->failed; w->held++) {
		if (w->held->start >= limit)
			continue;
		skip(w, w->held->start - at);
		put_pages(w, w->held->bytes, w->held->end - w->held->start);
		at = w->held->end;
	}
	skip(w, limit - at);
}

/* Pieces and segments are both by address, and no piece is in two segments. */
static void put_memory(struct writer *w)
{
	w->held = w->d->hold.list.at;
	for (size_t i = 0; i < w->segments.n && !w->failed; i++)
		put_segment(w, &w->segments.at[i]);
}

bool hs_dump_write(struct hs_dump *d, const struct hs_dump_sink *sink)
{
	struct writer w = {.d = d, .sink = sink, .page = (uint64_t)sysconf(_SC_PAGESIZE)};
	struct hs_out out;
	size_t n_notes;
	hs_out_init(&out, -1);
	hs_dump_notes(d, &out);
	char *notes = hs_out_take(&out, &n_notes);
	lay_out(&w);
	uint64_t first = put_headers(&w, n_notes);
	put(&w, notes, n_notes);
	skip(&w, first - w.at);
	put_memory(&w);
	put(&w, NULL, 0); /* a hole at the end */
	free(notes);
	hs_array_free(&w.segments);
	d->stats.file_size = w.at;
	return !w.failed;
}
