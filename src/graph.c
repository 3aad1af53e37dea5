/* SPDX-License-Identifier: MIT */

/*
 * Marking, breadth first, so that the first way found to a block is a shortest
 * one; then the lost blocks become a small graph of their own.  A level that is
 * large is shared by several threads.  The blocks of a level that do not fit into
 * its list are bits in a map, so lists need not have room for all blocks.
 */
#include "src/graph.h"

#include <string.h>
#include <unistd.h>

#include "src/edges.h"
#include "src/flow.h"
#include "src/roots.h"

#define SHARED   16384u /* blocks of a level that pay for other threads */
#define CLAIM    256u   /* blocks that a thread takes at once */
#define MANY     8u     /* threads */
#define ROOM_MIN 65536u

struct level {
	uint32_t *at;
	uint32_t n;     /* may exceed the room: the others are in `more` */
	uint64_t *more; /* bitmap */
};

struct marker {
	struct hs_graph *g;
	const struct hs_heap *heap;
	const struct hs_image *image;
	const struct hs_edges *edges;
	uint64_t *marked; /* bitmap */
	struct level now, next;
	uint32_t room, claimed;
	struct hs_words words[MANY];
	unsigned threads, entered;
	uint64_t deadline_ns;
	bool late;
	uint8_t reach; /* of what is marked */
	uint32_t room_holds;
	uint64_t *weak; /* bitmap: held one past the end, and not marked */
	pthread_mutex_t lock;
};

struct hs_graph_edges {
	struct hs_edges *edges;
	const struct hs_image *image;
	uint64_t deadline_ns;
};

static bool test(const uint64_t *map, uint32_t i)
{
	return __atomic_load_n(&map[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1;
}

/* Returns true if the bit was not set yet. */
static bool set(uint64_t *map, uint32_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	return !(__atomic_load_n(&map[i / 64], __ATOMIC_RELAXED) & bit) &&
	       !(__atomic_fetch_or(&map[i / 64], bit, __ATOMIC_RELAXED) & bit);
}

static uint64_t *bitmap(uint32_t n)
{
	return hs_xcalloc(n / 64 + 1, sizeof(uint64_t));
}

/* -- Marking ---------------------------------------------------------------------- */

static void push(struct marker *m, uint32_t block)
{
	m->g->reach[block] = m->reach;
	uint32_t at = __atomic_fetch_add(&m->next.n, 1, __ATOMIC_RELAXED);
	if (at < m->room)
		m->next.at[at] = block;
	else
		set(m->next.more, block);
}

static void mark_from(struct marker *m, uint32_t block, struct hs_words *w)
{
	struct hs_edges_walk walk;
	hs_edges_begin(m->edges, block, w, &walk);
	for (uint32_t to; (to = hs_edges_next(&walk)) != HS_HEAP_NONE;)
		if (set(m->marked, to)) {
			m->g->parent[to] = block;
			push(m, to);
		}
}

static void *mark_claims(void *context)
{
	struct marker *m = context;
	unsigned me = __atomic_fetch_add(&m->entered, 1, __ATOMIC_RELAXED);
	uint32_t n = HS_MIN(m->now.n, m->room), i;
	while ((i = __atomic_fetch_add(&m->claimed, CLAIM, __ATOMIC_RELAXED)) < n) {
		uint32_t end = HS_MIN(n - i, CLAIM) + i;
		for (; i < end; i++)
			mark_from(m, m->now.at[i], &m->words[me]);
		if (hs_edges_late(m->deadline_ns))
			__atomic_store_n(&m->late, true, __ATOMIC_RELAXED);
		if (__atomic_load_n(&m->late, __ATOMIC_RELAXED))
			break;
	}
	return NULL;
}

static void mark_list(struct marker *m)
{
	m->claimed = m->entered = 0;
	hs_edges_run(m->now.n >= SHARED ? m->threads : 1, mark_claims, m);
}

/* What did not fit into this level's list becomes its list, piece by piece. */
static void mark_rest(struct marker *m)
{
	uint32_t words = m->heap->n / 64 + 1;
	m->now.n = 0;
	for (uint32_t i = 0; i < words && !m->late; i++) {
		for (uint64_t w = m->now.more[i]; w; w &= w - 1)
			m->now.at[m->now.n++] = i * 64 + (uint32_t)__builtin_ctzll(w);
		m->now.more[i] = 0;
		if (m->now.n > m->room - 64 || i == words - 1) {
			mark_list(m);
			m->now.n = 0;
		}
	}
}

/* Mark all that the blocks of the next level lead to. */
static void mark_levels(struct marker *m)
{
	while (m->next.n && !m->late) {
		struct level level = m->now;
		m->now = m->next;
		m->next = level;
		m->next.n = 0;
		bool rest = m->now.n > m->room;
		mark_list(m);
		if (rest)
			mark_rest(m);
	}
}

/* -- Roots ------------------------------------------------------------------------ */

static void hold(struct marker *m, uint64_t word, uint32_t root, uint64_t addr)
{
	struct hs_graph *g = m->g;
	uint32_t i = hs_edges_target(m->heap, word);
	if (i == HS_HEAP_NONE || !set(m->marked, i))
		return;
	if (g->n_holds == m->room_holds) {
		m->room_holds = m->room_holds ? m->room_holds * 2 : 64;
		g->holds = hs_xrealloc(g->holds, m->room_holds * sizeof(*g->holds));
	}
	g->holds[g->n_holds++] = (struct hs_graph_hold){i, root, addr};
	g->parent[i] = i;
	push(m, i);
}

static void note_weak(struct marker *m, uint64_t word, uint32_t root HS_UNUSED,
		      uint64_t addr HS_UNUSED)
{
	uint32_t i = hs_edges_past(m->heap, word);
	if (i != HS_HEAP_NONE && !test(m->marked, i))
		set(m->weak, i);
}

/* Call FN for each word of all roots that may be a pointer. */
static void for_roots(struct marker *m, void (*fn)(struct marker *m, uint64_t word,
						   uint32_t root, uint64_t addr))
{
	const struct hs_heap *h = m->heap;
	const uint8_t *words;
	for (uint32_t r = 0; r < m->g->roots->at.n && !m->late; r++) {
		const struct hs_root *root = &m->g->roots->at.at[r];
		if (root->kind == HS_ROOT_REGISTER) {
			fn(m, root->start, r, 0);
			continue;
		}
		uint64_t addr = (root->start + 7) & ~(uint64_t)7;
		for (size_t n;
		     (n = hs_words_next(&m->words[0], &addr, root->end, 0, &words));) {
			for (size_t i = 0; i < n; i++) {
				uint64_t word = hs_word_at(words, i);
				if (word - h->start <= h->end - h->start)
					fn(m, word, r, addr - 8 * (n - i));
			}
			m->late |= hs_edges_late(m->deadline_ns);
		}
	}
}

static int compare_holds(const void *pa, const void *pb)
{
	const struct hs_graph_hold *a = pa, *b = pb;
	return a->block < b->block ? -1 : a->block > b->block;
}

static void mark_roots(struct marker *m)
{
	m->reach = HS_REACH_REACHABLE;
	for_roots(m, hold);
	if (m->g->n_holds)
		qsort(m->g->holds, m->g->n_holds, sizeof(*m->g->holds), compare_holds);
	m->g->unread_root_bytes = m->words[0].unread;
	mark_levels(m);
}

/* -- Pointers past the end --------------------------------------------------------- */

static bool may_be_weak(const struct marker *m)
{
	for (uint32_t i = 0; i < m->heap->n; i++)
		if (hs_edges_has_past(m->edges, i) && !test(m->marked, i))
			return true;
	return false;
}

static void *look_past_ends(void *context)
{
	struct marker *m = context;
	const struct hs_heap *h = m->heap;
	struct hs_words *w =
		&m->words[__atomic_fetch_add(&m->entered, 1, __ATOMIC_RELAXED)];
	uint32_t first;
	while ((first = __atomic_fetch_add(&m->claimed, CLAIM, __ATOMIC_RELAXED)) <
		       h->n &&
	       !hs_edges_late(m->deadline_ns))
		for (uint32_t i = first; i < h->n && i - first < CLAIM; i++) {
			const struct hs_block *b = &h->blocks[i];
			uint64_t addr = (b->addr + 7) & ~(uint64_t)7,
				 end = b->addr + b->size;
			const uint8_t *words;
			if (m->g->reach[i] != HS_REACH_REACHABLE)
				continue;
			for (size_t n; (n = hs_words_next(w, &addr, end, 0, &words));)
				for (size_t k = 0; k < n; k++)
					note_weak(m, hs_word_at(words, k), 0, 0);
		}
	return NULL;
}

static void mark_weak(struct marker *m)
{
	m->weak = bitmap(m->heap->n);
	for_roots(m, note_weak);
	/* Which block has such a pointer was not kept: they are read again. */
	if (may_be_weak(m)) {
		m->claimed = m->entered = 0;
		hs_edges_run(m->threads, look_past_ends, m);
		m->late |= hs_edges_late(m->deadline_ns);
	}
	m->reach = HS_REACH_WEAK;
	for (uint32_t i = 0; i < m->heap->n; i++)
		if (test(m->weak, i) && set(m->marked, i)) {
			m->g->parent[i] = i;
			push(m, i);
		}
	mark_levels(m);
	free(m->weak);
}

/* -- What is lost ------------------------------------------------------------------- */

/* Of N sorted numbers, the place of VALUE, or NONE. */
static uint32_t place_of(const uint32_t *at, uint32_t n, uint32_t value)
{
	uint32_t low = 0, high = n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (at[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && at[low] == value ? low : HS_HEAP_NONE;
}

/* The edges between the N blocks of NODES. */
static void make_flow(const struct hs_edges *edges, struct hs_words *w,
		      const uint32_t *nodes, uint32_t n, struct hs_flow *ret)
{
	size_t used = 0, room = n;
	*ret = (struct hs_flow){.n = n,
				.first =
					hs_xmalloc(((size_t)n + 1) * sizeof(*ret->first)),
				.to = hs_xmalloc(room * sizeof(*ret->to))};
	for (uint32_t i = 0; i < n; i++) {
		struct hs_edges_walk walk;
		ret->first[i] = used;
		hs_edges_begin(edges, nodes[i], w, &walk);
		for (uint32_t to; (to = hs_edges_next(&walk)) != HS_HEAP_NONE;) {
			uint32_t node = place_of(nodes, n, to);
			if (node == HS_HEAP_NONE ||
			    (used > ret->first[i] && ret->to[used - 1] == node))
				continue;
			if (used == room) {
				room = room + room / 2 + 16;
				ret->to = hs_xrealloc(ret->to, room * sizeof(*ret->to));
			}
			ret->to[used++] = node;
		}
	}
	ret->first[n] = used;
}

static void list_lost(struct hs_graph *g, const struct hs_heap *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		g->n_lost += g->reach[i] == HS_REACH_INDIRECT;
	g->lost = hs_xcalloc(g->n_lost, sizeof(*g->lost));
	uint32_t n = 0;
	for (uint32_t i = 0; i < h->n; i++)
		if (g->reach[i] == HS_REACH_INDIRECT)
			g->lost[n++] = i;
}

/* From the leaks down: who alone holds each lost block; and back up: how much. */
static void attribute(struct hs_graph *g, const uint32_t *idom, const uint32_t *order,
		      uint32_t n)
{
	struct hs_reach_count *sum = hs_xcalloc(g->n_lost, sizeof(*sum));
	for (uint32_t i = 0; i < n; i++)
		if (idom[order[i]] != HS_FLOW_NONE)
			g->lost_to[order[i]] = g->lost_to[idom[order[i]]];
	for (uint32_t i = n; i-- > 0;) {
		uint32_t node = order[i];
		sum[node].blocks++;
		sum[node].bytes += g->heap->blocks[g->lost[node]].size;
		if (idom[node] == HS_FLOW_NONE)
			continue;
		sum[idom[node]].blocks += sum[node].blocks;
		sum[idom[node]].bytes += sum[node].bytes;
	}
	for (uint32_t i = 0; i < g->n_leaks; i++)
		g->leaks[i].retained =
			sum[place_of(g->lost, g->n_lost, g->leaks[i].block)];
	free(sum);
}

static void find_leaks(struct marker *m)
{
	struct hs_graph *g = m->g;
	struct hs_flow f;
	uint32_t *starts, *sizes;
	list_lost(g, m->heap);
	make_flow(m->edges, &m->words[0], g->lost, g->n_lost, &f);
	g->n_leaks = hs_flow_sources(&f, &starts, &sizes);
	g->leaks = hs_xcalloc(g->n_leaks, sizeof(*g->leaks));
	g->lost_to = hs_xmalloc(g->n_lost * sizeof(*g->lost_to));
	for (uint32_t i = 0; i < g->n_lost; i++)
		g->lost_to[i] = HS_HEAP_NONE;
	for (uint32_t i = 0; i < g->n_leaks; i++) {
		g->leaks[i].block = g->lost[starts[i]];
		g->leaks[i].cycle = sizes[i];
		g->lost_to[starts[i]] = i;
		g->reach[g->leaks[i].block] = HS_REACH_DIRECT;
	}
	uint32_t *idom = hs_xmalloc(f.n * sizeof(*idom));
	uint32_t *order = hs_xmalloc(f.n * sizeof(*order));
	uint32_t n = hs_flow_dominators(&f, starts, g->n_leaks, idom, order);
	attribute(g, idom, order, n);
	free(idom);
	free(order);
	free(starts);
	free(sizes);
	hs_flow_deinit(&f);
}

static void count(struct hs_graph *g)
{
	for (uint32_t i = 0; i < g->heap->n; i++) {
		struct hs_reach_count *c = &g->counts[g->reach[i]];
		c->blocks++;
		c->bytes += g->heap->blocks[i].size;
	}
}

/* -- The whole ---------------------------------------------------------------------- */

static void start_marker(struct marker *m)
{
	uint32_t n = m->heap->n;
	m->room = HS_MAX(n / 8, ROOM_MIN);
	m->marked = bitmap(n);
	m->now = (struct level){hs_xmalloc(m->room * sizeof(uint32_t)), 0, bitmap(n)};
	m->next = (struct level){hs_xmalloc(m->room * sizeof(uint32_t)), 0, bitmap(n)};
	pthread_mutex_init(&m->lock, NULL);
	for (unsigned i = 0; i < m->threads; i++)
		hs_words_init(&m->words[i], m->image, &m->lock);
	for (uint32_t i = 0; i < n; i++)
		m->g->reach[i] = m->heap->blocks[i].state == HS_BLOCK_USED
					 ? HS_REACH_INDIRECT /* until it is found */
					 : HS_REACH_NO_BLOCK;
}

/* Big lists are given back before what is lost needs memory. */
static void drop_lists(struct marker *m)
{
	free(HS_TAKE(m->now.at));
	free(HS_TAKE(m->next.at));
	free(HS_TAKE(m->now.more));
	free(HS_TAKE(m->next.more));
	free(HS_TAKE(m->marked));
}

static void stop_marker(struct marker *m)
{
	drop_lists(m);
	for (unsigned i = 0; i < m->threads; i++)
		hs_words_deinit(&m->words[i]);
	pthread_mutex_destroy(&m->lock);
}

static bool mark(struct marker *m)
{
	start_marker(m);
	mark_roots(m);
	if (!m->late)
		mark_weak(m);
	drop_lists(m);
	if (!m->late)
		find_leaks(m);
	stop_marker(m);
	return !m->late;
}

static unsigned choose_threads(const struct hs_graph_options *o)
{
	long n = o->threads ? (long)o->threads : sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)HS_MIN(n, (long)MANY);
}

struct hs_error *hs_graph_make(const struct hs_image *image, const struct hs_heap *heap,
			       const struct hs_roots *roots,
			       const struct hs_graph_options *o, struct hs_graph **ret)
{
	struct hs_graph *g = hs_xcalloc(1, sizeof(*g));
	size_t room = HS_MAX((size_t)heap->n / 5 * 24, (size_t)1 << 20);
	struct marker m = {.g = g,
			   .heap = heap,
			   .image = image,
			   .threads = choose_threads(o),
			   .deadline_ns = o->deadline_ns};
	g->heap = heap;
	g->roots = roots;
	g->edges = hs_xcalloc(1, sizeof(*g->edges));
	g->edges->image = image;
	g->edges->edges = hs_edges_collect(image, heap, m.threads,
					   o->max_edge_bytes ? o->max_edge_bytes : room,
					   o->deadline_ns);
	m.edges = g->edges->edges;
	if (m.edges) {
		g->reach = hs_xcalloc(heap->n, sizeof(*g->reach));
		g->parent = hs_xcalloc(heap->n, sizeof(*g->parent));
		g->unread_block_bytes = hs_edges_unread(m.edges);
	}
	if (!m.edges || !mark(&m)) {
		hs_graph_free(g);
		return hs_error("there was no time to follow all pointers");
	}
	count(g);
	*ret = g;
	return NULL;
}

void hs_graph_free(struct hs_graph *g)
{
	if (!g)
		return;
	hs_edges_free(g->edges->edges);
	free(g->edges);
	free(g->reach);
	free(g->leaks);
	free(g->lost);
	free(g->lost_to);
	free(g->holds);
	free(g->parent);
	free(g);
}

uint32_t hs_graph_path(const struct hs_graph *g, uint32_t block, uint32_t *path,
		       uint32_t max, struct hs_graph_hold *hold)
{
	uint32_t n = 0;
	if (g->reach[block] != HS_REACH_REACHABLE)
		return 0;
	for (;; block = g->parent[block]) {
		if (n < max)
			path[n] = block;
		n++;
		if (g->parent[block] == block)
			break;
	}
	const struct hs_graph_hold key = {.block = block};
	const struct hs_graph_hold *found =
		bsearch(&key, g->holds, g->n_holds, sizeof(*g->holds), compare_holds);
	if (hold && found)
		*hold = *found;
	return n;
}

/* -- Dominators of all ----------------------------------------------------------------
 */

uint64_t *hs_graph_retained(const struct hs_graph *g)
{
	uint32_t n = g->heap->n, n_starts = 0;
	uint32_t *all = hs_xmalloc(n * sizeof(*all)), *starts, *idom, *order;
	struct hs_words w;
	struct hs_flow f;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	starts = hs_xmalloc(n * sizeof(*starts));
	idom = hs_xmalloc(n * sizeof(*idom));
	order = hs_xmalloc(n * sizeof(*order));
	for (uint32_t i = 0; i < n; i++) {
		all[i] = i;
		/* Weak ones begin by themselves: by what they are held is not kept. */
		bool held = g->reach[i] == HS_REACH_DIRECT ||
			    g->reach[i] == HS_REACH_WEAK ||
			    (g->reach[i] == HS_REACH_REACHABLE && g->parent[i] == i);
		if (held)
			starts[n_starts++] = i;
	}
	hs_words_init(&w, g->edges->image, &lock);
	make_flow(g->edges->edges, &w, all, n, &f);
	hs_words_deinit(&w);
	uint32_t reached = hs_flow_dominators(&f, starts, n_starts, idom, order);
	uint64_t *bytes = hs_xcalloc(n, sizeof(*bytes));
	for (uint32_t i = reached; i-- > 0;) {
		bytes[order[i]] += g->heap->blocks[order[i]].size;
		if (idom[order[i]] != HS_FLOW_NONE)
			bytes[idom[order[i]]] += bytes[order[i]];
	}
	free(all);
	free(starts);
	free(idom);
	free(order);
	hs_flow_deinit(&f);
	return bytes;
}
