/* SPDX-License-Identifier: MIT */

/*
 * Which files on this machine describe the code of a recorded module: the ELF
 * file itself, its separate debug information, its shared (dwz) part, and its
 * compressed symbol table.  Every file is checked by build-id (or the CRC of
 * a debug link) before it is believed.  A network is asked only on demand.
 */
#ifndef HS_DEBUGFILE_H
#define HS_DEBUGFILE_H

#include "src/base.h"

struct Dwarf; /* elfutils' */
struct Elf;
struct hs_symbol_options;

struct hs_elf_file {
	struct Elf *elf; /* NULL: none */
	int fd;
	char *path;
	char *build_id; /* lower-case hex, or "" */
	void *bytes;    /* of a file that exists in memory only */
};

struct hs_debugfile {
	struct hs_elf_file
		main; /* what was loaded; none if only its debug file was found */
	struct hs_elf_file debug; /* separate debug information */
	struct hs_elf_file mini;  /* unpacked .gnu_debugdata */
	struct hs_elf_file alt;   /* what several debug files share */
	struct Dwarf *dwarf, *alt_dwarf;
};

/* What a recording knows of a module. */
struct hs_debugfile_query {
	const char *path;     /* may end in " (deleted)" */
	const char *build_id; /* lower-case hex, or "" where it has none */
	uint64_t recorded_ns; /* since the epoch; 0 where unknown */
	uint64_t shape;       /* see hs_module_shape(); 0 where unknown */
	bool no_dwarf;        /* `dwarf` is not wanted: libdw unpacks all of it */
};

/*
 * The addresses and sizes of a module's loaded segments as one number: SHAPE is
 * that of those before, 0 for the first.  Where a recording has no build-id, it
 * tells a file from its successor, which the time of its last change does not if
 * it was copied or installed again.
 */
uint64_t hs_module_shape(uint64_t shape, uint64_t address, uint64_t size);

/*
 * Find and open what describes the module.  Where nothing does, returns false
 * and sets *WARNING_RET to a malloc'ed sentence, or to NULL if there is
 * nothing to be said (the vdso has no file).
 */
bool hs_debugfile_open(const struct hs_debugfile_query *query,
		       const struct hs_symbol_options *options, struct hs_debugfile *ret,
		       char **warning_ret);
void hs_debugfile_close(struct hs_debugfile *file);

/*
 * The address, in terms of the ELF file, of the code at OFFSET of the file itself;
 * OFFSET where the file is not there to tell.
 */
uint64_t hs_debugfile_address(const struct hs_debugfile *file, uint64_t offset);

/* Code that the kernel provides, e.g. "[vdso]" and "linux-vdso.so.1". */
bool hs_debugfile_is_virtual(const char *path);

#endif /* HS_DEBUGFILE_H */
