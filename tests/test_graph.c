/* SPDX-License-Identifier: MIT */

/*
 * Marking, cycles, dominators and ways to roots on thousands of random heaps,
 * against a model that follows the definitions with no thought of speed.
 */
#include "src/graph.h"

#include <string.h>

#include "src/edges.h"
#include "src/image.h"
#include "src/roots.h"

#include "tests/lib/suite.h"

#define BASE  UINT64_C(0x10000)
#define BYTES 16384u
#define MOST  64u

static uint64_t state = 7;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

/* Memory of which the upper half is heap, with roots in the lower. */
struct world {
	uint64_t memory[BYTES / 8];
	struct hs_image *image;
	struct hs_heap *heap;
	struct hs_roots roots;
	uint32_t n;
	/* The model. */
	bool edge[MOST][MOST], past[MOST][MOST];
	bool root[MOST], root_past[MOST];
	bool held[MOST], weak[MOST];
};

static uint64_t pointer_at(const struct world *w)
{
	const struct hs_block *b = &w->heap->blocks[below(w->n)];
	switch (below(6)) {
	case 0:
		return b->addr + b->size; /* one past the end, or the next one's */
	case 1:
		return b->addr + below((uint32_t)HS_MAX((uint64_t)b->size, 1u));
	case 2:
		return below(1u << 31);
	default:
		return b->addr;
	}
}

static void make_blocks(struct world *w)
{
	struct hs_heap_builder *b = hs_heap_build_new();
	uint64_t at = BASE + BYTES / 2;
	uint32_t n = 1 + below(MOST - 1), most = 1 + below(24);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = below(8) ? 8 * below(most) : below(100);
		if (at + size > BASE + BYTES)
			break;
		hs_heap_build_add(b, at, size, below(9) ? HS_BLOCK_USED : HS_BLOCK_FREE,
				  0);
		at = (at + HS_MAX(size, 1u) + 7 + 8 * below(3)) & ~UINT64_C(7);
	}
	w->heap = hs_heap_build_seal(b);
	w->n = w->heap->n;
}

static void add_root(struct world *w, uint64_t start, uint64_t end,
		     enum hs_root_kind kind)
{
	hs_array_push(&w->roots.at, ((struct hs_root){start, end, kind, 0}));
}

static struct world *make_world(void)
{
	struct world *w = hs_xcalloc(1, sizeof(*w));
	w->image = hs_image_new();
	struct hs_mapping m = {.start = BASE,
			       .end = BASE + BYTES,
			       .flags = HS_MAPPING_READ | HS_MAPPING_WRITE,
			       .bytes = (const uint8_t *)w->memory,
			       .n_bytes = BYTES};
	hs_array_push(&w->image->mappings, m);
	hs_image_seal(w->image);
	make_blocks(w);
	uint32_t density = 1 + below(40);
	for (uint32_t i = BYTES / 16; i < BYTES / 8; i++)
		if (!below(density))
			w->memory[i] = pointer_at(w);
	for (uint32_t i = below(6); i > 0; i--) {
		uint32_t at = below(BYTES / 16 - 4);
		w->memory[at] = pointer_at(w);
		add_root(w, BASE + 8 * at, BASE + 8 * at + 8 * (1 + below(3)),
			 HS_ROOT_STATIC);
	}
	for (uint32_t i = below(3); i > 0; i--)
		add_root(w, pointer_at(w), i, HS_ROOT_REGISTER);
	return w;
}

static void drop_world(struct world *w)
{
	hs_image_free(w->image);
	hs_heap_free(w->heap);
	hs_roots_deinit(&w->roots);
	free(w);
}

/* -- The model --------------------------------------------------------------------- */

static bool is_used(const struct world *w, uint32_t i)
{
	return w->heap->blocks[i].state == HS_BLOCK_USED;
}

static void look_at(const struct world *w, uint64_t word, bool *to, bool *past)
{
	int inside = -1, behind = -1;
	for (uint32_t i = 0; i < w->n; i++) {
		const struct hs_block *b = &w->heap->blocks[i];
		uint64_t size = HS_MAX((uint64_t)b->size, 1u);
		if (word >= b->addr && word < b->addr + size)
			inside = (int)i;
		if (b->size && word == b->addr + b->size)
			behind = (int)i;
	}
	if (inside >= 0 && is_used(w, (uint32_t)inside))
		to[inside] = true;
	if (inside < 0 && behind >= 0 && is_used(w, (uint32_t)behind))
		past[behind] = true;
}

static void look_at_range(const struct world *w, uint64_t start, uint64_t end, bool *to,
			  bool *past)
{
	for (uint64_t a = (start + 7) & ~UINT64_C(7); a + 8 <= end; a += 8)
		look_at(w, w->memory[(a - BASE) / 8], to, past);
}

static void spread(const struct world *w, bool *set)
{
	for (bool more = true; more;) {
		more = false;
		for (uint32_t i = 0; i < w->n; i++)
			for (uint32_t k = 0; set[i] && k < w->n; k++)
				if (w->edge[i][k] && !set[k])
					more = set[k] = true;
	}
}

static void model(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct hs_block *b = &w->heap->blocks[i];
		if (is_used(w, i))
			look_at_range(w, b->addr, b->addr + b->size, w->edge[i],
				      w->past[i]);
		w->edge[i][i] = false;
	}
	for (size_t r = 0; r < w->roots.at.n; r++) {
		const struct hs_root *root = &w->roots.at.at[r];
		if (root->kind == HS_ROOT_REGISTER)
			look_at(w, root->start, w->root, w->root_past);
		else
			look_at_range(w, root->start, root->end, w->root, w->root_past);
	}
	memcpy(w->held, w->root, sizeof(w->held));
	spread(w, w->held);
	bool weak[MOST];
	memcpy(weak, w->root_past, sizeof(weak));
	for (uint32_t i = 0; i < w->n; i++)
		for (uint32_t k = 0; w->held[i] && k < w->n; k++)
			weak[k] |= w->past[i][k];
	spread(w, weak);
	for (uint32_t i = 0; i < w->n; i++)
		w->weak[i] = weak[i] && !w->held[i];
}

static bool is_lost(const struct world *w, uint32_t i)
{
	return is_used(w, i) && !w->held[i] && !w->weak[i];
}

/* What I leads to, I included, if WITHOUT did not exist. */
static void closure(const struct world *w, uint32_t i, bool *set)
{
	memset(set, 0, MOST);
	set[i] = true;
	spread(w, set);
}

/* The lowest block of I's cycle if no other lost block leads there. */
static bool is_source(const struct world *w, uint32_t i)
{
	bool mine[MOST], other[MOST];
	closure(w, i, mine);
	for (uint32_t k = 0; k < w->n; k++) {
		if (!is_lost(w, k) || k == i)
			continue;
		closure(w, k, other);
		if (other[i] && (!mine[k] || k < i))
			return false;
	}
	return true;
}

/* Lost bytes that no leak leads to once block I is gone. */
static struct hs_reach_count freed_with(const struct world *w, const struct hs_graph *g,
					uint32_t i)
{
	struct hs_reach_count c = {0};
	bool set[MOST] = {0};
	struct world *copy = hs_xmalloc(sizeof(*copy));
	memcpy(copy, w, sizeof(*copy));
	memset(copy->edge[i], 0, sizeof(copy->edge[i]));
	for (uint32_t k = 0; k < g->n_leaks; k++)
		set[g->leaks[k].block] = g->leaks[k].block != i;
	spread(copy, set);
	for (uint32_t k = 0; k < w->n; k++)
		if (is_lost(w, k) && (!set[k] || k == i)) {
			c.blocks++;
			c.bytes += w->heap->blocks[k].size;
		}
	free(copy);
	return c;
}

static uint32_t distance(const struct world *w, uint32_t block)
{
	bool set[MOST];
	memcpy(set, w->root, sizeof(set));
	for (uint32_t n = 1;; n++) {
		bool next[MOST];
		if (set[block])
			return n;
		memcpy(next, set, sizeof(next));
		for (uint32_t i = 0; i < w->n; i++)
			for (uint32_t k = 0; set[i] && k < w->n; k++)
				next[k] |= w->edge[i][k];
		memcpy(set, next, sizeof(set));
		ck_assert_uint_le(n, MOST);
	}
}

/* -- Comparing ---------------------------------------------------------------------- */

static struct hs_graph *make_graph(const struct world *w)
{
	struct hs_graph *g;
	/* Few edges have room: others are read again. */
	struct hs_graph_options o = {.threads = 1 + below(3),
				     .max_edge_bytes = below(2) ? 4 * below(64) : 0};
	struct hs_error *err = hs_graph_make(w->image, w->heap, &w->roots, &o, &g);
	ck_assert_ptr_null(err);
	return g;
}

static void check_way(const struct world *w, const struct hs_graph *g, uint32_t block)
{
	uint32_t way[MOST];
	struct hs_graph_hold hold;
	uint32_t n = hs_graph_path(g, block, way, MOST, &hold);
	ck_assert_uint_eq(n, distance(w, block));
	ck_assert_uint_eq(way[0], block);
	for (uint32_t i = 1; i < n; i++)
		ck_assert(w->edge[way[i]][way[i - 1]]);
	ck_assert_uint_eq(hold.block, way[n - 1]);
	const struct hs_root *root = &w->roots.at.at[hold.root];
	uint64_t word = root->start;
	if (root->kind != HS_ROOT_REGISTER) {
		ck_assert(hold.addr >= root->start && hold.addr < root->end);
		word = w->memory[(hold.addr - BASE) / 8];
	}
	ck_assert_uint_eq(hs_heap_find(w->heap, word), hold.block);
}

static void check_leaks(const struct world *w, const struct hs_graph *g)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->n; i++) {
		if (!is_lost(w, i))
			continue;
		ck_assert_uint_eq(g->lost[n], i);
		bool source = is_source(w, i);
		ck_assert_int_eq(g->reach[i],
				 source ? HS_REACH_DIRECT : HS_REACH_INDIRECT);
		n++;
	}
	ck_assert_uint_eq(g->n_lost, n);
	for (uint32_t k = 0; k < g->n_leaks; k++) {
		struct hs_reach_count c = freed_with(w, g, g->leaks[k].block);
		ck_assert_int_eq(g->reach[g->leaks[k].block], HS_REACH_DIRECT);
		ck_assert_uint_eq(g->leaks[k].retained.blocks, c.blocks);
		ck_assert_uint_eq(g->leaks[k].retained.bytes, c.bytes);
	}
	/* Each lost block is told to belong to the leak that alone leads there. */
	for (uint32_t i = 0; i < g->n_lost; i++) {
		uint32_t leaders = 0, leader = 0;
		for (uint32_t k = 0; k < g->n_leaks; k++) {
			bool set[MOST];
			closure(w, g->leaks[k].block, set);
			leaders += set[g->lost[i]];
			leader = set[g->lost[i]] ? k : leader;
		}
		ck_assert_uint_ge(leaders, 1);
		if (leaders == 1)
			ck_assert_uint_eq(g->lost_to[i], leader);
		else
			ck_assert_uint_eq(g->lost_to[i], HS_HEAP_NONE);
	}
}

START_TEST(random_heaps_are_marked_as_the_definitions_say)
{
	uint64_t seen[HS_REACH_COUNT] = {0}, cycles = 0;
	for (int round = 0; round < 3000; round++) {
		struct world *w = make_world();
		model(w);
		struct hs_graph *g = make_graph(w);
		for (uint32_t i = 0; i < w->n; i++) {
			seen[g->reach[i]]++;
			ck_assert_int_eq(g->reach[i] == HS_REACH_NO_BLOCK,
					 !is_used(w, i));
			ck_assert_int_eq(g->reach[i] == HS_REACH_REACHABLE, w->held[i]);
			ck_assert_int_eq(g->reach[i] == HS_REACH_WEAK, w->weak[i]);
			if (w->held[i])
				check_way(w, g, i);
		}
		check_leaks(w, g);
		for (uint32_t i = 0; i < g->n_leaks; i++)
			cycles += g->leaks[i].cycle > 1;
		hs_graph_free(g);
		drop_world(w);
	}
	/* All of these were met, and more than once or twice. */
	for (int i = 0; i < HS_REACH_COUNT; i++)
		ck_assert_uint_gt(seen[i], 1000);
	ck_assert_uint_gt(cycles, 30);
}
END_TEST

START_TEST(what_a_held_block_retains_is_what_nothing_else_leads_to)
{
	for (int round = 0; round < 400; round++) {
		struct world *w = make_world();
		model(w);
		struct hs_graph *g = make_graph(w);
		uint64_t *bytes = hs_graph_retained(g);
		for (uint32_t i = 0; i < w->n; i++) {
			if (!w->held[i])
				continue;
			struct world *copy = hs_xmalloc(sizeof(*copy));
			bool set[MOST];
			uint64_t sum = 0;
			memcpy(copy, w, sizeof(*copy));
			memset(copy->edge[i], 0, sizeof(copy->edge[i]));
			memcpy(set, w->root, sizeof(set));
			for (uint32_t k = 0; k < w->n; k++)
				set[k] |= w->weak[k] || g->reach[k] == HS_REACH_DIRECT;
			spread(copy, set);
			for (uint32_t k = 0; k < w->n; k++)
				if (is_used(w, k) && (k == i || !set[k]))
					sum += w->heap->blocks[k].size;
			ck_assert_uint_eq(bytes[i], sum);
			free(copy);
		}
		free(bytes);
		hs_graph_free(g);
		drop_world(w);
	}
}
END_TEST

/* A list as long as this would overflow the stack of whoever recurses along it. */
START_TEST(a_list_of_a_million_blocks_is_followed_to_its_end)
{
	enum { N = 1000000 };
	struct hs_heap_builder *b = hs_heap_build_new();
	uint64_t *memory = hs_xcalloc(2 * N, sizeof(*memory));
	for (uint32_t i = 0; i < N; i++) {
		hs_heap_build_add(b, BASE + 16 * i, 16, HS_BLOCK_USED, 0);
		/* A stride that visits all: N has no such factor. */
		memory[2 * i] = BASE + 16 * ((uint64_t)(i + 700001) % N);
	}
	struct hs_heap *heap = hs_heap_build_seal(b);
	struct hs_image *image = hs_image_new();
	struct hs_mapping m = {.start = BASE,
			       .end = BASE + 16 * N,
			       .bytes = (const uint8_t *)memory,
			       .n_bytes = 16 * N};
	hs_array_push(&image->mappings, m);
	hs_image_seal(image);
	struct hs_roots roots = {0};
	const struct hs_graph_options o = {.threads = 2};
	struct hs_graph *g;
	ck_assert_ptr_null(hs_graph_make(image, heap, &roots, &o, &g));
	ck_assert_uint_eq(g->n_leaks, 1);
	ck_assert_uint_eq(g->leaks[0].block, 0);
	ck_assert_uint_eq(g->leaks[0].cycle, N);
	ck_assert_uint_eq(g->leaks[0].retained.bytes, 16 * N);
	ck_assert_uint_eq(g->counts[HS_REACH_INDIRECT].blocks, N - 1);
	hs_graph_free(g);
	hs_array_push(&roots.at, ((struct hs_root){.start = BASE + 16 * 5 + 3,
						   .kind = HS_ROOT_REGISTER}));
	ck_assert_ptr_null(hs_graph_make(image, heap, &roots, &o, &g));
	ck_assert_uint_eq(g->counts[HS_REACH_REACHABLE].bytes, 16 * N);
	uint32_t last = (5 + N - 700001) % N;
	ck_assert_uint_eq(hs_graph_path(g, last, NULL, 0, NULL), N);
	hs_graph_free(g);
	hs_roots_deinit(&roots);
	hs_image_free(image);
	hs_heap_free(heap);
	free(memory);
}
END_TEST

START_TEST(when_time_is_up_nothing_is_claimed)
{
	struct world *w = make_world();
	const struct hs_graph_options o = {.deadline_ns = 1};
	struct hs_graph *g;
	struct hs_error *err = hs_graph_make(w->image, w->heap, &w->roots, &o, &g);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	drop_world(w);
}
END_TEST

HS_SUITE("graph", random_heaps_are_marked_as_the_definitions_say,
	 what_a_held_block_retains_is_what_nothing_else_leads_to,
	 a_list_of_a_million_blocks_is_followed_to_its_end,
	 when_time_is_up_nothing_is_claimed)
