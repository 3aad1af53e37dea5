/* SPDX-License-Identifier: MIT */

/*
 * jemalloc's heap profiles, "heap_v2": sums for each stack, for all threads ("t*")
 * and for each of them.  Only those for all are read.
 */
#include "formats/format.h"

#include "src/allocprof.h"
#include "src/build.h"
#include "src/cursor.h"

struct reading {
	struct hs_allocprof *profile;
	struct hs_allocprof_sums total; /* as the header has it */
	uint64_t period, bad_lines;
	bool in_maps, has_total, half_a_line;
};

static bool read_sums(struct reading *r, struct hs_span s, bool of_stack)
{
	struct hs_allocprof_sums sums;
	if (!hs_allocprof_sums(&s, &sums))
		return false;
	if (of_stack) {
		hs_allocprof_add(r->profile, &sums);
	} else {
		r->total = sums;
		r->has_total = true;
	}
	return true;
}

static bool read_line(struct reading *r, struct hs_span line, bool *of_stack)
{
	line = hs_span_trim(line);
	if (!hs_span_size(line))
		return true;
	if (hs_span_is(line, "MAPPED_LIBRARIES:")) {
		r->in_maps = true;
		return true;
	}
	if (r->in_maps)
		return hs_allocprof_map(r->profile, line);
	if (hs_scan_prefix(&line, "@")) {
		*of_stack = true;
		return hs_allocprof_stack(r->profile, line);
	}
	if (hs_scan_prefix(&line, "t*: "))
		return read_sums(r, line, *of_stack);
	return hs_span_begins(line, "t");
}

static bool is_whole(const struct reading *r)
{
	struct hs_allocprof_sums sums = hs_allocprof_total(r->profile);
	/* Of samples, sums and totals are estimates, each for itself. */
	bool equal = r->period > 1 || (sums.live_bytes == r->total.live_bytes &&
				       sums.bytes == r->total.bytes);
	return r->has_total && equal && r->in_maps && !r->half_a_line;
}

static struct hs_error *jemalloc_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {0};
	struct hs_span line;
	bool whole, of_stack = false;
	if (!hs_scan_line(in, &line, NULL) || !hs_scan_prefix(&line, "heap_v2/") ||
	    !hs_scan_decimal(&line, &r.period))
		return hs_error("%s: no sampling period in its first line",
				in->name ? in->name : "jemalloc");
	hs_build_process(b)->source = hs_build_cstring(b, "jemalloc");
	r.profile = hs_allocprof_new(b);
	while (hs_scan_line(in, &line, &whole)) {
		if (!whole)
			r.half_a_line = true;
		else
			r.bad_lines += !read_line(&r, line, &of_stack);
	}
	hs_allocprof_tell(r.profile, is_whole(&r), r.bad_lines);
	hs_allocprof_build(r.profile, HS_BY_BYTE, r.period);
	hs_allocprof_free(r.profile);
	return NULL;
}

static enum hs_match jemalloc_probe(const uint8_t *data, size_t size)
{
	static const char magic[] = "heap_v2/";
	return size >= sizeof(magic) && !memcmp(data, magic, sizeof(magic) - 1)
		       ? HS_MATCH_MAGIC
		       : HS_MATCH_NO;
}

const struct hs_format hs_format_jemalloc = {
	.name = "jemalloc",
	.summary = "a heap profile of jemalloc",
	.suffixes = (const char *const[]){".heap", NULL},
	.probe = jemalloc_probe,
	.read = jemalloc_read,
	.streams = true,
};
