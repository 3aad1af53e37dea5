/* SPDX-License-Identifier: MIT */

/*
 * Components by Tarjan's algorithm (1972), with a stack of our own.  Dominators by
 * the Semi-NCA algorithm (Georgiadis, Werneck, Tarjan and others: Finding Dominators
 * in Practice, 2004): semidominators with path compression, and then each node's
 * dominator is the first of its parent's that is not above its semidominator.
 */
#include "src/flow.h"

#include <string.h>

void hs_flow_deinit(struct hs_flow *f)
{
	free(f->first);
	free(f->to);
	*f = (struct hs_flow){0};
}

static uint32_t *numbers(size_t n, uint32_t value)
{
	uint32_t *p = hs_xmalloc(n * sizeof(*p));
	for (size_t i = 0; i < n; i++)
		p[i] = value;
	return p;
}

/* -- Components --------------------------------------------------------------- */

struct tarjan {
	const struct hs_flow *f;
	uint32_t *number; /* order of the visit, or NONE */
	uint32_t *low;    /* lowest number met; then the component */
	uint32_t *open;   /* nodes without a component */
	uint32_t *way;    /* the nodes that are being visited */
	size_t *next;     /* their next edges */
	uint32_t n_open, n_way, visited;
	uint32_t *component; /* its lowest node, by node */
};

static void enter(struct tarjan *t, uint32_t node)
{
	t->number[node] = t->low[node] = t->visited++;
	t->open[t->n_open++] = node;
	t->way[t->n_way] = node;
	t->next[t->n_way++] = t->f->first[node];
}

/* NODE and all above it on the stack are one. */
static void close_component(struct tarjan *t, uint32_t node)
{
	uint32_t begin = t->n_open, lowest = node;
	do {
		begin--;
		lowest = HS_MIN(lowest, t->open[begin]);
	} while (t->open[begin] != node);
	for (uint32_t i = begin; i < t->n_open; i++)
		t->component[t->open[i]] = lowest;
	t->n_open = begin;
}

static void leave(struct tarjan *t, uint32_t node)
{
	if (t->low[node] == t->number[node])
		close_component(t, node);
	if (--t->n_way) {
		uint32_t parent = t->way[t->n_way - 1];
		t->low[parent] = HS_MIN(t->low[parent], t->low[node]);
	}
}

static void visit(struct tarjan *t, uint32_t start)
{
	enter(t, start);
	while (t->n_way) {
		uint32_t node = t->way[t->n_way - 1];
		size_t e = t->next[t->n_way - 1]++;
		if (e == t->f->first[node + 1]) {
			leave(t, node);
			continue;
		}
		uint32_t to = t->f->to[e];
		if (t->number[to] == HS_FLOW_NONE)
			enter(t, to);
		else if (t->component[to] == HS_FLOW_NONE)
			t->low[node] = HS_MIN(t->low[node], t->number[to]);
	}
}

/* By node: the lowest one of its component; malloc'ed. */
static uint32_t *components(const struct hs_flow *f)
{
	struct tarjan t = {.f = f,
			   .number = numbers(f->n, HS_FLOW_NONE),
			   .low = numbers(f->n, 0),
			   .open = numbers(f->n, 0),
			   .way = numbers(f->n, 0),
			   .next = hs_xmalloc(f->n * sizeof(*t.next)),
			   .component = numbers(f->n, HS_FLOW_NONE)};
	for (uint32_t i = 0; i < f->n; i++)
		if (t.number[i] == HS_FLOW_NONE)
			visit(&t, i);
	free(t.number);
	free(t.low);
	free(t.open);
	free(t.way);
	free(t.next);
	return t.component;
}

uint32_t hs_flow_sources(const struct hs_flow *f, uint32_t **nodes_ret,
			 uint32_t **sizes_ret)
{
	uint32_t *component = components(f), n = 0;
	uint32_t *size = numbers(f->n, 0);
	bool *led_to = hs_xcalloc(f->n, sizeof(*led_to));
	for (uint32_t i = 0; i < f->n; i++) {
		size[component[i]]++;
		for (size_t e = f->first[i]; e < f->first[i + 1]; e++)
			if (component[f->to[e]] != component[i])
				led_to[component[f->to[e]]] = true;
	}
	/* In place: what is read lies at or behind what is written. */
	for (uint32_t i = 0; i < f->n; i++)
		if (component[i] == i && !led_to[i]) {
			size[n] = size[i];
			component[n++] = i;
		}
	free(led_to);
	*nodes_ret = component;
	*sizes_ret = size;
	return n;
}

/* -- Dominators --------------------------------------------------------------- */

/* In here nodes are their numbers in preorder, from 1; 0 is the one before all. */
struct nca {
	const struct hs_flow *f;
	uint32_t n;       /* visited */
	uint32_t *order;  /* number -> node; [0] unused */
	uint32_t *number; /* node -> number, or 0 */
	uint32_t *parent; /* in the tree of the visit; later: ancestor */
	uint32_t *semi, *label, *idom;
	size_t *first; /* edges backwards */
	uint32_t *from;
};

static void number_nodes(struct nca *a, const uint32_t *starts, uint32_t n_starts)
{
	uint32_t *way = numbers(a->f->n, 0), depth = 0;
	size_t *next = hs_xmalloc(a->f->n * sizeof(*next));
	for (uint32_t s = 0; s < n_starts; s++) {
		uint32_t node = starts[s], parent = 0;
		for (;;) {
			if (!a->number[node]) {
				a->number[node] = ++a->n;
				a->order[a->n] = node;
				a->parent[a->n] = parent;
				way[depth] = node;
				next[depth++] = a->f->first[node];
			}
			while (depth &&
			       next[depth - 1] == a->f->first[way[depth - 1] + 1])
				depth--;
			if (!depth)
				break;
			parent = a->number[way[depth - 1]];
			node = a->f->to[next[depth - 1]++];
		}
	}
	free(way);
	free(next);
}

/* Only from nodes that were visited: others lead nowhere. */
static void turn_edges(struct nca *a)
{
	a->first = hs_xcalloc((size_t)a->n + 2, sizeof(*a->first));
	for (uint32_t v = 1; v <= a->n; v++)
		for (size_t e = a->f->first[a->order[v]];
		     e < a->f->first[a->order[v] + 1]; e++)
			a->first[a->number[a->f->to[e]]]++;
	size_t sum = 0;
	for (uint32_t v = 0; v <= a->n + 1; v++) {
		sum += a->first[v];
		a->first[v] = sum;
	}
	a->from = hs_xmalloc(sum * sizeof(*a->from));
	for (uint32_t v = 1; v <= a->n; v++)
		for (size_t e = a->f->first[a->order[v]];
		     e < a->f->first[a->order[v] + 1]; e++)
			a->from[--a->first[a->number[a->f->to[e]]]] = v;
}

/*
 * The label of V: the node with the least semidominator between V and what is
 * linked last, LAST.  Compresses the way there; WAY is room for it.
 */
static uint32_t evaluate(struct nca *a, uint32_t v, uint32_t last, uint32_t *way)
{
	uint32_t depth = 0;
	if (v <= last)
		return v;
	for (uint32_t u = v; a->parent[u] > last; u = a->parent[u])
		way[depth++] = u;
	while (depth--) {
		uint32_t u = way[depth], up = a->parent[u];
		if (a->semi[a->label[up]] < a->semi[a->label[u]])
			a->label[u] = a->label[up];
		a->parent[u] = a->parent[up];
	}
	return a->label[v];
}

static void find_semidominators(struct nca *a, const bool *start)
{
	uint32_t *way = numbers((size_t)a->n + 1, 0);
	for (uint32_t v = 0; v <= a->n; v++) {
		a->semi[v] = a->label[v] = v;
		a->idom[v] = a->parent[v];
	}
	for (uint32_t v = a->n; v >= 1; v--) {
		uint32_t semi = start[a->order[v]] ? 0 : a->parent[v];
		for (size_t e = a->first[v]; semi && e < a->first[v + 1]; e++) {
			uint32_t u = evaluate(a, a->from[e], v, way);
			semi = HS_MIN(semi, a->semi[u]);
		}
		a->semi[v] = semi;
	}
	free(way);
}

static void find_dominators(struct nca *a)
{
	for (uint32_t v = 1; v <= a->n; v++)
		while (a->idom[v] > a->semi[v])
			a->idom[v] = a->idom[a->idom[v]];
}

uint32_t hs_flow_dominators(const struct hs_flow *f, const uint32_t *starts,
			    uint32_t n_starts, uint32_t *idom, uint32_t *order)
{
	size_t n = (size_t)f->n + 1;
	struct nca a = {.f = f,
			.order = numbers(n, 0),
			.number = numbers(n, 0),
			.parent = numbers(n, 0),
			.semi = numbers(n, 0),
			.label = numbers(n, 0),
			.idom = numbers(n, 0)};
	bool *start = hs_xcalloc(n, sizeof(*start));
	for (uint32_t i = 0; i < n_starts; i++)
		start[starts[i]] = true;
	number_nodes(&a, starts, n_starts);
	turn_edges(&a);
	find_semidominators(&a, start);
	find_dominators(&a);
	for (uint32_t i = 0; i < f->n; i++)
		idom[i] = HS_FLOW_NONE;
	for (uint32_t v = 1; v <= a.n; v++) {
		order[v - 1] = a.order[v];
		if (a.idom[v])
			idom[a.order[v]] = a.order[a.idom[v]];
	}
	free(start);
	free(a.order);
	free(a.number);
	free(a.parent);
	free(a.semi);
	free(a.label);
	free(a.idom);
	free(a.first);
	free(a.from);
	return a.n;
}
