/* SPDX-License-Identifier: MIT */

/*
 * glibc's malloc, 2.26 and later, without symbols or debug information, and without
 * regard to the libc of this machine.  A part of the heap that is broken ends the walk
 * of that part.
 */
#include "analyzers/glibc.h"
#include "analyzers/walker.h"

static void tell_arenas(struct glibc *g)
{
	for (size_t i = 0; i < g->arenas.n; i++)
		hs_array_push(&g->out->arenas,
			      ((struct hs_walked_arena){
				      .addr = g->arenas.at[i].addr,
				      .main = g->arenas.at[i].main,
				      .system_bytes = g->arenas.at[i].system_mem}));
}

static void walk_all(struct glibc *g)
{
	g->out->allocator = g->layout->name;
	tell_arenas(g);
	for (uint32_t i = 0; i < g->arenas.n; i++)
		glibc_find_runs(g, i);
	glibc_part_runs(g);
	g->heap = hs_heap_build_new();
	for (size_t i = 0; i < g->runs.n; i++)
		glibc_walk_run(g, &g->runs.at[i]);
	glibc_walk_mapped(g);
	g->out->heap = hs_heap_build_seal(g->heap);
	glibc_check_caches(g);
	glibc_check_bins(g);
	hs_walked_finish(g->out);
}

static struct hs_walked *walk(const struct hs_image *image)
{
	struct glibc g = {.image = image, .out = hs_walked_new()};
	glibc_memory_init(&g.memory, image);
	if (glibc_find_arenas(&g)) {
		walk_all(&g);
	} else {
		hs_walked_free(g.out);
		g.out = NULL;
	}
	glibc_memory_deinit(&g.memory);
	hs_array_free(&g.arenas);
	hs_array_free(&g.runs);
	return g.out;
}

const struct hs_walker hs_walker_glibc = {
	.name = "glibc",
	.summary = "glibc's malloc, 2.26 to 2.43",
	.walk = walk,
	.explain = glibc_explain_abort,
};
