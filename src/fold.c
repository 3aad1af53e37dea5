/* SPDX-License-Identifier: MIT */

/*
 * The fold: a table of live blocks, counters per site, the exact peak.
 *
 * Live blocks lie in one open-addressing table of 32-byte slots, so that an
 * event touches one cache line of it; deletion shifts the cluster back, so
 * there are no tombstones and the table never decays.
 *
 * The peak's composition costs O(1) per event.  Peaks are numbered: `peak` is
 * the number of the latest one, and each site keeps the number it has seen.
 * Invariant: a site that has seen the latest peak holds its share of it in
 * peak_blocks and peak_bytes; one that has not, has not changed since before
 * that peak was set, so its live figures *are* its share.  Whoever changes a
 * site calls catch_up() first, which turns the second case into the first; a
 * new peak only bumps the number.  hs_fold_catch_up() does so for all.
 */
/*
 * gcc 12 makes one vector of two counters that are changed together; what stored
 * them one by one a moment ago cannot be forwarded to its load, which waits.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "src/fold.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "src/array.h"
#include "src/blocksort.h"
#include "src/hash.h"
#include "src/huge.h"

struct slot {
	uint64_t addr, size, born;
	uint32_t site; /* index + 1; 0: the slot is empty */
	uint32_t thread;
};

/* What a thread's realloc has given back and not yet replaced. */
enum in_flight {
	NOTHING,
	RELEASED, /* `released` is out of the table */
	UNKNOWN,  /* it was of no known block; counted as unmatched */
	KEPT,     /* settled: the block lives, and goes if the realloc succeeds */
};

struct thread {
	uint64_t last;   /* address of its last allocation */
	bool last_lives; /* ... which was not freed yet */
	enum in_flight in_flight;
	uint64_t allocs;
	struct slot released;
	bool was_last;         /* `released` was its owner's last allocation, */
	uint64_t owner_allocs; /* which that was by then */
};

/* A program that allocates from more places at a time misses caches anyway. */
#define RECENT ((size_t)4096)

struct hs_fold {
	struct slot *slots;
	size_t n, mask;
	unsigned shift; /* of a hash, to the slots' numbers */
	uint64_t seed[2];

	HS_ARRAY(struct hs_fold_site) sites;
	HS_ARRAY(struct hs_spread) spreads; /* by site */
	struct hs_map site_of;              /* (stack, kind) -> index */
	struct recent {
		uint64_t key;
		uint32_t site;                       /* index + 1; 0: none */
	} recent[RECENT];                            /* of site_of, by the lowest bits */
	HS_ARRAY(struct hs_fold_variance) variances; /* by site, if sampled */
	HS_ARRAY(struct hs_fold_frees) frees;
	struct hs_map frees_of; /* (site, stack) -> index */
	HS_ARRAY(struct thread) threads;

	struct hs_fold_totals totals;
	uint64_t peak;           /* number of the latest peak */
	uint64_t water;          /* highest live bytes in this interval */
	uint64_t restored_bytes; /* of live and released blocks */
	uint64_t mean;           /* bytes between samples; 0: all blocks are there */
	bool tell_frees;
	bool latest_peak;
	uint64_t now;
};

#define FIRST_SLOTS ((size_t)1024)

/*
 * A table that fits a cache has room to spare: what costs there is to guess wrong
 * where a cluster ends.
 */
#define ROOMY_SLOTS ((size_t)1 << 15)

/*
 * Seeded, so that a hostile file cannot choose addresses that collide.  The highest
 * bits count: when the table doubles, slots keep their order.
 */
static inline size_t home(const struct hs_fold *f, uint64_t addr)
{
	unsigned __int128 product =
		(unsigned __int128)(addr ^ f->seed[0]) * (f->seed[1] | 1);
	return (size_t)(((uint64_t)product ^ (uint64_t)(product >> 64)) >> f->shift);
}

/* Room for N slots, a power of two, instead of those that there are. */
static void set_slots(struct hs_fold *f, size_t n)
{
	size_t before = f->slots ? f->mask + 1 : 0;
	f->slots =
		hs_huge_grow(f->slots, before * sizeof(*f->slots), n * sizeof(*f->slots));
	f->mask = n - 1;
	f->shift = 64 - (unsigned)__builtin_ctzll(n);
}

struct hs_fold *hs_fold_new(void)
{
	struct hs_fold *f = hs_xcalloc(1, sizeof(*f));
	if (getrandom(f->seed, sizeof(f->seed), GRND_NONBLOCK) != sizeof(f->seed)) {
		/* Early at boot: where the kernel put us has to do. */
		f->seed[0] = hs_hash_u64((uintptr_t)f);
		f->seed[1] = hs_hash_u64(f->seed[0]);
	}
	set_slots(f, FIRST_SLOTS);
	return f;
}

void hs_fold_sample(struct hs_fold *f, uint64_t mean)
{
	assert(mean <= HS_SAMPLE_MOST && !f->sites.n);
	f->mean = mean;
}

void hs_fold_tell_frees(struct hs_fold *f)
{
	assert(!f->sites.n);
	f->tell_frees = true;
}

void hs_fold_take_latest_peak(struct hs_fold *f)
{
	f->latest_peak = true;
}

void hs_fold_free(struct hs_fold *f)
{
	if (!f)
		return;
	hs_huge_free(f->slots, (f->mask + 1) * sizeof(*f->slots));
	hs_array_free(&f->sites);
	hs_array_free(&f->spreads);
	hs_array_free(&f->threads);
	hs_map_deinit(&f->site_of);
	hs_array_free(&f->variances);
	hs_array_free(&f->frees);
	hs_map_deinit(&f->frees_of);
	free(f);
}

/* The slot of ADDR, or the empty slot where it belongs. */
static inline struct slot *find(const struct hs_fold *f, uint64_t addr)
{
	size_t i = home(f, addr);
	while (f->slots[i].site && f->slots[i].addr != addr)
		i = (i + 1) & f->mask;
	return &f->slots[i];
}

static inline bool fit(size_t n_blocks, size_t n_slots)
{
	return n_slots <= ROOMY_SLOTS ? n_blocks <= n_slots / 4
				      : n_blocks <= n_slots / 8 * 5;
}

/*
 * In place, from behind: a slot's new place is twice as far, so it is behind all
 * that were not moved yet.  The few of which that is not true, at the very
 * beginning and around the end, wait until all others have moved.
 */
static void grow(struct hs_fold *f, size_t n_slots)
{
	HS_ARRAY(struct slot) waiting = {0};
	size_t i = f->mask + 1;
	set_slots(f, n_slots);
	while (i-- > 0) {
		struct slot moving = f->slots[i];
		if (!moving.site)
			continue;
		f->slots[i].site = 0;
		size_t to = home(f, moving.addr);
		while (to > i && to <= f->mask && f->slots[to].site)
			to++;
		if (to > i && to <= f->mask)
			f->slots[to] = moving;
		else
			hs_array_push(&waiting, moving);
	}
	for (i = 0; i < waiting.n; i++)
		*find(f, waiting.at[i].addr) = waiting.at[i];
	hs_array_free(&waiting);
}

void hs_fold_reserve(struct hs_fold *f, size_t n_blocks)
{
	size_t n = f->mask + 1;
	while (!fit(n_blocks, n))
		n *= 2;
	if (n > f->mask + 1)
		grow(f, n);
}

/*
 * Empty the slot at HOLE: each later slot of its cluster that would no longer
 * be found moves back into the hole and leaves another one.
 */
static inline void erase(struct hs_fold *f, struct slot *hole)
{
	size_t i = (size_t)(hole - f->slots);
	for (size_t j = (i + 1) & f->mask; f->slots[j].site; j = (j + 1) & f->mask) {
		size_t reach = (j - home(f, f->slots[j].addr)) & f->mask;
		if (reach >= ((j - i) & f->mask)) {
			f->slots[i] = f->slots[j];
			i = j;
		}
	}
	f->slots[i].site = 0;
	f->n--;
}

void hs_fold_prefetch(const struct hs_fold *f, uint64_t addr)
{
	if (f->mask >= ROOMY_SLOTS)
		__builtin_prefetch(&f->slots[home(f, addr)], 1);
}

static inline struct thread *thread_at(struct hs_fold *f, uint32_t thread)
{
	while (f->threads.n <= thread)
		(void)hs_array_add(&f->threads);
	return &f->threads.at[thread];
}

static uint32_t new_site(struct hs_fold *f, uint32_t thread, uint32_t kind,
			 uint32_t stack)
{
	struct hs_fold_site *site = hs_array_add(&f->sites);
	site->stack = stack;
	site->kind = kind;
	site->thread = thread;
	site->seen_peak = f->peak;
	(void)hs_array_add(&f->spreads);
	if (f->mean)
		(void)hs_array_add(&f->variances);
	return (uint32_t)(f->sites.n - 1);
}

static inline uint32_t site_for(struct hs_fold *f, uint32_t thread, uint32_t kind,
				uint32_t stack)
{
	uint64_t key = (uint64_t)kind << 32 | stack;
	struct recent *recent = &f->recent[(stack + kind * 997) % RECENT];
	if (recent->site && recent->key == key)
		return recent->site - 1;
	bool fresh;
	uint32_t *index = hs_map_put(&f->site_of, key, &fresh);
	if (fresh)
		*index = new_site(f, thread, kind, stack);
	*recent = (struct recent){key, *index + 1};
	return *index;
}

static struct hs_fold_variance *variance_of(const struct hs_fold *f,
					    const struct hs_fold_site *site)
{
	return &f->variances.at[site - f->sites.at];
}

/* To be called before SITE's live figures change; see the top. */
static inline void catch_up(const struct hs_fold *f, struct hs_fold_site *site)
{
	if (site->seen_peak == f->peak)
		return;
	site->peak_blocks = site->live_blocks;
	site->peak_bytes = site->live_bytes;
	site->seen_peak = f->peak;
	if (f->mean) {
		struct hs_fold_variance *v = variance_of(f, site);
		v->peak_blocks = v->live_blocks;
		v->peak_bytes = v->live_bytes;
	}
}

/* What the block at ADDR, of SIZE bytes, born at BORN, stands for. */
static inline struct hs_weight weigh(const struct hs_fold *f, uint64_t addr,
				     uint64_t size, uint64_t born)
{
	if (!f->mean)
		return (struct hs_weight){.blocks = 1, .bytes = size};
	return hs_weight_of(f->mean, size, hs_hash_u64(addr) ^ born);
}

static inline struct hs_weight weigh_slot(const struct hs_fold *f,
					  const struct slot *slot)
{
	return weigh(f, slot->addr, slot->size, slot->born);
}

static inline void set_peak(struct hs_fold *f)
{
	struct hs_fold_totals *t = &f->totals;
	t->peak_bytes = t->live_bytes;
	t->peak_blocks = t->live_blocks;
	t->peak_time = f->now;
	f->peak++;
}

/* SIGN 1: more of it lives; -1: less. */
static void vary(const struct hs_fold *f, const struct hs_fold_site *site,
		 const struct hs_weight *w, double sign)
{
	struct hs_fold_variance *v = variance_of(f, site);
	v->live_blocks += sign * w->blocks_variance;
	v->live_bytes += sign * w->bytes_variance;
}

static inline void block_lives(struct hs_fold *f, struct hs_fold_site *site,
			       const struct hs_weight *w)
{
	catch_up(f, site);
	site->live_blocks += w->blocks;
	site->live_bytes += w->bytes;
	if (f->mean)
		vary(f, site, w, 1);
	struct hs_fold_totals *t = &f->totals;
	t->live_blocks += w->blocks;
	t->live_bytes += w->bytes;
	if (t->live_bytes > f->water)
		f->water = t->live_bytes;
	if (t->live_bytes > t->peak_bytes ||
	    (f->latest_peak && t->live_bytes == t->peak_bytes))
		set_peak(f);
}

static inline void block_dies(struct hs_fold *f, struct hs_fold_site *site,
			      const struct hs_weight *w)
{
	catch_up(f, site);
	site->live_blocks -= w->blocks;
	site->live_bytes -= w->bytes;
	if (f->mean)
		vary(f, site, w, -1);
	if (f->mean && !site->live_blocks) /* no traces of rounding */
		variance_of(f, site)->live_blocks = variance_of(f, site)->live_bytes = 0;
	f->totals.live_blocks -= w->blocks;
	f->totals.live_bytes -= w->bytes;
	/* A block without bytes leaves the peak as high as it is. */
	if (f->latest_peak && f->totals.live_bytes == f->totals.peak_bytes)
		set_peak(f);
}

/* BLOCK dies at TIME.  The clocks of several threads may differ a little. */
static inline void count_age(struct hs_fold *f, const struct slot *block, uint64_t time)
{
	struct hs_spread *spread = &f->spreads.at[block->site - 1];
	uint64_t age = time > block->born ? time - block->born : 0;
	if (age > spread->oldest)
		spread->oldest = age;
	hs_spread_count(spread->ages, HS_SPREAD_AGES, age, weigh_slot(f, block).blocks);
}

/* Take the block in SLOT out.  Returns whether it was a thread's last one. */
static inline bool take(struct hs_fold *f, struct slot *slot)
{
	struct hs_fold_site *site = &f->sites.at[slot->site - 1];
	struct thread *owner = &f->threads.at[slot->thread];
	bool was_last = owner->last_lives && owner->last == slot->addr;
	struct hs_weight w = weigh_slot(f, slot);
	block_dies(f, site, &w);
	site->frees += w.blocks;
	f->totals.frees += w.blocks;
	if (was_last) {
		owner->last_lives = false;
		site->temporaries++;
		f->totals.temporaries++;
	}
	erase(f, slot);
	return was_last;
}

static struct hs_fold_frees *frees_by(struct hs_fold *f, uint32_t site, uint32_t stack)
{
	bool fresh;
	uint32_t *i = hs_map_put(&f->frees_of, (uint64_t)site << 32 | stack, &fresh);
	if (fresh) {
		*i = (uint32_t)f->frees.n;
		hs_array_push(&f->frees,
			      ((struct hs_fold_frees){.site = site, .stack = stack}));
	}
	return &f->frees.at[*i];
}

/* STACK has freed the block in SLOT. */
static void tell_free(struct hs_fold *f, const struct slot *slot, uint32_t stack)
{
	struct hs_weight w = weigh_slot(f, slot);
	struct hs_fold_frees *by = frees_by(f, slot->site - 1, stack);
	by->frees += w.blocks;
	by->bytes += w.bytes;
}

/* As take(), at TIME, of a block that is gone for good. */
static inline void bury(struct hs_fold *f, struct slot *slot, uint64_t time)
{
	uint32_t index = slot->site - 1;
	struct hs_fold_site *site = &f->sites.at[index];
	count_age(f, slot, time);
	take(f, slot);
	if (site->live_bytes < site->low_bytes)
		site->low_bytes = site->live_bytes;
}

void hs_fold_dealloc_by(struct hs_fold *f, uint64_t addr, uint32_t stack, uint64_t time)
{
	struct slot *slot = find(f, addr);
	if (!slot->site) {
		f->totals.unmatched_frees++;
		return;
	}
	if (f->tell_frees)
		tell_free(f, slot, stack);
	bury(f, slot, time);
}

void hs_fold_dealloc(struct hs_fold *f, uint64_t addr, uint64_t time)
{
	hs_fold_dealloc_by(f, addr, 0, time);
}

/* A realloc has given BLOCK back for good; STACK had called it. */
static void moved(struct hs_fold *f, const struct slot *block, uint32_t stack,
		  uint64_t time)
{
	count_age(f, block, time);
	if (f->tell_frees)
		tell_free(f, block, stack);
}

/* The realloc that had released a block is over; STACK had called it. */
static void land(struct hs_fold *f, struct thread *t, uint32_t stack, uint64_t time)
{
	if (t->in_flight == KEPT)
		hs_fold_dealloc_by(f, t->released.addr, stack, time);
	else if (t->in_flight == RELEASED)
		moved(f, &t->released, stack, time);
	t->in_flight = NOTHING;
}

void hs_fold_gone(struct hs_fold *f, uint32_t thread, uint32_t stack, uint64_t time)
{
	land(f, thread_at(f, thread), stack, time);
}

/* An empty slot for ADDR; a block that is there was freed without our knowing. */
static inline struct slot *slot_for(struct hs_fold *f, uint64_t addr, uint64_t time)
{
	if (!fit(f->n + 1, f->mask + 1))
		grow(f, 2 * (f->mask + 1));
	struct slot *slot = find(f, addr);
	if (slot->site) {
		f->totals.overlaps++;
		bury(f, slot, time);
		slot = find(f, addr);
	}
	f->n++;
	return slot;
}

/* Weights are at most FULL + HS_SAMPLE_MOST: beyond this, a sum could wrap. */
#define FULL ((uint64_t)1 << 62)

static bool is_full(const struct hs_fold *f)
{
	const struct hs_fold_totals *t = &f->totals;
	return t->bytes >= FULL || t->allocs >= FULL || t->live_bytes >= FULL ||
	       t->live_blocks >= FULL;
}

static void vary_allocs(struct hs_fold *f, uint32_t site, const struct hs_weight *w)
{
	f->variances.at[site].allocs += w->blocks_variance;
	f->variances.at[site].bytes += w->bytes_variance;
}

uint32_t hs_fold_alloc(struct hs_fold *f, uint32_t thread, uint32_t kind, uint32_t stack,
		       uint64_t addr, uint64_t size, uint64_t time)
{
	struct thread *t = thread_at(f, thread);
	if (t->in_flight)
		land(f, t, stack, time);
	uint32_t index = site_for(f, thread, kind, stack);
	if (f->mean && is_full(f))
		return index;
	/* No sum can wrap when this one does not. */
	size = HS_MIN(size, f->mean ? FULL : UINT64_MAX - f->totals.bytes);
	f->now = time;
	struct slot *slot = slot_for(f, addr, time);
	*slot = (struct slot){addr, size, time, index + 1, thread};
	t->last = addr;
	t->last_lives = !f->mean; /* what came next is not known */
	t->allocs++;

	struct hs_fold_site *site = &f->sites.at[index];
	if (site->thread != thread)
		site->thread = HS_FOLD_MANY;
	struct hs_weight w = weigh(f, addr, size, time);
	site->allocs += w.blocks;
	site->bytes += w.bytes;
	hs_spread_count(f->spreads.at[index].sizes, HS_SPREAD_SIZES, size, w.blocks);
	f->totals.allocs += w.blocks;
	f->totals.bytes += w.bytes;
	if (f->mean)
		vary_allocs(f, index, &w);
	block_lives(f, site, &w);
	return index;
}

void hs_fold_split(struct hs_fold *f, uint64_t addr, uint64_t size)
{
	struct slot rest = *find(f, addr);
	if (!rest.site || size >= rest.size)
		return;
	find(f, addr)->size = size;
	rest.addr = addr + size;
	rest.size -= size;
	*slot_for(f, rest.addr, f->now) = rest;
	struct hs_fold_site *site = &f->sites.at[rest.site - 1];
	catch_up(f, site);
	site->live_blocks++;
	f->totals.live_blocks++;
}

void hs_fold_release(struct hs_fold *f, uint32_t thread, uint64_t addr, uint64_t time)
{
	struct thread *t = thread_at(f, thread);
	if (t->in_flight)
		land(f, t, 0, time);
	struct slot *slot = find(f, addr);
	t->in_flight = slot->site ? RELEASED : UNKNOWN;
	t->released = *slot;
	t->released.addr = addr;
	t->was_last = false;
	if (slot->site) {
		t->owner_allocs = f->threads.at[slot->thread].allocs;
		t->was_last = take(f, slot);
	} else {
		f->totals.unmatched_frees++;
	}
}

void hs_fold_forget_last(struct hs_fold *f, uint32_t thread)
{
	thread_at(f, thread)->last_lives = false;
}

static void put_back(struct hs_fold *f, struct thread *t, uint64_t time)
{
	const struct slot *block = &t->released;
	*slot_for(f, block->addr, time) = *block;
	struct hs_fold_site *site = &f->sites.at[block->site - 1];
	struct thread *owner = &f->threads.at[block->thread];
	struct hs_weight w = weigh_slot(f, block);
	site->frees -= w.blocks;
	f->totals.frees -= w.blocks;
	if (t->was_last) {
		site->temporaries--;
		f->totals.temporaries--;
		/* Still its last one, unless it has allocated since. */
		if (owner->allocs == t->owner_allocs)
			owner->last_lives = true;
	}
	block_lives(f, site, &w);
}

static void undo_release(struct hs_fold *f, struct thread *t, uint64_t time)
{
	if (t->in_flight == RELEASED)
		put_back(f, t, time);
	else if (t->in_flight == UNKNOWN)
		f->totals.unmatched_frees--;
}

void hs_fold_retain(struct hs_fold *f, uint32_t thread, uint64_t time)
{
	struct thread *t = thread_at(f, thread);
	undo_release(f, t, time);
	t->in_flight = NOTHING;
}

void hs_fold_catch_up(struct hs_fold *f)
{
	for (size_t i = 0; i < f->sites.n; i++)
		catch_up(f, &f->sites.at[i]);
}

void hs_fold_settle(struct hs_fold *f)
{
	for (size_t i = 0; i < f->threads.n; i++) {
		struct thread *t = &f->threads.at[i];
		if (t->in_flight == NOTHING)
			continue;
		undo_release(f, t, 0);
		t->in_flight = KEPT;
	}
	hs_fold_catch_up(f);
}

uint32_t hs_fold_restore_site(struct hs_fold *f, const struct hs_fold_site *saved)
{
	uint32_t index = site_for(f, saved->thread, saved->kind, saved->stack);
	struct hs_fold_site *site = &f->sites.at[index];
	site->allocs += saved->allocs;
	site->frees += saved->frees;
	site->bytes += saved->bytes;
	site->temporaries += saved->temporaries;
	site->peak_blocks += saved->peak_blocks;
	site->peak_bytes += saved->peak_bytes;
	site->thread = saved->thread;
	f->totals.allocs += saved->allocs;
	f->totals.frees += saved->frees;
	f->totals.bytes += saved->bytes;
	f->totals.temporaries += saved->temporaries;
	return index;
}

void hs_fold_restore_spread(struct hs_fold *f, uint32_t site,
			    const struct hs_spread *spread)
{
	hs_spread_add(&f->spreads.at[site], spread);
}

/* SIZE, cut so that no sum can overflow, as in hs_fold_alloc(). */
static uint64_t restored_size(struct hs_fold *f, uint64_t size)
{
	size = HS_MIN(size, (f->mean ? FULL : UINT64_MAX) - f->restored_bytes);
	f->restored_bytes += size;
	f->totals.bytes = HS_MAX(f->totals.bytes, f->restored_bytes);
	return size;
}

void hs_fold_restore_block(struct hs_fold *f, const struct hs_fold_block *block)
{
	(void)thread_at(f, block->thread);
	if (find(f, block->addr)->site || (f->mean && is_full(f)))
		return;
	uint64_t size = restored_size(f, block->size);
	*slot_for(f, block->addr, block->born) = (struct slot){
		block->addr, size, block->born, block->site + 1, block->thread};
	struct hs_fold_site *site = &f->sites.at[block->site];
	struct hs_weight w = weigh(f, block->addr, size, block->born);
	site->live_blocks += w.blocks;
	site->live_bytes += w.bytes;
	if (f->mean)
		vary(f, site, &w, 1);
	f->totals.live_blocks += w.blocks;
	f->totals.live_bytes += w.bytes;
}

void hs_fold_restore_totals(struct hs_fold *f, const struct hs_fold_totals *totals)
{
	f->totals.peak_bytes = totals->peak_bytes;
	f->totals.peak_blocks = totals->peak_blocks;
	f->totals.peak_time = totals->peak_time;
	f->totals.unmatched_frees = totals->unmatched_frees;
	f->totals.overlaps = totals->overlaps;
	f->water = f->totals.live_bytes;
	for (size_t i = 0; i < f->sites.n; i++)
		f->sites.at[i].low_bytes = f->sites.at[i].live_bytes;
}

bool hs_fold_get_last(const struct hs_fold *f, uint32_t thread, struct hs_fold_last *ret)
{
	if (thread >= f->threads.n)
		return false;
	const struct thread *t = &f->threads.at[thread];
	*ret = (struct hs_fold_last){.lives = t->last_lives,
				     .last = t->last,
				     .released = t->in_flight == RELEASED,
				     .unknown = t->in_flight == UNKNOWN};
	if (!ret->released)
		return true;
	const struct slot *s = &t->released;
	ret->was_last = t->was_last;
	ret->no_later = f->threads.at[s->thread].allocs == t->owner_allocs;
	ret->block =
		(struct hs_fold_block){s->addr, s->size, s->born, s->site - 1, s->thread};
	return true;
}

void hs_fold_restore_last(struct hs_fold *f, uint32_t thread,
			  const struct hs_fold_last *last)
{
	const struct hs_fold_block *b = &last->block;
	(void)thread_at(f, last->released ? b->thread : 0);
	struct thread *t = thread_at(f, thread);
	t->last_lives = last->lives;
	t->last = last->last;
	t->in_flight = last->released ? RELEASED : last->unknown ? UNKNOWN : NOTHING;
	if (!last->released)
		return;
	t->released = (struct slot){b->addr, restored_size(f, b->size), b->born,
				    b->site + 1, b->thread};
	t->was_last = last->was_last;
	/* Counts of allocations begin anew. */
	t->owner_allocs = last->no_later ? 0 : UINT64_MAX;
}

const struct hs_fold_totals *hs_fold_totals(const struct hs_fold *f)
{
	return &f->totals;
}

uint64_t hs_fold_take_high_water(struct hs_fold *f)
{
	uint64_t water = f->water;
	f->water = f->totals.live_bytes;
	return water;
}

uint64_t hs_fold_take_low(struct hs_fold *f, uint32_t site)
{
	struct hs_fold_site *s = &f->sites.at[site];
	uint64_t low = HS_MIN(s->low_bytes, s->live_bytes);
	s->low_bytes = s->live_bytes;
	return low;
}

const struct hs_spread *hs_fold_spreads(const struct hs_fold *f)
{
	return f->spreads.at;
}

const struct hs_fold_site *hs_fold_sites(const struct hs_fold *f, size_t *n_ret)
{
	*n_ret = f->sites.n;
	return f->sites.at;
}

const struct hs_fold_variance *hs_fold_variances(const struct hs_fold *f)
{
	return f->mean ? f->variances.at : NULL;
}

struct hs_weight hs_fold_weight(const struct hs_fold *f,
				const struct hs_fold_block *block)
{
	return weigh(f, block->addr, block->size, block->born);
}

void hs_fold_restore_variance(struct hs_fold *f, uint32_t site,
			      const struct hs_fold_variance *saved)
{
	struct hs_fold_variance *v = &f->variances.at[site];
	v->allocs += saved->allocs;
	v->bytes += saved->bytes;
	v->peak_blocks += saved->peak_blocks;
	v->peak_bytes += saved->peak_bytes;
}

const struct hs_fold_frees *hs_fold_frees(const struct hs_fold *f, size_t *n_ret)
{
	*n_ret = f->frees.n;
	return f->frees.at;
}

void hs_fold_restore_frees(struct hs_fold *f, const struct hs_fold_frees *saved)
{
	struct hs_fold_frees *by = frees_by(f, saved->site, saved->stack);
	by->frees += saved->frees;
	by->bytes += saved->bytes;
}

/* SLOT's block at *TO, which may be the slot itself. */
static void tell_block(struct slot slot, struct hs_fold_block *to)
{
	*to = (struct hs_fold_block){slot.addr, slot.size, slot.born, slot.site - 1,
				     slot.thread};
}

struct hs_fold_block *hs_fold_live(const struct hs_fold *f, size_t *n_ret)
{
	struct hs_fold_block *blocks = hs_xmalloc(f->n * sizeof(*blocks));
	size_t n = 0;
	for (size_t i = 0; i <= f->mask; i++)
		if (f->slots[i].site)
			tell_block(f->slots[i], &blocks[n++]);
	hs_sort_blocks(blocks, n);
	*n_ret = n;
	return blocks;
}

/* A slot becomes a block, or another's: they are of one size. */
_Static_assert(sizeof(struct slot) == sizeof(struct hs_fold_block), "in its place");

const struct hs_fold_block *hs_fold_lay_out(struct hs_fold *f, size_t *n_ret)
{
	struct hs_fold_block *blocks = (struct hs_fold_block *)f->slots;
	size_t n = 0;
	for (size_t i = 0; i <= f->mask; i++)
		if (f->slots[i].site)
			tell_block(f->slots[i], &blocks[n++]);
	hs_sort_blocks(blocks, n);
	*n_ret = n;
	return blocks;
}
