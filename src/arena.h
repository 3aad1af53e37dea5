/* SPDX-License-Identifier: MIT */

/*
 * A pool: memory that is given back all at once, when the object that owns it
 * goes.  Nothing in it is freed on its own.
 */
#ifndef HS_ARENA_H
#define HS_ARENA_H

#include "src/base.h"

struct hs_arena;

struct hs_arena *hs_arena_new(void);
void hs_arena_free(struct hs_arena *arena); /* accepts NULL */

/* Zeroed, aligned to 16 bytes, good until the arena is freed. */
void *hs_arena_alloc(struct hs_arena *arena, size_t size);

/* Room for N items of SIZE bytes; an overflowing product is fatal. */
void *hs_arena_array(struct hs_arena *arena, size_t n, size_t size);

/* A NUL-terminated copy of the LENGTH bytes at S. */
char *hs_arena_strndup(struct hs_arena *arena, const char *s, size_t length);

#endif /* HS_ARENA_H */
