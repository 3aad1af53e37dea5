/* SPDX-License-Identifier: MIT */

/*
 * Core files: an ELF file whose segments are the memory of a process, written
 * by the kernel or by gdb's gcore.  Finds the segments and the notes; the file
 * stays mapped and is read where somebody asks.
 */
#include <elf.h>
#include <string.h>

#include "formats/format.h"
#include "src/corenotes.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/image.h"
#include "src/modules.h"
#include "src/out.h"

static bool is_elf(const uint8_t *data, size_t size)
{
	return size >= sizeof(Elf64_Ehdr) && !memcmp(data, ELFMAG, SELFMAG);
}

static enum hs_match core_probe(const uint8_t *data, size_t size)
{
	Elf64_Ehdr h;
	if (!is_elf(data, size))
		return HS_MATCH_NO;
	memcpy(&h, data, sizeof(h));
	/* e_type lies in the same place in all classes, but may be big-endian. */
	bool swapped = h.e_ident[EI_DATA] == ELFDATA2MSB;
	uint16_t type = swapped ? __builtin_bswap16(h.e_type) : h.e_type;
	return type == ET_CORE ? HS_MATCH_MAGIC : HS_MATCH_NO;
}

static struct hs_error *check_header(const Elf64_Ehdr *h, enum hs_machine *machine_ret)
{
	*machine_ret = h->e_machine == EM_X86_64 ? HS_MACHINE_X86_64 : HS_MACHINE_AARCH64;
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return hs_error("a core of a 32-bit or big-endian process; only x86-64 "
				"and AArch64 are supported");
	if (h->e_machine != EM_X86_64 && h->e_machine != EM_AARCH64)
		return hs_error("a core of a machine with ELF number %u; only x86-64 and "
				"AArch64 are supported",
				h->e_machine);
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return hs_error("damaged core: program headers of %u bytes each",
				h->e_phentsize);
	return NULL;
}

/* With PN_XNUM or more, section header 0 has the number (gABI, e_phnum). */
static uint64_t count_headers(const struct hs_file *file, const Elf64_Ehdr *h)
{
	Elf64_Shdr first;
	if (h->e_phnum != PN_XNUM)
		return h->e_phnum;
	if (h->e_shoff > file->size || file->size - h->e_shoff < sizeof(first))
		return PN_XNUM;
	memcpy(&first, file->data + h->e_shoff, sizeof(first));
	return first.sh_info;
}

struct core {
	struct hs_file file;
	struct hs_image *image;
	uint64_t n_cut, n_cut_segments, first_cut;
	uint64_t n_note_bytes;
	bool notes_cut;
};

/* How much of the SIZE bytes at OFFSET the file really has. */
static uint64_t present(const struct core *c, uint64_t offset, uint64_t size)
{
	return offset < c->file.size ? HS_MIN(size, c->file.size - offset) : 0;
}

static void add_segment(struct core *c, const Elf64_Phdr *p)
{
	struct hs_mapping m = {.start = p->p_vaddr};
	uint64_t size = HS_MAX(p->p_memsz, p->p_filesz);
	if (!size || __builtin_add_overflow(p->p_vaddr, size, &m.end))
		return;
	m.flags = (p->p_flags & PF_R ? HS_MAPPING_READ : 0u) |
		  (p->p_flags & PF_W ? HS_MAPPING_WRITE : 0u) |
		  (p->p_flags & PF_X ? HS_MAPPING_EXEC : 0u);
	m.n_bytes = present(c, p->p_offset, p->p_filesz);
	m.n_cut = p->p_filesz - m.n_bytes;
	if (m.n_bytes)
		m.bytes = c->file.data + p->p_offset;
	if (m.n_cut && !c->n_cut_segments++)
		c->first_cut = m.start + m.n_bytes;
	c->n_cut += m.n_cut;
	hs_array_push(&c->image->mappings, m);
}

/*
 * A hostile core may name the same bytes a thousand times; what is kept of
 * notes shall not exceed the file.
 */
static void add_notes(struct core *c, const Elf64_Phdr *p)
{
	uint64_t size = present(c, p->p_offset, p->p_filesz);
	c->notes_cut |= size < p->p_filesz;
	c->n_note_bytes += size;
	if (!size || c->n_note_bytes > c->file.size)
		return;
	struct hs_cursor in = hs_cursor(c->file.data + p->p_offset, (size_t)size, NULL);
	c->notes_cut |= !hs_corenotes_read(&in, c->image);
}

/* Returns how many program headers the file lacks. */
static uint64_t read_headers(struct core *c, const Elf64_Ehdr *h)
{
	uint64_t n = count_headers(&c->file, h);
	uint64_t here = present(c, h->e_phoff, n * sizeof(Elf64_Phdr));
	for (uint64_t i = 0; i < here / sizeof(Elf64_Phdr); i++) {
		Elf64_Phdr p;
		memcpy(&p, c->file.data + h->e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD)
			add_segment(c, &p);
		else if (p.p_type == PT_NOTE)
			add_notes(c, &p);
	}
	return n - here / sizeof(Elf64_Phdr);
}

static void warn_of_loss(struct core *c, uint64_t n_headers_cut)
{
	struct hs_image *image = c->image;
	if (c->n_cut_segments) {
		struct hs_out out;
		hs_out_init(&out, -1);
		hs_put_size(&out, c->n_cut);
		char *size = hs_out_take(&out, NULL);
		hs_image_warn(image,
			      "the core is cut off: %s in %llu of %zu mappings, from "
			      "0x%llx on, are missing; the limits are ulimit -c, the "
			      "disk, and ProcessSizeMax of systemd-coredump",
			      size, (unsigned long long)c->n_cut_segments,
			      image->mappings.n, (unsigned long long)c->first_cut);
		free(size);
	}
	if (n_headers_cut)
		hs_image_warn(image,
			      "the core is cut off: %llu program headers are missing",
			      (unsigned long long)n_headers_cut);
	if (c->notes_cut)
		hs_image_warn(image, "the core's notes are cut off or damaged: threads, "
				     "registers or the list of files may be missing");
	if (c->file.truncated)
		hs_image_warn(image, "the compressed file ends early; read as far as it "
				     "goes");
	if (!image->threads.n)
		hs_image_warn(image, "the core has no thread: its notes are missing");
	image->complete = !image->warnings.n;
}

/* gcore and heapsnap leave holes where nothing was ever written. */
static bool next_data(void *context, const struct hs_mapping *m, uint64_t from,
		      uint64_t to, struct hs_image_extent *ret)
{
	const struct hs_file *file = context;
	uint64_t offset = (uint64_t)(m->bytes - file->data), start, end;
	if (!hs_file_next_data(file, offset + (from - m->start), offset + (to - m->start),
			       &start, &end))
		return false;
	*ret = (struct hs_image_extent){m->start + (start - offset),
					m->start + (end - offset)};
	return true;
}

static void core_release(void *owner)
{
	hs_file_close(owner);
	free(owner);
}

static struct hs_error *core_image(struct hs_file *file, struct hs_image **ret)
{
	Elf64_Ehdr h;
	struct core c = {.file = *file};
	enum hs_machine machine;
	if (!is_elf(file->data, file->size))
		return hs_error("damaged core: no ELF header");
	memcpy(&h, file->data, sizeof(h));
	struct hs_error *err = check_header(&h, &machine);
	if (err)
		return err;
	c.image = hs_image_new();
	c.image->machine = machine;
	warn_of_loss(&c, read_headers(&c, &h));
	if (!c.image->pid && c.image->threads.n)
		c.image->pid = c.image->threads.at[0].tid;
	hs_image_seal(c.image);
	hs_modules_find(c.image);
	struct hs_file *kept = hs_xmalloc(sizeof(*kept));
	*kept = *file;
	*file = (struct hs_file){0};
	hs_image_own(c.image, core_release, kept);
	c.image->source =
		(struct hs_image_source){.next_data = next_data, .context = kept};
	*ret = c.image;
	return NULL;
}

const struct hs_format hs_format_core = {
	.name = "core",
	.summary = "memory of a process, written when it died or by gcore",
	.suffixes = (const char *const[]){".core", NULL},
	.probe = core_probe,
	.image = core_image,
};
