/* SPDX-License-Identifier: MIT */

/* The sealed profile: what must hold in it, and how it goes. */
#include "src/profile.h"

#include <assert.h>
#include <string.h>

#include "src/arena.h"
#include "src/hash.h"
#include "src/weight.h"

void hs_profile_free(struct hs_profile *p)
{
	if (p)
		hs_arena_free(p->arena); /* P lies in it */
}

hs_str hs_profile_add_string(struct hs_profile *p, const char *s)
{
	const char **strings =
		hs_arena_array(p->arena, (size_t)p->n_strings + 1, sizeof(*strings));
	memcpy(strings, p->strings, p->n_strings * sizeof(*strings));
	strings[p->n_strings] = hs_arena_strndup(p->arena, s, strlen(s));
	p->strings = strings;
	return (hs_str){p->n_strings++};
}

void hs_profile_name_threads(struct hs_profile *p, const struct hs_profile *from)
{
	struct hs_thread_info *threads =
		hs_arena_array(p->arena, p->n_threads, sizeof(*threads));
	const char **strings = hs_arena_array(
		p->arena, (size_t)p->n_strings + p->n_threads, sizeof(*strings));
	struct hs_map names = {0};
	for (uint32_t i = 1; i < from->n_threads; i++)
		*hs_map_put(&names, from->threads[i].tid, NULL) = from->threads[i].name.i;
	memcpy(threads, p->threads, p->n_threads * sizeof(*threads));
	memcpy(strings, p->strings, p->n_strings * sizeof(*strings));
	for (uint32_t i = 1; i < p->n_threads; i++) {
		const uint32_t *name = hs_map_get(&names, threads[i].tid);
		if (!name || !*name || threads[i].name.i)
			continue;
		const char *s = from->strings[*name];
		threads[i].name.i = p->n_strings;
		strings[p->n_strings++] = hs_arena_strndup(p->arena, s, strlen(s));
	}
	p->threads = threads;
	p->strings = strings;
	hs_map_deinit(&names);
}

static void check_string(const struct hs_profile *p, hs_str s)
{
	assert(s.i < p->n_strings);
}

static void check_names(const struct hs_profile *p)
{
	assert(p->n_strings && p->n_threads && p->n_modules && p->n_frames &&
	       p->n_stacks);
	assert(!strcmp(p->strings[0], ""));
	for (uint32_t i = 0; i < p->n_strings; i++)
		assert(p->strings[i]);
	for (uint32_t i = 0; i < p->n_warnings; i++)
		assert(p->warnings[i]);
	for (uint32_t i = 0; i < p->n_threads; i++) {
		check_string(p, p->threads[i].name);
		assert(p->threads[i].stack.i < p->n_stacks);
	}
	for (uint32_t i = 0; i < p->n_modules; i++) {
		check_string(p, p->modules[i].path);
		check_string(p, p->modules[i].build_id);
		assert(p->modules[i].mapped.start <= p->modules[i].mapped.end);
	}
}

static void check_process(const struct hs_profile *p)
{
	const struct hs_process_info *process = &p->process;
	const hs_str strings[] = {process->id,           process->parent,
				  process->name,         process->exe,
				  process->build_id,     process->source,
				  process->version,      process->system,
				  process->uid,          process->parent_uid,
				  process->at_random,    process->core,
				  process->capture,      process->clock,
				  process->crash.code,   process->crash.meaning,
				  process->crash.message};
	for (size_t i = 0; i < HS_COUNT(strings); i++)
		check_string(p, strings[i]);
	for (uint32_t i = 0; i < process->n_argv; i++)
		check_string(p, process->argv[i]);
	assert(process->crash.thread.i < p->n_threads);
}

/* Every chain of callers ends: walk each frame once, marking the way. */
static void check_callers(const struct hs_profile *p)
{
	uint32_t *walk HS_CLEANUP(hs_freep) = hs_xcalloc(p->n_frames, sizeof(*walk));
	for (uint32_t i = 1; i < p->n_frames; i++) {
		uint32_t f = i;
		for (; f && !walk[f]; f = p->frames[f].caller.i)
			walk[f] = i;
		/* Met again in this very walk: a circle. */
		assert(f == 0 || walk[f] != i);
	}
}

static void check_frames(const struct hs_profile *p)
{
	for (uint32_t i = 0; i < p->n_frames; i++) {
		const struct hs_frame_info *f = &p->frames[i];
		assert(f->module.i < p->n_modules);
		assert(f->caller.i < p->n_frames);
		assert(f->python.i < p->n_stacks);
		check_string(p, f->function);
		check_string(p, f->file);
	}
	check_callers(p);
}

static void check_stacks(const struct hs_profile *p)
{
	assert(p->stacks[0].parent.i == 0 && p->stacks[0].frame.i == 0);
	for (uint32_t i = 1; i < p->n_stacks; i++) {
		assert(p->stacks[i].parent.i < i);
		assert(p->stacks[i].frame.i < p->n_frames);
	}
}

static bool in_order(const struct hs_site *a, const struct hs_site *b)
{
	return a->stack.i < b->stack.i || (a->stack.i == b->stack.i && a->kind < b->kind);
}

static void check_sites(const struct hs_profile *p)
{
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		assert(s->stack.i < p->n_stacks);
		assert(s->kind < HS_ALLOC_KINDS);
		assert(s->thread.i < p->n_threads);
		assert(i == 0 || in_order(&p->sites[i - 1], s));
	}
}

/* Sums of hostile figures stay at the maximum, as the builder's do. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

/* Where totals are exact, sites are estimates: their sums are others. */
static void check_totals(const struct hs_profile *p)
{
	struct hs_totals sum = {.peak_ns = p->totals.peak_ns,
				.unmatched_frees = p->totals.unmatched_frees};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		add(&sum.allocs, p->sites[i].allocs);
		add(&sum.frees, p->sites[i].frees);
		add(&sum.bytes, p->sites[i].bytes);
		add(&sum.temporaries, p->sites[i].temporaries);
		add(&sum.live_blocks, p->sites[i].live_blocks);
		add(&sum.live_bytes, p->sites[i].live_bytes);
		add(&sum.peak_blocks, p->sites[i].peak_blocks);
		add(&sum.peak_bytes, p->sites[i].peak_bytes);
	}
	if (p->has & HS_HAS_EXACT_TOTALS) {
		sum.allocs = p->totals.allocs;
		sum.frees = p->totals.frees;
		sum.bytes = p->totals.bytes;
	}
	assert(!memcmp(&sum, &p->totals, sizeof(sum)));
}

static void check_live(const struct hs_profile *p)
{
	assert((p->has & HS_HAS_LIVE_BLOCKS) || p->n_live == 0);
	uint64_t blocks = 0, bytes = 0;
	for (uint32_t i = 0; i < p->n_live; i++) {
		const struct hs_live *block = &p->live[i];
		assert(block->site < p->n_sites);
		assert(block->thread.i < p->n_threads);
		assert(i == 0 || p->live[i - 1].addr < block->addr);
		add(&blocks, p->live_weights ? p->live_weights[i].blocks : 1);
		add(&bytes, p->live_weights ? p->live_weights[i].bytes : block->size);
	}
	if (p->has & HS_HAS_LIVE_BLOCKS)
		assert(blocks == p->totals.live_blocks && bytes == p->totals.live_bytes);
}

static void check_reach(const struct hs_profile *p)
{
	uint32_t n = 0;
	assert(!(p->has & HS_HAS_REACH) == !p->live_reach || !p->n_live);
	for (uint32_t i = 0; p->live_reach && i < p->n_live; i++) {
		assert(p->live_reach[i] < HS_REACH_COUNT);
		if (p->live_reach[i] == HS_REACH_DIRECT) {
			assert(n < p->n_lost && p->lost[n].live == i);
			n++;
		}
	}
	assert(n == p->n_lost);
}

static void check_levels(const struct hs_profile *p)
{
	for (uint32_t i = 1; i < p->n_marks; i++)
		assert(p->marks[i - 1].time_ns <= p->marks[i].time_ns);
	for (uint32_t i = 0; i < p->n_levels; i++) {
		const struct hs_level *l = &p->levels[i];
		assert(l->site < p->n_sites && l->mark < p->n_marks);
		assert(l->low_bytes <= l->bytes);
		assert(i == 0 || l[-1].site < l->site ||
		       (l[-1].site == l->site && l[-1].mark < l->mark));
	}
}

static void check_frees(const struct hs_profile *p)
{
	assert((p->has & HS_HAS_FREE_STACKS) || p->n_frees == 0);
	for (uint32_t i = 0; i < p->n_frees; i++) {
		const struct hs_frees *f = &p->frees[i];
		assert(f->site < p->n_sites && f->stack.i < p->n_stacks);
		assert(i == 0 || f[-1].site < f->site ||
		       (f[-1].site == f->site && f[-1].stack.i < f->stack.i));
	}
}

void hs_variance_add(struct hs_site_variance *sum, const struct hs_site_variance *v)
{
	sum->allocs += v->allocs;
	sum->bytes += v->bytes;
	sum->live_blocks += v->live_blocks;
	sum->live_bytes += v->live_bytes;
	sum->peak_blocks += v->peak_blocks;
	sum->peak_bytes += v->peak_bytes;
}

void hs_profile_check(const struct hs_profile *p)
{
	check_names(p);
	check_process(p);
	check_frames(p);
	check_stacks(p);
	check_sites(p);
	check_totals(p);
	check_live(p);
	check_reach(p);
	check_levels(p);
	check_frees(p);
	for (uint32_t i = 1; i < p->n_snapshots; i++)
		assert(p->snapshots[i - 1].time_ns <= p->snapshots[i].time_ns);
}
