/* SPDX-License-Identifier: MIT */

/* Strings by number. */
#include "src/interner.h"

#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/hash.h"

struct hs_interner {
	struct hs_arena *arena;
	HS_ARRAY(const char *) strings;
	struct hs_map by_content;
};

struct hs_interner *hs_interner_new(void)
{
	struct hs_interner *in = hs_xcalloc(1, sizeof(*in));
	in->arena = hs_arena_new();
	return in;
}

void hs_interner_free(struct hs_interner *in)
{
	if (!in)
		return;
	hs_arena_free(in->arena);
	hs_array_free(&in->strings);
	hs_map_deinit(&in->by_content);
	free(in);
}

uint32_t hs_interner_put(struct hs_interner *in, const char *s, bool *new_ret)
{
	size_t n = strlen(s);
	uint64_t h = hs_hash_bytes(HS_HASH_INIT, s, n);
	/* Where two strings have one hash, the second goes to the next key. */
	for (;; h = hs_hash_u64(h + 1)) {
		bool fresh;
		uint32_t *id = hs_map_put(&in->by_content, h, &fresh);
		if (new_ret)
			*new_ret = fresh;
		if (fresh) {
			*id = (uint32_t)in->strings.n;
			hs_array_push(&in->strings, hs_arena_strndup(in->arena, s, n));
			return *id;
		}
		if (!strcmp(in->strings.at[*id], s))
			return *id;
	}
}

const char *const *hs_interner_all(const struct hs_interner *in, uint32_t *n_ret)
{
	if (n_ret)
		*n_ret = (uint32_t)in->strings.n;
	return in->strings.at;
}
