/* SPDX-License-Identifier: MIT */

/*
 * Tables of addresses.  An address lies in one of the WINDOW places that its hash
 * names, in one of the tables; each further table is four times as large, and made
 * when a window of all tables before is full.  Places are emptied, never moved: a
 * look goes over the whole window and is rare, since the filter answers for nearly
 * all blocks.
 */
#include "src/tracker/sampled.h"

#define WINDOW      16u /* two cache lines */
#define FIRST_BITS  12u
#define MOST_TABLES 12u       /* 64 G places */
#define FULL        UINT8_MAX /* a count that is not counted any more */

uint8_t *tr_sampled_filter;

/* Each in memory that a fork wipes. */
static uintptr_t *tables[MOST_TABLES];
static struct tr_lock lock;
static bool overflowed; /* some addresses are in the filter alone */

static uintptr_t *new_table(unsigned i)
{
	bool wiped;
	size_t n = (size_t)1 << (FIRST_BITS + 2 * i);
	return sys_map_memory(n * sizeof(uintptr_t), true, &wiped);
}

bool tr_sampled_start(void)
{
	bool wiped;
	if (!tr_sampled_filter)
		tr_sampled_filter = sys_map_memory(TR_FILTER_SIZE, true, &wiped);
	if (!tables[0])
		tables[0] = new_table(0);
	overflowed = false;
	lock = (struct tr_lock){0}; /* perhaps a thread had it that was not forked */
	return tr_sampled_filter && tables[0];
}

/* Table I, made if it is not there; NULL: no memory. */
static uintptr_t *table_at(unsigned i)
{
	uintptr_t *t = __atomic_load_n(&tables[i], __ATOMIC_ACQUIRE);
	if (TR_LIKELY(t != NULL))
		return t;
	uint64_t mask = sys_signals_block(); /* nothing may jump out */
	if (tr_lock_acquire(&lock)) {
		t = tables[i];
		if (!t)
			t = new_table(i);
		__atomic_store_n(&tables[i], t, __ATOMIC_RELEASE);
		tr_lock_release(&lock);
	}
	sys_signals_restore(mask);
	return t;
}

/* P's window in table number I, which is T. */
static uintptr_t *window(uintptr_t *t, unsigned i, uintptr_t p)
{
	uint64_t hash = (uint64_t)(p >> 4) * 0x9e3779b97f4a7c15u;
	return t + (hash >> (64 - (FIRST_BITS + 2 * i)) & ~(uint64_t)(WINDOW - 1));
}

/* Let the place in W that holds OLD hold NEW.  False: none does. */
static bool exchange(uintptr_t *w, uintptr_t old, uintptr_t new)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		uintptr_t seen = __atomic_load_n(&w[i], __ATOMIC_RELAXED);
		if (seen == old &&
		    __atomic_compare_exchange_n(&w[i], &seen, new, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Count P in or out of the filter. */
static void count(uintptr_t p, int step)
{
	uint8_t *at = &tr_sampled_filter[tr_sampled_index((const void *)p)];
	uint8_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);
	while (seen != FULL &&
	       !__atomic_compare_exchange_n(at, &seen, (uint8_t)(seen + step), false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
}

void tr_sampled_add(const void *block)
{
	uintptr_t p = (uintptr_t)block;
	for (unsigned i = 0; i < MOST_TABLES; i++) {
		uintptr_t *t = table_at(i);
		if (!t)
			break;
		if (exchange(window(t, i, p), 0, p)) {
			count(p, 1);
			return;
		}
	}
	/* Ends of other blocks are told, too; a reader does not know those. */
	__atomic_store_n(&overflowed, true, __ATOMIC_RELEASE);
	__atomic_store_n(&tr_sampled_filter[tr_sampled_index(block)], FULL,
			 __ATOMIC_RELEASE);
}

bool tr_sampled_take(const void *block)
{
	uintptr_t p = (uintptr_t)block;
	if (!tr_sampled_maybe(block))
		return false;
	for (unsigned i = 0; i < MOST_TABLES; i++) {
		uintptr_t *t = __atomic_load_n(&tables[i], __ATOMIC_ACQUIRE);
		if (!t)
			break;
		if (exchange(window(t, i, p), p, 0)) {
			count(p, -1);
			return true;
		}
	}
	return __atomic_load_n(&overflowed, __ATOMIC_ACQUIRE);
}
