/* SPDX-License-Identifier: MIT */

/* Frees, by the stack that had allocated. */
#include "src/freed.h"

#include <string.h>

#include "src/array.h"

/* The first site of P whose stack is not before STACK. */
static uint32_t first_site(const struct hs_profile *p, hs_stack stack)
{
	uint32_t low = 0, high = p->n_sites;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (p->sites[middle].stack.i < stack.i)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint32_t first_row(const struct hs_profile *p, uint32_t site)
{
	uint32_t low = 0, high = p->n_frees;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (p->frees[middle].site < site)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int by_stack(const void *a, const void *b)
{
	const struct hs_frees *x = a, *y = b;
	return (x->stack.i > y->stack.i) - (x->stack.i < y->stack.i);
}

static int by_frees(const void *a, const void *b)
{
	const struct hs_frees *x = a, *y = b;
	if (x->frees != y->frees)
		return x->frees < y->frees ? 1 : -1;
	return by_stack(a, b);
}

size_t hs_freed_by(const struct hs_profile *p, hs_stack stack, struct hs_frees *rows,
		   size_t room)
{
	HS_ARRAY(struct hs_frees) found = {0};
	uint32_t site = first_site(p, stack);
	for (uint32_t i = first_row(p, site); i < p->n_frees; i++) {
		if (p->sites[p->frees[i].site].stack.i != stack.i)
			break;
		hs_array_push(&found, p->frees[i]);
	}
	if (found.n)
		qsort(found.at, found.n, sizeof(*found.at), by_stack);
	/* There is one site for each kind of call. */
	size_t n = 0;
	for (size_t i = 0; i < found.n; i++) {
		if (n && found.at[n - 1].stack.i == found.at[i].stack.i) {
			found.at[n - 1].frees += found.at[i].frees;
			found.at[n - 1].bytes += found.at[i].bytes;
		} else {
			found.at[n++] = found.at[i];
		}
	}
	if (n)
		qsort(found.at, n, sizeof(*found.at), by_frees);
	if (n && room)
		memcpy(rows, found.at, HS_MIN(n, room) * sizeof(*rows));
	hs_array_free(&found);
	return n;
}
