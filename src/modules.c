/* SPDX-License-Identifier: MIT */

/*
 * Finding modules in an image.  Reads ELF headers, notes and the loader's
 * link_map out of the image's memory, all of which may be missing or hostile;
 * opens no file.
 */
#include "src/modules.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "src/arena.h"
#include "src/image.h"

#define MAX_HEADERS 256u   /* program headers of a module; real ones have a dozen */
#define MAX_NOTES   65536u /* bytes */
#define MAX_MODULES 65536u
#define MAX_PATH    4096u
#define PAGE        4096u

/* What the ELF header of a module in memory says. */
struct headers {
	Elf64_Ehdr file;
	Elf64_Phdr at[MAX_HEADERS];
	uint32_t n;
};

static bool read_headers(const struct hs_image *image, uint64_t addr, struct headers *h)
{
	if (!hs_image_read_all(image, addr, &h->file, sizeof(h->file)) ||
	    memcmp(h->file.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h->file.e_ident[EI_CLASS] != ELFCLASS64 ||
	    (h->file.e_type != ET_DYN && h->file.e_type != ET_EXEC) ||
	    h->file.e_phentsize != sizeof(Elf64_Phdr) || h->file.e_phnum > MAX_HEADERS)
		return false;
	h->n = h->file.e_phnum;
	return hs_image_read_all(image, addr + h->file.e_phoff, h->at,
				 h->n * sizeof(h->at[0]));
}

/*
 * The address in the file of what lies at its offset 0; the kernel rounds to
 * pages.  False if no segment has it.
 */
static bool find_first(const struct headers *h, uint64_t *vaddr_ret)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->at[i].p_type == PT_LOAD && h->at[i].p_offset < PAGE) {
			*vaddr_ret = h->at[i].p_vaddr - h->at[i].p_offset;
			return true;
		}
	return false;
}

/* -- Build-ids ------------------------------------------------------------------- */

static const char *to_hex(const struct hs_image *image, const uint8_t *bytes, uint32_t n)
{
	char hex[2 * 64 + 1];
	n = HS_MIN(n, 64);
	for (uint32_t i = 0; i < n; i++) {
		hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	return hs_arena_strndup(image->arena, hex, 2 * (size_t)n);
}

/* NT_GNU_BUILD_ID among the SIZE bytes of notes, or NULL. */
static const char *find_build_id(const struct hs_image *image, const uint8_t *notes,
				 size_t size)
{
	for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr note;
		memcpy(&note, notes + at, sizeof(note));
		uint64_t name = at + sizeof(note);
		uint64_t bytes = name + ((uint64_t)note.n_namesz + 3) / 4 * 4;
		uint64_t next = bytes + ((uint64_t)note.n_descsz + 3) / 4 * 4;
		if (bytes + note.n_descsz > size)
			break;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0)
			return to_hex(image, notes + bytes, note.n_descsz);
		if (next >= size)
			break;
		at = next;
	}
	return NULL;
}

static const char *read_build_id(const struct hs_image *image, const struct headers *h,
				 uint64_t bias)
{
	const char *id = NULL;
	uint8_t *notes = hs_xmalloc(MAX_NOTES);
	for (uint32_t i = 0; i < h->n && !id; i++) {
		size_t size = (size_t)HS_MIN(h->at[i].p_filesz, (uint64_t)MAX_NOTES);
		if (h->at[i].p_type == PT_NOTE)
			id = find_build_id(image, notes,
					   hs_image_read(image, bias + h->at[i].p_vaddr,
							 notes, size));
	}
	free(notes);
	return id ? id : "";
}

/* -- One module ------------------------------------------------------------------- */

static uint64_t extent_of(const struct headers *h, uint64_t bias)
{
	uint64_t end = 0;
	for (uint32_t i = 0; i < h->n; i++) {
		uint64_t limit;
		if (h->at[i].p_type == PT_LOAD &&
		    !__builtin_add_overflow(h->at[i].p_vaddr, h->at[i].p_memsz, &limit))
			end = HS_MAX(end, limit);
	}
	return bias + (end + PAGE - 1) / PAGE * PAGE;
}

/*
 * Add the module whose offset 0 is at START, and of which is known that it
 * reaches to END.  Its ELF header may be missing.
 */
static void add_module(struct hs_image *image, const char *path, uint64_t start,
		       uint64_t end)
{
	struct headers *h = hs_xmalloc(sizeof(*h));
	uint64_t vaddr, entry = hs_image_auxv(image, AT_ENTRY);
	struct hs_image_module m = {.path = path, .build_id = "", .start = start};
	m.bias = start;
	if (read_headers(image, start, h) && find_first(h, &vaddr)) {
		m.bias = start - vaddr;
		m.known_bias = true;
		m.build_id = read_build_id(image, h, m.bias);
		uint64_t extent = extent_of(h, m.bias);
		if (extent > start)
			end = HS_MAX(end, extent);
	}
	free(h);
	m.end = end;
	m.executable = entry >= start && entry < end;
	if (start < end && image->modules.n < MAX_MODULES)
		hs_array_push(&image->modules, m);
}

static bool has_elf_header(const struct hs_image *image, uint64_t addr)
{
	char magic[SELFMAG];
	return hs_image_read_all(image, addr, magic, SELFMAG) &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

/* -- The kernel's list --------------------------------------------------------------- */

static bool is_code(const struct hs_image *image, const struct hs_file_range *r)
{
	const struct hs_mapping *m = hs_image_mapping(image, r->start);
	return m && (m->flags & HS_MAPPING_EXEC);
}

/* Ranges of one file that follow one another are a module if it has code. */
static void find_in_files(struct hs_image *image)
{
	for (size_t i = 0, next; i < image->files.n; i = next) {
		const struct hs_file_range *first = &image->files.at[i];
		bool code = is_code(image, first);
		for (next = i + 1; next < image->files.n; next++) {
			const struct hs_file_range *r = &image->files.at[next];
			if (strcmp(r->path, first->path) != 0 || r->offset == 0)
				break;
			code |= is_code(image, r);
		}
		if (first->offset == 0 && (code || has_elf_header(image, first->start)))
			add_module(image, first->path, first->start,
				   image->files.at[next - 1].end);
	}
}

/* -- The loader's list -----------------------------------------------------------------
 */

/* The program headers of the executable, by the kernel's word. */
static bool read_program(const struct hs_image *image, struct headers *h)
{
	uint64_t at = hs_image_auxv(image, AT_PHDR), n = hs_image_auxv(image, AT_PHNUM);
	h->n = (uint32_t)HS_MIN(n, (uint64_t)MAX_HEADERS);
	return at && hs_image_read_all(image, at, h->at, h->n * sizeof(h->at[0]));
}

/* The word of DT_DEBUG in the executable's dynamic section: its struct r_debug. */
static uint64_t find_debug(const struct hs_image *image, const struct headers *h)
{
	uint64_t bias = 0;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->at[i].p_type == PT_PHDR)
			bias = hs_image_auxv(image, AT_PHDR) - h->at[i].p_vaddr;
	for (uint32_t i = 0; i < h->n; i++) {
		if (h->at[i].p_type != PT_DYNAMIC)
			continue;
		uint64_t at = bias + h->at[i].p_vaddr;
		Elf64_Dyn entry;
		for (unsigned k = 0; k < 1024; k++, at += sizeof(entry)) {
			if (!hs_image_read_all(image, at, &entry, sizeof(entry)) ||
			    entry.d_tag == DT_NULL)
				break;
			if (entry.d_tag == DT_DEBUG)
				return entry.d_un.d_ptr;
		}
	}
	return 0;
}

/* The start of the mapping from which on ADDR's module lies. */
static uint64_t start_of(const struct hs_image *image, uint64_t bias, uint64_t dynamic)
{
	if (has_elf_header(image, bias))
		return bias;
	const struct hs_mapping *m = hs_image_mapping(image, dynamic);
	return m ? HS_MIN(m->start, bias ? bias : m->start) : bias;
}

static void add_linked(struct hs_image *image, const struct link_map *l)
{
	const char *path = hs_image_text(image, (uint64_t)(uintptr_t)l->l_name, MAX_PATH);
	uint64_t bias = l->l_addr, dynamic = (uint64_t)(uintptr_t)l->l_ld;
	uint64_t start = start_of(image, bias, dynamic);
	const struct hs_mapping *m = hs_image_mapping(image, dynamic);
	/* The first of the list is the executable, without a name; then the vdso. */
	if (!image->modules.n) {
		path = hs_image_text(image, hs_image_auxv(image, AT_EXECFN), MAX_PATH);
		uint64_t headers = hs_image_auxv(image, AT_PHDR);
		if (has_elf_header(image, headers / PAGE * PAGE))
			start = headers / PAGE * PAGE;
	} else if (start == hs_image_auxv(image, AT_SYSINFO_EHDR)) {
		return;
	}
	add_module(image, path, start, m ? m->end : start + PAGE);
}

static void find_in_link_map(struct hs_image *image)
{
	struct headers *h = hs_xmalloc(sizeof(*h));
	uint64_t debug = read_program(image, h) ? find_debug(image, h) : 0;
	free(h);
	struct r_debug r;
	if (!debug || !hs_image_read_all(image, debug, &r, sizeof(r)))
		return;
	struct link_map l;
	uint64_t at = (uint64_t)(uintptr_t)r.r_map;
	for (uint32_t n = 0; at && n < MAX_MODULES; n++) {
		if (!hs_image_read_all(image, at, &l, sizeof(l)))
			break;
		add_linked(image, &l);
		at = (uint64_t)(uintptr_t)l.l_next;
	}
}

/* -- ELF headers in memory
 * ---------------------------------------------------------------- */

static void find_headers(struct hs_image *image)
{
	uint64_t vdso = hs_image_auxv(image, AT_SYSINFO_EHDR);
	for (size_t i = 0; i < image->mappings.n; i++) {
		const struct hs_mapping *m = &image->mappings.at[i];
		if (m->start != vdso && has_elf_header(image, m->start))
			add_module(image, "", m->start, m->end);
	}
}

static void add_vdso(struct hs_image *image)
{
	uint64_t at = hs_image_auxv(image, AT_SYSINFO_EHDR);
	const struct hs_mapping *m = at ? hs_image_mapping(image, at) : NULL;
	if (m)
		add_module(image, "[vdso]", at, m->end);
}

void hs_modules_find(struct hs_image *image)
{
	find_in_files(image);
	if (!image->modules.n)
		find_in_link_map(image);
	if (!image->modules.n)
		find_headers(image);
	add_vdso(image);
	hs_image_seal(image);
}
