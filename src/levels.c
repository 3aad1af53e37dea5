/* SPDX-License-Identifier: MIT */

/* Levels: sums of changes. */
#include "src/levels.h"

#include "src/hash.h"

/* More marks than that tell nothing more to whoever looks for a trend. */
#define MAX_MARKS   ((size_t)1024)
#define MAX_CHANGES ((size_t)1 << 21) /* 100 MB */
#define MIN_MARKS   ((size_t)16)

void hs_levels_deinit(struct hs_levels *l)
{
	hs_array_free(&l->marks);
	hs_array_free(&l->changes);
}

static int by_key_and_mark(const void *a, const void *b)
{
	const struct hs_level_change *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->mark > y->mark) - (x->mark < y->mark);
}

/*
 * NEXT follows SUM in time.  At its lowest the site held the less of SUM.drop below
 * the level that NEXT starts from and NEXT.drop below the one where it ends.
 */
static void join(struct hs_level_change *sum, const struct hs_level_change *next)
{
	int64_t before = (int64_t)(sum->drop + next->bytes);
	sum->drop = before > (int64_t)next->drop ? (uint64_t)before : next->drop;
	sum->blocks += next->blocks;
	sum->bytes += next->bytes;
	sum->allocs += next->allocs;
}

static void merge_neighbours(struct hs_levels *l)
{
	struct hs_level_change *at = l->changes.at;
	size_t n = 0;
	for (size_t i = 0; i < l->changes.n; i++) {
		if (n && at[n - 1].key == at[i].key && at[n - 1].mark == at[i].mark)
			join(&at[n - 1], &at[i]);
		else
			at[n++] = at[i];
	}
	l->changes.n = n;
}

void hs_levels_settle(struct hs_levels *l)
{
	if (l->changes.n)
		qsort(l->changes.at, l->changes.n, sizeof(*l->changes.at),
		      by_key_and_mark);
	merge_neighbours(l);
}

/* Each mark goes and leaves what was before it to the next; the last one stays. */
static void halve(struct hs_levels *l)
{
	size_t n = (l->marks.n + 1) / 2;
	hs_levels_settle(l);
	for (size_t i = 0; i < l->changes.n; i++)
		l->changes.at[i].mark /= 2;
	merge_neighbours(l);
	for (size_t i = 0; i < n; i++)
		l->marks.at[i] = l->marks.at[HS_MIN(2 * i + 1, l->marks.n - 1)];
	l->marks.n = n;
}

void hs_levels_mark(struct hs_levels *l, uint64_t time_ns, bool snapshot)
{
	bool many = l->changes.n >= MAX_CHANGES && l->marks.n >= MIN_MARKS;
	if (l->marks.n >= MAX_MARKS || many)
		halve(l);
	uint64_t last = l->marks.n ? l->marks.at[l->marks.n - 1].time_ns : 0;
	hs_array_push(&l->marks, ((struct hs_mark){.time_ns = HS_MAX(time_ns, last),
						   .snapshot = snapshot}));
}

void hs_levels_change(struct hs_levels *l, const struct hs_level_change *change)
{
	struct hs_level_change *c = hs_array_add(&l->changes);
	*c = *change;
	c->mark = (uint32_t)(l->marks.n - 1);
}

/* Of a damaged source, sums may be less than nothing. */
static uint64_t not_negative(uint64_t v)
{
	return (int64_t)v < 0 ? 0 : v;
}

size_t hs_levels_sum(const struct hs_levels *l, const struct hs_map *sites,
		     struct hs_level *ret)
{
	uint64_t blocks = 0, bytes = 0;
	size_t n = 0;
	for (size_t i = 0; i < l->changes.n; i++) {
		const struct hs_level_change *c = &l->changes.at[i];
		if (i == 0 || c[-1].key != c->key)
			blocks = bytes = 0;
		blocks += c->blocks;
		bytes += c->bytes;
		const uint32_t *site = hs_map_get(sites, c->key);
		if (!site)
			continue;
		struct hs_level *level = &ret[n++];
		*level = (struct hs_level){.site = *site,
					   .mark = c->mark,
					   .blocks = not_negative(blocks),
					   .bytes = not_negative(bytes),
					   .allocs = c->allocs};
		level->low_bytes = level->bytes - HS_MIN(c->drop, level->bytes);
	}
	return n;
}
