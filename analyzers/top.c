/* SPDX-License-Identifier: MIT */

/*
 * Hotspots: who held most at the peak, who asked for most bytes and most
 * often, and whose blocks lived shortest.  Sites are summed up by culprit.
 */
#include "analyzers/analyzer.h"

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/target.h"

#define LISTED 50 /* for each way of looking at it */

struct spot {
	hs_stack stack; /* where most of `score` came from */
	uint64_t stack_score;
	uint64_t score, bytes, blocks;
	double bytes_variance, blocks_variance;
	hs_stack last;
	uint32_t n_stacks;
};

/* What one site counts for; nothing where the score is 0. */
static struct spot measure(const struct hs_site *s, enum hs_hotspot_by by)
{
	switch (by) {
	case HS_BY_PEAK:
		return (struct spot){.score = s->peak_bytes,
				     .bytes = s->peak_bytes,
				     .blocks = s->peak_blocks,
				     .bytes_variance = s->variance.peak_bytes,
				     .blocks_variance = s->variance.peak_blocks};
	case HS_BY_ALLOCATED:
	case HS_BY_ALLOCATIONS:
		return (struct spot){.score =
					     by == HS_BY_ALLOCATED ? s->bytes : s->allocs,
				     .bytes = s->bytes,
				     .blocks = s->allocs,
				     .bytes_variance = s->variance.bytes,
				     .blocks_variance = s->variance.allocs};
	case HS_BY_TEMPORARY:
		return (struct spot){.score = s->temporaries, .blocks = s->temporaries};
	}
	return (struct spot){0};
}

static uint32_t needs_of(enum hs_hotspot_by by)
{
	if (by == HS_BY_PEAK)
		return HS_HAS_PEAK;
	return by == HS_BY_TEMPORARY ? HS_HAS_TEMPORARIES : HS_HAS_TOTALS;
}

static int compare_spots(const void *pa, const void *pb)
{
	const struct spot *a = pa, *b = pb;
	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	return a->stack.i < b->stack.i ? -1 : a->stack.i > b->stack.i;
}

static void rank(const struct hs_profile *p, const uint64_t *keys, enum hs_hotspot_by by,
		 struct hs_findings *out)
{
	HS_ARRAY(struct spot) spots = {0};
	struct hs_map by_key = {0};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		struct spot m = measure(&p->sites[i], by);
		if (!m.score)
			continue;
		bool fresh;
		uint32_t *slot = hs_map_put(&by_key, keys[i], &fresh);
		if (fresh) {
			*slot = (uint32_t)spots.n;
			hs_array_add(&spots);
		}
		struct spot *s = &spots.at[*slot];
		if (m.score > s->stack_score) {
			s->stack = p->sites[i].stack;
			s->stack_score = m.score;
		}
		s->score += m.score;
		s->bytes += m.bytes;
		s->blocks += m.blocks;
		s->bytes_variance += m.bytes_variance;
		s->blocks_variance += m.blocks_variance;
		/* Sites are sorted by stack; there is one for each kind of call. */
		s->n_stacks += fresh || !hs_stack_eq(s->last, p->sites[i].stack);
		s->last = p->sites[i].stack;
	}
	if (spots.n)
		qsort(spots.at, spots.n, sizeof(spots.at[0]), compare_spots);
	for (size_t i = 0; i < spots.n && i < LISTED; i++) {
		struct hs_finding *f =
			hs_findings_add(out, HS_FINDING_HOTSPOT, p, spots.at[i].stack);
		f->by = by;
		f->bytes = spots.at[i].bytes;
		f->blocks = spots.at[i].blocks;
		f->bytes_variance = spots.at[i].bytes_variance;
		f->blocks_variance = spots.at[i].blocks_variance;
		f->n_stacks = spots.at[i].n_stacks;
	}
	hs_map_deinit(&by_key);
	hs_array_free(&spots);
}

static void top_run(const struct hs_target *target, struct hs_findings *out)
{
	const struct hs_profile *p = target->profile;
	uint64_t *keys = hs_xcalloc(p->n_sites, sizeof(*keys));
	for (uint32_t i = 0; i < p->n_sites; i++)
		keys[i] = hs_findings_culprit(out, p, p->sites[i].stack).key;
	for (enum hs_hotspot_by by = HS_BY_PEAK; by <= HS_BY_TEMPORARY; by++)
		if (p->has & needs_of(by) &&
		    (by != HS_BY_ALLOCATIONS || hs_has_counts(p, HS_HAS_TOTALS)))
			rank(p, keys, by, out);
	free(keys);
}

const struct hs_analyzer hs_analyzer_top = {
	.name = "top",
	.summary = "who allocates most: at the peak, in all, most often, for the "
		   "shortest time",
	.run = top_run,
};
