/* SPDX-License-Identifier: MIT */

/*
 * The tally: two arrays and no search, so that an event is a few additions.
 * The composition of the peak is found as in fold.c: peaks are numbered, and a
 * site that has not changed since the latest one still has its share of it.
 */
#include "src/tally.h"

#include <assert.h>

#include "src/array.h"
#include "src/build.h"
#include "src/hash.h"

struct kind {
	uint64_t size;
	uint64_t live;
	uint32_t site;
};

struct site {
	struct hs_site figures;
	uint64_t seen_peak;
};

struct hs_tally {
	HS_ARRAY(struct kind) kinds;
	HS_ARRAY(struct site) sites;
	struct hs_map site_of; /* (stack, kind of call) -> index */
	uint64_t live_blocks, live_bytes, allocs, bytes;
	uint64_t peak_bytes, peak_ns, unmatched;
	uint64_t peak;  /* number of the latest peak */
	uint64_t water; /* highest since the last snapshot */
	uint32_t last;  /* kind of the last allocation; 0, as heaptrack has it, if none */
};

struct hs_tally *hs_tally_new(void)
{
	return hs_xcalloc(1, sizeof(struct hs_tally));
}

void hs_tally_free(struct hs_tally *t)
{
	if (!t)
		return;
	hs_array_free(&t->kinds);
	hs_array_free(&t->sites);
	hs_map_deinit(&t->site_of);
	free(t);
}

void hs_tally_add_kind(struct hs_tally *t, hs_stack stack, enum hs_alloc_kind call,
		       uint64_t size)
{
	bool fresh;
	uint32_t *site = hs_map_put(&t->site_of, (uint64_t)stack.i << 8 | call, &fresh);
	if (fresh) {
		*site = (uint32_t)t->sites.n;
		struct site *s = hs_array_add(&t->sites);
		s->figures.stack = stack;
		s->figures.kind = call;
		s->seen_peak = t->peak;
	}
	hs_array_push(&t->kinds, ((struct kind){.size = size, .site = *site}));
}

uint32_t hs_tally_kinds(const struct hs_tally *t)
{
	return (uint32_t)t->kinds.n;
}

static inline void catch_up(const struct hs_tally *t, struct site *s)
{
	if (s->seen_peak == t->peak)
		return;
	s->figures.peak_blocks = s->figures.live_blocks;
	s->figures.peak_bytes = s->figures.live_bytes;
	s->seen_peak = t->peak;
}

void hs_tally_alloc(struct hs_tally *t, uint32_t kind, uint64_t time_ns)
{
	assert(kind < t->kinds.n);
	struct kind *k = &t->kinds.at[kind];
	struct site *s = &t->sites.at[k->site];
	uint64_t size = k->size;
	/* No sum can wrap when that of all sizes does not. */
	if (size > UINT64_MAX - t->bytes)
		return;
	catch_up(t, s);
	k->live++;
	s->figures.allocs++;
	s->figures.bytes += size;
	s->figures.live_blocks++;
	s->figures.live_bytes += size;
	t->allocs++;
	t->bytes += size;
	t->live_blocks++;
	t->live_bytes += size;
	t->last = kind;
	if (t->live_bytes > t->water)
		t->water = t->live_bytes;
	if (t->live_bytes > t->peak_bytes) {
		t->peak_bytes = t->live_bytes;
		t->peak_ns = time_ns;
		t->peak++;
	}
}

void hs_tally_dealloc(struct hs_tally *t, uint32_t kind)
{
	assert(kind < t->kinds.n);
	struct kind *k = &t->kinds.at[kind];
	struct site *s = &t->sites.at[k->site];
	bool temporary = t->last == kind;
	t->last = 0;
	if (!k->live) {
		t->unmatched++;
		return;
	}
	catch_up(t, s);
	k->live--;
	s->figures.frees++;
	s->figures.temporaries += temporary;
	s->figures.live_blocks--;
	s->figures.live_bytes -= k->size;
	t->live_blocks--;
	t->live_bytes -= k->size;
}

void hs_tally_reset(struct hs_tally *t)
{
	for (size_t i = 0; i < t->kinds.n; i++)
		t->kinds.at[i].live = 0;
	for (size_t i = 0; i < t->sites.n; i++) {
		struct hs_site *f = &t->sites.at[i].figures;
		*f = (struct hs_site){.stack = f->stack, .kind = f->kind};
	}
	t->live_blocks = t->live_bytes = t->allocs = t->bytes = 0;
	t->peak_bytes = t->peak_ns = t->unmatched = t->water = 0;
	t->last = 0;
}

struct hs_snapshot hs_tally_snapshot(struct hs_tally *t, uint64_t time_ns)
{
	uint64_t water = t->water;
	t->water = t->live_bytes;
	return (struct hs_snapshot){.time_ns = time_ns,
				    .heap_bytes = t->live_bytes,
				    .heap_blocks = t->live_blocks,
				    .peak_bytes = water,
				    .allocs = t->allocs};
}

void hs_tally_build(struct hs_tally *t, struct hs_builder *b)
{
	for (size_t i = 0; i < t->sites.n; i++) {
		catch_up(t, &t->sites.at[i]);
		hs_build_site(b, &t->sites.at[i].figures);
	}
	hs_build_totals(b, &(struct hs_totals){.peak_ns = t->peak_ns,
					       .unmatched_frees = t->unmatched});
	hs_build_has(b, HS_HAS_TOTALS | HS_HAS_TEMPORARIES | HS_HAS_LIVE | HS_HAS_PEAK);
}
