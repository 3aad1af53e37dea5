/* SPDX-License-Identifier: MIT */

/*
 * What a process mapped by mmap, as captures have it: the calls in a log, played
 * back, and the MAPPED record that replaces them, whose bytes
 * doc/capture-format.md specifies.  What was encoded and decoded goes on as if
 * nothing had happened.
 */
#ifndef HS_MAPPED_H
#define HS_MAPPED_H

#include "src/mappings.h"

struct hs_capture_mapping;
struct hs_cursor;
struct hs_out;

/* Calls in the order of their stamps; see hs_mappings_unmap() for late ones. */
void hs_mapped_apply(struct hs_mappings *m, const struct hs_capture_mapping *calls,
		     size_t n);

void hs_mapped_encode(const struct hs_mappings *m, struct hs_out *out);

/* Into M, which is new; on error it holds what could be read. */
HS_MUST_USE struct hs_error *hs_mapped_decode(struct hs_cursor *in,
					      struct hs_mappings *m);

#endif /* HS_MAPPED_H */
