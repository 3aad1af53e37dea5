/* SPDX-License-Identifier: MIT */

/*
 * An image: the address space of a process, from a core or from the process
 * while it lives.  Its mappings, the modules in them, its threads with their
 * registers, why it died, and its memory.
 *
 * Whoever opens an image fills the tables through the verbs at the end; after
 * hs_image_seal() they are sorted, without overlaps, and constant.  All sizes
 * in an image come from what a possibly hostile file pays for.
 */
#ifndef HS_IMAGE_H
#define HS_IMAGE_H

#include "src/array.h"

struct hs_arena;

/* Those of whose registers and frames we know something. */
enum hs_machine { HS_MACHINE_X86_64, HS_MACHINE_AARCH64 };

enum hs_mapping_flags {
	HS_MAPPING_READ = 1 << 0,
	HS_MAPPING_WRITE = 1 << 1,
	HS_MAPPING_EXEC = 1 << 2,
};

struct hs_mapping {
	uint64_t start, end;
	uint32_t flags;       /* enum hs_mapping_flags; of memory that may not be here */
	const uint8_t *bytes; /* what a core has of it, from its start; else NULL */
	uint64_t n_bytes;
	uint64_t n_cut; /* bytes that the core would have, had it not been cut off */
};

/* A range that the process had mapped from a file, as the kernel says. */
struct hs_file_range {
	uint64_t start, end, offset;
	const char *path;
};

struct hs_image_module {
	uint64_t start, end;
	const char *path;     /* as the process saw it; "[vdso]" for the kernel's */
	const char *build_id; /* lower-case hex, or "" where the memory lacks it */
	uint64_t bias;        /* address = bias + address in the ELF file */
	bool known_bias; /* false: guessed, since the ELF header is not in the image */
	bool executable; /* what the process was started as */
};

/* Registers by their DWARF numbers; x86-64: 16 is RIP; AArch64: 31 is SP, 32 PC. */
#define HS_IMAGE_REGISTERS 33

struct hs_image_thread {
	uint32_t tid;
	uint64_t registers[HS_IMAGE_REGISTERS];
	uint64_t tls;     /* fs_base, or TPIDR_EL0 */
	const char *name; /* "" where unknown: cores of the kernel have none */
};

struct hs_image_signal {
	int number;       /* 0: it did not die of one, as far as is known */
	bool detailed;    /* the fields below are known */
	int code;         /* si_code */
	uint64_t address; /* si_addr; the kernel fills it for faults only */
	uint32_t pid;     /* of the sender, for signals that were sent */
};

struct hs_image_auxv {
	uint64_t type, value;
};

/* One of several reads. */
struct hs_image_piece {
	uint64_t addr;
	void *buffer;
	size_t size;
	size_t n; /* how many bytes were read, from the first on */
};

struct hs_image_extent {
	uint64_t start, end;
};

/* Where memory comes from that no mapping holds as bytes; for live processes. */
struct hs_image_source {
	/* Read up to SIZE bytes at ADDR; returns how many could be read. */
	size_t (*read)(void *context, uint64_t addr, void *buffer, size_t size);

	/* As hs_image_read_many(); NULL: one by one. */
	void (*read_many)(void *context, struct hs_image_piece *pieces, size_t n);

	/* As hs_image_next_data() within one mapping; NULL: all of it is data. */
	bool (*next_data)(void *context, const struct hs_mapping *mapping, uint64_t from,
			  uint64_t to, struct hs_image_extent *ret);
	void (*close)(void *context);
	void *context;
};

/* What stands for memory that a core lacks. */
struct hs_image_fill {
	uint64_t start, end;
	const uint8_t *bytes;
};

struct hs_image {
	struct hs_arena *arena;
	enum hs_machine machine;
	uint32_t pid, ppid;
	const char *name;      /* 15 bytes at most, of the thread that dumped */
	const char *arguments; /* one string; the kernel cuts it */
	bool live;
	bool complete; /* false: the core was cut off */
	struct hs_image_signal signal;
	uint64_t pac_mask; /* bits of a code pointer that sign it (AArch64) */

	HS_ARRAY(struct hs_mapping) mappings;     /* by address */
	HS_ARRAY(struct hs_file_range) files;     /* by address */
	HS_ARRAY(struct hs_image_module) modules; /* by address */
	HS_ARRAY(struct hs_image_thread) threads; /* the one that died first */
	HS_ARRAY(struct hs_image_auxv) auxv;
	HS_ARRAY(const char *) warnings; /* sentences */

	/* The rest is image.c's. */
	HS_ARRAY(struct hs_image_fill) fills; /* by address */
	struct hs_image_source source;
	void (*release)(void *owner);
	void *owner;
};

/* -- Asking ------------------------------------------------------------------- */

void hs_image_free(struct hs_image *image); /* accepts NULL */

/*
 * Read up to SIZE bytes at ADDR; returns how many could be read.  Memory that
 * a core lacks comes from the modules' files as far as those were given.
 */
size_t hs_image_read(const struct hs_image *image, uint64_t addr, void *buffer,
		     size_t size);

/* All SIZE bytes, or false. */
bool hs_image_read_all(const struct hs_image *image, uint64_t addr, void *buffer,
		       size_t size);
bool hs_image_word(const struct hs_image *image, uint64_t addr, uint64_t *ret);

/*
 * The bytes at ADDR where they lie in a mapped core, and how many there are; NULL
 * where the core has none, or the process lives: then hs_image_read() copies.
 */
const uint8_t *hs_image_bytes(const struct hs_image *image, uint64_t addr,
			      uint64_t *n_ret);

/* Many reads at once: of a living process they are a few system calls. */
void hs_image_read_many(const struct hs_image *image, struct hs_image_piece *pieces,
			size_t n);

/*
 * The next range in [FROM, TO), within one mapping, that can be read and may be
 * anything but zero.  What lies between is zero or not there: holes in the file
 * of a core, pages that a living process never touched.  So reservations of any
 * size cost nothing.  Pages that stand for those which a core lacks do not count.
 */
bool hs_image_next_data(const struct hs_image *image, uint64_t from, uint64_t to,
			struct hs_image_extent *ret);

/* A NUL-terminated text of at most MAX bytes in IMAGE's arena; "" if unreadable. */
const char *hs_image_text(const struct hs_image *image, uint64_t addr, size_t max);

/* What holds ADDR, or NULL. */
const struct hs_mapping *hs_image_mapping(const struct hs_image *image, uint64_t addr);
const struct hs_image_module *hs_image_module(const struct hs_image *image,
					      uint64_t addr);
const struct hs_file_range *hs_image_file(const struct hs_image *image, uint64_t addr);

/* The value of an entry of the auxiliary vector (<elf.h>, AT_*), or 0. */
uint64_t hs_image_auxv(const struct hs_image *image, uint64_t type);

uint64_t hs_image_pc(const struct hs_image *image, const struct hs_image_thread *thread);
uint64_t hs_image_sp(const struct hs_image *image, const struct hs_image_thread *thread);

/* -- Making ------------------------------------------------------------------- */

struct hs_image *hs_image_new(void);

/* RELEASE(OWNER) is called when the image goes: its bytes may lie there. */
void hs_image_own(struct hs_image *image, void (*release)(void *owner), void *owner);

void hs_image_warn(struct hs_image *image, const char *format, ...) HS_PRINTF(2, 3);

/* Sort the tables by address; a row that overlaps the one before it is dropped. */
void hs_image_seal(struct hs_image *image);

/*
 * Bytes that stand for [START, START + SIZE) wherever the image has nothing:
 * unchanged pages of a file.  They must live as long as the image.
 */
void hs_image_fill(struct hs_image *image, uint64_t start, const uint8_t *bytes,
		   uint64_t size);

#endif /* HS_IMAGE_H */
