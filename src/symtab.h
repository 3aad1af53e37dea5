/* SPDX-License-Identifier: MIT */

/*
 * The functions of an ELF file by address, from the best symbol tables there
 * are: .symtab, else .gnu_debugdata and .dynsym; the slots of its PLT; and
 * where functions without a symbol start.
 */
#ifndef HS_SYMTAB_H
#define HS_SYMTAB_H

#include "src/base.h"

struct hs_debugfile;

struct hs_symbol {
	uint64_t start, size; /* size 0: unknown */
	uint64_t limit;       /* where it or, if its size is unknown, its section ends */
	const char *name;     /* lives as long as the file is open; may be hostile */
	uint8_t rank;         /* among symbols of one address the highest wins */
};

/* Where functions start, by the unwinder's search table; sorted. */
struct hs_fde_table {
	const uint8_t *at; /* pairs of 32-bit offsets from `base` */
	size_t n;
	uint64_t base;
};

struct hs_symtab {
	struct hs_symbol *at; /* sorted by start, then the best first */
	uint64_t *reach;      /* [i]: where sized ones up to at[i] end at the latest */
	size_t n, room;
	const struct hs_debugfile *file;
	struct hs_fde_table fdes;
};

void hs_symtab_init(struct hs_symtab *table, const struct hs_debugfile *file);
void hs_symtab_deinit(struct hs_symtab *table);

/* The best symbol that covers ADDRESS, or NULL. */
const struct hs_symbol *hs_symtab_find(const struct hs_symtab *table, uint64_t address);

/*
 * The function that the PLT slot at ADDRESS jumps to: its bare name, and the
 * slot's start in *START_RET.  NULL where ADDRESS is not in a PLT.
 */
const char *hs_symtab_find_plt(const struct hs_symtab *table, uint64_t address,
			       uint64_t *start_ret);

/*
 * Where the function that has ADDRESS starts, from the unwind tables, which even
 * stripped files have; 0 where they do not say.
 */
uint64_t hs_symtab_find_start(const struct hs_symtab *table, uint64_t address);

/* The ELF address of the variable NAME, which the dynamic symbols tell, too. */
bool hs_symtab_find_object(const struct hs_debugfile *file, const char *name,
			   uint64_t *address_ret);

#endif /* HS_SYMTAB_H */
