/* SPDX-License-Identifier: MIT */

/*
 * What a heap without a history has lost: blocks that nothing leads to.  Without stacks
 * they are told apart by their sizes, which is often enough to know what they are.
 */
#include "analyzers/analyzer.h"

#include <string.h>

#include "src/array.h"
#include "src/findings.h"
#include "src/graph.h"
#include "src/hash.h"
#include "src/target.h"

#define EXACT_SIZES 1024u /* larger ones are told apart by eighths of a power of two */
#define EXAMPLES    3u

struct group {
	uint64_t size; /* the largest of the class */
	bool indirect;
	uint64_t blocks, bytes, cycles;
	uint64_t dragged_blocks, dragged_bytes;
	uint64_t example[EXAMPLES];
};

struct groups {
	HS_ARRAY(struct group) list;
	struct hs_map by_key;
};

static uint64_t size_class(uint64_t size)
{
	if (size <= EXACT_SIZES)
		return size;
	unsigned shift = 63 - (unsigned)__builtin_clzll(size) - 3;
	return ((size - 1) >> shift << shift) + ((uint64_t)1 << shift);
}

static struct group *group_of(struct groups *g, const struct hs_block *block,
			      bool indirect)
{
	bool fresh;
	uint64_t size = size_class(block->size);
	uint32_t *slot = hs_map_put(&g->by_key, size << 1 | indirect, &fresh);
	if (fresh) {
		*slot = (uint32_t)g->list.n;
		hs_array_push(&g->list,
			      ((struct group){.size = size, .indirect = indirect}));
	}
	struct group *p = &g->list.at[*slot];
	if (p->blocks < EXAMPLES)
		p->example[p->blocks] = block->addr;
	p->blocks++;
	p->bytes += block->size;
	return p;
}

static void add_leak(struct groups *g, const struct hs_graph *graph,
		     const struct hs_graph_leak *leak)
{
	const struct hs_block *block = &graph->heap->blocks[leak->block];
	struct group *p = group_of(g, block, false);
	p->cycles += leak->cycle > 1;
	p->dragged_blocks += leak->retained.blocks - 1;
	p->dragged_bytes += leak->retained.bytes - block->size;
}

static void say_what(struct hs_findings *out, struct hs_finding *f, const struct group *p)
{
	unsigned long long size = p->size;
	if (p->size <= EXACT_SIZES)
		hs_finding_say(out, f, "blocks of %llu bytes", size);
	else
		hs_finding_say(out, f, "blocks of up to %llu bytes", size);
	hs_finding_say(out, f,
		       p->indirect ? "only lost blocks point to %s"
				   : "nothing points to %s",
		       p->blocks == 1 ? "it" : "them");
	if (p->cycles)
		hs_finding_say(out, f, "%llu stand%s for cycles that hold themselves",
			       (unsigned long long)p->cycles, p->cycles == 1 ? "s" : "");
	if (p->dragged_blocks)
		hs_finding_say(out, f, "%llu more blocks, %llu bytes, are lost with them",
			       (unsigned long long)p->dragged_blocks,
			       (unsigned long long)p->dragged_bytes);
	for (unsigned i = 0; i < EXAMPLES && i < p->blocks; i++)
		hs_finding_say(out, f, "%s 0x%llx", i ? "and" : "for example",
			       (unsigned long long)p->example[i]);
}

static void report(const struct hs_target *target, const struct group *p,
		   struct hs_findings *out)
{
	const struct hs_profile *profile = target->profile;
	struct hs_finding *f =
		hs_findings_add(out, HS_FINDING_LEAK, profile, (hs_stack){0});
	const char *exe = hs_string(profile, profile->process.name);
	uint64_t key = hs_hash_bytes(HS_HASH_INIT, exe, strlen(exe));
	key = hs_hash_bytes(key, &p->size, sizeof(p->size));
	hs_finding_id(hs_hash_u64(key ^ p->indirect), f->id);
	f->kind = p->indirect ? HS_LEAK_INDIRECT : HS_LEAK_UNREACHABLE;
	f->pattern = HS_PATTERN_UNKNOWN;
	f->confidence = HS_HIGH;
	f->bytes = p->bytes;
	f->blocks = p->blocks;
	say_what(out, f, p);
}

static void lost_run(const struct hs_target *target, struct hs_findings *out)
{
	const struct hs_graph *graph = target->graph;
	struct groups g = {0};
	if (!graph)
		return;
	for (uint32_t i = 0; i < graph->n_leaks; i++)
		add_leak(&g, graph, &graph->leaks[i]);
	for (uint32_t i = 0; i < graph->n_lost; i++)
		if (graph->reach[graph->lost[i]] == HS_REACH_INDIRECT)
			group_of(&g, &graph->heap->blocks[graph->lost[i]], true);
	for (size_t i = 0; i < g.list.n; i++)
		report(target, &g.list.at[i], out);
	hs_map_deinit(&g.by_key);
	hs_array_free(&g.list);
}

const struct hs_analyzer hs_analyzer_lost = {
	.name = "lost",
	.summary = "blocks in a core that nothing leads to",
	.run = lost_run,
};
