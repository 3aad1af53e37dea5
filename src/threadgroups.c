/* SPDX-License-Identifier: MIT */

/* Groups threads by their stacks; knows nothing of what the stacks are made of. */
#include "src/threadgroups.h"

#include <stdlib.h>

static int compare_stacks(const void *pa, const void *pb)
{
	const struct hs_thread_row *a = pa, *b = pb;
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static int compare_leaders(const void *pa, const void *pb)
{
	const struct hs_thread_row *a = pa, *b = pb;
	if (a->leader != b->leader)
		return a->leader < b->leader ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

struct hs_thread_row *hs_group_threads(const struct hs_profile *p, size_t *n_ret)
{
	size_t n = *n_ret = p->n_threads - 1;
	struct hs_thread_row *rows = hs_xcalloc(n + 1, sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct hs_thread_row){.stack = p->threads[i + 1].stack.i,
						 .thread = (uint32_t)i + 1};
	qsort(rows, n, sizeof(*rows), compare_stacks);
	for (size_t i = 0; i < n; i++)
		rows[i].leader = i && rows[i].stack == rows[i - 1].stack
					 ? rows[i - 1].leader
					 : rows[i].thread;
	qsort(rows, n, sizeof(*rows), compare_leaders);
	return rows;
}

size_t hs_thread_group_size(const struct hs_thread_row *rows, size_t n)
{
	size_t size = 0;
	while (size < n && rows[size].leader == rows[0].leader)
		size++;
	return size;
}
