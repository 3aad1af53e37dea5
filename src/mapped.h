/* SPDX-License-Identifier: MIT */

/*
 * What a process mapped by mmap: the calls in a capture's log, played back, or
 * the MAPPED record that replaces them, whose bytes doc/capture-format.md
 * specifies.
 */
#ifndef HS_MAPPED_H
#define HS_MAPPED_H

#include "src/mappings.h"

struct hs_capture;
struct hs_cursor;
struct hs_out;

struct hs_mapped_row {
	uint32_t stack; /* raw id */
	uint64_t bytes; /* mapped at the end */
};

struct hs_mapped_sums {
	struct hs_mapped totals;
	struct hs_mapped_row *rows; /* by stack; malloc'ed, the caller frees */
	size_t n;
};

/* C's log was read to its end. */
void hs_mapped_replay(const struct hs_capture *c, struct hs_mapped_sums *ret);

void hs_mapped_encode(const struct hs_mapped_sums *sums, struct hs_out *out);

/* On success RET's rows are malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_mapped_decode(struct hs_cursor *in,
					      struct hs_mapped_sums *ret);

#endif /* HS_MAPPED_H */
