/* SPDX-License-Identifier: MIT */

/* Finding __lsan_default_suppressions, and reading what it returns. */
#include "src/embedded.h"

#include <gelf.h>
#include <libelf.h>
#include <string.h>

#include "src/debugfile.h"
#include "src/profile.h"

#define FUNCTION "__lsan_default_suppressions"

/* Enough for the few instructions that return a literal. */
#define MAX_CODE 64u
#define MAX_TEXT ((size_t)1 << 20)

/* -- Code -------------------------------------------------------------------- */

static int32_t s32_at(const uint8_t *p)
{
	int32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p)
{
	return (uint32_t)s32_at(p);
}

/* Are the next bytes at *P the N at WANTED?  If so, skip them. */
static bool skip(const uint8_t **p, const uint8_t *end, const char *wanted, size_t n)
{
	if ((size_t)(end - *p) < n || memcmp(*p, wanted, n) != 0)
		return false;
	*p += n;
	return true;
}

/* [endbr64] [push rbp; mov rbp,rsp] lea rax,[rip+x] or mov rax,x [pop rbp] ret */
static uint64_t returned_x86_64(const uint8_t *code, size_t size, uint64_t address)
{
	const uint8_t *p = code, *end = code + size;
	uint64_t value;
	skip(&p, end, "\xf3\x0f\x1e\xfa", 4);
	skip(&p, end, "\x55\x48\x89\xe5", 4);
	if (end - p < 11)
		return 0;
	if (skip(&p, end, "\x48\xb8", 2)) {
		memcpy(&value, p, sizeof(value));
		p += 4; /* and four as below */
	} else if (skip(&p, end, "\x48\x8d\x05", 3)) {
		value = address + (uint64_t)(p + 4 - code) + (uint64_t)(int64_t)s32_at(p);
	} else if (skip(&p, end, "\xb8", 1)) {
		value = u32_at(p);
	} else if (skip(&p, end, "\x48\xc7\xc0", 3)) {
		value = (uint64_t)(int64_t)s32_at(p);
	} else {
		return 0;
	}
	p += 4;
	skip(&p, end, "\x5d", 1);
	return p < end && *p == 0xc3 ? value : 0;
}

/* [bti c or paciasp] adrp x0,page; add x0,x0,#rest [autiasp] ret */
static uint64_t returned_aarch64(const uint8_t *code, size_t size, uint64_t address)
{
	uint32_t word[6] = {0};
	size_t n = HS_MIN(size / 4, HS_COUNT(word)), i = 0;
	for (size_t k = 0; k < n; k++)
		word[k] = u32_at(code + 4 * k);
	if (word[0] == 0xd503245f || word[0] == 0xd503233f)
		i++;
	if ((word[i] & 0x9f00001f) != 0x90000000 ||
	    (word[i + 1] & 0xffc003ff) != 0x91000000)
		return 0;
	uint64_t pages = (word[i] >> 29 & 3) | (word[i] >> 5 & 0x7ffff) << 2;
	pages = (pages ^ 0x100000) - 0x100000; /* 21 bits with a sign */
	uint64_t value = ((address + 4 * i) & ~(uint64_t)0xfff) + (pages << 12) +
			 (word[i + 1] >> 10 & 0xfff);
	i += 2;
	if (word[i] == 0xd50323bf)
		i++;
	return word[i] == 0xd65f03c0 ? value : 0;
}

uint64_t hs_returned_address(unsigned machine, const uint8_t *code, size_t size,
			     uint64_t address)
{
	if (machine == EM_X86_64)
		return returned_x86_64(code, size, address);
	if (machine == EM_AARCH64)
		return returned_aarch64(code, size, address);
	return 0;
}

/* -- The file ----------------------------------------------------------------- */

/* Up to ROOM bytes of ELF's segments from ADDRESS on; NULL where there are none. */
static const uint8_t *bytes_at(Elf *elf, uint64_t address, size_t room, size_t *size_ret)
{
	size_t n = 0;
	GElf_Phdr ph;
	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &ph); i++) {
		if (ph.p_type != PT_LOAD || address < ph.p_vaddr ||
		    address - ph.p_vaddr >= ph.p_filesz)
			continue;
		uint64_t skipped = address - ph.p_vaddr;
		*size_ret = (size_t)HS_MIN(room, ph.p_filesz - skipped);
		Elf_Data *data = elf_getdata_rawchunk(
			elf, (int64_t)(ph.p_offset + skipped), *size_ret, ELF_T_BYTE);
		return data ? data->d_buf : NULL;
	}
	return NULL;
}

static bool find_in_section(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    GElf_Sym *ret)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
	for (size_t i = 0; i < n && i < INT32_MAX && gelf_getsym(data, (int)i, ret);
	     i++) {
		const char *name = elf_strptr(elf, header->sh_link, ret->st_name);
		if (ret->st_shndx != SHN_UNDEF && name && !strcmp(name, FUNCTION))
			return true;
	}
	return false;
}

static bool find_function(Elf *elf, GElf_Sym *ret)
{
	GElf_Shdr header;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));)
		if (gelf_getshdr(s, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM) &&
		    find_in_section(elf, s, &header, ret))
			return true;
	return false;
}

/* The text at ADDRESS, malloc'ed, or NULL. */
static char *literal_at(Elf *elf, uint64_t address)
{
	size_t size;
	const uint8_t *text = bytes_at(elf, address, MAX_TEXT, &size);
	const uint8_t *end = text ? memchr(text, 0, size) : NULL;
	return end ? hs_xasprintf("%.*s", (int)(end - text), (const char *)text) : NULL;
}

static struct hs_error *read_text(Elf *elf, char **text_ret)
{
	GElf_Sym symbol;
	GElf_Ehdr header;
	size_t size;
	if (!find_function(elf, &symbol))
		return NULL;
	const uint8_t *code = bytes_at(elf, symbol.st_value, MAX_CODE, &size);
	uint64_t address = 0;
	if (code && gelf_getehdr(elf, &header))
		address = hs_returned_address(header.e_machine, code, size,
					      symbol.st_value);
	*text_ret = address ? literal_at(elf, address) : NULL;
	return *text_ret ? NULL
			 : hs_error("its " FUNCTION "() does more than to return a "
				    "literal; put its rules into a file for "
				    "--suppressions");
}

static const struct hs_module_info *find_executable(const struct hs_profile *p)
{
	const char *exe = hs_string(p, p->process.exe);
	for (uint32_t i = 1; i < p->n_modules; i++)
		if (*exe && !strcmp(hs_string(p, p->modules[i].path), exe))
			return &p->modules[i];
	return NULL;
}

struct hs_error *hs_embedded_suppressions(const struct hs_profile *p,
					  const struct hs_symbol_options *options,
					  char **text_ret)
{
	struct hs_debugfile file;
	char *warning = NULL;
	const struct hs_module_info *module = find_executable(p);
	*text_ret = NULL;
	if (!module)
		return NULL;
	const struct hs_debugfile_query query = {
		.path = hs_string(p, module->path),
		.build_id = hs_string(p, module->build_id),
		.recorded_ns = p->process.start_ns,
		.shape = module->shape,
	};
	struct hs_error *err = NULL;
	if (hs_debugfile_open(&query, options, &file, &warning)) {
		if (file.main.elf)
			err = read_text(file.main.elf, text_ret);
		hs_debugfile_close(&file);
	}
	free(warning); /* naming the frames says the same */
	return hs_error_in(err, "%s", query.path);
}
