/* SPDX-License-Identifier: MIT */

/* The simple heap. */
#include "tests/lib/heapmodel.h"

#include <string.h>

uint64_t model_random(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

static size_t find(const struct model *m, uint64_t addr)
{
	for (size_t i = 0; i < m->n_blocks; i++)
		if (m->blocks[i].addr == addr)
			return i;
	return SIZE_MAX;
}

static uint64_t some_address(uint64_t *random)
{
	uint64_t i = model_random(random, 40);
	/* The corners of the address space, and neighbours on one page. */
	return i == 0   ? 0
	       : i == 1 ? UINT64_MAX
	       : i < 4  ? i << 60
			: 0x7f0000001000 + i * 16;
}

struct model_event model_make(const struct model *m, uint64_t *random, bool tidy)
{
	struct model_event e = {
		.thread = (uint32_t)model_random(random, MODEL_THREADS),
		.kind = (uint32_t)model_random(random, MODEL_KINDS),
		.stack = (uint32_t)model_random(random, MODEL_STACKS),
		.addr = some_address(random),
		.size = model_random(random, 2) ? model_random(random, 100)
						: model_random(random, 100000),
		.time = m->now + model_random(random, 3),
	};
	const struct model_thread *t = &m->threads[e.thread];
	bool live = find(m, e.addr) != SIZE_MAX;
	if (t->in_flight) {
		/* What a realloc does next: it succeeds, or it fails. */
		e.what = model_random(random, 4) ? MODEL_ALLOC : MODEL_RETAIN;
	} else {
		uint64_t what = model_random(random, 8);
		e.what = what < 4 ? MODEL_ALLOC : what < 7 ? MODEL_FREE : MODEL_RELEASE;
	}
	if (!tidy)
		return e;
	/* A released block's address is taken until its realloc is over. */
	for (size_t i = 0; i < MODEL_THREADS; i++)
		if (m->threads[i].in_flight && m->threads[i].released.addr == e.addr)
			live = true;
	if (e.what == MODEL_ALLOC && live)
		e.addr = 0x7f0000100000 + m->number * 16;
	if ((e.what == MODEL_FREE || e.what == MODEL_RELEASE)) {
		if (!m->n_blocks)
			e.what = MODEL_ALLOC;
		else
			e.addr = m->blocks[model_random(random, m->n_blocks)].addr;
	}
	return e;
}

static void rise(struct model *m)
{
	if (m->sum.live_bytes > m->water)
		m->water = m->sum.live_bytes;
	if (m->sum.live_bytes <= m->peak_bytes)
		return;
	m->peak_bytes = m->sum.live_bytes;
	m->peak_blocks = m->sum.live_blocks;
	m->peak_time = m->now;
	memcpy(m->at_peak, m->sites, sizeof(m->sites));
}

static void add(struct model *m, const struct model_block *block, uint64_t number)
{
	struct model_site *site = &m->sites[block->stack][block->kind];
	m->blocks[m->n_blocks] = *block;
	m->numbers[m->n_blocks++] = number;
	site->live_blocks++;
	site->live_bytes += block->size;
	m->sum.live_blocks++;
	m->sum.live_bytes += block->size;
}

/* Free block I; was it the last that its thread allocated? */
static bool drop(struct model *m, size_t i)
{
	struct model_block block = m->blocks[i];
	struct model_site *site = &m->sites[block.stack][block.kind];
	struct model_thread *owner = &m->threads[block.thread];
	bool was_last = owner->has_last && owner->last == m->numbers[i];
	m->blocks[i] = m->blocks[--m->n_blocks];
	m->numbers[i] = m->numbers[m->n_blocks];
	site->frees++, m->sum.frees++;
	site->live_blocks--, m->sum.live_blocks--;
	site->live_bytes -= block.size, m->sum.live_bytes -= block.size;
	site->temporaries += was_last, m->sum.temporaries += was_last;
	return was_last;
}

/* By two binary digits a class, as slowly as can be. */
static void classify(uint32_t *classes, uint32_t n, uint64_t value)
{
	uint32_t class = 0;
	for (; value > 1 && class + 1 < n; value /= 4)
		class ++;
	classes[class]++;
}

static void died(struct model *m, const struct model_block *block, uint64_t time)
{
	struct hs_spread *spread = &m->sites[block->stack][block->kind].spread;
	uint64_t age = time > block->born ? time - block->born : 0;
	spread->oldest = HS_MAX(spread->oldest, age);
	classify(spread->ages, HS_SPREAD_AGES, age);
}

static void drop_for_good(struct model *m, size_t i, uint64_t time)
{
	struct model_block block = m->blocks[i];
	struct model_site *site = &m->sites[block.stack][block.kind];
	drop(m, i);
	died(m, &block, time);
	site->low = HS_MIN(site->low, site->live_bytes);
}

/* The thread's realloc is over. */
static void land(struct model *m, struct model_thread *t, uint64_t time)
{
	if (t->in_flight && !t->unknown)
		died(m, &t->released, time);
	t->in_flight = false;
}

static void alloc(struct model *m, const struct model_event *e)
{
	struct model_block block = {.addr = e->addr,
				    .size = e->size,
				    .born = e->time,
				    .stack = e->stack,
				    .kind = e->kind,
				    .thread = e->thread,
				    .lives = true};
	size_t old = find(m, e->addr);
	land(m, &m->threads[e->thread], e->time);
	if (old != SIZE_MAX) {
		m->overlaps++;
		drop_for_good(m, old, e->time);
	}
	add(m, &block, ++m->number);
	m->threads[e->thread].has_last = true;
	m->threads[e->thread].last = m->number;
	struct model_site *site = &m->sites[e->stack][e->kind];
	site->allocs++, m->sum.allocs++;
	site->bytes += e->size, m->sum.bytes += e->size;
	classify(site->spread.sizes, HS_SPREAD_SIZES, e->size);
	m->now = e->time;
	rise(m);
}

static void release(struct model *m, const struct model_event *e)
{
	struct model_thread *t = &m->threads[e->thread];
	size_t i = find(m, e->addr);
	land(m, t, e->time);
	t->in_flight = true;
	t->unknown = i == SIZE_MAX;
	if (t->unknown) {
		m->unmatched++;
		return;
	}
	t->released = m->blocks[i];
	t->released_number = m->numbers[i];
	t->was_last = drop(m, i);
}

static void retain(struct model *m, struct model_thread *t, uint64_t time)
{
	if (!t->in_flight)
		return;
	t->in_flight = false;
	if (t->unknown) {
		m->unmatched--;
		return;
	}
	struct model_site *site = &m->sites[t->released.stack][t->released.kind];
	size_t old = find(m, t->released.addr);
	if (old != SIZE_MAX) {
		m->overlaps++;
		drop_for_good(m, old, time);
	}
	add(m, &t->released, t->released_number);
	site->frees--, m->sum.frees--;
	site->temporaries -= t->was_last, m->sum.temporaries -= t->was_last;
	rise(m);
}

void model_apply(struct model *m, const struct model_event *e)
{
	size_t i;
	switch (e->what) {
	case MODEL_ALLOC:
		alloc(m, e);
		break;
	case MODEL_FREE:
		i = find(m, e->addr);
		if (i == SIZE_MAX)
			m->unmatched++;
		else
			drop_for_good(m, i, e->time);
		break;
	case MODEL_RELEASE:
		release(m, e);
		break;
	case MODEL_RETAIN:
		retain(m, &m->threads[e->thread], e->time);
		break;
	}
}

void model_settle(struct model *m)
{
	for (size_t i = 0; i < MODEL_THREADS; i++)
		retain(m, &m->threads[i], 0);
}

uint64_t model_take_water(struct model *m)
{
	uint64_t water = m->water;
	m->water = m->sum.live_bytes;
	return water;
}

uint64_t model_take_low(struct model_site *site)
{
	uint64_t low = HS_MIN(site->low, site->live_bytes);
	site->low = site->live_bytes;
	return low;
}
