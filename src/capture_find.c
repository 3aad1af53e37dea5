/* SPDX-License-Identifier: MIT */

/* Searching a capture's tables: stacks by id, modules by address, times by stamp. */
#include "src/capture_find.h"

#include <string.h>

/* So many modules are looked at for one address; a hostile file has any number. */
#define MODULE_TRIES 4096

static int compare_texts(struct hs_capture_text a, struct hs_capture_text b)
{
	size_t n = HS_MIN(a.n, b.n);
	int order = n ? memcmp(a.at, b.at, n) : 0;
	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_start(const void *a, const void *b)
{
	const struct hs_capture_module *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	if (x->bias != y->bias)
		return x->bias < y->bias ? -1 : 1;
	int order = compare_texts(x->build_id, y->build_id);
	return order ? order : compare_texts(x->path, y->path);
}

size_t hs_capture_order_modules(struct hs_capture_module *at, size_t n)
{
	size_t kept = 0;
	uint64_t reach = 0;
	if (n)
		qsort(at, n, sizeof(*at), by_start);
	for (size_t i = 0; i < n; i++) {
		if (kept && !by_start(&at[kept - 1], &at[i]))
			continue;
		reach = HS_MAX(reach, at[i].end);
		at[kept] = at[i];
		at[kept++].reach = reach;
	}
	return kept;
}

/* By id; of several with one id the first that was told. */
static int by_id(const void *a, const void *b)
{
	const struct hs_capture_stack *x = a, *y = b;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

size_t hs_capture_order_stacks(struct hs_capture_stack *at, size_t n)
{
	size_t kept = 0;
	if (n)
		qsort(at, n, sizeof(*at), by_id);
	for (size_t i = 0; i < n; i++)
		if (!kept || at[kept - 1].id != at[i].id)
			at[kept++] = at[i];
	return kept;
}

const struct hs_capture_stack *hs_capture_stack(const struct hs_capture *c, uint32_t id)
{
	size_t low = 0, high = c->n_stacks;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (c->stacks[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->n_stacks && c->stacks[low].id == id ? &c->stacks[low] : NULL;
}

/* How many modules begin at or below ADDR. */
static size_t modules_up_to(const struct hs_capture *c, uint64_t addr)
{
	size_t low = 0, high = c->n_modules;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (c->modules[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Does A fit EPOCH better than B, which may be NULL? */
static bool fits_better(const struct hs_capture_module *a,
			const struct hs_capture_module *b, uint32_t epoch)
{
	if (!b)
		return true;
	bool a_before = a->epoch <= epoch, b_before = b->epoch <= epoch;
	if (a_before != b_before)
		return a_before;
	return a_before ? a->epoch > b->epoch : a->epoch < b->epoch;
}

const struct hs_capture_module *hs_capture_find_module(const struct hs_capture *c,
						       uint32_t epoch, uint64_t pc)
{
	const struct hs_capture_module *best = NULL;
	/* The call lies before the address to which it returns. */
	uint64_t addr = pc - 1;
	size_t i = pc ? modules_up_to(c, addr) : 0;
	for (unsigned tries = 0; i-- && tries < MODULE_TRIES; tries++) {
		const struct hs_capture_module *m = &c->modules[i];
		if (m->reach <= addr)
			break;
		if (addr < m->end && fits_better(m, best, epoch))
			best = m;
	}
	return best;
}

uint64_t hs_capture_time(const struct hs_capture *c, uint64_t stamp)
{
	const struct hs_capture_moment *clock = c->clock;
	if (stamp <= clock[0].stamp)
		return clock[0].time_ns;
	if (c->n_clock < 2)
		return 0;
	/* The last moment at or before STAMP; after the last pair its rate goes on. */
	size_t low = 0, high = c->n_clock - 1;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (clock[middle].stamp <= stamp)
			low = middle;
		else
			high = middle;
	}
	const struct hs_capture_moment *a = &clock[low], *b = &clock[low + 1];
	unsigned __int128 ns = (unsigned __int128)(stamp - a->stamp) *
			       (b->time_ns - a->time_ns) / (b->stamp - a->stamp);
	return ns > UINT64_MAX - a->time_ns ? UINT64_MAX : a->time_ns + (uint64_t)ns;
}
