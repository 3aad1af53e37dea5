/* SPDX-License-Identifier: MIT */

/*
 * Chunks that were freed and look used: those in the caches of threads, and in the
 * fastbins of arenas.  Both are lists; since 2.32 a link is stored xor-ed with the
 * page of where it is stored.
 */
#include "analyzers/glibc.h"
#include "src/hash.h"

/* Where the variable `tcache` may be in a thread's static storage. */
#define TLS_SEARCHED 0x400u
#define MAX_COUNT    65535u
#define ANY_SIZE     0u

/* Lists that may lead anywhere are followed so far, for each block and in all. */
#define STEPS_PER_BLOCK 8u
#define STEPS_AT_LEAST  100000u

/* So many links of a list say how all lists are linked. */
#define VOTES_PER_LIST 8u

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
	if (g->links != GLIBC_LINKS_PLAIN &&
	    (!plain || block_at(g, plain + skew) != HS_HEAP_NONE))
		*ret = plain;
	else if (g->links != GLIBC_LINKS_MANGLED &&
		 (!raw || block_at(g, raw + skew) != HS_HEAP_NONE))
		*ret = raw;
	else
		return false;
	return true;
}

/* A list of cached blocks, each USABLE bytes for its user. */
struct list {
	uint64_t first;
	uint64_t skew;   /* links are addresses of blocks less this */
	uint64_t usable; /* or ANY_SIZE */
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
		if (i == HS_HEAP_NONE ||
		    (l->usable != ANY_SIZE && heap->blocks[i].size != l->usable))
			return tell(g, l, HS_CORRUPTION_LIST, addr,
				    "it has an entry that is no block of its size");
		if (l->mark && heap->blocks[i].state == HS_BLOCK_CACHED)
			return tell(g, l, HS_CORRUPTION_DOUBLE_FREE, addr,
				    "it has a block that is in a list already");
		if (l->mark)
			hs_heap_set_state(heap, i, HS_BLOCK_CACHED);
		else if (n > l->length || !g->steps || !g->steps--)
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
	/* Of 2.42's large bins each holds many sizes. */
	ret->usable = bin < 64 ? 0x18 + 16 * (uint64_t)bin : ANY_SIZE;
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

/* What was looked at, and what of it is a cache. */
struct caches {
	struct hs_map seen;
	struct cache {
		uint64_t addr;
		const struct glibc_tcache_layout *layout;
	} * at;
	size_t n, room;
};

static bool is_new(struct caches *c, uint64_t addr)
{
	bool fresh;
	hs_map_put(&c->seen, hs_hash_u64(addr), &fresh);
	return fresh;
}

/* A thread has the address of its cache in its static storage, below TLS. */
static void find_of_thread(struct glibc *g, const struct hs_image_thread *t,
			   struct caches *c)
{
	for (uint64_t at = 8; t->tls > TLS_SEARCHED && at <= TLS_SEARCHED; at += 8) {
		uint64_t addr;
		if (!glibc_word(&g->memory, t->tls - at, &addr))
			return;
		const struct glibc_tcache_layout *l = cache_layout(g, addr);
		if (!l || !is_new(c, addr) || !is_like_cache(g, addr, l))
			continue;
		hs_array_push(c, ((struct cache){addr, l}));
		return;
	}
}

/* Of threads whose storage is not known: blocks of the right size that are caches. */
static void find_rest(struct glibc *g, struct caches *c)
{
	for (uint32_t i = 0; i < g->out->heap->n; i++) {
		uint64_t addr = g->out->heap->blocks[i].addr;
		const struct glibc_tcache_layout *l = cache_layout(g, addr);
		if (l && is_new(c, addr) && is_sound_cache(g, addr, l))
			hs_array_push(c, ((struct cache){addr, l}));
	}
}

/* -- Fastbins ------------------------------------------------------------------- */

static bool read_fastbin(struct glibc *g, const struct glibc_arena *a, unsigned bin,
			 struct list *ret)
{
	*ret = (struct list){
		.skew = GLIBC_HEADER,
		.usable = 0x18 + 16 * (uint64_t)bin,
		.length = UINT64_MAX,
		.name = "a fastbin",
		.mark = true,
	};
	return glibc_word(&g->memory, a->addr + g->layout->fastbins + 8 * (uint64_t)bin,
			  &ret->first);
}

static void mark_fastbins(struct glibc *g, const struct glibc_arena *a)
{
	struct list list;
	for (unsigned bin = 0; bin < g->layout->n_fastbins; bin++)
		if (read_fastbin(g, a, bin, &list))
			walk_list(g, &list);
}

/* -- How links are stored ---------------------------------------------------------- */

struct votes {
	uint64_t plain, mangled;
};

static void vote(struct glibc *g, const struct list *l, struct votes *v)
{
	uint64_t link = l->first, raw;
	for (unsigned n = 0; link && n < VOTES_PER_LIST; n++) {
		uint64_t place = link + l->skew;
		if (block_at(g, place) == HS_HEAP_NONE ||
		    !glibc_word(&g->memory, place, &raw))
			return;
		uint64_t plain = raw ^ place >> 12;
		if (!plain || block_at(g, plain + l->skew) != HS_HEAP_NONE) {
			v->mangled++;
			link = plain;
		} else if (!raw || block_at(g, raw + l->skew) != HS_HEAP_NONE) {
			v->plain++;
			link = raw;
		} else {
			return;
		}
	}
}

/* A version stores all of them in one way; what was written over has one voice. */
static void vote_links(struct glibc *g, const struct caches *c)
{
	struct votes votes = {0};
	struct list list;
	for (size_t i = 0; i < c->n; i++)
		for (unsigned bin = 0; bin < c->at[i].layout->n_bins; bin++) {
			list = (struct list){0};
			if (read_cache(g, c->at[i].addr, c->at[i].layout, bin, &list))
				vote(g, &list, &votes);
		}
	for (size_t i = 0; i < g->arenas.n; i++)
		for (unsigned bin = 0; bin < g->layout->n_fastbins; bin++)
			if (read_fastbin(g, &g->arenas.at[i], bin, &list))
				vote(g, &list, &votes);
	if (votes.mangled != votes.plain)
		g->links = votes.mangled > votes.plain ? GLIBC_LINKS_MANGLED
						       : GLIBC_LINKS_PLAIN;
}

void glibc_check_caches(struct glibc *g)
{
	struct caches c = {0};
	g->steps = STEPS_AT_LEAST + STEPS_PER_BLOCK * (uint64_t)g->out->heap->n;
	for (size_t i = 0; i < g->image->threads.n; i++)
		find_of_thread(g, &g->image->threads.at[i], &c);
	find_rest(g, &c);
	vote_links(g, &c);
	for (size_t i = 0; i < c.n; i++)
		mark_cache(g, c.at[i].addr, c.at[i].layout);
	for (size_t i = 0; i < g->arenas.n; i++)
		mark_fastbins(g, &g->arenas.at[i]);
	hs_map_deinit(&c.seen);
	free(c.at);
}
