/* SPDX-License-Identifier: MIT */

/* A bump allocator over a list of slabs. */
#include "src/arena.h"

#include <string.h>

#define SLAB_SIZE ((size_t)64 << 10)
#define ALIGN     ((size_t)16)

struct slab {
	struct slab *next;
	uint64_t pad; /* keeps `data` aligned to 16 */
	char data[];
};

struct hs_arena {
	struct slab *slabs;
	char *pos, *end; /* free part of the newest ordinary slab */
};

struct hs_arena *hs_arena_new(void)
{
	return hs_xcalloc(1, sizeof(struct hs_arena));
}

void hs_arena_free(struct hs_arena *arena)
{
	if (!arena)
		return;
	for (struct slab *s = arena->slabs, *next; s; s = next) {
		next = s->next;
		free(s);
	}
	free(arena);
}

static char *new_slab(struct hs_arena *arena, size_t size)
{
	struct slab *s = hs_xcalloc(1, sizeof(*s) + size);
	s->next = arena->slabs;
	arena->slabs = s;
	return s->data;
}

void *hs_arena_alloc(struct hs_arena *arena, size_t size)
{
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	/* A large object gets a slab of its own and leaves the open one open. */
	if (size > SLAB_SIZE / 4)
		return new_slab(arena, size);
	if (size > (size_t)(arena->end - arena->pos)) {
		arena->pos = new_slab(arena, SLAB_SIZE);
		arena->end = arena->pos + SLAB_SIZE;
	}
	void *p = arena->pos;
	arena->pos += size;
	return p;
}

void *hs_arena_array(struct hs_arena *arena, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		abort();
	return hs_arena_alloc(arena, bytes);
}

char *hs_arena_strndup(struct hs_arena *arena, const char *s, size_t length)
{
	char *copy = hs_arena_alloc(arena, length + 1);
	memcpy(copy, s, length);
	return copy;
}
