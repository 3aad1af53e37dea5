/* SPDX-License-Identifier: MIT */

/*
 * The builder: interns what readers name, folds their events, and seals the
 * result.  Knows no format; what it does not trust it counts or drops, so that
 * hs_profile_check() holds for whatever it was fed.
 */
#include "src/build.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/fold.h"
#include "src/forks.h"
#include "src/hash.h"
#include "src/levels.h"
#include "src/weight.h"

/* A live block on its way to the table: its site has no final index yet. */
struct live_row {
	struct hs_live live;
	uint64_t site_key;
	uint64_t blocks, bytes; /* that it stands for */
	enum hs_reach reach;
	struct hs_reach_count retained;
};

/* Likewise. */
struct frees_row {
	struct hs_frees frees;
	uint64_t site_key;
};

struct hs_builder {
	struct hs_arena *arena;
	uint32_t has;
	struct hs_scan scan;
	uint64_t salt; /* so that a hostile file cannot choose names that collide */
	struct hs_process_info process;

	HS_ARRAY(const char *) strings;
	HS_ARRAY(struct hs_thread_info) threads;
	HS_ARRAY(struct hs_module_info) modules;
	HS_ARRAY(struct hs_frame_info) frames;
	HS_ARRAY(struct hs_stack_info) stacks;
	HS_ARRAY(struct hs_snapshot) snapshots;
	HS_ARRAY(struct hs_fork) forks;
	HS_ARRAY(const char *) warnings;
	HS_ARRAY(hs_str) arguments;
	struct hs_map string_ids, frame_ids; /* hash of the content -> index */
	struct hs_map stack_ids;             /* (parent, frame) -> index */

	struct hs_fold *fold;
	HS_ARRAY(struct hs_site) sites;
	struct hs_map site_ids; /* site_key() -> index */
	HS_ARRAY(struct live_row) live;
	HS_ARRAY(struct frees_row) frees;
	uint64_t sample_mean;
	struct hs_totals exact; /* if HS_HAS_EXACT_TOTALS */
	struct hs_totals told;  /* what hs_build_totals() said */
	struct hs_mmap_totals mmap;

	struct hs_levels levels;
	HS_ARRAY(struct hs_fold_site) at_mark; /* the fold's sites at the last mark */
	uint64_t mark_events;                  /* the fold had seen then */
	uint64_t ticks_per_second;
};

/* What a source of events makes known. */
#define HAS_OF_EVENTS                                                     \
	(HS_HAS_PEAK | HS_HAS_LIVE | HS_HAS_LIVE_BLOCKS | HS_HAS_TOTALS | \
	 HS_HAS_TEMPORARIES)

struct hs_builder *hs_build_new(void)
{
	struct hs_builder *b = hs_xcalloc(1, sizeof(*b));
	b->arena = hs_arena_new();
	b->fold = hs_fold_new();
	if (getrandom(&b->salt, sizeof(b->salt), GRND_NONBLOCK) != sizeof(b->salt))
		b->salt = hs_hash_u64((uintptr_t)b);
	/* Index 0 is "none" everywhere; of stacks, it is the root. */
	hs_build_string(b, "", 0);
	(void)hs_array_add(&b->threads);
	(void)hs_array_add(&b->modules);
	(void)hs_array_add(&b->frames);
	(void)hs_array_add(&b->stacks);
	return b;
}

static void free_tables(struct hs_builder *b)
{
	hs_fold_free(b->fold);
	hs_array_free(&b->strings);
	hs_array_free(&b->threads);
	hs_array_free(&b->modules);
	hs_array_free(&b->frames);
	hs_array_free(&b->stacks);
	hs_array_free(&b->snapshots);
	hs_array_free(&b->forks);
	hs_array_free(&b->warnings);
	hs_array_free(&b->arguments);
	hs_array_free(&b->sites);
	hs_array_free(&b->live);
	hs_array_free(&b->at_mark);
	hs_levels_deinit(&b->levels);
	hs_array_free(&b->frees);
	hs_map_deinit(&b->string_ids);
	hs_map_deinit(&b->frame_ids);
	hs_map_deinit(&b->stack_ids);
	hs_map_deinit(&b->site_ids);
	free(b);
}

void hs_build_free(struct hs_builder *b)
{
	if (!b)
		return;
	hs_arena_free(b->arena);
	free_tables(b);
}

struct hs_process_info *hs_build_process(struct hs_builder *b)
{
	return &b->process;
}

void hs_build_has(struct hs_builder *b, uint32_t bits)
{
	b->has |= bits;
}

hs_str hs_build_string(struct hs_builder *b, const char *s, size_t length)
{
	s = length ? s : "";
	length = strnlen(s, length);
	/* Where two contents have one hash, the second goes to the next key. */
	for (uint64_t key = hs_hash_bytes(b->salt, s, length);; key++) {
		bool fresh;
		uint32_t *id = hs_map_put(&b->string_ids, key, &fresh);
		if (fresh) {
			*id = (uint32_t)b->strings.n;
			hs_array_push(&b->strings, hs_arena_strndup(b->arena, s, length));
			return (hs_str){*id};
		}
		const char *known = b->strings.at[*id];
		if (strlen(known) == length && !memcmp(known, s, length))
			return (hs_str){*id};
	}
}

hs_str hs_build_cstring(struct hs_builder *b, const char *s)
{
	return hs_build_string(b, s ? s : "", s ? strlen(s) : 0);
}

const char *hs_build_text(const struct hs_builder *b, hs_str s)
{
	assert(s.i < b->strings.n);
	return b->strings.at[s.i];
}

void hs_build_argument(struct hs_builder *b, hs_str argument)
{
	hs_array_push(&b->arguments, argument);
}

hs_module hs_build_module(struct hs_builder *b, const struct hs_module_info *info)
{
	hs_array_push(&b->modules, *info);
	return (hs_module){(uint32_t)(b->modules.n - 1)};
}

hs_thread hs_build_thread(struct hs_builder *b, uint32_t tid, hs_str name)
{
	b->has |= HS_HAS_THREADS;
	hs_array_push(&b->threads, ((struct hs_thread_info){.tid = tid, .name = name}));
	return (hs_thread){(uint32_t)(b->threads.n - 1)};
}

void hs_build_thread_name(struct hs_builder *b, hs_thread thread, hs_str name)
{
	assert(thread.i && thread.i < b->threads.n);
	b->threads.at[thread.i].name = name;
}

void hs_build_thread_stack(struct hs_builder *b, hs_thread thread, hs_stack stack)
{
	assert(thread.i && thread.i < b->threads.n && stack.i < b->stacks.n);
	b->has |= HS_HAS_STACKS;
	b->threads.at[thread.i].stack = stack;
}

static uint64_t hash_frame(uint64_t salt, const struct hs_frame_info *f)
{
	const uint64_t fields[] = {f->module.i,   f->offset,   f->function_start,
				   f->function.i, f->file.i,   f->line,
				   f->inlined,    f->caller.i, f->exact,
				   f->how,        f->python.i, f->python_entry};
	return hs_hash_bytes(salt, fields, sizeof(fields));
}

static bool same_frame(const struct hs_frame_info *a, const struct hs_frame_info *b)
{
	return a->module.i == b->module.i && a->offset == b->offset &&
	       a->function_start == b->function_start && a->function.i == b->function.i &&
	       a->file.i == b->file.i && a->line == b->line && a->inlined == b->inlined &&
	       a->caller.i == b->caller.i && a->exact == b->exact && a->how == b->how &&
	       a->python.i == b->python.i && a->python_entry == b->python_entry;
}

hs_frame hs_build_named_frame(struct hs_builder *b, const struct hs_frame_info *info)
{
	assert(info->module.i < b->modules.n && info->caller.i < b->frames.n);
	assert(info->python.i < b->stacks.n);
	for (uint64_t key = hash_frame(b->salt, info);; key++) {
		bool fresh;
		uint32_t *id = hs_map_put(&b->frame_ids, key, &fresh);
		if (fresh) {
			*id = (uint32_t)b->frames.n;
			hs_array_push(&b->frames, *info);
			return (hs_frame){*id};
		}
		if (same_frame(&b->frames.at[*id], info))
			return (hs_frame){*id};
	}
}

hs_frame hs_build_location(struct hs_builder *b, hs_module module, uint64_t offset)
{
	const struct hs_frame_info info = {.module = module, .offset = offset};
	return hs_build_named_frame(b, &info);
}

hs_stack hs_build_stack(struct hs_builder *b, hs_stack parent, hs_frame frame)
{
	assert(parent.i < b->stacks.n && frame.i < b->frames.n);
	bool fresh;
	uint64_t key = (uint64_t)parent.i << 32 | frame.i;
	uint32_t *id = hs_map_put(&b->stack_ids, key, &fresh);
	if (fresh) {
		*id = (uint32_t)b->stacks.n;
		hs_array_push(&b->stacks, ((struct hs_stack_info){parent, frame}));
	}
	return (hs_stack){*id};
}

hs_stack hs_build_joined_stack(struct hs_builder *b, hs_stack native, hs_stack python,
			       uint32_t skipped)
{
	if (!python.i)
		return native;
	const struct hs_frame_info joint = {.python = python, .line = skipped};
	return hs_build_stack(b, native, hs_build_named_frame(b, &joint));
}

void hs_build_alloc(struct hs_builder *b, hs_thread thread, enum hs_alloc_kind kind,
		    hs_stack stack, uint64_t addr, uint64_t size, uint64_t time_ns)
{
	assert(thread.i < b->threads.n && stack.i < b->stacks.n && kind < HS_ALLOC_KINDS);
	b->has |= HAS_OF_EVENTS;
	hs_fold_alloc(b->fold, thread.i, kind, stack.i, addr, size, time_ns);
}

void hs_build_dealloc(struct hs_builder *b, hs_thread thread HS_UNUSED, uint64_t addr,
		      uint64_t time_ns)
{
	b->has |= HAS_OF_EVENTS;
	hs_fold_dealloc(b->fold, addr, time_ns);
}

void hs_build_release(struct hs_builder *b, hs_thread thread, uint64_t addr,
		      uint64_t time_ns)
{
	assert(thread.i < b->threads.n);
	b->has |= HAS_OF_EVENTS;
	hs_fold_release(b->fold, thread.i, addr, time_ns);
}

void hs_build_retain(struct hs_builder *b, hs_thread thread, uint64_t time_ns)
{
	assert(thread.i < b->threads.n);
	hs_fold_retain(b->fold, thread.i, time_ns);
}

void hs_build_forget_last(struct hs_builder *b, hs_thread thread)
{
	assert(thread.i < b->threads.n);
	hs_fold_forget_last(b->fold, thread.i);
}

static uint64_t site_key(hs_stack stack, enum hs_alloc_kind kind)
{
	return (uint64_t)stack.i << 8 | kind;
}

/* Folded figures are not ours: their sums stay at the maximum, not beyond. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

void hs_build_site(struct hs_builder *b, const struct hs_site *site)
{
	assert(site->stack.i < b->stacks.n && site->kind < HS_ALLOC_KINDS);
	assert(site->thread.i < b->threads.n);
	bool fresh;
	uint32_t *id =
		hs_map_put(&b->site_ids, site_key(site->stack, site->kind), &fresh);
	if (fresh) {
		*id = (uint32_t)b->sites.n;
		hs_array_push(&b->sites, *site);
		return;
	}
	struct hs_site *sum = &b->sites.at[*id];
	add(&sum->allocs, site->allocs);
	add(&sum->frees, site->frees);
	add(&sum->bytes, site->bytes);
	add(&sum->live_blocks, site->live_blocks);
	add(&sum->live_bytes, site->live_bytes);
	add(&sum->peak_blocks, site->peak_blocks);
	add(&sum->peak_bytes, site->peak_bytes);
	add(&sum->temporaries, site->temporaries);
	add(&sum->temporary_bytes, site->temporary_bytes);
	hs_spread_add(&sum->spread, &site->spread);
	hs_variance_add(&sum->variance, &site->variance);
	if (!hs_thread_eq(sum->thread, site->thread))
		sum->thread = (hs_thread){0};
}

void hs_build_live_sample(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
			  const struct hs_live *block, const struct hs_weight *weight)
{
	assert(stack.i < b->stacks.n && kind < HS_ALLOC_KINDS);
	assert(block->thread.i < b->threads.n);
	hs_array_push(&b->live, ((struct live_row){.live = *block,
						   .site_key = site_key(stack, kind),
						   .blocks = weight->blocks,
						   .bytes = weight->bytes}));
}

void hs_build_live(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
		   const struct hs_live *block)
{
	const struct hs_weight own = {.blocks = 1, .bytes = block->size};
	hs_build_live_sample(b, stack, kind, block, &own);
}

void hs_build_sampled(struct hs_builder *b, uint64_t mean, const struct hs_totals *totals)
{
	b->sample_mean = mean;
	if (!totals)
		return;
	b->exact = *totals;
	b->has |= HS_HAS_EXACT_TOTALS;
}

void hs_build_frees(struct hs_builder *b, hs_stack stack, enum hs_alloc_kind kind,
		    hs_stack by, uint64_t frees, uint64_t bytes)
{
	assert(stack.i < b->stacks.n && kind < HS_ALLOC_KINDS && by.i < b->stacks.n);
	hs_array_push(&b->frees,
		      ((struct frees_row){
			      .frees = {.stack = by, .frees = frees, .bytes = bytes},
			      .site_key = site_key(stack, kind)}));
}

void hs_build_scan(struct hs_builder *b, const struct hs_scan *scan)
{
	b->scan = *scan;
	b->has |= HS_HAS_REACH;
}

void hs_build_reach(struct hs_builder *b, enum hs_reach reach,
		    const struct hs_reach_count *retained)
{
	assert(b->live.n && reach < HS_REACH_COUNT);
	b->live.at[b->live.n - 1].reach = reach;
	b->live.at[b->live.n - 1].retained = *retained;
}

void hs_build_totals(struct hs_builder *b, const struct hs_totals *peak_and_unmatched)
{
	b->told = *peak_and_unmatched;
}

void hs_build_mmap(struct hs_builder *b, const struct hs_mmap_totals *totals)
{
	b->mmap = *totals;
	b->has |= HS_HAS_MMAP;
}

/* Room for three days by the second. */
#define MAX_SNAPSHOTS ((size_t)1 << 18)

static void thin_out(struct hs_builder *b)
{
	struct hs_snapshot *at = b->snapshots.at;
	size_t n = b->snapshots.n / 2;
	for (size_t i = 0; i < n; i++) {
		const struct hs_snapshot *first = &at[2 * i], *second = &at[2 * i + 1];
		uint64_t peak = HS_MAX(first->peak_bytes, second->peak_bytes);
		uint64_t rss = HS_MAX(first->rss_bytes, second->rss_bytes);
		at[i] = *second;
		at[i].peak_bytes = peak;
		at[i].rss_bytes = rss;
	}
	b->snapshots.n = n;
}

void hs_build_forks(struct hs_builder *b, const struct hs_fork *forks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_array_push(&b->forks, forks[i]);
}

void hs_build_mark(struct hs_builder *b, uint64_t time_ns, bool snapshot)
{
	b->has |= HS_HAS_LEVELS;
	hs_levels_mark(&b->levels, time_ns, snapshot);
}

void hs_build_change(struct hs_builder *b, const struct hs_change *c)
{
	assert(b->levels.marks.n && c->stack.i < b->stacks.n && c->kind < HS_ALLOC_KINDS);
	const struct hs_level_change change = {.key = site_key(c->stack, c->kind),
					       .blocks = (uint64_t)c->blocks,
					       .bytes = (uint64_t)c->bytes,
					       .drop = c->drop,
					       .allocs = c->allocs};
	hs_levels_change(&b->levels, &change);
}

void hs_build_ticks(struct hs_builder *b, uint64_t per_second)
{
	b->ticks_per_second = per_second;
}

static void mark_site(struct hs_builder *b, uint32_t i, const struct hs_fold_site *now)
{
	struct hs_fold_site *before = &b->at_mark.at[i];
	uint64_t low = hs_fold_take_low(b->fold, i);
	if (now->allocs == before->allocs && now->frees == before->frees &&
	    now->live_bytes == before->live_bytes)
		return;
	const struct hs_level_change change = {
		.key = site_key((hs_stack){now->stack}, (enum hs_alloc_kind)now->kind),
		.blocks = now->live_blocks - before->live_blocks,
		.bytes = now->live_bytes - before->live_bytes,
		.drop = now->live_bytes - low,
		.allocs = now->allocs - before->allocs};
	hs_levels_change(&b->levels, &change);
	*before = *now;
}

/* What the fold has counted since the last mark. */
static void mark_fold(struct hs_builder *b, uint64_t time_ns, bool snapshot)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(b->fold, &n);
	hs_build_mark(b, time_ns, snapshot);
	for (size_t i = 0; i < n; i++) {
		if (i == b->at_mark.n)
			(void)hs_array_add(&b->at_mark);
		mark_site(b, (uint32_t)i, &sites[i]);
	}
}

/*
 * A mark looks at all sites.  Unless there were as many events as there are sites,
 * the next snapshot will do: so all marks together cost no more than the events.
 */
static bool is_worth_a_mark(struct hs_builder *b)
{
	const struct hs_fold_totals *t = hs_fold_totals(b->fold);
	size_t n;
	(void)hs_fold_sites(b->fold, &n);
	if (t->allocs + t->frees - b->mark_events < n)
		return false;
	b->mark_events = t->allocs + t->frees;
	return true;
}

void hs_build_snapshot(struct hs_builder *b, const struct hs_snapshot *s,
		       bool figures_known)
{
	uint64_t last_ns =
		b->snapshots.n ? b->snapshots.at[b->snapshots.n - 1].time_ns : 0;
	if (b->snapshots.n == MAX_SNAPSHOTS)
		thin_out(b);
	struct hs_snapshot *snapshot = hs_array_add(&b->snapshots);
	b->has |= HS_HAS_SNAPSHOTS;
	*snapshot = *s;
	snapshot->time_ns = HS_MAX(s->time_ns, last_ns);
	if (figures_known)
		return;
	const struct hs_fold_totals *t = hs_fold_totals(b->fold);
	snapshot->heap_bytes = t->live_bytes;
	snapshot->heap_blocks = t->live_blocks;
	snapshot->peak_bytes = hs_fold_take_high_water(b->fold);
	if (is_worth_a_mark(b))
		mark_fold(b, snapshot->time_ns, true);
	snapshot->allocs = t->allocs;
}

void hs_build_warn(struct hs_builder *b, const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	hs_array_push(&b->warnings, hs_arena_strndup(b->arena, text, strlen(text)));
}

/* Add what was folded from events to what was told as folded. */
static void take_fold(struct hs_builder *b)
{
	size_t n_sites, n_live;
	hs_fold_settle(b->fold);
	const struct hs_fold_site *sites = hs_fold_sites(b->fold, &n_sites);
	const struct hs_spread *spreads = hs_fold_spreads(b->fold);
	for (size_t i = 0; i < n_sites; i++) {
		const struct hs_fold_site *s = &sites[i];
		uint32_t thread = s->thread == HS_FOLD_MANY ? 0 : s->thread;
		const struct hs_site site = {.stack = {s->stack},
					     .kind = (enum hs_alloc_kind)s->kind,
					     .allocs = s->allocs,
					     .frees = s->frees,
					     .bytes = s->bytes,
					     .live_blocks = s->live_blocks,
					     .live_bytes = s->live_bytes,
					     .peak_blocks = s->peak_blocks,
					     .peak_bytes = s->peak_bytes,
					     .temporaries = s->temporaries,
					     .thread = {thread},
					     .spread = spreads[i]};
		hs_build_site(b, &site);
	}
	struct hs_fold_block *live HS_CLEANUP(hs_freep) = hs_fold_live(b->fold, &n_live);
	for (size_t i = 0; i < n_live; i++) {
		const struct hs_fold_site *s = &sites[live[i].site];
		const struct hs_live block = {.addr = live[i].addr,
					      .size = live[i].size,
					      .born_ns = live[i].born,
					      .thread = {live[i].thread}};
		hs_build_live(b, (hs_stack){s->stack}, (enum hs_alloc_kind)s->kind,
			      &block);
	}
	const struct hs_fold_totals *t = hs_fold_totals(b->fold);
	add(&b->told.unmatched_frees, t->unmatched_frees);
	if (t->peak_bytes)
		b->told.peak_ns = t->peak_time;
	if (t->overlaps)
		hs_build_warn(
			b,
			"%llu allocations returned an address that was still in use: "
			"that many frees are missing from the recording.",
			(unsigned long long)t->overlaps);
}

static int by_stack_and_kind(const void *a, const void *b)
{
	const struct hs_site *x = a, *y = b;
	uint64_t kx = site_key(x->stack, x->kind), ky = site_key(y->stack, y->kind);
	return (kx > ky) - (kx < ky);
}

static void sort_sites(struct hs_builder *b)
{
	if (b->sites.n)
		qsort(b->sites.at, b->sites.n, sizeof(*b->sites.at), by_stack_and_kind);
	for (size_t i = 0; i < b->sites.n; i++) {
		const struct hs_site *s = &b->sites.at[i];
		*hs_map_put(&b->site_ids, site_key(s->stack, s->kind), NULL) =
			(uint32_t)i;
	}
}

static int by_address(const void *a, const void *b)
{
	const struct live_row *x = a, *y = b;
	return (x->live.addr > y->live.addr) - (x->live.addr < y->live.addr);
}

/* Sort the live blocks and find their sites; do they tell the sites' figures? */
static bool live_fits_sites(struct hs_builder *b)
{
	struct hs_site *sums HS_CLEANUP(hs_freep) = hs_xcalloc(b->sites.n, sizeof(*sums));
	if (b->live.n)
		qsort(b->live.at, b->live.n, sizeof(*b->live.at), by_address);
	for (size_t i = 0; i < b->live.n; i++) {
		struct live_row *row = &b->live.at[i];
		const uint32_t *site = hs_map_get(&b->site_ids, row->site_key);
		if (!site || (i && row->live.addr == row[-1].live.addr))
			return false;
		row->live.site = *site;
		add(&sums[*site].live_blocks, row->blocks);
		add(&sums[*site].live_bytes, row->bytes);
	}
	for (size_t i = 0; i < b->sites.n; i++)
		if (sums[i].live_blocks != b->sites.at[i].live_blocks ||
		    sums[i].live_bytes != b->sites.at[i].live_bytes)
			return false;
	return true;
}

static void seal_reach(struct hs_builder *b, struct hs_profile *p)
{
	uint8_t *reach = hs_arena_array(b->arena, b->live.n, sizeof(*reach));
	uint32_t n = 0;
	for (size_t i = 0; i < b->live.n; i++) {
		reach[i] = (uint8_t)b->live.at[i].reach;
		n += reach[i] == HS_REACH_DIRECT;
	}
	struct hs_lost *lost = hs_arena_array(b->arena, n, sizeof(*lost));
	for (uint32_t i = 0; i < b->live.n; i++)
		if (reach[i] == HS_REACH_DIRECT)
			lost[p->n_lost++] = (struct hs_lost){i, b->live.at[i].retained};
	p->live_reach = reach;
	p->lost = lost;
	p->scan = b->scan;
}

static void seal_live(struct hs_builder *b, struct hs_profile *p)
{
	if (!(b->has & HS_HAS_LIVE_BLOCKS))
		return;
	if (!live_fits_sites(b)) {
		hs_build_warn(b, "The table of live blocks contradicts the counters and "
				 "was left out.");
		b->has &= ~(uint32_t)HS_HAS_LIVE_BLOCKS;
		return;
	}
	struct hs_live *live = hs_arena_array(b->arena, b->live.n, sizeof(*live));
	for (size_t i = 0; i < b->live.n; i++)
		live[i] = b->live.at[i].live;
	p->live = live;
	p->n_live = (uint32_t)b->live.n;
	if (!b->sample_mean)
		return;
	struct hs_weight *weights = hs_arena_array(b->arena, b->live.n, sizeof(*weights));
	for (size_t i = 0; i < b->live.n; i++)
		weights[i] = (struct hs_weight){.blocks = b->live.at[i].blocks,
						.bytes = b->live.at[i].bytes};
	p->live_weights = weights;
}

static int by_site_and_stack(const void *a, const void *b)
{
	const struct hs_frees *x = &((const struct frees_row *)a)->frees;
	const struct hs_frees *y = &((const struct frees_row *)b)->frees;
	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return (x->stack.i > y->stack.i) - (x->stack.i < y->stack.i);
}

/* Rows of sites that are not there are left out; equal ones are one. */
static void seal_frees(struct hs_builder *b, struct hs_profile *p)
{
	size_t n = 0;
	for (size_t i = 0; i < b->frees.n; i++) {
		struct frees_row *row = &b->frees.at[i];
		const uint32_t *site = hs_map_get(&b->site_ids, row->site_key);
		if (!site)
			continue;
		row->frees.site = *site;
		b->frees.at[n++] = *row;
	}
	if (n)
		qsort(b->frees.at, n, sizeof(*b->frees.at), by_site_and_stack);
	struct hs_frees *frees = hs_arena_array(b->arena, n, sizeof(*frees));
	for (size_t i = 0; i < n; i++) {
		const struct hs_frees *row = &b->frees.at[i].frees;
		if (p->n_frees && !by_site_and_stack(&b->frees.at[i - 1], row)) {
			add(&frees[p->n_frees - 1].frees, row->frees);
			add(&frees[p->n_frees - 1].bytes, row->bytes);
		} else {
			frees[p->n_frees++] = *row;
		}
	}
	p->frees = frees;
}

/* Some totals are known exactly, though sites are sampled. */
static void seal_sampled(const struct hs_builder *b, struct hs_profile *p)
{
	p->sample_mean = b->sample_mean;
	for (size_t i = 0; i < b->sites.n; i++)
		hs_variance_add(&p->variance, &b->sites.at[i].variance);
	if (!(b->has & HS_HAS_EXACT_TOTALS))
		return;
	p->totals.allocs = b->exact.allocs;
	p->totals.frees = b->exact.frees;
	p->totals.bytes = b->exact.bytes;
}

static void *copy_table(struct hs_arena *arena, const void *at, size_t n, size_t size)
{
	void *copy = hs_arena_array(arena, n, size);
	if (n)
		memcpy(copy, at, n * size);
	return copy;
}

/* Levels of sites that are none, which only a damaged source has, are left out. */
static void seal_levels(struct hs_builder *b, struct hs_profile *p)
{
	size_t n;
	hs_levels_settle(&b->levels);
	struct hs_level *levels =
		hs_arena_array(b->arena, b->levels.changes.n, sizeof(*levels));
	n = hs_levels_sum(&b->levels, &b->site_ids, levels);
	p->levels = levels;
	p->n_levels = (uint32_t)n;
	p->marks = copy_table(b->arena, b->levels.marks.at, b->levels.marks.n,
			      sizeof(*b->levels.marks.at));
	p->n_marks = (uint32_t)b->levels.marks.n;
	p->ticks_per_second = b->ticks_per_second;
}

static struct hs_totals sum_sites(const struct hs_builder *b)
{
	struct hs_totals t = {.peak_ns = b->told.peak_ns,
			      .unmatched_frees = b->told.unmatched_frees};
	for (size_t i = 0; i < b->sites.n; i++) {
		const struct hs_site *s = &b->sites.at[i];
		add(&t.allocs, s->allocs);
		add(&t.frees, s->frees);
		add(&t.bytes, s->bytes);
		add(&t.temporaries, s->temporaries);
		add(&t.live_blocks, s->live_blocks);
		add(&t.live_bytes, s->live_bytes);
		add(&t.peak_blocks, s->peak_blocks);
		add(&t.peak_bytes, s->peak_bytes);
	}
	return t;
}

/* Copy one growable array into the arena as a table. */
#define SEAL(p, b, table)                                                 \
	((p)->table = copy_table((b)->arena, (b)->table.at, (b)->table.n, \
				 sizeof(*(b)->table.at)),                 \
	 (p)->n_##table = (uint32_t)(b)->table.n)

/* Event sources: what came after the last mark. */
static void mark_end(struct hs_builder *b)
{
	const struct hs_fold_totals *t = hs_fold_totals(b->fold);
	if (t->allocs + t->frees == 0)
		return;
	b->has |= HS_HAS_SPREADS;
	b->ticks_per_second = b->has & HS_HAS_TIME ? 1000000000 : 0;
	if (b->levels.marks.n)
		mark_fold(b, b->process.end_ns, false);
}

struct hs_profile *hs_build_seal(struct hs_builder *b)
{
	struct hs_profile *p = hs_arena_alloc(b->arena, sizeof(*p));
	take_fold(b);
	mark_end(b);
	sort_sites(b);
	seal_live(b, p);
	if (!(b->has & HS_HAS_LIVE_BLOCKS))
		b->has &= ~(uint32_t)HS_HAS_REACH;
	if (b->has & HS_HAS_REACH)
		seal_reach(b, p);
	seal_levels(b, p);
	seal_frees(b, p);
	p->totals = sum_sites(b);
	seal_sampled(b, p);
	p->mmap = b->mmap;
	SEAL(p, b, strings);
	SEAL(p, b, threads);
	SEAL(p, b, modules);
	SEAL(p, b, frames);
	SEAL(p, b, stacks);
	SEAL(p, b, sites);
	SEAL(p, b, snapshots);
	SEAL(p, b, forks);
	SEAL(p, b, warnings);
	p->process = b->process;
	p->process.argv = copy_table(b->arena, b->arguments.at, b->arguments.n,
				     sizeof(*b->arguments.at));
	p->process.n_argv = (uint32_t)b->arguments.n;
	p->arena = b->arena;
	p->has = b->has;
	free_tables(b);
	hs_profile_check(p);
	return p;
}
