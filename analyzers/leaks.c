/* SPDX-License-Identifier: MIT */

/*
 * Leaks, as far as a profile alone tells: what was not freed by the end,
 * summed up by culprit.  Whether something still pointed to it, it does not
 * know, and says so by its confidence.
 */
#include "analyzers/analyzer.h"

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/target.h"

/* All sites with one culprit. */
struct group {
	hs_stack stack; /* where most of the bytes came from */
	uint64_t stack_bytes;
	uint64_t live_blocks, live_bytes;
	double blocks_variance, bytes_variance;
	uint64_t allocs, frees;
	uint64_t first_ns, last_ns; /* births of the live blocks; 0: unknown */
	hs_thread thread;           /* if all were of one; else none */
	hs_stack last;
	uint32_t n_stacks;
	bool kept, found;
};

struct groups {
	HS_ARRAY(struct group) list;
	struct hs_map by_key;
	uint32_t *of_site; /* group + 1, or 0: nothing live */
};

static void add_site(struct groups *g, uint32_t index, const struct hs_site *site,
		     const struct hs_culprit *culprit)
{
	bool fresh;
	/* Blocks that libc keeps are told apart from its caller's own. */
	uint32_t *slot = hs_map_put(&g->by_key, culprit->key ^ culprit->kept, &fresh);
	if (fresh) {
		*slot = (uint32_t)g->list.n;
		hs_array_push(&g->list, ((struct group){.thread = site->thread,
							.kept = culprit->kept,
							.found = culprit->found}));
	}
	struct group *p = &g->list.at[*slot];
	if (fresh || site->live_bytes > p->stack_bytes) {
		p->stack = site->stack;
		p->stack_bytes = site->live_bytes;
	}
	/* Sites are sorted by stack; there is one for each kind of call. */
	p->n_stacks += fresh || !hs_stack_eq(p->last, site->stack);
	p->last = site->stack;
	if (!hs_thread_eq(p->thread, site->thread))
		p->thread = (hs_thread){0};
	p->live_blocks += site->live_blocks;
	p->live_bytes += site->live_bytes;
	p->blocks_variance += site->variance.live_blocks;
	p->bytes_variance += site->variance.live_bytes;
	p->allocs += site->allocs;
	p->frees += site->frees;
	g->of_site[index] = *slot + 1;
}

static void add_birth(struct groups *g, const struct hs_live *block)
{
	uint32_t slot = g->of_site[block->site];
	if (!slot || !block->born_ns)
		return;
	struct group *p = &g->list.at[slot - 1];
	if (!p->first_ns || block->born_ns < p->first_ns)
		p->first_ns = block->born_ns;
	p->last_ns = HS_MAX(p->last_ns, block->born_ns);
}

static void say_how_it_ended(struct hs_findings *out, struct hs_finding *f,
			     const struct hs_process_info *process)
{
	if (process->end == HS_END_EXIT)
		hs_finding_say(out, f, "the process ended by itself (exit status %d)",
			       process->code);
	else if (process->end == HS_END_EXEC)
		hs_finding_say(out, f,
			       "the process started another program, which took the "
			       "memory away");
	else if (process->end == HS_END_RUNNING)
		hs_finding_say(out, f,
			       "the process was still running: it may free this yet");
	else if (process->end == HS_END_UNKNOWN)
		hs_finding_say(out, f,
			       "how the process ended is not known: blocks that it would "
			       "have freed may be among these");
	else
		hs_finding_say(out, f,
			       "the process did not end by itself: blocks that it would "
			       "have freed may be among these");
}

static void say_evidence(struct hs_findings *out, struct hs_finding *f,
			 const struct group *g)
{
	const struct hs_profile *p = f->profile;
	unsigned long long live = g->live_blocks, allocs = g->allocs;
	if (hs_has_frees(p)) {
		if (!g->frees)
			hs_finding_say(
				out, f,
				"nothing of what was allocated here was ever freed");
		else if (allocs >= live)
			hs_finding_say(
				out, f,
				"%llu of %llu blocks allocated here were not freed", live,
				allocs);
	}
	if (p->sample_mean)
		hs_finding_say(out, f,
			       "estimated from samples: how sure that is, the margins "
			       "tell");
	if (!g->found)
		hs_finding_say(out, f, "no frame of the program's own is on the stack");
	if (f->n_stacks > 1)
		hs_finding_say(out, f, "from %u call paths that meet in the culprit",
			       f->n_stacks);
	if (p->process.lost_events)
		hs_finding_say(out, f, "%llu events were lost: frees may be among them",
			       (unsigned long long)p->process.lost_events);
	say_how_it_ended(out, f, &p->process);
}

static void report(const struct hs_profile *p, const struct group *g,
		   struct hs_findings *out)
{
	struct hs_finding *f = hs_findings_add(out, HS_FINDING_LEAK, p, g->stack);
	bool ended_well = p->process.end == HS_END_EXIT && !p->process.lost_events;
	/* Nobody frees anything on the way to another program. */
	bool excused = g->kept || p->process.end == HS_END_EXEC;
	f->kind = excused ? HS_LEAK_REACHABLE : HS_LEAK_NEVER_FREED;
	f->pattern = HS_PATTERN_UNKNOWN;
	f->confidence = ended_well && g->found && !excused ? HS_MEDIUM : HS_LOW;
	f->bytes = g->live_bytes;
	f->blocks = g->live_blocks;
	f->bytes_variance = g->bytes_variance;
	f->blocks_variance = g->blocks_variance;
	f->n_stacks = g->n_stacks;
	f->first_ns = g->first_ns;
	f->last_ns = g->last_ns;
	if (g->kept)
		hs_finding_say(
			out, f,
			"the C library or the loader keeps it until the process ends");
	say_evidence(out, f, g);
}

static void leaks_run(const struct hs_target *target, struct hs_findings *out)
{
	const struct hs_profile *p = target->profile;
	struct groups g = {.of_site = hs_xcalloc(p->n_sites, sizeof(*g.of_site))};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		if (!p->sites[i].live_blocks && !p->sites[i].live_bytes)
			continue;
		if (target->suppressed && target->suppressed[i])
			continue;
		struct hs_culprit culprit =
			hs_findings_culprit(out, p, p->sites[i].stack);
		add_site(&g, i, &p->sites[i], &culprit);
	}
	for (uint32_t i = 0; (p->has & HS_HAS_LIVE_BLOCKS) && i < p->n_live; i++)
		add_birth(&g, &p->live[i]);
	for (size_t i = 0; i < g.list.n; i++)
		report(p, &g.list.at[i], out);
	free(g.of_site);
	hs_map_deinit(&g.by_key);
	hs_array_free(&g.list);
}

const struct hs_analyzer hs_analyzer_leaks = {
	.name = "leaks",
	.summary = "memory that was not freed",
	.needs = HS_HAS_LIVE,
	.run = leaks_run,
};
