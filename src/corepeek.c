/* SPDX-License-Identifier: MIT */

/* A core from its beginning to the place of AT_RANDOM. */
#include "src/corepeek.h"

#include <elf.h>

#include "src/array.h"
#include "src/corenotes.h"
#include "src/cursor.h"
#include "src/image.h"

#define MAX_NOTES ((uint64_t)64 << 20)

/* SIZE bytes at OFFSET, which is not behind us. */
static bool copy_at(struct hs_cursor *in, uint64_t offset, void *buffer, uint64_t size)
{
	uint8_t *to = buffer;
	uint64_t here = hs_cur_offset(in);
	if (offset < here)
		return false;
	hs_cur_skip(in, offset - here);
	while (size) {
		size_t n = (size_t)HS_MIN(size, (uint64_t)4096);
		const uint8_t *bytes = hs_cur_bytes(in, n);
		if (!bytes)
			return false;
		memcpy(to, bytes, n);
		to += n;
		size -= n;
	}
	return true;
}

/* The auxiliary vector and the pid, in IMAGE. */
static bool read_notes(struct hs_cursor *in, const Elf64_Phdr *p, struct hs_image *image)
{
	if (p->p_filesz > MAX_NOTES)
		return false;
	uint8_t *notes = hs_xmalloc((size_t)p->p_filesz + 1);
	bool good = copy_at(in, p->p_offset, notes, p->p_filesz);
	struct hs_cursor c = hs_cursor(notes, good ? (size_t)p->p_filesz : 0, NULL);
	hs_corenotes_read(&c, image);
	free(notes);
	return good;
}

struct headers {
	Elf64_Ehdr file;
	HS_ARRAY(Elf64_Phdr) list;
};

static bool read_headers(struct hs_cursor *in, struct headers *h)
{
	if (!copy_at(in, 0, &h->file, sizeof(h->file)) ||
	    memcmp(h->file.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h->file.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->file.e_ident[EI_DATA] != ELFDATA2LSB || h->file.e_type != ET_CORE ||
	    h->file.e_phentsize != sizeof(Elf64_Phdr) || h->file.e_phnum == PN_XNUM)
		return false;
	for (uint64_t i = 0; i < h->file.e_phnum; i++) {
		Elf64_Phdr p;
		if (!copy_at(in, h->file.e_phoff + i * sizeof(p), &p, sizeof(p)))
			return false;
		hs_array_push(&h->list, p);
	}
	return true;
}

static bool peek(struct hs_cursor *in, const struct headers *h, struct hs_image *image,
		 uint32_t pid, uint64_t max, uint8_t ret[16])
{
	image->machine =
		h->file.e_machine == EM_X86_64 ? HS_MACHINE_X86_64 : HS_MACHINE_AARCH64;
	for (size_t i = 0; i < h->list.n; i++)
		if (h->list.at[i].p_type == PT_NOTE &&
		    !read_notes(in, &h->list.at[i], image))
			return false;
	uint64_t at = hs_image_auxv(image, AT_RANDOM);
	if (!at || image->pid != pid)
		return false;
	for (size_t i = 0; i < h->list.n; i++) {
		const Elf64_Phdr *p = &h->list.at[i];
		if (p->p_type == PT_LOAD && at >= p->p_vaddr &&
		    at - p->p_vaddr < p->p_filesz)
			return p->p_offset < max && at - p->p_vaddr < max - p->p_offset &&
			       copy_at(in, p->p_offset + (at - p->p_vaddr), ret, 16);
	}
	return false;
}

bool hs_core_peek(struct hs_cursor *in, uint32_t pid, uint64_t max, uint8_t ret[16])
{
	struct headers h = {0};
	struct hs_image *image = hs_image_new();
	bool good = read_headers(in, &h) && peek(in, &h, image, pid, max, ret);
	hs_array_free(&h.list);
	hs_image_free(image);
	return good;
}
