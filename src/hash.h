/* SPDX-License-Identifier: MIT */

/*
 * Hash map from a 64-bit key to a 32-bit value, open addressing with linear
 * probing.  Two uses: intern tables (key = hash of the content, the caller
 * compares) and id lookups (key = the id itself).
 */
#ifndef HS_HASH_H
#define HS_HASH_H

#include "src/base.h"

struct hs_map {
	struct hs_map_slot {
		uint64_t key;
		uint32_t value;
		uint32_t used;
	} * slots;
	size_t n, mask; /* mask + 1 slots; slots is NULL while empty */
};

/* Finalizer of splitmix64: spreads a key that is not random by itself. */
static inline uint64_t hs_hash_u64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* FNV-1a, 64 bit: stable over runs and machines, so ids may depend on it. */
#define HS_HASH_INIT 0xcbf29ce484222325u
static inline uint64_t hs_hash_bytes(uint64_t h, const void *data, size_t size)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

/* The value stored for KEY, or NULL.  Good until the next put. */
uint32_t *hs_map_get(const struct hs_map *map, uint64_t key);

/* The value for KEY, added as 0 if new; *NEW_RET (may be NULL) says which. */
uint32_t *hs_map_put(struct hs_map *map, uint64_t key, bool *new_ret);

void hs_map_deinit(struct hs_map *map);

#endif /* HS_HASH_H */
