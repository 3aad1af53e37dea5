/* SPDX-License-Identifier: MIT */

/* Program headers and the dynamic section of an executable. */
#include "src/cmd/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __x86_64__
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_NONE /* there is no tracker for any */
#endif

/* The mapped file; every access goes through at(). */
struct view {
	const uint8_t *data;
	size_t size;
};

static const void *at(const struct view *v, uint64_t offset, uint64_t size)
{
	return offset <= v->size && size <= v->size - offset ? v->data + offset : NULL;
}

/* A string that ends within the file, or NULL. */
static const char *string_at(const struct view *v, uint64_t offset)
{
	const char *s = at(v, offset, 1);
	return s && memchr(s, 0, v->size - offset) ? s : NULL;
}

static const char *machine_name(const Elf64_Ehdr *e)
{
	switch (e->e_machine) {
	case EM_X86_64:
		return e->e_ident[EI_CLASS] == ELFCLASS32 ? "x32" : "x86-64";
	case EM_386:
		return "32-bit x86";
	case EM_AARCH64:
		return "64-bit ARM";
	case EM_ARM:
		return "32-bit ARM";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "64-bit POWER";
	case EM_S390:
		return "S/390";
	default:
		return "another machine";
	}
}

/* Program header I, or NULL. */
static const Elf64_Phdr *header(const struct view *v, const Elf64_Ehdr *e, unsigned i)
{
	if (e->e_phentsize < sizeof(Elf64_Phdr) || e->e_phoff % 8 || e->e_phentsize % 8)
		return NULL;
	return at(v, e->e_phoff + (uint64_t)i * e->e_phentsize, sizeof(Elf64_Phdr));
}

/* Where address ADDR of the program lies in its file; SIZE_MAX: nowhere. */
static uint64_t offset_of(const struct view *v, const Elf64_Ehdr *e, uint64_t addr)
{
	for (unsigned i = 0; i < e->e_phnum; i++) {
		const Elf64_Phdr *p = header(v, e, i);
		if (p && p->p_type == PT_LOAD && addr >= p->p_vaddr &&
		    addr - p->p_vaddr < p->p_filesz)
			return p->p_offset + (addr - p->p_vaddr);
	}
	return UINT64_MAX;
}

static bool needs_sanitizer(const struct view *v, const Elf64_Ehdr *e,
			    const Elf64_Phdr *dynamic)
{
	size_t n = dynamic->p_filesz / sizeof(Elf64_Dyn);
	const Elf64_Dyn *d = at(v, dynamic->p_offset, n * sizeof(*d));
	uint64_t strings = UINT64_MAX;
	if (!d || dynamic->p_offset % 8)
		return false;
	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++)
		if (d[i].d_tag == DT_STRTAB)
			strings = offset_of(v, e, d[i].d_un.d_ptr);
	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++) {
		if (d[i].d_tag != DT_NEEDED || strings == UINT64_MAX ||
		    d[i].d_un.d_val > v->size)
			continue;
		const char *name = string_at(v, strings + d[i].d_un.d_val);
		if (name && (!strncmp(name, "libasan.so", 10) ||
			     !strncmp(name, "libclang_rt.asan", 16)))
			return true;
	}
	return false;
}

static struct hs_error *parse(const struct view *v, struct hs_elf *ret)
{
	const Elf64_Ehdr *e = at(v, 0, sizeof(*e));
	if (!e || (e->e_type != ET_EXEC && e->e_type != ET_DYN))
		return hs_error("it is damaged, or an object file and no program");
	ret->machine = machine_name(e);
	ret->machine_fits = e->e_ident[EI_CLASS] == ELFCLASS64 &&
			    e->e_ident[EI_DATA] == ELFDATA2LSB &&
			    e->e_machine == OUR_MACHINE;
	for (unsigned i = 0; ret->machine_fits && i < e->e_phnum; i++) {
		const Elf64_Phdr *p = header(v, e, i);
		if (!p)
			return hs_error("its program headers are damaged");
		const char *name =
			p->p_type == PT_INTERP ? string_at(v, p->p_offset) : NULL;
		if (name && !ret->interpreter)
			ret->interpreter = hs_xstrdup(name);
		if (p->p_type == PT_DYNAMIC)
			ret->sanitizer |= needs_sanitizer(v, e, p);
	}
	return NULL;
}

struct hs_error *hs_elf_read(const char *path, struct hs_elf *ret)
{
	*ret = (struct hs_elf){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return hs_error("cannot run '%s': it cannot be read", path);
	}
	struct view v = {.size = (size_t)st.st_size};
	void *p = st.st_size ? mmap(NULL, v.size, PROT_READ, MAP_PRIVATE, fd, 0)
			     : MAP_FAILED;
	close(fd);
	if (p == MAP_FAILED)
		return hs_error("cannot run '%s': it is empty or cannot be mapped", path);
	v.data = p;
	struct hs_error *err = parse(&v, ret);
	munmap(p, v.size);
	if (err)
		hs_elf_deinit(ret);
	return hs_error_in(err, "cannot run '%s'", path);
}

void hs_elf_deinit(struct hs_elf *elf)
{
	free(elf->interpreter);
	*elf = (struct hs_elf){0};
}
