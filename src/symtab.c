/* SPDX-License-Identifier: MIT */

/*
 * Symbol tables, flattened into one array sorted by address.  Knows ELF's
 * symbols and x86-64's PLT; nothing of DWARF, files or mangled names.
 */
#include "src/symtab.h"

#include <gelf.h>
#include <libelf.h>
#include <string.h>

#include "src/array.h"
#include "src/debugfile.h"

/* Symbols may overlap; a hostile table may make all of them do so. */
#define MAX_STEPS_BACK 256

/* -- Reading ------------------------------------------------------------------ */

/* Whether SYM is code; sets *END_RET to the end of its section, 0 if unknown. */
static bool is_code(Elf *elf, const GElf_Sym *sym, uint64_t *end_ret)
{
	GElf_Shdr header;
	unsigned type = GELF_ST_TYPE(sym->st_info);
	*end_ret = 0;
	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_ABS ||
	    sym->st_shndx == SHN_COMMON ||
	    (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
		return false;
	if (type != STT_NOTYPE && sym->st_size)
		return true;
	/* Assembly forgets types and sizes; its labels are code if their section is. */
	Elf_Scn *s =
		sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
	if (!s || !gelf_getshdr(s, &header) || !(header.sh_flags & SHF_EXECINSTR) ||
	    __builtin_add_overflow(header.sh_addr, header.sh_size, end_ret))
		return false;
	return true;
}

/* Mapping symbols ($x, $d.1) and local labels are not functions. */
static bool is_name(const char *name)
{
	return name && name[0] && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

/*
 * Aliases: a name that other files may use over one they may not, so that a
 * stripped file gives the same names; then `malloc` over `__libc_malloc`, for
 * the fewest underscores are what a program's author wrote.
 */
static uint8_t rank_symbol(const GElf_Sym *sym, const char *name)
{
	static const uint8_t bindings[] = {
		[STB_LOCAL] = 1, [STB_GLOBAL] = 3, [STB_WEAK] = 2, [STB_GNU_UNIQUE] = 3};
	unsigned binding = GELF_ST_BIND(sym->st_info);
	unsigned rank = sym->st_size ? 8 : 0;
	rank |= binding < HS_COUNT(bindings) ? bindings[binding] : 0;
	size_t underscores = strspn(name, "_");
	return (uint8_t)(rank << 2 | (3 - HS_MIN(underscores, 3)));
}

static void add_symbol(struct hs_symtab *table, Elf *elf, const GElf_Sym *sym,
		       size_t names)
{
	uint64_t section_end, end;
	if (!is_code(elf, sym, &section_end) ||
	    __builtin_add_overflow(sym->st_value, sym->st_size, &end))
		return;
	const char *name = elf_strptr(elf, names, sym->st_name);
	if (!is_name(name))
		return;
	*hs_array_add(table) =
		(struct hs_symbol){.start = sym->st_value,
				   .size = sym->st_size,
				   .limit = sym->st_size ? end : section_end,
				   .name = name,
				   .rank = rank_symbol(sym, name)};
}

/* Add ELF's table of TYPE; returns whether it has one with symbols. */
static bool add_table(struct hs_symtab *table, Elf *elf, uint32_t type)
{
	size_t before = table->n;
	for (Elf_Scn *s = NULL; elf && (s = elf_nextscn(elf, s)) != NULL;) {
		GElf_Shdr header;
		if (!gelf_getshdr(s, &header) || header.sh_type != type)
			continue;
		Elf_Data *data = elf_getdata(s, NULL);
		size_t size = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
		for (size_t i = 1; data && size && i < data->d_size / size; i++) {
			GElf_Sym sym;
			if (gelf_getsym(data, (int)i, &sym))
				add_symbol(table, elf, &sym, header.sh_link);
		}
	}
	return table->n > before;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct hs_symbol *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(x->name, y->name);
}

/*
 * .eh_frame_hdr (LSB 5.0, 10.6.2): a version, three encodings, then values in
 * them.  Linkers only ever write one combination: the table is there for the
 * unwinder to be searched.
 */
static void read_fde_table(struct hs_fde_table *table, Elf *elf)
{
	static const uint8_t expected[] = {1, 0x1b, 0x03, 0x3b};
	size_t n_headers = 0;
	GElf_Phdr header = {0};
	if (!elf || elf_getphdrnum(elf, &n_headers) < 0)
		return;
	for (size_t i = 0; i < n_headers; i++)
		if (gelf_getphdr(elf, (int)i, &header) &&
		    header.p_type == PT_GNU_EH_FRAME)
			break;
	if (header.p_type != PT_GNU_EH_FRAME || header.p_offset > INT64_MAX)
		return;
	Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset,
					      header.p_filesz, ELF_T_BYTE);
	if (!data || !data->d_buf || data->d_size < 12 ||
	    memcmp(data->d_buf, expected, sizeof(expected)) != 0)
		return;
	uint32_t n;
	memcpy(&n, (const uint8_t *)data->d_buf + 8, sizeof(n));
	table->at = (const uint8_t *)data->d_buf + 12;
	table->n = HS_MIN(n, (data->d_size - 12) / 8);
	table->base = header.p_vaddr;
}

void hs_symtab_init(struct hs_symtab *table, const struct hs_debugfile *file)
{
	*table = (struct hs_symtab){.file = file};
	read_fde_table(&table->fdes, file->main.elf);
	if (!add_table(table, file->debug.elf, SHT_SYMTAB) &&
	    !add_table(table, file->main.elf, SHT_SYMTAB)) {
		add_table(table, file->mini.elf, SHT_SYMTAB);
		add_table(table, file->main.elf, SHT_DYNSYM);
	}
	if (!table->n)
		return;
	qsort(table->at, table->n, sizeof(*table->at), compare_symbols);
	table->reach = hs_xcalloc(table->n, sizeof(*table->reach));
	uint64_t reach = 0;
	for (size_t i = 0; i < table->n; i++) {
		if (table->at[i].size)
			reach = HS_MAX(reach, table->at[i].limit);
		table->reach[i] = reach;
	}
}

void hs_symtab_deinit(struct hs_symtab *table)
{
	free(table->at);
	free(table->reach);
	*table = (struct hs_symtab){0};
}

/* -- Finding ------------------------------------------------------------------ */

/* The number of symbols that start at or before ADDRESS. */
static size_t upper_bound(const struct hs_symtab *table, uint64_t address)
{
	size_t low = 0, high = table->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (table->at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first, hence best, symbol that starts where at[I] does. */
static const struct hs_symbol *best_of(const struct hs_symtab *table, size_t i,
				       uint64_t address)
{
	const struct hs_symbol *best = &table->at[i];
	uint64_t start = best->start;
	for (size_t steps = 0; i > 0 && steps < MAX_STEPS_BACK; steps++) {
		const struct hs_symbol *s = &table->at[--i];
		if (s->start != start)
			break;
		if (address < s->limit)
			best = s;
	}
	return best;
}

const struct hs_symbol *hs_symtab_find(const struct hs_symtab *table, uint64_t address)
{
	size_t end = upper_bound(table, address);
	for (size_t i = end, steps = 0; i > 0 && steps < MAX_STEPS_BACK; steps++) {
		const struct hs_symbol *s = &table->at[--i];
		if (s->size && address < s->limit)
			return best_of(table, i, address);
		if (table->reach[i] <= address)
			break;
	}
	/* No sized one: the nearest, if its size is not known. */
	if (end == 0 || table->at[end - 1].size || address >= table->at[end - 1].limit)
		return NULL;
	return best_of(table, end - 1, address);
}

static uint64_t fde_start(const struct hs_fde_table *table, size_t i)
{
	int32_t offset;
	memcpy(&offset, table->at + 8 * i, sizeof(offset));
	return table->base + (uint64_t)(int64_t)offset;
}

uint64_t hs_symtab_find_start(const struct hs_symtab *table, uint64_t address)
{
	size_t low = 0, high = table->fdes.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (fde_start(&table->fdes, middle) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? fde_start(&table->fdes, low - 1) : 0;
}

/* -- The PLT ------------------------------------------------------------------ */

/* The PLT section that holds ADDRESS. */
static Elf_Scn *find_plt(Elf *elf, uint64_t address, GElf_Shdr *header)
{
	size_t names;
	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;) {
		if (!gelf_getshdr(s, header) || header->sh_type != SHT_PROGBITS ||
		    address < header->sh_addr ||
		    address - header->sh_addr >= header->sh_size)
			continue;
		const char *name = elf_strptr(elf, names, header->sh_name);
		return name && strncmp(name, ".plt", 4) == 0 ? s : NULL;
	}
	return NULL;
}

/*
 * The word of the GOT that a slot jumps through: `jmp *x(%rip)`, after an
 * endbr64 and a bnd prefix where the linker emits them (ff 25, psABI 5.2).
 * The first slot of a lazy PLT pushes before it jumps, and is none.
 */
static bool decode_slot(const uint8_t *code, size_t size, uint64_t at, uint64_t *got_ret)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t i = size >= 4 && memcmp(code, endbr64, 4) == 0 ? 4 : 0;
	if (i < size && code[i] == 0xf2)
		i++;
	if (size - i < 6 || code[i] != 0xff || code[i + 1] != 0x25)
		return false;
	int32_t displacement;
	memcpy(&displacement, code + i + 2, sizeof(displacement));
	*got_ret = at + i + 6 + (uint64_t)(int64_t)displacement;
	return true;
}

/* The name of the symbol whose address the loader puts at GOT. */
static const char *find_relocation(Elf *elf, uint64_t got)
{
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;) {
		GElf_Shdr header, symbols;
		if (!gelf_getshdr(s, &header) || header.sh_type != SHT_RELA)
			continue;
		Elf_Scn *linked = elf_getscn(elf, header.sh_link);
		Elf_Data *data = elf_getdata(s, NULL), *table;
		if (!data || !linked || !gelf_getshdr(linked, &symbols) ||
		    !(table = elf_getdata(linked, NULL)))
			continue;
		for (size_t i = 0; i < data->d_size / sizeof(Elf64_Rela); i++) {
			GElf_Rela rela;
			GElf_Sym sym;
			if (gelf_getrela(data, (int)i, &rela) && rela.r_offset == got &&
			    gelf_getsym(table, (int)GELF_R_SYM(rela.r_info), &sym))
				return elf_strptr(elf, symbols.sh_link, sym.st_name);
		}
	}
	return NULL;
}

const char *hs_symtab_find_plt(const struct hs_symtab *table, uint64_t address,
			       uint64_t *start_ret)
{
	Elf *elf = table->file->main.elf;
	GElf_Ehdr file;
	GElf_Shdr header;
	if (!elf || !gelf_getehdr(elf, &file) || file.e_machine != EM_X86_64)
		return NULL;
	Elf_Scn *section = find_plt(elf, address, &header);
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || !data->d_buf)
		return NULL;
	uint64_t slot = header.sh_entsize == 8 ? 8 : 16; /* .plt.got has short ones */
	uint64_t offset = (address - header.sh_addr) / slot * slot, got;
	if (offset >= data->d_size ||
	    !decode_slot((const uint8_t *)data->d_buf + offset,
			 (size_t)HS_MIN(slot, data->d_size - offset),
			 header.sh_addr + offset, &got))
		return NULL;
	*start_ret = header.sh_addr + offset;
	const char *name = find_relocation(elf, got);
	return is_name(name) ? name : NULL;
}

/* -- Variables ----------------------------------------------------------------- */

static bool find_object(Elf *elf, const char *name, uint64_t *address_ret)
{
	GElf_Shdr header;
	GElf_Sym sym;
	for (Elf_Scn *s = NULL; elf && (s = elf_nextscn(elf, s)) != NULL;) {
		if (!gelf_getshdr(s, &header) ||
		    (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB))
			continue;
		Elf_Data *data = elf_getdata(s, NULL);
		for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
			const char *found = elf_strptr(elf, header.sh_link, sym.st_name);
			if (found && sym.st_shndx != SHN_UNDEF &&
			    GELF_ST_TYPE(sym.st_info) == STT_OBJECT &&
			    strcmp(found, name) == 0) {
				*address_ret = sym.st_value;
				return true;
			}
		}
	}
	return false;
}

bool hs_symtab_find_object(const struct hs_debugfile *file, const char *name,
			   uint64_t *address_ret)
{
	return find_object(file->main.elf, name, address_ret) ||
	       find_object(file->debug.elf, name, address_ret);
}
