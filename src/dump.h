/* SPDX-License-Identifier: MIT */

/*
 * A living process as a core file.  All of its memory that counts is copied while
 * its threads stand still, into memory of ours that was made ready before; what
 * takes longer, looking for zeros, packing and writing, is done after they went on.
 *
 * What is in a dump is what the kernel puts into a core by default (core(5),
 * coredump_filter 0x33).  Pages that were never touched are not touched by this.
 */
#ifndef HS_DUMP_H
#define HS_DUMP_H

#include <sys/types.h>

#include "src/base.h"

struct hs_dump;

struct hs_dump_options {
	bool file_pages;    /* unchanged pages of files, too */
	const char *folder; /* for what does not fit into memory */
};

struct hs_dump_stats {
	uint64_t stopped_ns;  /* from the first thread's stop to the last one's start */
	uint64_t copied;      /* bytes, while it was stopped */
	uint64_t file_size;   /* of the core, holes included */
	uint64_t unreadable;  /* bytes that the kernel refused, and that are zero now */
	uint64_t not_touched; /* bytes of shared memory that only root can see */
	size_t n_threads, n_mappings;
};

/* Where the core goes, from its first byte on; false ends the writing. */
struct hs_dump_sink {
	bool (*put)(void *context, const void *bytes, size_t size);
	bool (*skip)(void *context, uint64_t size); /* zeros */
	void *context;
};

/* On failure the error says what forbids it, and the remedy. */
HS_MUST_USE struct hs_error *hs_dump_take(pid_t pid,
					  const struct hs_dump_options *options,
					  struct hs_dump **ret);
void hs_dump_free(struct hs_dump *dump); /* accepts NULL */

const struct hs_dump_stats *hs_dump_stats(const struct hs_dump *dump);

/* The name of the process, as a core has it. */
const char *hs_dump_name(const struct hs_dump *dump);

/* Returns whether SINK took all. */
bool hs_dump_write(struct hs_dump *dump, const struct hs_dump_sink *sink);

#endif /* HS_DUMP_H */
