/* SPDX-License-Identifier: MIT */

/*
 * A treap of disjoint intervals by address: split at both ends of a range, drop
 * what lies between, put the new one there, join.  Priorities come from a
 * generator with a fixed seed, so the same input takes the same time.
 */
#include "src/mappings.h"

#include <stdlib.h>

#include "src/array.h"

struct node {
	struct hs_mapping range;
	uint32_t priority;
	uint32_t left, right; /* 0: none */
};

struct hs_mappings {
	HS_ARRAY(struct node) nodes; /* nodes[0] stands for none */
	uint32_t free_list;          /* through `left` */
	uint32_t root;
	uint64_t random;
	struct hs_mapped totals;
	struct hs_mappings_watch watch;
};

struct hs_mappings *hs_mappings_new(void)
{
	struct hs_mappings *m = hs_xcalloc(1, sizeof(*m));
	hs_array_add(&m->nodes);
	m->random = 0x9e3779b97f4a7c15u;
	return m;
}

void hs_mappings_watch(struct hs_mappings *m, const struct hs_mappings_watch *watch)
{
	m->watch = *watch;
}

void hs_mappings_free(struct hs_mappings *m)
{
	if (!m)
		return;
	hs_array_free(&m->nodes);
	free(m);
}

static uint32_t new_node(struct hs_mappings *m, struct hs_mapping range)
{
	uint32_t i = m->free_list;
	if (i) {
		m->free_list = m->nodes.at[i].left;
	} else {
		i = (uint32_t)m->nodes.n;
		hs_array_add(&m->nodes);
	}
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	m->nodes.at[i] =
		(struct node){.range = range, .priority = (uint32_t)(m->random >> 32)};
	m->totals.bytes += range.end - range.start;
	return i;
}

/* T's intervals that begin before AT, and the others. */
static void split(struct hs_mappings *m, uint32_t t, uint64_t at, uint32_t *before,
		  uint32_t *behind)
{
	while (t) {
		struct node *n = &m->nodes.at[t];
		if (n->range.start < at) {
			*before = t;
			before = &n->right;
			t = n->right;
		} else {
			*behind = t;
			behind = &n->left;
			t = n->left;
		}
	}
	*before = *behind = 0;
}

/* A's intervals lie before B's. */
static uint32_t join(struct hs_mappings *m, uint32_t a, uint32_t b)
{
	uint32_t root = 0, *at = &root;
	while (a && b) {
		struct node *na = &m->nodes.at[a], *nb = &m->nodes.at[b];
		if (na->priority >= nb->priority) {
			*at = a;
			at = &na->right;
			a = na->right;
		} else {
			*at = b;
			at = &nb->left;
			b = nb->left;
		}
	}
	*at = a ? a : b;
	return root;
}

/* Cut the interval that AT lies within in two. */
static void cut(struct hs_mappings *m, uint64_t at)
{
	uint32_t before = 0, behind = 0, last;
	split(m, m->root, at, &before, &behind);
	for (last = before; last && m->nodes.at[last].right;)
		last = m->nodes.at[last].right;
	if (last && m->nodes.at[last].range.end > at) {
		struct hs_mapping rest = m->nodes.at[last].range;
		if (m->watch.cut)
			m->watch.cut(m->watch.context, &rest, at);
		m->nodes.at[last].range.end = rest.start = at;
		m->totals.bytes -= rest.end - at;
		behind = join(m, new_node(m, rest), behind);
	}
	m->root = join(m, before, behind);
}

/*
 * Give back what of T was mapped up to STAMP: unfold its left sides until none is
 * left.  -> what stays.
 */
static uint32_t drop(struct hs_mappings *m, uint32_t t, uint64_t stamp)
{
	uint32_t stays = 0;
	while (t) {
		struct node *n = &m->nodes.at[t];
		uint32_t left = n->left, next = n->right;
		if (left) { /* rotate right */
			n->left = m->nodes.at[left].right;
			m->nodes.at[left].right = t;
			t = left;
			continue;
		}
		if (n->range.since > stamp) {
			n->right = 0;
			stays = join(m, stays, t);
		} else {
			if (m->watch.gone)
				m->watch.gone(m->watch.context, &n->range);
			m->totals.bytes -= n->range.end - n->range.start;
			n->left = m->free_list;
			m->free_list = t;
		}
		t = next;
	}
	return stays;
}

static uint64_t end_of(uint64_t start, uint64_t length)
{
	return length > UINT64_MAX - start ? UINT64_MAX : start + length;
}

/* Drop what was mapped in [start, end) up to STAMP; what lies before and behind it. */
static void clear(struct hs_mappings *m, uint64_t start, uint64_t end, uint64_t stamp,
		  uint32_t *before, uint32_t *behind)
{
	uint32_t rest = 0, middle = 0;
	cut(m, start);
	cut(m, end);
	split(m, m->root, start, before, &rest);
	split(m, rest, end, &middle, behind);
	*before = join(m, *before, drop(m, middle, stamp));
}

void hs_mappings_map(struct hs_mappings *m, uint64_t start, uint64_t length,
		     uint32_t stack, uint64_t stamp)
{
	struct hs_mapping range = {start, end_of(start, length), stamp, stack};
	uint32_t before = 0, behind = 0;
	if (start == range.end)
		return;
	clear(m, start, range.end, UINT64_MAX, &before, &behind);
	m->root = join(m, join(m, before, new_node(m, range)), behind);
	m->totals.peak_bytes = HS_MAX(m->totals.peak_bytes, m->totals.bytes);
}

void hs_mappings_unmap(struct hs_mappings *m, uint64_t start, uint64_t length,
		       uint64_t stamp)
{
	uint64_t end = end_of(start, length);
	uint32_t before = 0, behind = 0;
	if (start == end)
		return;
	clear(m, start, end, stamp, &before, &behind);
	m->root = join(m, before, behind);
}

void hs_mappings_resume(struct hs_mappings *m, uint64_t calls, uint64_t peak_bytes)
{
	m->totals.calls = calls;
	m->totals.peak_bytes = HS_MAX(m->totals.peak_bytes, peak_bytes);
}

void hs_mappings_call(struct hs_mappings *m)
{
	m->totals.calls++;
}

const struct hs_mapped *hs_mappings_totals(const struct hs_mappings *m)
{
	return &m->totals;
}

struct hs_mapping *hs_mappings_list(const struct hs_mappings *m, size_t *n_ret)
{
	HS_ARRAY(struct hs_mapping) list = {0};
	HS_ARRAY(uint32_t) way = {0};
	for (uint32_t t = m->root; t || way.n;) {
		for (; t; t = m->nodes.at[t].left)
			hs_array_push(&way, t);
		t = way.at[--way.n];
		hs_array_push(&list, m->nodes.at[t].range);
		t = m->nodes.at[t].right;
	}
	hs_array_free(&way);
	*n_ret = list.n;
	return list.at;
}
