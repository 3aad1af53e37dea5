/* SPDX-License-Identifier: MIT */

/*
 * Forks: what a process held at the moments at which it forked, which is what
 * its children inherited; and the FORKS record of folded captures, whose bytes
 * doc/capture-format.md specifies.
 */
#ifndef HS_FORKS_H
#define HS_FORKS_H

#include "src/array.h"
#include "src/base.h"

struct hs_cursor;
struct hs_fold;
struct hs_out;

struct hs_fork {
	uint64_t stamp;
	uint64_t live_blocks, live_bytes; /* of the process's own */
	uint64_t unmatched_frees; /* so far; of a child: of blocks it inherited itself */
};

/* As many are kept of one process, from the first on. */
#define HS_FORKS_MAX 16384u

struct hs_forks {
	HS_ARRAY(struct hs_fork) list; /* stamps ascend */
};

/* F was fed all events before the fork at STAMP. */
void hs_forks_note(struct hs_forks *forks, const struct hs_fold *f, uint64_t stamp);

void hs_forks_encode(const struct hs_forks *forks, struct hs_out *out);

/* Into FORKS, which is empty; on error it holds what could be read. */
HS_MUST_USE struct hs_error *hs_forks_decode(struct hs_cursor *in,
					     struct hs_forks *forks);

#endif /* HS_FORKS_H */
