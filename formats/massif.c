/* SPDX-License-Identifier: MIT */

/*
 * Massif: valgrind's heap profiler, a text of snapshots, some of them with a tree
 * of call stacks.  The tree at the highest of them gives the peak's composition.
 * Massif counts bytes alone, takes no snapshot at the end, and leaves out what is
 * small: that is kept as a place of its own, so that sums stay right.
 */
#include "formats/format.h"
#include "formats/massif_write.h"

#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/scan.h"
#include "src/vgframe.h"

#define MAX_DEPTH 1024 /* massif itself ends at --depth, 30 if nobody says */

/* A node of a tree; its callers are its children. */
struct node {
	hs_frame frame;
	uint64_t rest;    /* bytes that no caller has claimed so far */
	uint64_t callers; /* still to come */
};

struct reading {
	struct hs_builder *b;
	struct hs_snapshot now;
	HS_ARRAY(struct hs_site) tree, best; /* of `now`, and of the highest with one */
	HS_ARRAY(struct node) path;
	struct hs_vgframes frames;
	uint64_t tree_bytes, best_bytes, highest, highest_time;
	uint64_t unit; /* of times; 0: they are no times */
	uint64_t n_snapshots, bad_lines;
	bool in_snapshot, in_tree, told_tree;
	bool half_a_line, cut_tree, too_deep;
};

/* ---- trees ---- */

/*
 * BYTES of the innermost frames on the path: trees go from the allocation
 * outward, stacks from main inward.
 */
static void add_leaf(struct reading *r, uint64_t bytes)
{
	hs_stack stack = {0};
	if (!bytes)
		return;
	for (size_t i = r->path.n; i-- > 0;)
		if (r->path.at[i].frame.i)
			stack = hs_build_stack(r->b, stack, r->path.at[i].frame);
	hs_array_push(&r->tree, ((struct hs_site){.stack = stack, .peak_bytes = bytes}));
}

/* What no caller claims stays with the node itself. */
static void close_nodes(struct reading *r)
{
	while (r->path.n && !r->path.at[r->path.n - 1].callers) {
		add_leaf(r, r->path.at[r->path.n - 1].rest);
		r->path.n--;
	}
}

/* The tree ends here, whatever it had announced. */
static void close_tree(struct reading *r)
{
	r->cut_tree |= r->path.n > 0;
	for (size_t i = 0; i < r->path.n; i++)
		r->path.at[i].callers = 0;
	close_nodes(r);
	r->in_tree = false;
}

/* "n2: 1100000 0x109166: keep (mini.c:4)": callers, bytes, what. */
static bool read_node(struct reading *r, struct hs_span s)
{
	uint64_t callers, bytes;
	hs_scan_spaces(&s);
	if (!hs_scan_prefix(&s, "n") || !hs_scan_decimal(&s, &callers) ||
	    !hs_scan_prefix(&s, ": ") || !hs_scan_decimal(&s, &bytes))
		return false;
	hs_scan_spaces(&s);
	struct node node = {.rest = bytes, .callers = callers};
	if (r->path.n) {
		struct node *inner = &r->path.at[r->path.n - 1];
		node.rest = HS_MIN(bytes, inner->rest);
		inner->rest -= node.rest;
		inner->callers--;
		node.frame = hs_vgframe(&r->frames, s);
	} else {
		r->tree_bytes = bytes; /* "(heap allocation functions) ..." */
	}
	if (r->path.n == MAX_DEPTH) {
		r->too_deep = true;
		return false;
	}
	hs_array_push(&r->path, node);
	close_nodes(r);
	r->in_tree = r->path.n > 0;
	return true;
}

/* ---- snapshots ---- */

/* The highest tree becomes the peak's composition. */
static void end_snapshot(struct reading *r)
{
	if (r->in_tree)
		close_tree(r);
	if (!r->in_snapshot)
		return;
	r->in_snapshot = false;
	r->n_snapshots++;
	if (r->now.heap_bytes > r->highest) {
		r->highest = r->now.heap_bytes;
		r->highest_time = r->now.time_ns;
	}
	r->now.peak_bytes = r->now.heap_bytes;
	hs_build_snapshot(r->b, &r->now, true);
	if (r->told_tree && r->tree_bytes > r->best_bytes) {
		__auto_type best = r->best;
		r->best = r->tree;
		r->tree = best;
		r->best_bytes = r->tree_bytes;
	}
	r->tree.n = 0;
}

static void begin_snapshot(struct reading *r)
{
	end_snapshot(r);
	r->now = (struct hs_snapshot){0};
	r->told_tree = false;
	r->tree_bytes = 0;
	r->in_snapshot = true;
}

static bool read_number(struct hs_span s, uint64_t *ret)
{
	return hs_scan_decimal(&s, ret) && s.at == s.end;
}

static bool read_time(struct reading *r, struct hs_span s)
{
	uint64_t time;
	if (!read_number(s, &time) ||
	    __builtin_mul_overflow(time, r->unit ? r->unit : 1, &time))
		return false;
	r->now.time_ns = time;
	if (r->unit)
		hs_build_process(r->b)->end_ns = time;
	return true;
}

static bool read_snapshot_line(struct reading *r, struct hs_span line)
{
	uint64_t ignored;
	if (hs_scan_prefix(&line, "time="))
		return read_time(r, line);
	if (hs_scan_prefix(&line, "mem_heap_B="))
		return read_number(line, &r->now.heap_bytes);
	if (hs_scan_prefix(&line, "mem_heap_extra_B=") ||
	    hs_scan_prefix(&line, "mem_stacks_B="))
		return read_number(line, &ignored);
	if (hs_scan_prefix(&line, "heap_tree=")) {
		r->told_tree = !hs_span_is(line, "empty");
		r->in_tree = r->told_tree;
		return true;
	}
	return false;
}

/* ---- the header ---- */

static bool read_time_unit(struct reading *r, struct hs_span s)
{
	struct hs_process_info *p = hs_build_process(r->b);
	if (hs_span_is(s, "ms"))
		r->unit = 1000000;
	else if (hs_span_is(s, "i"))
		p->clock = hs_build_cstring(r->b, "instructions");
	else if (hs_span_is(s, "B"))
		p->clock = hs_build_cstring(r->b, "bytes allocated and freed");
	else
		return false;
	if (r->unit)
		hs_build_has(r->b, HS_HAS_TIME);
	return true;
}

static bool read_line(struct reading *r, struct hs_span line)
{
	uint64_t number;
	if (!hs_span_size(line) || line.at[0] == '#')
		return true;
	if (r->in_tree && read_node(r, line))
		return true;
	if (hs_scan_prefix(&line, "snapshot=")) {
		begin_snapshot(r);
		return read_number(line, &number);
	}
	if (r->in_snapshot)
		return read_snapshot_line(r, line);
	if (hs_scan_prefix(&line, "cmd: ")) {
		hs_vgframe_command(r->b, line);
		return true;
	}
	if (hs_scan_prefix(&line, "time_unit: "))
		return read_time_unit(r, line);
	return hs_span_begins(line, "desc: ");
}

/* ---- the format ---- */

/* The highest snapshot may be one without a tree: within 1 % of one, massif says. */
static void add_peak(struct reading *r)
{
	uint64_t told = 0;
	for (size_t i = 0; i < r->best.n; i++) {
		hs_build_site(r->b, &r->best.at[i]);
		told += r->best.at[i].peak_bytes;
	}
	const struct hs_frame_info remark = {
		.function = hs_build_cstring(r->b, "[massif kept no stacks of these]")};
	if (r->highest > told)
		hs_build_site(r->b, &(struct hs_site){
					    .stack = hs_build_stack(
						    r->b, (hs_stack){0},
						    hs_build_named_frame(r->b, &remark)),
					    .peak_bytes = r->highest - told});
	hs_build_totals(r->b, &(struct hs_totals){.peak_ns = r->highest_time});
	hs_build_has(r->b, HS_HAS_PEAK | HS_BYTES_ALONE);
}

static void tell_quality(struct reading *r)
{
	struct hs_builder *b = r->b;
	bool ended = r->n_snapshots && !r->half_a_line && !r->cut_tree;
	hs_build_process(b)->complete = ended && !r->bad_lines;
	if (!ended)
		hs_build_warn(b, "The file ends within a snapshot, or before the first: "
				 "what came after is missing.");
	if (r->bad_lines)
		hs_build_warn(b, "%llu line%s of the file made no sense and %s left out.",
			      (unsigned long long)r->bad_lines,
			      r->bad_lines == 1 ? "" : "s",
			      r->bad_lines == 1 ? "was" : "were");
}

static struct hs_error *massif_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b, .frames = {.b = b}};
	struct hs_span line;
	bool whole;
	hs_build_process(b)->source = hs_build_cstring(b, "massif");
	while (hs_scan_line(in, &line, &whole)) {
		if (!whole)
			r.half_a_line = true;
		else
			r.bad_lines += !read_line(&r, line);
	}
	/* A snapshot that was cut has no tree, or half a one: it does not count. */
	r.cut_tree |= r.in_tree;
	if (!r.in_tree && !r.half_a_line)
		end_snapshot(&r);
	add_peak(&r);
	tell_quality(&r);
	hs_array_free(&r.tree);
	hs_array_free(&r.best);
	hs_array_free(&r.path);
	hs_map_deinit(&r.frames.modules);
	return NULL;
}

static enum hs_match massif_probe(const uint8_t *data, size_t size)
{
	struct hs_cursor in = hs_cursor(data, size, NULL);
	struct hs_span line;
	if (!hs_scan_line(&in, &line, NULL) || !hs_span_begins(line, "desc:"))
		return HS_MATCH_NO;
	return hs_scan_line(&in, &line, NULL) && hs_span_begins(line, "cmd:")
		       ? HS_MATCH_MAGIC
		       : HS_MATCH_NO;
}

const struct hs_format hs_format_massif = {
	.name = "massif",
	.summary = "output of valgrind's massif",
	.suffixes = (const char *const[]){"massif.out", NULL},
	.probe = massif_probe,
	.read = massif_read,
	.streams = true,
	.check = hs_massif_check,
	.figures_alone = true,
	.write = hs_massif_write,
};
