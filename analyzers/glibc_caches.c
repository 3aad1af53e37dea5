/* SPDX-License-Identifier: MIT */

/*
 * Chunks that were freed and look used: those in the caches of threads, and in the
 * fastbins of arenas.  Both are lists; since 2.32 a link is stored xor-ed with the
 * page of where it is stored.
 */
#include "analyzers/glibc.h"

/* Where the variable `tcache` may be in a thread's static storage. */
#define TLS_SEARCHED 0x400u
#define MAX_COUNT    65535u

static uint32_t block_at(struct glibc *g, uint64_t addr)
{
	uint32_t i = addr ? hs_heap_find(g->out->heap, addr) : HS_HEAP_NONE;
	return i != HS_HEAP_NONE && g->out->heap->blocks[i].addr == addr ? i
									 : HS_HEAP_NONE;
}

/* The next link stored at PLACE; SKEW is from links to blocks.  0: the end. */
static bool next_in_list(struct glibc *g, uint64_t place, uint64_t skew, uint64_t *ret)
{
	uint64_t raw;
	if (!glibc_word(&g->memory, place, &raw))
		return false;
	uint64_t plain = raw ^ place >> 12;
	if (!plain || block_at(g, plain + skew) != HS_HEAP_NONE)
		*ret = plain;
	else if (!raw || block_at(g, raw + skew) != HS_HEAP_NONE)
		*ret = raw;
	else
		return false;
	return true;
}

/* A list of cached blocks, each USABLE bytes for its user. */
struct list {
	uint64_t first;
	uint64_t skew; /* links are addresses of blocks less this */
	uint64_t usable;
	uint64_t length; /* UINT64_MAX: not known */
	const char *name;
	bool mark; /* else see only whether it is sound */
};

static bool tell(struct glibc *g, const struct list *l, enum hs_corruption_kind kind,
		 uint64_t address, const char *what)
{
	if (l->mark)
		hs_walked_corrupt(g->out, kind, address, "%s: %s", l->name, what);
	return false;
}

static bool walk_list(struct glibc *g, const struct list *l)
{
	struct hs_heap *heap = g->out->heap;
	uint64_t link = l->first, n = 0;
	for (; link && n <= heap->n; n++) {
		uint64_t addr = link + l->skew;
		uint32_t i = block_at(g, addr);
		if (i == HS_HEAP_NONE || heap->blocks[i].size != l->usable)
			return tell(g, l, HS_CORRUPTION_LIST, addr,
				    "it has an entry that is no block of its size");
		if (l->mark && heap->blocks[i].state == HS_BLOCK_CACHED)
			return tell(g, l, HS_CORRUPTION_DOUBLE_FREE, addr,
				    "it has a block that is in a list already");
		if (l->mark)
			hs_heap_set_state(heap, i, HS_BLOCK_CACHED);
		else if (n > l->length)
			return false; /* goes round, perhaps */
		if (!next_in_list(g, addr, l->skew, &link))
			return tell(g, l, HS_CORRUPTION_WRITE_AFTER_FREE, addr,
				    "its link to the next was overwritten");
	}
	if (l->length != UINT64_MAX && n != l->length)
		return tell(g, l, HS_CORRUPTION_LIST, l->first + l->skew,
			    "its length is not what its counter says");
	return true;
}

/* -- Caches of threads ------------------------------------------------------------ */

static bool read_cache(struct glibc *g, uint64_t cache,
		       const struct glibc_tcache_layout *l, unsigned bin,
		       struct list *ret)
{
	uint64_t word, place = cache + (uint64_t)bin * l->width;
	if (!glibc_word(&g->memory, place & ~(uint64_t)7, &word) ||
	    !glibc_word(&g->memory, cache + l->entries + 8 * (uint64_t)bin, &ret->first))
		return false;
	uint64_t count = word >> 8 * (place % 8) & ((1u << 8 * l->width) - 1);
	ret->length = l->counts_free_slots ? UINT64_MAX : count;
	ret->usable = 0x18 + 16 * (uint64_t)bin;
	ret->name = "a thread's cache";
	return true;
}

/* Is there a cache at CACHE, all of whose lists are sound, and not all empty? */
static bool is_sound_cache(struct glibc *g, uint64_t cache,
			   const struct glibc_tcache_layout *l)
{
	bool any = false;
	for (unsigned bin = 0; bin < l->n_bins; bin++) {
		struct list list = {0};
		if (!read_cache(g, cache, l, bin, &list) || list.length == UINT64_MAX ||
		    list.length > MAX_COUNT || !list.length != !list.first ||
		    list.first % 16 || !walk_list(g, &list))
			return false;
		any |= list.first != 0;
	}
	return any;
}

static void mark_cache(struct glibc *g, uint64_t cache,
		       const struct glibc_tcache_layout *l)
{
	for (unsigned bin = 0; bin < l->n_bins; bin++) {
		struct list list = {0};
		if (read_cache(g, cache, l, bin, &list) && list.first) {
			list.mark = true;
			walk_list(g, &list);
		}
	}
}

static const struct glibc_tcache_layout *cache_layout(struct glibc *g, uint64_t addr)
{
	uint32_t i = block_at(g, addr);
	const struct glibc_tcache_layout *l = glibc_tcache_layouts;
	if (i == HS_HEAP_NONE || g->out->heap->blocks[i].state != HS_BLOCK_USED)
		return NULL;
	while (l->usable && g->out->heap->blocks[i].size != l->usable)
		l++;
	return l->usable ? l : NULL;
}

/* Do counters and lists agree on which are empty?  Damaged lists are lists, too. */
static bool is_like_cache(struct glibc *g, uint64_t cache,
			  const struct glibc_tcache_layout *l)
{
	for (unsigned bin = 0; bin < l->n_bins; bin++) {
		struct list list = {0};
		if (!read_cache(g, cache, l, bin, &list) || list.first % 16 ||
		    (list.length != UINT64_MAX && !list.length != !list.first))
			return false;
	}
	return true;
}

/* Caches that were looked at. */
struct seen {
	HS_ARRAY(uint64_t) caches;
};

static bool is_known(const struct seen *seen, uint64_t cache)
{
	for (size_t i = 0; i < seen->caches.n; i++)
		if (seen->caches.at[i] == cache)
			return true;
	return false;
}

/* A thread has the address of its cache in its static storage, below TLS. */
static void check_thread(struct glibc *g, const struct hs_image_thread *t,
			 struct seen *seen)
{
	for (uint64_t at = 8; t->tls > TLS_SEARCHED && at <= TLS_SEARCHED; at += 8) {
		uint64_t cache;
		if (!glibc_word(&g->memory, t->tls - at, &cache))
			return;
		const struct glibc_tcache_layout *l = cache_layout(g, cache);
		if (!l || is_known(seen, cache) || !is_like_cache(g, cache, l))
			continue;
		hs_array_push(&seen->caches, cache);
		mark_cache(g, cache, l);
		return;
	}
}

/* Of threads whose storage is not known: blocks of the right size that are caches. */
static void check_rest(struct glibc *g, const struct seen *seen)
{
	for (uint32_t i = 0; i < g->out->heap->n; i++) {
		uint64_t addr = g->out->heap->blocks[i].addr;
		const struct glibc_tcache_layout *l = cache_layout(g, addr);
		if (l && !is_known(seen, addr) && is_sound_cache(g, addr, l))
			mark_cache(g, addr, l);
	}
}

/* -- Fastbins ------------------------------------------------------------------- */

static void check_fastbins(struct glibc *g, const struct glibc_arena *a)
{
	for (unsigned bin = 0; bin < g->layout->n_fastbins; bin++) {
		struct list list = {
			.skew = GLIBC_HEADER,
			.usable = 0x18 + 16 * (uint64_t)bin,
			.length = UINT64_MAX,
			.name = "a fastbin",
			.mark = true,
		};
		if (glibc_word(&g->memory, a->addr + g->layout->fastbins + 8 * bin,
			       &list.first))
			walk_list(g, &list);
	}
}

void glibc_check_caches(struct glibc *g)
{
	struct seen seen = {0};
	for (size_t i = 0; i < g->image->threads.n; i++)
		check_thread(g, &g->image->threads.at[i], &seen);
	check_rest(g, &seen);
	for (size_t i = 0; i < g->arenas.n; i++)
		check_fastbins(g, &g->arenas.at[i]);
	hs_array_free(&seen.caches);
}
