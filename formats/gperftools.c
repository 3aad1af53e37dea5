/* SPDX-License-Identifier: MIT */

/*
 * Heap profiles of gperftools (tcmalloc), as text: one line for each stack.  They
 * hold everything ("heapprofile") or samples ("heap_v2/PERIOD", "heap/PERIOD").
 */
#include "formats/format.h"

#include "src/allocprof.h"
#include "src/build.h"
#include "src/cursor.h"

#define HEAD "heap profile:"

struct reading {
	struct hs_allocprof *profile;
	struct hs_allocprof_sums total; /* as the first line has it */
	enum hs_sampling sampling;
	uint64_t period, bad_lines;
	bool in_maps, half_a_line;
};

/* "heap profile:  120: 120000 [170: 1120000] @ heap_v2/524288" */
static bool read_head(struct reading *r, struct hs_span line)
{
	if (!hs_scan_prefix(&line, HEAD) || !hs_allocprof_sums(&line, &r->total))
		return false;
	hs_scan_spaces(&line);
	if (!hs_scan_prefix(&line, "@"))
		return true;
	hs_scan_spaces(&line);
	if (hs_scan_prefix(&line, "heap_v2/")) {
		r->sampling = HS_BY_BYTE;
	} else if (hs_scan_prefix(&line, "heap/")) {
		r->sampling = HS_BY_PERIOD;
	} else {
		return true;
	}
	bool good = hs_scan_decimal(&line, &r->period);
	if (r->sampling == HS_BY_PERIOD) /* as pprof reads it */
		r->period /= 2;
	return good;
}

static bool read_line(struct reading *r, struct hs_span line)
{
	struct hs_allocprof_sums sums;
	line = hs_span_trim(line);
	if (!hs_span_size(line))
		return true;
	if (hs_span_is(line, "MAPPED_LIBRARIES:")) {
		r->in_maps = true;
		return true;
	}
	if (r->in_maps) /* "build=..." comes first in some */
		return hs_allocprof_map(r->profile, line) ||
		       hs_span_begins(line, "build=");
	if (!hs_allocprof_sums(&line, &sums))
		return false;
	hs_scan_spaces(&line);
	bool good = hs_scan_prefix(&line, "@") && hs_allocprof_stack(r->profile, line);
	if (good)
		hs_allocprof_add(r->profile, &sums);
	return good;
}

static bool is_whole(const struct reading *r)
{
	struct hs_allocprof_sums sums = hs_allocprof_total(r->profile);
	return sums.live_bytes == r->total.live_bytes && sums.bytes == r->total.bytes &&
	       r->in_maps && !r->half_a_line;
}

static struct hs_error *gperftools_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {0};
	struct hs_span line;
	bool whole;
	if (!hs_scan_line(in, &line, NULL) || !read_head(&r, line))
		return hs_error("%s: its first line, which should tell the totals, is "
				"damaged",
				in->name ? in->name : "gperftools");
	hs_build_process(b)->source = hs_build_cstring(b, "gperftools");
	r.profile = hs_allocprof_new(b);
	while (hs_scan_line(in, &line, &whole)) {
		if (!whole)
			r.half_a_line = true;
		else
			r.bad_lines += !read_line(&r, line);
	}
	hs_allocprof_tell(r.profile, is_whole(&r), r.bad_lines);
	hs_allocprof_build(r.profile, r.sampling, r.period);
	hs_allocprof_free(r.profile);
	return NULL;
}

static enum hs_match gperftools_probe(const uint8_t *data, size_t size)
{
	return size >= sizeof(HEAD) && !memcmp(data, HEAD, sizeof(HEAD) - 1)
		       ? HS_MATCH_MAGIC
		       : HS_MATCH_NO;
}

const struct hs_format hs_format_gperftools = {
	.name = "gperftools",
	.summary = "a heap profile of gperftools (tcmalloc)",
	.suffixes = (const char *const[]){".heap", NULL},
	.probe = gperftools_probe,
	.read = gperftools_read,
	.streams = true,
};
