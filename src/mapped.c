/* SPDX-License-Identifier: MIT */

/* Mappings of a capture: playing them back, writing and reading what they came to. */
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
		hs_mappings_map(m, e->address, e->length, e->stack, e->stamp);
		break;
	case HS_WIRE_MAP_MUNMAP:
		hs_mappings_call(m);
		hs_mappings_unmap(m, e->address, e->length, e->stamp);
		break;
	case HS_WIRE_MAP_RELEASE:
		hs_mappings_unmap(m, e->address, e->length, e->stamp);
		break;
	default:
		break;
	}
}

void hs_mapped_apply(struct hs_mappings *m, const struct hs_capture_mapping *calls,
		     size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(m, &calls[i]);
}

void hs_mapped_encode(const struct hs_mappings *m, struct hs_out *out)
{
	const struct hs_mapped *totals = hs_mappings_totals(m);
	size_t n;
	struct hs_mapping *list HS_CLEANUP(hs_freep) = hs_mappings_list(m, &n);
	uint64_t end = 0;
	hs_put_uleb(out, totals->calls);
	hs_put_uleb(out, totals->peak_bytes);
	hs_put_uleb(out, n);
	for (size_t i = 0; i < n; end = list[i++].end) {
		hs_put_uleb(out, list[i].start - end);
		hs_put_uleb(out, list[i].end - list[i].start);
		hs_put_uleb(out, list[i].stack);
		hs_put_uleb(out, list[i].since);
	}
}

struct hs_error *hs_mapped_decode(struct hs_cursor *in, struct hs_mappings *m)
{
	uint64_t calls = hs_cur_uleb(in), peak_bytes = hs_cur_uleb(in), end = 0;
	size_t n = hs_cur_count(in, 4);
	for (size_t i = 0; i < n; i++) {
		uint64_t start = end + hs_cur_uleb(in);
		uint64_t length = hs_cur_uleb(in), stack = hs_cur_uleb(in);
		uint64_t since = hs_cur_uleb(in);
		if (start < end || length > UINT64_MAX - start || stack > UINT32_MAX)
			hs_cur_fail(in);
		if (hs_cur_failed(in))
			break;
		end = start + length;
		hs_mappings_map(m, start, length, (uint32_t)stack, since);
	}
	hs_mappings_resume(m, calls, peak_bytes);
	return hs_cur_check(in, "mapped ranges");
}
