/* SPDX-License-Identifier: MIT */

/*
 * Sorted blocks and their index.  The heap is cut into spans where a great gap
 * is between two blocks; each span into granules of one size, a power of two, so
 * that a granule has some four blocks.  The index knows for each granule the
 * first block that begins in it or later, so finding an address is a search over
 * the few spans, and another one over the few blocks of its granule.
 */
#include "src/heap.h"

#include <string.h>

#define GAP         ((uint64_t)1 << 20) /* what parts two spans */
#define PER_GRANULE 4u                  /* blocks, on average */
#define SHIFT_MIN   6u
#define FEW         24u /* blocks that are sorted by insertion */
#define DIGITS      256u

struct hs_heap_span {
	uint64_t start, end;
	size_t index;   /* of its first granule; one more entry ends it */
	unsigned shift; /* log2 of a granule */
	uint32_t granules;
};

struct hs_heap_builder {
	struct hs_block *at;
	size_t n, room;
	uint64_t n_dropped;
	bool sorted; /* so far */
};

static uint64_t block_end(const struct hs_block *b)
{
	return b->addr + HS_MAX((uint64_t)b->size, 1u);
}

/* -- Finding ------------------------------------------------------------------ */

/* The last span that starts at or below ADDR, or NULL. */
static const struct hs_heap_span *find_span(const struct hs_heap *h, uint64_t addr)
{
	size_t low = 0, high = h->n_spans;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (h->spans[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &h->spans[low - 1] : NULL;
}

/* How many blocks begin at or below ADDR, which lies in or behind span S. */
static uint32_t count_below(const struct hs_heap *h, const struct hs_heap_span *s,
			    uint64_t addr)
{
	uint64_t granule = (addr - s->start) >> s->shift;
	const uint32_t *index = &h->index[s->index];
	if (granule >= s->granules)
		return index[s->granules];
	uint32_t low = index[granule], high = index[granule + 1];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (h->blocks[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t hs_heap_find(const struct hs_heap *heap, uint64_t addr)
{
	const struct hs_heap_span *s = NULL;
	if (addr >= heap->start && addr < heap->end)
		s = find_span(heap, addr);
	if (!s || addr >= s->end)
		return HS_HEAP_NONE;
	/* The span begins with a block: there is one at or below ADDR. */
	uint32_t i = count_below(heap, s, addr) - 1;
	return addr < block_end(&heap->blocks[i]) ? i : HS_HEAP_NONE;
}

uint32_t hs_heap_find_end(const struct hs_heap *heap, uint64_t addr)
{
	uint32_t i = addr ? hs_heap_find(heap, addr - 1) : HS_HEAP_NONE;
	if (i == HS_HEAP_NONE || !heap->blocks[i].size ||
	    block_end(&heap->blocks[i]) != addr)
		return HS_HEAP_NONE;
	return i;
}

uint32_t hs_heap_lower_bound(const struct hs_heap *heap, uint64_t addr)
{
	const struct hs_heap_span *s = addr ? find_span(heap, addr - 1) : NULL;
	return s ? count_below(heap, s, addr - 1) : 0;
}

void hs_heap_set_state(struct hs_heap *heap, uint32_t block, enum hs_block_state state)
{
	heap->blocks[block].state = state & 15u;
}

void hs_heap_free(struct hs_heap *heap)
{
	if (!heap)
		return;
	free(heap->blocks);
	free(heap->spans);
	free(heap->index);
	free(heap);
}

/* -- Sorting ------------------------------------------------------------------ */

static void sort_few(struct hs_block *at, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct hs_block b = at[i];
		size_t k = i;
		for (; k && at[k - 1].addr > b.addr; k--)
			at[k] = at[k - 1];
		at[k] = b;
	}
}

static unsigned digit(const struct hs_block *b, unsigned shift)
{
	return (unsigned)(b->addr >> shift) & (DIGITS - 1);
}

/* Swap each block to where its digit belongs: next[d] to end[d]. */
static void permute(struct hs_block *at, size_t next[DIGITS], const size_t end[DIGITS],
		    unsigned shift)
{
	for (unsigned d = 0; d < DIGITS; d++)
		while (next[d] < end[d]) {
			struct hs_block b = at[next[d]];
			for (unsigned to = digit(&b, shift); to != d;
			     to = digit(&b, shift)) {
				struct hs_block other = at[next[to]];
				at[next[to]++] = b;
				b = other;
			}
			at[next[d]++] = b;
		}
}

/*
 * In place, most significant digit first (McIlroy, Bostic and McIlroy: Engineering
 * Radix Sort, 1993).  Depth is bounded by the eight digits of an address.
 */
static void sort(struct hs_block *at, size_t n, unsigned shift)
{
	size_t next[DIGITS] = {0}, end[DIGITS], sum = 0;
	if (n <= FEW) {
		sort_few(at, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		next[digit(&at[i], shift)]++;
	for (unsigned d = 0; d < DIGITS; d++) {
		sum += next[d];
		end[d] = sum;
		next[d] = sum - next[d];
	}
	permute(at, next, end, shift);
	for (unsigned d = 0; shift && d < DIGITS; d++) {
		size_t begin = d ? end[d - 1] : 0;
		sort(at + begin, end[d] - begin, shift - 8);
	}
}

/* -- Making ------------------------------------------------------------------- */

struct hs_heap_builder *hs_heap_build_new(void)
{
	struct hs_heap_builder *b = hs_xcalloc(1, sizeof(*b));
	b->sorted = true;
	return b;
}

void hs_heap_build_free(struct hs_heap_builder *b)
{
	if (b)
		free(b->at);
	free(b);
}

void hs_heap_build_reserve(struct hs_heap_builder *b, size_t n)
{
	if (n <= b->room || n > HS_HEAP_NONE)
		return;
	b->at = hs_xrealloc(b->at, n * sizeof(*b->at));
	b->room = n;
}

void hs_heap_build_add(struct hs_heap_builder *b, uint64_t addr, uint64_t size,
		       enum hs_block_state state, uint32_t arena)
{
	/* A block that reaches the end of all addresses is none. */
	if (b->n == HS_HEAP_NONE - 1 || addr + HS_MAX(size, 1u) < addr) {
		b->n_dropped++;
		return;
	}
	if (b->n == b->room)
		hs_heap_build_reserve(b, b->room ? b->room + b->room / 2 : 64);
	if (b->n && addr < b->at[b->n - 1].addr)
		b->sorted = false;
	b->at[b->n++] = (struct hs_block){.addr = addr,
					  .size = HS_MIN(size, HS_BLOCK_SIZE_MAX) &
						  HS_BLOCK_SIZE_MAX,
					  .state = state & 15u,
					  .arena = HS_MIN(arena, HS_ARENA_MAX) & 0xffffu};
}

static void drop_overlaps(struct hs_heap_builder *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->n; i++) {
		if (kept && b->at[i].addr < block_end(&b->at[kept - 1]))
			b->n_dropped++;
		else
			b->at[kept++] = b->at[i];
	}
	b->n = kept;
}

/* The span of blocks FROM to TO, and its part of the index, which has N entries. */
static size_t index_span(struct hs_heap *h, struct hs_heap_span *s, uint32_t from,
			 uint32_t to, size_t n)
{
	uint64_t most = (to - from) / PER_GRANULE + 1;
	*s = (struct hs_heap_span){h->blocks[from].addr, block_end(&h->blocks[to - 1]), n,
				   SHIFT_MIN, 0};
	while ((s->end - 1 - s->start) >> s->shift >= most)
		s->shift++;
	s->granules = (uint32_t)((s->end - 1 - s->start) >> s->shift) + 1;
	uint32_t block = from;
	for (uint32_t g = 0; g <= s->granules; g++) {
		uint64_t offset = (uint64_t)g << s->shift;
		while (block < to &&
		       (g == s->granules || h->blocks[block].addr - s->start < offset))
			block++;
		h->index[n + g] = block;
	}
	return n + s->granules + 1;
}

/* Where the span that begins with block FROM ends. */
static uint32_t span_end(const struct hs_heap *h, uint32_t from)
{
	uint32_t i = from + 1;
	while (i < h->n && h->blocks[i].addr - block_end(&h->blocks[i - 1]) < GAP)
		i++;
	return i;
}

static void make_index(struct hs_heap *h)
{
	size_t entries = 0, n = 0;
	uint32_t to;
	for (uint32_t from = 0; from < h->n; from = to, h->n_spans++) {
		to = span_end(h, from);
		entries += (to - from) / PER_GRANULE + 2;
	}
	h->spans = hs_xcalloc(h->n_spans, sizeof(*h->spans));
	h->index = hs_xcalloc(entries, sizeof(*h->index));
	struct hs_heap_span *s = h->spans;
	for (uint32_t from = 0; from < h->n; from = to) {
		to = span_end(h, from);
		n = index_span(h, s++, from, to, n);
	}
}

struct hs_heap *hs_heap_build_seal(struct hs_heap_builder *b)
{
	struct hs_heap *h = hs_xcalloc(1, sizeof(*h));
	if (!b->sorted)
		sort(b->at, b->n, 56);
	drop_overlaps(b);
	h->blocks = HS_TAKE(b->at);
	h->n = (uint32_t)b->n;
	h->n_dropped = b->n_dropped;
	hs_heap_build_free(b);
	if (h->n) {
		h->start = h->blocks[0].addr;
		h->end = block_end(&h->blocks[h->n - 1]);
		make_index(h);
	}
	return h;
}
