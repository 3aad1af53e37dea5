/* SPDX-License-Identifier: MIT */

/*
 * Memory of another process, copied: pieces by address, in few large chunks that
 * are made ready before anything is copied, since the other one stands still
 * meanwhile.  What is too much for memory lies in a file without a name.
 */
#ifndef HS_HOLD_H
#define HS_HOLD_H

#include <sys/types.h>

#include "src/array.h"

struct hs_held {
	uint64_t start, end;
	const uint8_t *bytes;
};

struct hs_hold_chunk {
	uint8_t *bytes;
	size_t size, used;
};

struct hs_hold {
	HS_ARRAY(struct hs_held) list; /* as they were wanted; none of two of those */
	HS_ARRAY(struct hs_hold_chunk) chunks;
	pid_t pid;
	int memory;         /* /proc/PID/mem, or -1 */
	const char *folder; /* for the file */
	uint64_t left;      /* bytes of memory that may still be used */
	bool no_readv;
	unsigned n_threads;

	/* Wanted, and not yet read. */
	HS_ARRAY(struct hs_held) wanted;
	size_t n_wanted; /* bytes */
	uint64_t unreadable;
};

/* FOLDER is borrowed. */
void hs_hold_init(struct hs_hold *h, pid_t pid, const char *folder);
void hs_hold_deinit(struct hs_hold *h);

/* Make room for SIZE bytes more. */
HS_MUST_USE struct hs_error *hs_hold_prepare(struct hs_hold *h, uint64_t size);

/* Copy [START, END) now or soon. */
HS_MUST_USE struct hs_error *hs_hold_want(struct hs_hold *h, uint64_t start,
					  uint64_t end);

/* The same from FD, a file that is mapped there, from OFFSET on. */
HS_MUST_USE struct hs_error *hs_hold_file(struct hs_hold *h, uint64_t start, uint64_t end,
					  int fd, uint64_t offset);

/* Copy all that is wanted. */
HS_MUST_USE struct hs_error *hs_hold_flush(struct hs_hold *h);

#endif /* HS_HOLD_H */
