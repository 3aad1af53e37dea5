/* SPDX-License-Identifier: MIT */

/*
 * The table: lines of eight words, each an id and, above it, as many bits of
 * the hash as there is room for.  So one store publishes both, and to look up
 * a stack costs one cache miss.  The lower bits of the hash choose the line; one
 * that is full goes on in the next.
 *
 * Who finds an id may tell of it: so storing it releases the record of its stack,
 * and whoever reads that event finds the record.
 *
 * Words are only added.  The table grows by a new one, four times larger, in
 * front of the old ones; what is found in an old one is copied to the newest.
 */
#include "src/tracker/intern.h"

#define FIRST_LINES 64u /* 4 KiB */
#define LINE        8u
#define PROBES      8u /* lines */
#define MAX_LINES   (1u << 21)
#define HUGE_PAGE   (2u << 20)

struct table {
	struct table *older;
	uint64_t line_mask;
	uint64_t id_mask;                        /* ids up to here have room in a word */
	uint64_t n __attribute__((aligned(64))); /* words, roughly; all threads add */
	uint64_t words[] __attribute__((aligned(64)));
};

static struct table *newest;

static inline bool is_of(const struct table *t, uint64_t word, uint64_t hash)
{
	return (word ^ hash) <= t->id_mask;
}

/* HASH's word in T, else where it could go, else NULL. */
static inline uint64_t *place(struct table *t, uint64_t hash, uint64_t *word_ret)
{
	for (uint64_t next = 0; next < PROBES; next++) {
		uint64_t *words = t->words + ((hash + next) & t->line_mask) * LINE;
		for (unsigned i = 0; i < LINE; i++) {
			uint64_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);
			if (!word || is_of(t, word, hash)) {
				*word_ret = word;
				return &words[i];
			}
		}
	}
	return NULL;
}

static inline uint32_t find_in(struct table *t, uint64_t hash)
{
	uint64_t word;
	return place(t, hash, &word) ? (uint32_t)(word & t->id_mask) : 0;
}

uint32_t tr_intern_find(uint64_t hash)
{
	struct table *t = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
	uint32_t id = 0;
	if (TR_UNLIKELY(!t))
		return 0;
	id = find_in(t, hash);
	if (TR_LIKELY(id))
		return id;
	while (!id && (t = t->older))
		id = find_in(t, hash);
	if (id)
		tr_intern_put(hash, id);
	return id;
}

uint32_t tr_intern_recent(uint64_t hash)
{
	struct table *t = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
	return TR_LIKELY(t != NULL) ? find_in(t, hash) : 0;
}

static struct table *new_table(struct table *older)
{
	uint64_t lines = older ? (older->line_mask + 1) * 4 : FIRST_LINES;
	if (lines > MAX_LINES)
		return NULL;
	uint64_t size = sizeof(struct table) + lines * LINE * sizeof(uint64_t);
	struct table *t = sys_map_memory(size, false, NULL);
	if (!t)
		return NULL;
	if (size >= HUGE_PAGE)
		sys_prefer_huge_pages(t, size);
	t->older = older;
	t->line_mask = lines - 1;
	t->id_mask = lines * LINE * 2 - 1;
	return t;
}

/* A thread that loses the race to install a table leaves its own unused. */
static struct table *grow(struct table *t)
{
	struct table *larger = new_table(t);
	if (larger)
		__atomic_compare_exchange_n(&newest, &t, larger, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
	return __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
}

static bool is_full(struct table *t, uint32_t id)
{
	uint64_t room = (t->line_mask + 1) * LINE / 8 * 5;
	return __atomic_load_n(&t->n, __ATOMIC_RELAXED) >= room || id > t->id_mask;
}

void tr_intern_put(uint64_t hash, uint32_t id)
{
	struct table *t = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
	uint64_t word, *at;
	if (!t || is_full(t, id) || !place(t, hash, &word))
		t = grow(t);
	if (!t || id > t->id_mask)
		return;
	/* An attempt fails when another thread was first, perhaps with this stack. */
	while ((at = place(t, hash, &word)) && !word)
		if (__atomic_compare_exchange_n(at, &word, (hash & ~t->id_mask) | id,
						false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED)) {
			__atomic_fetch_add(&t->n, 1, __ATOMIC_RELAXED);
			return;
		}
}

void tr_intern_restart(void)
{
	/* Shared with nobody: the child has one thread.  The parent's stay mapped. */
	newest = NULL;
}
