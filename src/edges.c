/* SPDX-License-Identifier: MIT */

/*
 * Rows are kept for pieces of 2^16 blocks each, which threads make on their own.
 * A row's place is that of its group of 16 rows, and the lengths of those before
 * it in the group.  When room runs short, a piece forgets its longest rows: the
 * longer a row, the less reading its block again costs for each edge.
 */
#include "src/edges.h"

#include <time.h>

#include "src/image.h"

#define PIECE_BITS 16u
#define PIECE      ((uint32_t)1 << PIECE_BITS)
#define GROUP      16u
#define LONGEST    64u   /* edges that are kept of one block */
#define FORGOTTEN  255u  /* a row that is not kept */
#define NEAR       4096u /* a gap that is read rather than skipped */
#define AHEAD      ((uint64_t)256 << 10)
#define PATIENCE   4096u /* blocks between two looks at the clock */

struct piece {
	uint32_t *to;
	uint32_t n, room;
};

struct hs_edges {
	const struct hs_heap *heap;
	const struct hs_image *image;
	struct piece *pieces;
	uint32_t n_pieces, next_piece;
	uint8_t *lengths; /* by block */
	uint32_t *groups; /* where each group's rows begin in their piece */
	uint64_t *past;   /* bitmap by block: something points one past its end */
	size_t max, stored;
	uint64_t deadline_ns, unread;
	bool late;
	pthread_mutex_t lock;
};

bool hs_edges_late(uint64_t deadline_ns)
{
	struct timespec t;
	if (!deadline_ns)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec >= deadline_ns;
}

void hs_edges_run(unsigned n, void *(*fn)(void *context), void *context)
{
	pthread_t threads[64];
	unsigned started = 0;
	while (started + 1 < HS_MIN(n, 64u) &&
	       !pthread_create(&threads[started], NULL, fn, context))
		started++;
	fn(context);
	while (started)
		pthread_join(threads[--started], NULL);
}

/* -- Collecting ----------------------------------------------------------------- */

/* The row that is being made. */
struct row {
	uint32_t to[LONGEST];
	uint32_t n; /* more than LONGEST: not kept */
};

static void note_past(struct hs_edges *e, uint64_t word)
{
	uint32_t i = hs_edges_past(e->heap, word);
	if (i == HS_HEAP_NONE)
		return;
	uint64_t bit = UINT64_C(1) << (i % 64);
	if (!(__atomic_load_n(&e->past[i / 64], __ATOMIC_RELAXED) & bit))
		__atomic_fetch_or(&e->past[i / 64], bit, __ATOMIC_RELAXED);
}

static void add_word(struct hs_edges *e, uint32_t self, uint64_t word, struct row *row)
{
	const struct hs_heap *h = e->heap;
	if (word - h->start > h->end - h->start)
		return;
	uint32_t i = hs_heap_find(h, word);
	if (i == HS_HEAP_NONE) {
		note_past(e, word);
		return;
	}
	if (i == self || h->blocks[i].state != HS_BLOCK_USED)
		return;
	for (uint32_t k = 0; k < HS_MIN(row->n, 4u); k++)
		if (row->n <= LONGEST && row->to[row->n - 1 - k] == i)
			return;
	if (row->n < LONGEST)
		row->to[row->n] = i;
	if (row->n <= LONGEST)
		row->n++;
}

static void range_of(const struct hs_block *b, uint64_t *start, uint64_t *end)
{
	*start = (b->addr + 7) & ~(uint64_t)7;
	*end = b->addr + b->size;
}

/* Up to where memory is worth reading at once, from block I on. */
static uint64_t read_ahead(const struct hs_heap *h, uint32_t i, uint32_t last)
{
	uint64_t start = h->blocks[i].addr, end = start + h->blocks[i].size;
	while (++i < last && end - start < AHEAD && h->blocks[i].addr - end < NEAR)
		end = h->blocks[i].addr + h->blocks[i].size;
	return end;
}

static void read_row(struct hs_edges *e, struct hs_words *w, uint32_t block,
		     uint32_t last, struct row *row)
{
	uint64_t addr, end;
	const uint8_t *words;
	row->n = 0;
	range_of(&e->heap->blocks[block], &addr, &end);
	/* What was read before may hold it whole. */
	uint64_t ahead = addr >= w->start && end <= w->end
				 ? end
				 : read_ahead(e->heap, block, last);
	for (size_t n; (n = hs_words_next(w, &addr, end, ahead, &words));)
		for (size_t i = 0; i < n; i++)
			add_word(e, block, hs_word_at(words, i), row);
}

static void store_row(struct piece *p, const struct row *row)
{
	if (row->n > p->room - p->n) {
		p->room = HS_MAX(p->n + row->n, p->room + p->room / 2);
		p->to = hs_xrealloc(p->to, p->room * sizeof(*p->to));
	}
	if (row->n) /* else there may be no array yet */
		memcpy(p->to + p->n, row->to, row->n * sizeof(*p->to));
	p->n += row->n;
}

/* Forget the rows of [FIRST, BEHIND), which are in P, that are longer than MOST. */
static void forget(struct hs_edges *e, struct piece *p, uint32_t first, uint32_t behind,
		   uint32_t most)
{
	uint32_t from = 0, kept = 0;
	for (uint32_t i = first; i < behind; i++) {
		uint32_t n = e->lengths[i];
		if (i % GROUP == 0)
			e->groups[i / GROUP] = kept;
		if (n == FORGOTTEN)
			continue;
		if (n > most)
			e->lengths[i] = FORGOTTEN;
		else
			memmove(p->to + kept, p->to + from, n * sizeof(*p->to));
		kept += n > most ? 0 : n;
		from += n;
	}
	p->n = kept;
}

/* Keep to the piece's share once the whole is used up. */
static void keep_bounds(struct hs_edges *e, struct piece *p, uint32_t first,
			uint32_t behind)
{
	size_t share = e->max / e->n_pieces;
	for (uint32_t most = LONGEST; p->n > share && most;) {
		if (__atomic_load_n(&e->stored, __ATOMIC_RELAXED) + p->n <= e->max)
			return;
		most /= 2;
		forget(e, p, first, behind, most);
	}
}

static bool make_piece(struct hs_edges *e, struct hs_words *w, uint32_t number)
{
	struct piece *p = &e->pieces[number];
	uint32_t first = number << PIECE_BITS;
	uint32_t last = HS_MIN(e->heap->n - first, PIECE) + first;
	struct row row;
	for (uint32_t i = first; i < last; i++) {
		if (i % PATIENCE == 0 && hs_edges_late(e->deadline_ns))
			return false;
		row.n = 0;
		if (e->heap->blocks[i].state == HS_BLOCK_USED)
			read_row(e, w, i, last, &row);
		if (i % GROUP == 0)
			e->groups[i / GROUP] = p->n;
		e->lengths[i] = row.n > LONGEST ? FORGOTTEN : (uint8_t)row.n;
		if (row.n <= LONGEST)
			store_row(p, &row);
		if (i % PATIENCE == PATIENCE - 1)
			keep_bounds(e, p, first, i + 1);
	}
	keep_bounds(e, p, first, last);
	if (p->n && p->n < p->room)
		p->to = hs_xrealloc(p->to, p->n * sizeof(*p->to));
	__atomic_fetch_add(&e->stored, p->n, __ATOMIC_RELAXED);
	return true;
}

static void *make_pieces(void *context)
{
	struct hs_edges *e = context;
	struct hs_words w;
	uint32_t i;
	hs_words_init(&w, e->image, &e->lock);
	while (!__atomic_load_n(&e->late, __ATOMIC_RELAXED) &&
	       (i = __atomic_fetch_add(&e->next_piece, 1, __ATOMIC_RELAXED)) <
		       e->n_pieces)
		if (!make_piece(e, &w, i))
			__atomic_store_n(&e->late, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&e->unread, w.unread, __ATOMIC_RELAXED);
	hs_words_deinit(&w);
	return NULL;
}

struct hs_edges *hs_edges_collect(const struct hs_image *image,
				  const struct hs_heap *heap, unsigned threads,
				  size_t max_bytes, uint64_t deadline_ns)
{
	struct hs_edges *e = hs_xcalloc(1, sizeof(*e));
	e->heap = heap;
	e->image = image;
	e->deadline_ns = deadline_ns;
	e->max = max_bytes / sizeof(*e->pieces->to);
	e->n_pieces = heap->n / PIECE + (heap->n % PIECE != 0);
	e->pieces = hs_xcalloc(e->n_pieces, sizeof(*e->pieces));
	e->lengths = hs_xcalloc(heap->n, sizeof(*e->lengths));
	e->groups = hs_xcalloc(heap->n / GROUP + 1, sizeof(*e->groups));
	e->past = hs_xcalloc(heap->n / 64 + 1, sizeof(*e->past));
	pthread_mutex_init(&e->lock, NULL);
	hs_edges_run(HS_MIN(threads, HS_MAX(e->n_pieces, 1u)), make_pieces, e);
	if (!e->late)
		return e;
	hs_edges_free(e);
	return NULL;
}

void hs_edges_free(struct hs_edges *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->n_pieces; i++)
		free(e->pieces[i].to);
	free(e->pieces);
	free(e->lengths);
	free(e->groups);
	free(e->past);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

bool hs_edges_has_past(const struct hs_edges *e, uint32_t block)
{
	return e->past[block / 64] >> (block % 64) & 1;
}

uint64_t hs_edges_unread(const struct hs_edges *e)
{
	return e->unread;
}

/* -- Walking -------------------------------------------------------------------- */

static uint32_t row_place(const struct hs_edges *e, uint32_t block)
{
	uint32_t at = e->groups[block / GROUP];
	for (uint32_t i = block - block % GROUP; i < block; i++)
		at += e->lengths[i] == FORGOTTEN ? 0 : e->lengths[i];
	return at;
}

void hs_edges_begin(const struct hs_edges *e, uint32_t block, struct hs_words *w,
		    struct hs_edges_walk *ret)
{
	*ret = (struct hs_edges_walk){.edges = e, .words = w, .block = block};
	if (e->lengths[block] == FORGOTTEN) {
		range_of(&e->heap->blocks[block], &ret->addr, &ret->end);
	} else if (e->lengths[block]) {
		ret->n = e->lengths[block];
		ret->to = e->pieces[block >> PIECE_BITS].to + row_place(e, block);
	}
}

uint32_t hs_edges_next(struct hs_edges_walk *walk)
{
	if (walk->to && walk->n) {
		walk->n--;
		return *walk->to++;
	}
	while (!walk->to) {
		if (!walk->n)
			walk->n = hs_words_next(walk->words, &walk->addr, walk->end,
						walk->end, &walk->read);
		if (!walk->n)
			break;
		uint64_t word = hs_word_at(walk->read, 0);
		uint32_t i = hs_edges_target(walk->edges->heap, word);
		walk->read += 8;
		walk->n--;
		if (i != HS_HEAP_NONE && i != walk->block)
			return i;
	}
	return HS_HEAP_NONE;
}
