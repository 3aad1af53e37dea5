/* SPDX-License-Identifier: MIT */

/* Mappings of a capture: playing them back, writing and reading their sums. */
#include "src/mapped.h"

#include <stdlib.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/out.h"

static void apply(struct hs_mappings *m, const struct hs_capture_mapping *e)
{
	switch (e->op) {
	case HS_WIRE_MAP_MMAP:
	case HS_WIRE_MAP_MREMAP:
		hs_mappings_call(m);
		hs_mappings_map(m, e->address, e->length, e->stack);
		break;
	case HS_WIRE_MAP_MUNMAP:
		hs_mappings_call(m);
		hs_mappings_unmap(m, e->address, e->length);
		break;
	case HS_WIRE_MAP_RELEASE:
		hs_mappings_unmap(m, e->address, e->length);
		break;
	default:
		break;
	}
}

static int by_stack(const void *a, const void *b)
{
	const struct hs_mapping *x = a, *y = b;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

void hs_mapped_replay(const struct hs_capture *c, struct hs_mapped_sums *ret)
{
	struct hs_mappings *m = hs_mappings_new();
	for (size_t i = 0; i < c->n_mappings; i++)
		apply(m, &c->mappings[i]);
	size_t n;
	struct hs_mapping *list = hs_mappings_list(m, &n);
	if (n)
		qsort(list, n, sizeof(*list), by_stack);
	*ret = (struct hs_mapped_sums){.totals = *hs_mappings_totals(m),
				       .rows = hs_xcalloc(n, sizeof(*ret->rows))};
	for (size_t i = 0; i < n; i++) {
		if (!ret->n || ret->rows[ret->n - 1].stack != list[i].stack)
			ret->rows[ret->n++].stack = list[i].stack;
		ret->rows[ret->n - 1].bytes += list[i].end - list[i].start;
	}
	free(list);
	hs_mappings_free(m);
}

void hs_mapped_encode(const struct hs_mapped_sums *sums, struct hs_out *out)
{
	hs_put_uleb(out, sums->totals.calls);
	hs_put_uleb(out, sums->totals.bytes);
	hs_put_uleb(out, sums->totals.peak_bytes);
	hs_put_uleb(out, sums->n);
	for (size_t i = 0; i < sums->n; i++) {
		hs_put_uleb(out, sums->rows[i].stack);
		hs_put_uleb(out, sums->rows[i].bytes);
	}
}

struct hs_error *hs_mapped_decode(struct hs_cursor *in, struct hs_mapped_sums *ret)
{
	struct hs_mapped_sums s = {.totals.calls = hs_cur_uleb(in)};
	s.totals.bytes = hs_cur_uleb(in);
	s.totals.peak_bytes = hs_cur_uleb(in);
	s.n = hs_cur_count(in, 2);
	s.rows = hs_xcalloc(s.n, sizeof(*s.rows));
	for (size_t i = 0; i < s.n; i++) {
		uint64_t stack = hs_cur_uleb(in);
		if (stack > UINT32_MAX)
			hs_cur_fail(in);
		s.rows[i].stack = (uint32_t)stack;
		s.rows[i].bytes = hs_cur_uleb(in);
	}
	if (hs_cur_failed(in)) {
		free(s.rows);
		return hs_error("the sums of the mappings break off");
	}
	*ret = s;
	return NULL;
}
