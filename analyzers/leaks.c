/* SPDX-License-Identifier: MIT */

/*
 * Leaks: what was alive in the end, summed up by culprit, and a verdict on each.  How
 * it grew and how old its blocks became is measured here; what follows from that is
 * src/verdict.c's.
 */
#include "analyzers/analyzer.h"

#include <string.h>

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/target.h"
#include "src/verdict.h"

/* All sites with one culprit. */
struct group {
	hs_stack stack; /* where most of the bytes came from */
	uint64_t stack_bytes;
	uint64_t live_blocks, live_bytes;
	double blocks_variance, bytes_variance;
	uint64_t allocs, frees;
	hs_stack last;
	uint32_t n_stacks;
	uint32_t n_sites, first_site; /* in `sites` of groups */
	uint32_t n_live, first_live;  /* in `live` of groups */
	bool kept, found;
	/* If the profile HAS_REACH: its live blocks; what is lost with the leaks. */
	struct hs_reach_count by[HS_REACH_COUNT], lost;
	hs_stack by_stack[HS_REACH_COUNT]; /* of the largest block of each */
	uint64_t largest[HS_REACH_COUNT];
};

struct groups {
	const struct hs_profile *p;
	HS_ARRAY(struct group) list;
	struct hs_map by_key;
	uint32_t *of_site;             /* group + 1, or 0: nothing live */
	uint32_t *sites;               /* by group */
	uint32_t *levels;              /* by site: its first level; one more at the end */
	struct hs_survivor *live;      /* by group, then by birth */
	struct hs_trend_point *points; /* room for one group's series */
};

static void add_site(struct groups *g, uint32_t index, const struct hs_culprit *culprit)
{
	const struct hs_site *site = &g->p->sites[index];
	bool fresh;
	/* Blocks that libc keeps are told apart from its caller's own. */
	uint32_t *slot = hs_map_put(&g->by_key, culprit->key ^ culprit->kept, &fresh);
	if (fresh) {
		*slot = (uint32_t)g->list.n;
		hs_array_push(&g->list, ((struct group){.kept = culprit->kept,
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
	p->live_blocks += site->live_blocks;
	p->live_bytes += site->live_bytes;
	p->blocks_variance += site->variance.live_blocks;
	p->bytes_variance += site->variance.live_bytes;
	p->allocs += site->allocs;
	p->frees += site->frees;
	p->n_sites++;
	g->of_site[index] = *slot + 1;
}

static bool is_alive(const struct hs_site *site)
{
	return site->live_blocks || site->live_bytes;
}

static struct group *group_of(struct groups *g, uint32_t site)
{
	return g->of_site[site] ? &g->list.at[g->of_site[site] - 1] : NULL;
}

static int by_birth(const void *a, const void *b)
{
	const struct hs_survivor *x = a, *y = b;
	return (x->born_ns > y->born_ns) - (x->born_ns < y->born_ns);
}

/* Sites and live blocks, sorted by group: counted, placed. */
static void sort_sites(struct groups *g)
{
	uint32_t at = 0;
	g->sites = hs_xcalloc(g->p->n_sites, sizeof(*g->sites));
	for (size_t i = 0; i < g->list.n; i++) {
		g->list.at[i].first_site = at;
		at += g->list.at[i].n_sites;
		g->list.at[i].n_sites = 0;
	}
	for (uint32_t i = 0; i < g->p->n_sites; i++) {
		struct group *p = group_of(g, i);
		if (p)
			g->sites[p->first_site + p->n_sites++] = i;
	}
}

static void sort_live(struct groups *g)
{
	const struct hs_profile *p = g->p;
	uint32_t at = 0;
	g->live = hs_xcalloc(p->n_live, sizeof(*g->live));
	for (uint32_t i = 0; i < p->n_live; i++) {
		struct group *of = group_of(g, p->live[i].site);
		if (of)
			of->n_live++;
	}
	for (size_t i = 0; i < g->list.n; i++) {
		g->list.at[i].first_live = at;
		at += g->list.at[i].n_live;
		g->list.at[i].n_live = 0;
	}
	for (uint32_t i = 0; i < p->n_live; i++) {
		struct group *of = group_of(g, p->live[i].site);
		if (!of) /* suppressed */
			continue;
		g->live[of->first_live + of->n_live++] =
			(struct hs_survivor){p->live[i].born_ns, p->live[i].size};
	}
	for (size_t i = 0; i < g->list.n; i++)
		if (g->list.at[i].n_live)
			qsort(g->live + g->list.at[i].first_live, g->list.at[i].n_live,
			      sizeof(*g->live), by_birth);
}

static void index_levels(struct groups *g)
{
	const struct hs_profile *p = g->p;
	g->levels = hs_xcalloc((size_t)p->n_sites + 1, sizeof(*g->levels));
	g->points = hs_xcalloc(p->n_marks, sizeof(*g->points));
	for (uint32_t i = 0; i < p->n_levels; i++)
		g->levels[p->levels[i].site + 1]++;
	for (uint32_t i = 0; i < p->n_sites; i++)
		g->levels[i + 1] += g->levels[i];
}

/* What SITE held at its lowest before each of N marks, added to the series. */
static void add_levels(struct groups *g, uint32_t site, uint32_t n)
{
	const struct hs_level *level = &g->p->levels[g->levels[site]];
	const struct hs_level *end = &g->p->levels[g->levels[site + 1]];
	uint64_t held = 0;
	for (uint32_t m = 0; m < n; m++) {
		uint64_t low = held;
		if (level < end && level->mark == m) {
			low = level->low_bytes;
			held = level++->bytes;
		}
		uint64_t *sum = &g->points[m].low;
		*sum = low > UINT64_MAX - *sum ? UINT64_MAX : *sum + low;
	}
}

/*
 * Snapshots alone: the end is seldom a fair one, since an exit cleans up.  The first
 * slice of time begins with nothing, so its lowest point tells nothing, either.
 */
static struct hs_trend trend_of(struct groups *g, const struct group *group)
{
	const struct hs_profile *p = g->p;
	uint32_t n = p->n_marks;
	while (n && !p->marks[n - 1].snapshot)
		n--;
	if (n < 2 || !(p->has & HS_HAS_TIME))
		return (struct hs_trend){.pattern = HS_PATTERN_UNKNOWN};
	for (uint32_t m = 0; m < n; m++)
		g->points[m] = (struct hs_trend_point){p->marks[m].time_ns, 0};
	for (uint32_t i = 0; i < group->n_sites; i++)
		add_levels(g, g->sites[group->first_site + i], n);
	return hs_trend_judge(g->points + 1, n - 1);
}

static struct hs_survival survival_of(struct groups *g, const struct group *group)
{
	const struct hs_profile *p = g->p;
	struct hs_spread spread = {0};
	if (!(p->has & HS_HAS_SPREADS) || !(p->has & HS_HAS_LIVE_BLOCKS))
		return (struct hs_survival){0};
	for (uint32_t i = 0; i < group->n_sites; i++)
		hs_spread_add(&spread, &p->sites[g->sites[group->first_site + i]].spread);
	return hs_survival_judge(g->live + group->first_live, group->n_live, &spread,
				 p->ticks_per_second, p->process.start_ns,
				 p->process.end_ns);
}

/* Of a process that was stopped: blocks as young as those that are freed soon. */
static void count_in_flight(const struct groups *g, const struct group *group,
			    struct hs_facts *f)
{
	const struct hs_survivor *live = g->live + group->first_live;
	uint64_t end = g->p->process.end_ns;
	if (f->end == HS_END_EXIT || !f->survival.usual_ns ||
	    f->blocks != group->n_live) /* sampled */
		return;
	for (uint32_t i = group->n_live; i--;) {
		if (live[i].born_ns < end && end - live[i].born_ns > f->survival.usual_ns)
			break;
		f->in_flight_blocks++;
		f->in_flight_bytes += live[i].size;
	}
}

static struct hs_facts facts_of(struct groups *g, const struct group *group)
{
	const struct hs_process_info *process = &g->p->process;
	struct hs_facts f = {
		.blocks = group->live_blocks,
		.bytes = group->live_bytes,
		.allocs = group->allocs,
		.frees = group->frees,
		.kept = group->kept,
		.found = group->found,
		.trend = trend_of(g, group),
		.survival = survival_of(g, group),
		.end = process->end,
		.lost = process->lost_events > 0,
		.sampled = g->p->sample_mean > 0,
	};
	count_in_flight(g, group, &f);
	return f;
}

/* ---- what a scan found ---- */

static void add_reach(struct groups *g, uint32_t live)
{
	const struct hs_live *block = &g->p->live[live];
	unsigned reach = g->p->live_reach[live];
	if (!g->of_site[block->site])
		return;
	struct group *q = group_of(g, block->site);
	if (!q->by[reach].blocks || block->size > q->largest[reach]) {
		q->largest[reach] = block->size;
		q->by_stack[reach] = g->p->sites[block->site].stack;
	}
	q->by[reach].blocks++;
	q->by[reach].bytes += block->size;
}

static void take_scan(struct groups *g)
{
	const struct hs_profile *p = g->p;
	for (uint32_t i = 0; (p->has & HS_HAS_REACH) && i < p->n_live; i++)
		add_reach(g, i);
	for (uint32_t i = 0; i < p->n_lost; i++) {
		uint32_t site = p->live[p->lost[i].live].site;
		if (!g->of_site[site])
			continue;
		group_of(g, site)->lost.blocks += p->lost[i].retained.blocks;
		group_of(g, site)->lost.bytes += p->lost[i].retained.bytes;
	}
}

/* ---- evidence ---- */

#define COUNT(n) (unsigned long long)(n), (n) == 1 ? "" : "s"

static void say_what_is_lost(struct hs_findings *out, struct hs_finding *f,
			     const struct group *g)
{
	const struct hs_scan *scan = &f->profile->scan;
	const char *when = scan->at_exit ? "when the process ended" : "at the last look";
	const char *these = f->blocks == 1 ? "this block" : "these blocks";
	if (f->kind == HS_LEAK_INDIRECT)
		hs_finding_say(out, f,
			       "only blocks that are lost themselves pointed to %s %s",
			       these, when);
	if (f->kind == HS_LEAK_UNREACHABLE)
		hs_finding_say(out, f, "nothing pointed to %s any more %s", these, when);
	if (f->kind == HS_LEAK_UNREACHABLE && g->lost.blocks > f->blocks)
		hs_finding_say(
			out, f, "with %s %llu further block%s of %llu byte%s %s lost",
			f->blocks == 1 ? "it" : "them", COUNT(g->lost.blocks - f->blocks),
			COUNT(g->lost.bytes - HS_MIN(g->lost.bytes, f->bytes)),
			g->lost.blocks - f->blocks == 1 ? "is" : "are");
	if (scan->partial)
		hs_finding_say(out, f,
			       "not all memory could be read: something there may "
			       "point to it");
}

static char *duration(uint64_t ns)
{
	if (ns < 10000000)
		return hs_xasprintf("%llu us", (unsigned long long)(ns / 1000));
	if (ns < 10000000000)
		return hs_xasprintf("%llu ms", (unsigned long long)(ns / 1000000));
	return hs_xasprintf("%llu s", (unsigned long long)(ns / 1000000000));
}

static void say_trend(struct hs_findings *out, struct hs_finding *f,
		      const struct hs_trend *t)
{
	uint64_t start = f->profile->process.start_ns;
	char *since = duration(t->since_ns > start ? t->since_ns - start : 0);
	if (t->pattern == HS_PATTERN_STEADY)
		hs_finding_say(out, f,
			       "what it holds at its lowest rose in %u of %u steps, to "
			       "the end",
			       t->rises, t->n - 1);
	else if (t->pattern == HS_PATTERN_LATE)
		hs_finding_say(out, f, "level at first, it has been growing since %s",
			       since);
	else if (t->pattern == HS_PATTERN_BURST)
		hs_finding_say(out, f, "it rose in one step, after %s, and stayed",
			       since);
	else if (t->pattern == HS_PATTERN_LOGARITHMIC)
		hs_finding_say(out, f, "its growth slows down, as a warm-up's does");
	else if (t->pattern == HS_PATTERN_PLATEAU)
		hs_finding_say(out, f, "it rose and then stayed level, as caches do");
	else if (t->pattern == HS_PATTERN_SAWTOOTH)
		hs_finding_say(out, f, "it falls back time and again");
	else if (t->pattern == HS_PATTERN_ONE_OFF)
		hs_finding_say(out, f, "allocated once, constant since");
	free(since);
}

static void say_age(struct hs_findings *out, struct hs_finding *f,
		    const struct hs_facts *facts)
{
	const struct hs_survival *s = &facts->survival;
	if (!s->dead)
		return;
	char *oldest = duration(s->oldest_ns);
	if (s->undying && !s->old_freed)
		hs_finding_say(out, f,
			       "%llu live on, far older than any of %llu that were freed "
			       "(within %s)",
			       (unsigned long long)s->old, (unsigned long long)s->dead,
			       oldest);
	else if (s->undying)
		hs_finding_say(out, f,
			       "%llu live on, far older than all but %llu of %llu that "
			       "were freed",
			       (unsigned long long)s->old,
			       (unsigned long long)s->old_freed,
			       (unsigned long long)s->dead);
	if (facts->in_flight_blocks)
		hs_finding_say(out, f,
			       "%llu more were in flight: no older than blocks from here "
			       "usually become",
			       (unsigned long long)facts->in_flight_blocks);
	free(oldest);
}

static void say_rate(struct hs_findings *out, struct hs_finding *f)
{
	if (f->kind != HS_LEAK_GROWTH || !f->frees || f->allocs < f->blocks)
		return;
	uint64_t tenths = f->blocks * 10000 / f->allocs;
	hs_finding_say(out, f, "%llu.%llu of 1000 blocks allocated here stay",
		       (unsigned long long)(tenths / 10),
		       (unsigned long long)(tenths % 10));
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

static void say_frees(struct hs_findings *out, struct hs_finding *f,
		      const struct group *g)
{
	unsigned long long live = g->live_blocks, allocs = g->allocs;
	if (!hs_has_frees(f->profile))
		return;
	if (!g->frees)
		hs_finding_say(out, f,
			       "nothing of what was allocated here was ever freed");
	else if (allocs >= live)
		hs_finding_say(out, f,
			       "%llu of %llu blocks allocated here were not freed", live,
			       allocs);
}

static void say_excuse(struct hs_findings *out, struct hs_finding *f)
{
	if (f->excuse == HS_EXCUSE_KEPT)
		hs_finding_say(
			out, f,
			"the C library or the loader keeps it until the process ends");
	else if (f->excuse == HS_EXCUSE_HELD)
		hs_finding_say(out, f, "something still pointed to it at the end");
	else if (f->excuse == HS_EXCUSE_IN_FLIGHT)
		hs_finding_say(
			out, f,
			"in flight: no older than blocks from here usually become");
}

/* What weakens the verdict comes last, and is always said. */
static void say_weakness(struct hs_findings *out, struct hs_finding *f,
			 const struct group *g, const struct hs_facts *facts)
{
	const struct hs_profile *p = f->profile;
	if (p->sample_mean)
		hs_finding_say(out, f,
			       "estimated from samples: how sure that is, the margins "
			       "tell");
	if (!g->found)
		hs_finding_say(out, f, "no frame of the program's own is on the stack");
	if (f->n_stacks > 1)
		hs_finding_say(out, f, "from %u call paths that meet in the culprit",
			       f->n_stacks);
	if (f->kind == HS_LEAK_GROWTH && facts->trend.n < HS_TREND_ENOUGH)
		hs_finding_say(out, f, "too few snapshots to see a trend");
	if (p->process.lost_events)
		hs_finding_say(out, f, "%llu events were lost: frees may be among them",
			       (unsigned long long)p->process.lost_events);
	say_how_it_ended(out, f, &p->process);
}

static void report(struct groups *g, const struct group *group,
		   const struct hs_facts *known, hs_stack stack, struct hs_findings *out)
{
	struct hs_facts facts = *known;
	struct hs_verdict v = hs_verdict_of(&facts);
	struct hs_finding *f = hs_findings_add(out, HS_FINDING_LEAK, g->p, stack);
	f->kind = v.kind;
	f->confidence = v.confidence;
	f->excuse = v.excuse;
	f->bytes = v.bytes;
	f->blocks = v.blocks;
	f->pattern = facts.trend.pattern;
	f->bytes_per_hour = v.kind == HS_LEAK_REACHABLE ? 0 : facts.trend.per_hour;
	f->since_ns = facts.trend.grows ? facts.trend.since_ns : 0;
	f->allocs = group->allocs;
	f->frees = group->frees;
	f->n_stacks = group->n_stacks;
	f->bytes_variance = group->bytes_variance;
	f->blocks_variance = group->blocks_variance;
	if (group->n_live) {
		f->first_ns = g->live[group->first_live].born_ns;
		f->last_ns = g->live[group->first_live + group->n_live - 1].born_ns;
	}
	if (f->kind == HS_LEAK_UNREACHABLE || f->kind == HS_LEAK_INDIRECT)
		say_what_is_lost(out, f, group);
	say_excuse(out, f);
	say_trend(out, f, &facts.trend);
	say_age(out, f, &facts);
	say_frees(out, f, group);
	say_rate(out, f);
	say_weakness(out, f, group, &facts);
}

/* What is lost, directly or not, and the rest are findings of their own. */
static void report_group(struct groups *g, const struct group *group,
			 struct hs_findings *out)
{
	const struct hs_facts whole = facts_of(g, group);
	struct hs_facts f = whole;
	if (!(g->p->has & HS_HAS_REACH) || group->kept) {
		report(g, group, &f, group->stack, out);
		return;
	}
	for (int r = HS_REACH_DIRECT; r <= HS_REACH_INDIRECT; r++) {
		const struct hs_reach_count *c = &group->by[r];
		if (!c->blocks)
			continue;
		f = whole;
		f.scanned = true;
		f.lost |= g->p->scan.partial;
		f.blocks = c->blocks;
		f.bytes = c->bytes;
		f.unreachable_blocks = r == HS_REACH_DIRECT ? c->blocks : 0;
		f.unreachable_bytes = r == HS_REACH_DIRECT ? c->bytes : 0;
		f.indirect_blocks = c->blocks - f.unreachable_blocks;
		f.indirect_bytes = c->bytes - f.unreachable_bytes;
		report(g, group, &f, group->by_stack[r], out);
	}
	f = whole;
	f.blocks -=
		group->by[HS_REACH_DIRECT].blocks + group->by[HS_REACH_INDIRECT].blocks;
	f.bytes -= group->by[HS_REACH_DIRECT].bytes + group->by[HS_REACH_INDIRECT].bytes;
	f.in_flight_blocks = HS_MIN(f.in_flight_blocks, f.blocks);
	f.in_flight_bytes = HS_MIN(f.in_flight_bytes, f.bytes);
	/* Of blocks that are younger than the scan nothing is known. */
	f.scanned = !group->by[HS_REACH_NO_BLOCK].blocks;
	if (f.blocks)
		report(g, group, &f, group->stack, out);
}

static void groups_deinit(struct groups *g)
{
	free(g->of_site);
	free(g->sites);
	free(g->levels);
	free(g->live);
	free(g->points);
	hs_map_deinit(&g->by_key);
	hs_array_free(&g->list);
}

static void leaks_run(const struct hs_target *target, struct hs_findings *out)
{
	const struct hs_profile *p = target->profile;
	struct groups g = {.p = p, .of_site = hs_xcalloc(p->n_sites, sizeof(*g.of_site))};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		if (!is_alive(&p->sites[i]))
			continue;
		if (target->suppressed && target->suppressed[i])
			continue;
		if (target->suppressed && target->suppressed[i])
			continue;
		struct hs_culprit culprit =
			hs_findings_culprit(out, p, p->sites[i].stack);
		add_site(&g, i, &culprit);
	}
	sort_sites(&g);
	sort_live(&g);
	index_levels(&g);
	take_scan(&g);
	for (size_t i = 0; i < g.list.n; i++)
		report_group(&g, &g.list.at[i], out);
	groups_deinit(&g);
}

const struct hs_analyzer hs_analyzer_leaks = {
	.name = "leaks",
	.summary = "memory that was not freed",
	.needs = HS_HAS_LIVE,
	.run = leaks_run,
};
