/* SPDX-License-Identifier: MIT */

/*
 * Tallying: the fold for recordings whose events name a kind of block (so many
 * bytes, from that stack) instead of an address.  Counts per site and the exact
 * peak; memory grows with the kinds, not with the blocks.  Which block a free
 * is of is not known, so there are no births and no table of live blocks.
 *
 * Temporary is what heaptrack calls so: freed when no other allocation and no
 * free came between, where blocks of one kind are not told apart.
 */
#ifndef HS_TALLY_H
#define HS_TALLY_H

#include "src/profile.h"

struct hs_builder;
struct hs_tally;

struct hs_tally *hs_tally_new(void);
void hs_tally_free(struct hs_tally *t); /* accepts NULL */

/* Add a kind of block; they are numbered from 0. */
void hs_tally_add_kind(struct hs_tally *t, hs_stack stack, enum hs_alloc_kind kind,
		       uint64_t size);
uint32_t hs_tally_kinds(const struct hs_tally *t);

/*
 * Events, in order.  KIND must be known.  A free of a kind of which nothing
 * lives is counted as unmatched; an allocation that would make the sum of all
 * sizes overflow is left out.
 */
void hs_tally_alloc(struct hs_tally *t, uint32_t kind, uint64_t time_ns);
void hs_tally_dealloc(struct hs_tally *t, uint32_t kind);

/* Forget all events, as if none had been. */
void hs_tally_reset(struct hs_tally *t);

/* Figures of now; the peak is the highest since the last call of this. */
struct hs_snapshot hs_tally_snapshot(struct hs_tally *t, uint64_t time_ns);

/* Add all to B; the tally can go then. */
void hs_tally_build(struct hs_tally *t, struct hs_builder *b);

#endif /* HS_TALLY_H */
