/* SPDX-License-Identifier: MIT */

/*
 * Folded stacks, as flame graphs are made from: "outermost;...;innermost VALUE".
 * The file does not say what its values count; they are taken for bytes at the
 * highest point, which is what this program's own export writes unless it is
 * told otherwise, and the report says so.
 */
#include "formats/format.h"

#include <string.h>

#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/out.h"
#include "src/report.h"
#include "src/scan.h"
#include "src/stacktree.h"

/* Deeper recursion is cut: its innermost frames go. */
#define MAX_DEPTH 4096

struct reading {
	struct hs_builder *b;
	uint64_t lines, bad_lines, cut_stacks;
	bool half_a_line;
};

/* Split off the value: digits, perhaps with a fraction, behind the last space. */
static bool split(struct hs_span line, struct hs_span *stack, uint64_t *value)
{
	const char *p = line.end;
	while (p > line.at && p[-1] != ' ' && p[-1] != '\t')
		p--;
	struct hs_span number = {p, line.end};
	if (p == line.at || !hs_scan_decimal(&number, value))
		return false;
	if (hs_scan_prefix(&number, ".")) {
		uint64_t fraction;
		hs_scan_decimal(&number, &fraction);
	}
	*stack = hs_span_trim((struct hs_span){line.at, p});
	return number.at == number.end && hs_span_size(*stack) > 0;
}

static hs_stack read_stack(struct reading *r, struct hs_span s)
{
	hs_stack stack = {0};
	size_t depth = 0;
	while (s.at < s.end && depth < MAX_DEPTH) {
		struct hs_span name = hs_span_trim(hs_scan_until(&s, ';'));
		if (!hs_span_size(name)) /* heaptrack ends its stacks with a ';' */
			continue;
		const struct hs_frame_info frame = {
			.function = hs_build_string(r->b, name.at, hs_span_size(name))};
		stack = hs_build_stack(r->b, stack, hs_build_named_frame(r->b, &frame));
		depth++;
	}
	r->cut_stacks += s.at < s.end;
	return stack;
}

static void read_line(struct reading *r, struct hs_span line)
{
	struct hs_span stack;
	uint64_t value;
	line = hs_span_trim(line);
	if (!hs_span_size(line) || line.at[0] == '#')
		return;
	if (!split(line, &stack, &value)) {
		r->bad_lines++;
		return;
	}
	r->lines++;
	const struct hs_site site = {.stack = read_stack(r, stack), .peak_bytes = value};
	if (value)
		hs_build_site(r->b, &site);
}

static void tell_quality(struct reading *r)
{
	struct hs_builder *b = r->b;
	hs_build_process(b)->complete = !r->bad_lines && !r->half_a_line;
	hs_build_warn(b, "Folded stacks do not say what their numbers count; they are "
			 "shown as bytes at the peak.");
	if (r->half_a_line)
		hs_build_warn(b,
			      "The last line has no end: it may be half a line and was "
			      "left out.");
	if (r->bad_lines)
		hs_build_warn(b,
			      "%llu of the lines are no stack with a number and were "
			      "left out.",
			      (unsigned long long)r->bad_lines);
	if (r->cut_stacks)
		hs_build_warn(
			b, "%llu of the stacks are deeper than %d frames and were cut.",
			(unsigned long long)r->cut_stacks, MAX_DEPTH);
}

static struct hs_error *folded_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b};
	struct hs_span line;
	bool whole;
	while (hs_scan_line(in, &line, &whole)) {
		if (whole)
			read_line(&r, line);
		else
			r.half_a_line = true;
	}
	if (!r.lines && r.bad_lines)
		return hs_error("%s: no line of it is a stack with a number",
				in->name ? in->name : "folded stacks");
	hs_build_has(b, HS_HAS_PEAK | HS_BYTES_ALONE);
	hs_build_process(b)->source = hs_build_cstring(b, "folded");
	tell_quality(&r);
	return NULL;
}

static enum hs_match folded_probe(const uint8_t *data, size_t size)
{
	struct hs_cursor in = hs_cursor(data, size, NULL);
	struct hs_span line, stack;
	uint64_t value;
	bool whole, joined = false;
	if (memchr(data, 0, size))
		return HS_MATCH_NO;
	size_t n = 0;
	for (; hs_scan_line(&in, &line, &whole); n += whole) {
		line = hs_span_trim(line);
		joined |= memchr(line.at, ';', hs_span_size(line)) != NULL;
		if (whole && hs_span_size(line) && line.at[0] != '#' &&
		    !split(line, &stack, &value))
			return HS_MATCH_NO;
	}
	/* The beginning of one very long line will do, as well. */
	return joined && (n > 0 || size == HS_PROBE_SIZE) ? HS_MATCH_MAYBE : HS_MATCH_NO;
}

/* ---- writing ---- */

static void put_line(const struct hs_stacktree *tree, uint32_t node, struct hs_out *out)
{
	HS_ARRAY(uint32_t) path = {0};
	uint32_t n_nodes;
	const struct hs_stacknode *nodes = hs_stacktree_nodes(tree, &n_nodes);
	uint64_t value = nodes[node].value;
	for (; node; node = nodes[node].parent)
		hs_array_push(&path, nodes[node].name);
	for (size_t i = path.n; i-- > 0;) {
		hs_put_folded_name(out, hs_stacktree_name(tree, path.at[i]),
				   i + 1 == path.n);
		if (i)
			hs_putc(out, ';');
	}
	hs_printf(out, " %llu\n", (unsigned long long)value);
	hs_array_free(&path);
}

static void folded_write(const struct hs_report *report, struct hs_out *out)
{
	struct hs_stacktree *tree = hs_stacktree_new(false);
	uint32_t n;
	for (size_t i = 0; i < report->n_targets; i++)
		hs_stacktree_add(tree, report->targets[i].profile, report->measure);
	const struct hs_stacknode *nodes = hs_stacktree_nodes(tree, &n);
	for (uint32_t i = 1; i < n; i++)
		if (nodes[i].value)
			put_line(tree, i, out);
	hs_stacktree_free(tree);
}

static struct hs_error *folded_check(const struct hs_report *report)
{
	return hs_report_knows(report, report->measure);
}

const struct hs_format hs_format_folded = {
	.name = "folded",
	.summary = "folded stacks: outermost;...;innermost VALUE",
	.suffixes = (const char *const[]){".folded", ".collapsed", NULL},
	.probe = folded_probe,
	.read = folded_read,
	.streams = true,
	.check = folded_check,
	.figures_alone = true,
	.by_measure = true,
	.write = folded_write,
};
