/* SPDX-License-Identifier: MIT */

/*
 * Files of modules as sources of an image's memory.  Reads the program headers
 * of files; where they lie is debugfile.c's business.
 */
#include "src/imagefiles.h"

#include <elf.h>
#include <string.h>

#include "src/debugfile.h"
#include "src/file.h"
#include "src/image.h"
#include "src/symbols.h"

struct entry {
	bool tried, found;
	struct hs_debugfile file;
	struct hs_file bytes;
};

struct hs_imagefiles {
	struct hs_image *image;
	const struct hs_symbol_options *options;
	struct entry *entries; /* by module */
	size_t n;
};

struct hs_imagefiles *hs_imagefiles_new(struct hs_image *image,
					const struct hs_symbol_options *options)
{
	struct hs_imagefiles *f = hs_xcalloc(1, sizeof(*f));
	f->image = image;
	f->options = options;
	f->n = image->modules.n;
	f->entries = hs_xcalloc(f->n + 1, sizeof(*f->entries));
	return f;
}

void hs_imagefiles_free(struct hs_imagefiles *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (f->entries[i].found)
			hs_debugfile_close(&f->entries[i].file);
		hs_file_close(&f->entries[i].bytes);
	}
	free(f->entries);
	free(f);
}

/* The I-th program header of the ELF file in BYTES, or false. */
static bool read_header(const struct hs_file *bytes, uint32_t i, Elf64_Phdr *ret)
{
	Elf64_Ehdr h;
	if (bytes->size < sizeof(h))
		return false;
	memcpy(&h, bytes->data, sizeof(h));
	uint64_t at = h.e_phoff + i * sizeof(*ret);
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || i >= h.e_phnum || at < h.e_phoff ||
	    at > bytes->size || bytes->size - at < sizeof(*ret))
		return false;
	memcpy(ret, bytes->data + at, sizeof(*ret));
	return true;
}

/* Where nothing of the module's header was dumped, its file knows its addresses. */
static void settle_bias(struct hs_image_module *m, const struct hs_file *bytes)
{
	Elf64_Phdr p;
	for (uint32_t i = 0; !m->known_bias && read_header(bytes, i, &p); i++)
		if (p.p_type == PT_LOAD && p.p_offset < 4096) {
			m->bias = m->start - (p.p_vaddr - p.p_offset);
			m->known_bias = true;
		}
}

static void fill(struct hs_image *image, const struct hs_image_module *m,
		 const struct hs_file *bytes)
{
	Elf64_Phdr p;
	for (uint32_t i = 0; read_header(bytes, i, &p); i++)
		if (p.p_type == PT_LOAD && p.p_offset < bytes->size)
			hs_image_fill(image, m->bias + p.p_vaddr,
				      bytes->data + p.p_offset,
				      HS_MIN(p.p_filesz, bytes->size - p.p_offset));
}

static void open_entry(struct hs_imagefiles *f, struct hs_image_module *m,
		       struct entry *e)
{
	const struct hs_debugfile_query query = {
		.path = m->path, .build_id = m->build_id, .no_dwarf = true};
	char *warning;
	e->found = hs_debugfile_open(&query, f->options, &e->file, &warning);
	free(warning); /* naming the frames says it again */
	if (!e->found || !e->file.main.elf)
		return;
	struct hs_error *err = hs_file_open(e->file.main.path, 1, &e->bytes);
	if (err) {
		hs_error_free(err);
		return;
	}
	settle_bias(m, &e->bytes);
	if (!f->image->live)
		fill(f->image, m, &e->bytes);
}

const struct hs_debugfile *hs_imagefiles_open(struct hs_imagefiles *f, size_t i)
{
	struct entry *e = &f->entries[i];
	if (!e->tried)
		open_entry(f, &f->image->modules.at[i], e);
	e->tried = true;
	return e->found ? &e->file : NULL;
}
