/* SPDX-License-Identifier: MIT */

/*
 * Writing massif's files: the line of time, and the stacks at the peak and at the end
 * as trees from the allocation outward.  Nothing is too small to be written, so that
 * sums stay right.
 */
#include "formats/massif_write.h"

#include <string.h>

#include "src/array.h"
#include "src/out.h"
#include "src/report.h"
#include "src/stacktree.h"

/* A tree with what massif wants to know before a node's callers are told. */
struct tree {
	struct hs_stacktree *tree;
	const struct hs_stacknode *nodes;
	uint32_t n;
	uint64_t *sums;
	uint32_t *n_children, *first, *next; /* siblings in order */
};

static void tree_init(struct tree *t, const struct hs_profile *p, enum hs_measure measure)
{
	t->tree = hs_stacktree_new(true);
	hs_stacktree_add(t->tree, p, measure);
	t->nodes = hs_stacktree_nodes(t->tree, &t->n);
	t->sums = hs_xcalloc(t->n, sizeof(*t->sums));
	t->n_children = hs_xcalloc(t->n, sizeof(*t->n_children));
	t->first = hs_xcalloc(t->n, sizeof(*t->first));
	t->next = hs_xcalloc(t->n, sizeof(*t->next));
	for (uint32_t i = t->n; i-- > 0;) {
		uint32_t parent = t->nodes[i].parent;
		t->sums[i] += t->nodes[i].value;
		if (!i)
			break;
		t->sums[parent] += t->sums[i];
		t->n_children[parent]++;
		t->next[i] = t->first[parent];
		t->first[parent] = i;
	}
}

static void tree_deinit(struct tree *t)
{
	hs_stacktree_free(t->tree);
	free(t->sums);
	free(t->n_children);
	free(t->first);
	free(t->next);
}

/* What ends a line would end the record. */
static void put_line_of(struct hs_out *out, const char *s)
{
	for (; *s; s++)
		hs_putc(out, (unsigned char)*s < ' ' ? ' ' : *s);
}

/* A name with brackets is a remark of massif's; others have an address. */
static void put_node(const struct tree *t, struct hs_out *out, uint32_t node,
		     unsigned depth)
{
	hs_printf(out, "%*sn%u: %llu ", (int)depth, "", t->n_children[node],
		  (unsigned long long)t->sums[node]);
	if (!node) {
		hs_puts(out, "(heap allocation functions) malloc/new/new[], "
			     "--alloc-fns, etc.\n");
		return;
	}
	const char *name = hs_stacktree_name(t->tree, t->nodes[node].name);
	size_t n = strlen(name);
	if (name[0] != '[')
		hs_puts(out, "0x0: ");
	put_line_of(out, name);
	/* What is in the last brackets is taken for the place. */
	hs_puts(out, n && name[0] != '[' && name[n - 1] == ')' ? " (?:0)\n" : "\n");
}

/* Depth first, without recursion: stacks may be deep. */
static void put_tree(const struct tree *t, struct hs_out *out)
{
	unsigned depth = 0;
	for (uint32_t node = 0;;) {
		put_node(t, out, node, depth);
		if (t->first[node]) {
			node = t->first[node];
			depth++;
			continue;
		}
		while (node && !t->next[node]) {
			node = t->nodes[node].parent;
			depth--;
		}
		if (!node)
			return;
		node = t->next[node];
	}
}

/* ---- snapshots ---- */

struct point {
	uint64_t time, bytes;
	const struct tree *tree;
	const char *kind; /* of the tree */
};

struct writing {
	const struct hs_profile *p;
	struct hs_out *out;
	uint64_t n;
};

static uint64_t time_of(const struct hs_profile *p, uint64_t ns)
{
	uint64_t from = p->process.clock.i ? 0 : p->process.start_ns;
	uint64_t unit = p->process.clock.i || !(p->has & HS_HAS_TIME) ? 1 : 1000000;
	return ns > from ? (ns - from) / unit : 0;
}

static void put_point(struct writing *w, const struct point *p)
{
	hs_printf(w->out,
		  "#-----------\nsnapshot=%llu\n#-----------\ntime=%llu\n"
		  "mem_heap_B=%llu\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=%s\n",
		  (unsigned long long)w->n++, (unsigned long long)p->time,
		  (unsigned long long)p->bytes, p->tree ? p->kind : "empty");
	if (p->tree)
		put_tree(p->tree, w->out);
}

static void put_snapshots(struct writing *w, const struct point *peak,
			  const struct point *end)
{
	const struct hs_profile *p = w->p;
	bool peak_put = !peak->tree;
	for (uint32_t i = 0; i < p->n_snapshots; i++) {
		const struct hs_snapshot *s = &p->snapshots[i];
		struct point point = {.time = time_of(p, s->time_ns),
				      .bytes = s->heap_bytes};
		if (peak->tree) /* rounding of a foreign file must not make another */
			point.bytes = HS_MIN(point.bytes, peak->bytes);
		if (!peak_put && point.time >= peak->time) {
			put_point(w, peak);
			peak_put = true;
			if (point.time == peak->time && point.bytes == peak->bytes)
				continue;
		}
		put_point(w, &point);
	}
	if (!peak_put)
		put_point(w, peak);
	if (end->tree)
		put_point(w, end);
}

static const char *time_unit(const struct hs_profile *p)
{
	const char *clock = hs_string(p, p->process.clock);
	if (!strcmp(clock, "instructions"))
		return "i";
	return *clock || !(p->has & HS_HAS_TIME) ? "B" : "ms";
}

static void put_command(struct hs_out *out, const struct hs_profile *p)
{
	const struct hs_process_info *i = &p->process;
	hs_puts(out, "cmd:");
	for (uint32_t k = 0; k < i->n_argv; k++) {
		hs_putc(out, ' ');
		put_line_of(out, hs_string(p, i->argv[k]));
	}
	if (!i->n_argv) {
		hs_putc(out, ' ');
		put_line_of(out, hs_string(p, i->name));
	}
	hs_putc(out, '\n');
}

void hs_massif_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {.p = report->targets[0].profile, .out = out};
	const struct hs_profile *p = w.p;
	struct tree at_peak = {0}, at_end = {0};
	struct point peak = {.time = time_of(p, p->totals.peak_ns),
			     .bytes = p->totals.peak_bytes,
			     .kind = "peak"};
	struct point end = {.time = time_of(p, p->process.end_ns),
			    .bytes = p->totals.live_bytes,
			    .kind = "detailed"};
	if (p->n_snapshots)
		end.time = HS_MAX(end.time,
				  time_of(p, p->snapshots[p->n_snapshots - 1].time_ns));
	if (p->has & HS_HAS_PEAK) {
		tree_init(&at_peak, p, HS_MEASURE_PEAK);
		peak.tree = &at_peak;
	}
	if (p->has & HS_HAS_LIVE) {
		tree_init(&at_end, p, HS_MEASURE_LEAKED);
		end.tree = &at_end;
		end.time = HS_MAX(end.time, peak.time);
	}
	hs_puts(out, "desc: heapsnap\n");
	put_command(out, p);
	hs_printf(out, "time_unit: %s\n", time_unit(p));
	put_snapshots(&w, &peak, &end);
	tree_deinit(&at_peak);
	tree_deinit(&at_end);
}

struct hs_error *hs_massif_check(const struct hs_report *report)
{
	struct hs_error *err = hs_report_single(report, "massif");
	if (err)
		return err;
	uint32_t has = report->targets[0].profile->has;
	return has & (HS_HAS_PEAK | HS_HAS_LIVE)
		       ? NULL
		       : hs_report_knows(report, HS_MEASURE_PEAK);
}
