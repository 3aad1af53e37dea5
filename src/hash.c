/* SPDX-License-Identifier: MIT */

/* The 64-to-32-bit map. */
#include "src/hash.h"

static struct hs_map_slot *find(const struct hs_map *map, uint64_t key)
{
	size_t i = (size_t)hs_hash_u64(key) & map->mask;
	while (map->slots[i].used && map->slots[i].key != key)
		i = (i + 1) & map->mask;
	return &map->slots[i];
}

static void grow(struct hs_map *map)
{
	struct hs_map old = *map;
	size_t room = old.slots ? (old.mask + 1) * 2 : 64;
	map->slots = hs_xcalloc(room, sizeof(*map->slots));
	map->mask = room - 1;
	for (size_t i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].used)
			*find(map, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

uint32_t *hs_map_get(const struct hs_map *map, uint64_t key)
{
	if (!map->slots)
		return NULL;
	struct hs_map_slot *s = find(map, key);
	return s->used ? &s->value : NULL;
}

uint32_t *hs_map_put(struct hs_map *map, uint64_t key, bool *new_ret)
{
	if (!map->slots || map->n * 10 >= (map->mask + 1) * 7)
		grow(map);
	struct hs_map_slot *s = find(map, key);
	if (new_ret)
		*new_ret = !s->used;
	if (!s->used) {
		s->used = 1;
		s->key = key;
		s->value = 0;
		map->n++;
	}
	return &s->value;
}

void hs_map_deinit(struct hs_map *map)
{
	free(map->slots);
	*map = (struct hs_map){0};
}
