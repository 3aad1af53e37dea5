/* SPDX-License-Identifier: MIT */

/* What the files of a dump share: dump.c takes it, dump_notes.c and dump_write.c tell. */
#ifndef HS_DUMP_PARTS_H
#define HS_DUMP_PARTS_H

#include <elf.h>

#include "src/dump.h"
#include "src/hold.h"
#include "src/out.h"
#include "src/vmas.h"

/* As ptrace(2) gives them. */
struct hs_dump_regset {
	uint32_t type; /* NT_* */
	uint32_t size;
	uint8_t *bytes;
};

#define HS_DUMP_REGSETS 4

struct hs_dump_thread {
	pid_t tid;
	uint64_t blocked; /* signals */
	struct hs_dump_regset regsets[HS_DUMP_REGSETS];
	size_t n_regsets;
};

/* Which pages of a mapping are wanted. */
enum hs_dump_want {
	HS_DUMP_NOTHING,
	HS_DUMP_HEADER,  /* the first page, if it is that of an ELF file */
	HS_DUMP_TOUCHED, /* the others are zero */
	HS_DUMP_SHARED,  /* likewise, though another process may have touched them */
	HS_DUMP_ALL,
};

/* A segment of the core: one mapping, or a part of a large one. */
struct hs_dump_segment {
	uint64_t start, end;
	uint64_t n_bytes; /* in the file */
	uint32_t flags;   /* PF_* */
	bool header;      /* the first page alone */
};

struct hs_dump {
	pid_t pid;
	struct hs_dump_options options;
	struct hs_dump_stats stats;
	struct hs_vmas vmas;
	HS_ARRAY(struct hs_dump_thread) threads;
	HS_ARRAY(struct hs_dump_segment) segments;
	struct hs_hold hold;
	char name[17];
};

/* The notes of the core: threads, process, mapped files.  Reads /proc. */
void hs_dump_notes(const struct hs_dump *d, struct hs_out *out);

/* Does NT_PRSTATUS have registers of this size, or is it another machine's? */
bool hs_dump_fits(const struct hs_dump_thread *t);

#endif /* HS_DUMP_PARTS_H */
