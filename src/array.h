/* SPDX-License-Identifier: MIT */

/*
 * A growable array of T:
 *
 *      HS_ARRAY(struct point) points = {0};
 *      struct point *p = hs_array_add(&points);   zeroed; moves the array
 *      for (size_t i = 0; i < points.n; i++) use(points.at[i]);
 *      hs_array_free(&points);
 */
#ifndef HS_ARRAY_H
#define HS_ARRAY_H

#include <string.h>

#include "src/base.h"

#define HS_ARRAY(T)             \
	struct {                \
		T *at;          \
		size_t n, room; \
	}

/* Append one zeroed item; returns its address, good until the next add. */
#define hs_array_add(a)                                                     \
	({                                                                  \
		__typeof__(a) hs_a_ = (a);                                  \
		if (hs_a_->n == hs_a_->room)                                \
			hs_a_->at = hs_array_grow_(hs_a_->at, &hs_a_->room, \
						   sizeof(*hs_a_->at));     \
		(__typeof__(hs_a_->at))memset(&hs_a_->at[hs_a_->n++], 0,    \
					      sizeof(*hs_a_->at));          \
	})

#define hs_array_push(a, value) (*hs_array_add(a) = (value))

#define hs_array_free(a)                      \
	({                                    \
		free((a)->at);                \
		memset((a), 0, sizeof(*(a))); \
	})

static inline void *hs_array_grow_(void *at, size_t *room, size_t size)
{
	size_t n = *room ? *room * 2 : 16;
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		abort();
	*room = n;
	return hs_xrealloc(at, bytes);
}

#endif /* HS_ARRAY_H */
