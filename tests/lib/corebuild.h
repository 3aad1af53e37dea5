/* SPDX-License-Identifier: MIT */

/*
 * Writes cores for tests: an ELF header, notes and segments as the test says.
 * Nothing is checked: wrong files are wanted, too.
 */
#ifndef HS_COREBUILD_H
#define HS_COREBUILD_H

#include <elf.h>

#include "src/array.h"
#include "src/out.h"

struct core {
	Elf64_Ehdr header; /* change it as you like, until the end */
	struct hs_out notes;
	struct hs_out memory; /* bytes of all segments */
	HS_ARRAY(Elf64_Phdr) segments;
	uint32_t note_copies; /* program headers that name the notes; 1 */
};

void core_init(struct core *c, uint16_t machine);

/* The whole file; malloc'ed.  Deinits C. */
uint8_t *core_finish(struct core *c, size_t *size_ret);

void core_note(struct core *c, const char *owner, uint32_t type, const void *bytes,
	       size_t size);

/* NT_PRSTATUS: N registers in the order of the kernel. */
void core_thread(struct core *c, uint32_t tid, uint16_t signal, const uint64_t *registers,
		 size_t n);

/* The same by what a walk needs; the others are 0. */
void core_thread_at(struct core *c, uint32_t tid, uint64_t pc, uint64_t sp, uint64_t fp,
		    uint64_t lr);

void core_process(struct core *c, uint32_t pid, const char *name, const char *arguments);
void core_signal(struct core *c, uint32_t number, uint32_t code, uint64_t address);
void core_auxv(struct core *c, const uint64_t *pairs, size_t n_pairs);

/* One range of NT_FILE; its offset in pages. */
struct core_file {
	uint64_t start, end, offset;
	const char *path;
};
void core_files(struct core *c, const struct core_file *files, size_t n);

/* FLAGS as PF_*; of SIZE bytes the first N_BYTES are in the core. */
void core_segment(struct core *c, uint64_t start, uint64_t size, uint32_t flags,
		  const void *bytes, size_t n_bytes);

/* Store VALUE at ADDR in BYTES, which stand for memory from START on. */
void core_poke(uint8_t *bytes, uint64_t start, uint64_t addr, uint64_t value);

#endif /* HS_COREBUILD_H */
