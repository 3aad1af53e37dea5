/* SPDX-License-Identifier: MIT */

/*
 * The table of known stacks: hash of the return addresses -> id.  Lock-free
 * and insert-only.  It grows by a new table, four times larger, in front of
 * the old ones; an id that is found in an old table is copied to the newest.
 *
 * Who loses a race for a slot, or finds a slot whose id is not stored yet,
 * never waits: it writes the stack a second time under an id of its own, and
 * readers merge the two by content.
 *
 * Equal hashes are taken as equal stacks: 64 bits, so among a million stacks
 * two collide with a probability of 3e-8.
 */
#include "src/tracker/stacks.h"

#include "src/tracker/emit.h"
#include "src/tracker/state.h"
#include "src/tracker/unwind.h"

#define FIRST_BITS 10u
#define MAX_BITS   24u
#define PROBES     32u

struct slot {
	uint64_t hash; /* 0: empty */
	uint32_t id;   /* 0: not stored yet */
	uint32_t pad;
};

struct table {
	struct table *older;
	uint64_t mask;
	uint64_t n; /* stacks inserted, roughly */
	struct slot slots[];
};

static struct table *newest;

static struct table *new_table(struct table *older)
{
	uint64_t n = older ? (older->mask + 1) * 4 : 1u << FIRST_BITS;
	if (n > 1ull << MAX_BITS)
		return NULL;
	struct table *t =
		sys_map_memory(sizeof(*t) + n * sizeof(struct slot), false, NULL);
	if (!t)
		return NULL;
	t->older = older;
	t->mask = n - 1;
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

/* The slot of HASH: found, or an empty one, or NULL when the neighbourhood is full. */
static struct slot *probe(struct table *t, uint64_t hash, bool *found_ret)
{
	*found_ret = false;
	for (uint64_t i = 0; i < PROBES; i++) {
		struct slot *slot = &t->slots[(hash + i) & t->mask];
		uint64_t have = __atomic_load_n(&slot->hash, __ATOMIC_ACQUIRE);
		if (have == hash || have == 0) {
			*found_ret = have == hash;
			return slot;
		}
	}
	return NULL;
}

static uint32_t find(struct table *t, uint64_t hash)
{
	for (; t; t = t->older) {
		bool found;
		struct slot *slot = probe(t, hash, &found);
		if (found)
			return __atomic_load_n(&slot->id, __ATOMIC_ACQUIRE);
	}
	return 0;
}

static void insert(uint64_t hash, uint32_t id)
{
	struct table *t = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
	if (!t || __atomic_load_n(&t->n, __ATOMIC_RELAXED) * 2 > t->mask)
		t = grow(t);
	bool found;
	struct slot *slot = t ? probe(t, hash, &found) : NULL;
	uint64_t empty = 0;
	if (!slot)
		return;
	/* Found without an id: a handler jumped out of here, and it needs one. */
	if (!found && !__atomic_compare_exchange_n(&slot->hash, &empty, hash, false,
						   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&slot->id, id, __ATOMIC_RELEASE);
	if (!found)
		__atomic_fetch_add(&t->n, 1, __ATOMIC_RELAXED);
}

/* One multiplication per frame, as in wyhash: folds the 128-bit product. */
static uint64_t mix(uint64_t h, uint64_t v)
{
	unsigned __int128 m =
		(unsigned __int128)(h ^ v ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_stack(const uint64_t *pcs, size_t n, uint32_t flags)
{
	uint64_t h = mix(tr_epoch, flags);
	for (size_t i = n; i-- > 0;)
		h = mix(h, pcs[i]);
	return h ? h : 1;
}

uint32_t tr_stack_id(struct tr_stream *s, const uint64_t *slot, uint64_t fp)
{
	uint32_t flags = 0;
	uint64_t *pcs = s->pcs;
	if (TR_UNLIKELY(!pcs)) /* zeroed by a fork just now */
		return 0;
	size_t n = tr_unwind(slot, fp, pcs, TR_MAX_FRAMES, &flags);
	uint64_t hash = hash_stack(pcs, n, flags);
	struct table *t = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
	bool found = false;
	if (TR_LIKELY(t)) {
		struct slot *known = probe(t, hash, &found);
		uint32_t id = found ? __atomic_load_n(&known->id, __ATOMIC_ACQUIRE) : 0;
		if (TR_LIKELY(id))
			return id;
	}
	uint32_t id = t ? find(t->older, hash) : 0;
	if (!id) {
		id = (uint32_t)__atomic_add_fetch(&tr_header->stacks, 1,
						  __ATOMIC_RELAXED);
		if (!tr_emit_stack(s, id, flags, n))
			return 0;
	}
	insert(hash, id);
	return id;
}

void tr_stacks_restart(void)
{
	/* Shared with nobody: the child has one thread.  The parent's tables stay mapped.
	 */
	newest = NULL;
}
