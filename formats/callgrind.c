/* SPDX-License-Identifier: MIT */

/*
 * Callgrind's profile, for KCachegrind and callgrind_annotate: each function's own
 * figures, and those of the calls between functions with all that they led to.  Where
 * a function calls itself, over others or not, the outermost call has the sum.
 */
#include "formats/format.h"

#include "config.h"
#include "src/array.h"
#include "src/calltree.h"
#include "src/hash.h"
#include "src/out.h"
#include "src/report.h"

/* A function's own figures, or those of its calls of another, on one line. */
struct cost {
	uint32_t caller, line, callee; /* callee 0: its own */
	struct hs_figures figures;
};

struct writing {
	struct hs_functions *functions;
	HS_ARRAY(struct cost) costs; /* in the order in which they came */
	struct hs_map cost_of;
	struct hs_out *out;
};

static const enum hs_figure events[] = {HS_FIGURE_PEAK_BYTES, HS_FIGURE_LIVE_BYTES,
					HS_FIGURE_BYTES, HS_FIGURE_ALLOCATIONS,
					HS_FIGURE_TEMPORARIES};

static void add_cost(struct writing *w, uint32_t caller, uint32_t line, uint32_t callee,
		     const struct hs_figures *figures)
{
	const uint32_t key[] = {caller, line, callee};
	uint64_t h = hs_hash_bytes(HS_HASH_INIT, key, sizeof(key));
	struct cost *cost;
	for (;; h = hs_hash_u64(h + 1)) {
		bool fresh;
		uint32_t *id = hs_map_put(&w->cost_of, h, &fresh);
		if (fresh) {
			*id = (uint32_t)w->costs.n;
			hs_array_push(&w->costs,
				      ((struct cost){caller, line, callee, {{0}}}));
		}
		cost = &w->costs.at[*id];
		if (cost->caller == caller && cost->line == line &&
		    cost->callee == callee)
			break;
	}
	for (int i = 0; i < HS_FIGURES; i++) {
		uint64_t *sum = &cost->figures.v[i], value = figures->v[i];
		*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
	}
}

/* Is the call that leads to node I made further out on its path, too? */
static bool is_repeated(const struct hs_calltree *t, uint32_t i)
{
	uint32_t callee = t->nodes[i].function, parent = t->nodes[i].parent;
	uint32_t caller = t->nodes[parent].function;
	for (uint32_t at = parent; at; at = t->nodes[at].parent)
		if (t->nodes[at].function == callee &&
		    t->nodes[t->nodes[at].parent].function == caller)
			return true;
	return false;
}

static void add_profile(struct writing *w, const struct hs_profile *p)
{
	struct hs_calltree *t = hs_calltree_build(w->functions, p);
	struct hs_figures *sums = hs_xcalloc(HS_MAX(t->n, 1u), sizeof(*sums));
	for (uint32_t i = 0; i < t->n; i++)
		sums[i] = t->figures[t->nodes[i].figures];
	/* In preorder, what is below a node comes behind it. */
	for (uint32_t i = t->n; i-- > 1;)
		for (int k = 0; k < HS_FIGURES; k++)
			sums[t->nodes[i].parent].v[k] += sums[i].v[k];
	for (uint32_t i = 0; i < t->n; i++) {
		const struct hs_calltree_node *node = &t->nodes[i];
		if (node->figures)
			add_cost(w, node->function, node->line, 0,
				 &t->figures[node->figures]);
		if (i && node->parent && !is_repeated(t, i))
			add_cost(w, t->nodes[node->parent].function,
				 t->nodes[node->parent].line, node->function, &sums[i]);
	}
	free(sums);
	hs_calltree_free(t);
}

/* One line: names end where it ends. */
static void put_name(struct hs_out *out, const char *key, uint32_t id, const char *name)
{
	hs_printf(out, "%s=(%u) ", key, id);
	for (; *name; name++)
		hs_putc(out, (unsigned char)*name < ' ' ? ' ' : *name);
	hs_putc(out, '\n');
}

/* An id is the function's own, also that of its file and module: names may be given anew.
 */
static void put_function(struct writing *w, const char *const keys[3], uint32_t id)
{
	uint32_t n;
	const struct hs_function *f = &hs_functions_get(w->functions, &n)[id];
	put_name(w->out, keys[0], id, *f->module ? f->module : "???");
	put_name(w->out, keys[1], id, *f->file ? f->file : "???");
	put_name(w->out, keys[2], id, *f->name ? f->name : "[no stack]");
}

static void put_figures(struct writing *w, uint32_t line, const struct hs_figures *f)
{
	hs_printf(w->out, "%u", line);
	for (size_t i = 0; i < HS_COUNT(events); i++)
		hs_printf(w->out, " %llu", (unsigned long long)f->v[events[i]]);
	hs_putc(w->out, '\n');
}

static void put_cost(struct writing *w, const struct cost *c)
{
	static const char *const own[] = {"ob", "fl", "fn"};
	static const char *const called[] = {"cob", "cfi", "cfn"};
	put_function(w, own, c->caller);
	if (c->callee) {
		put_function(w, called, c->callee);
		hs_puts(w->out, "calls=1 0\n");
	}
	put_figures(w, c->line, &c->figures);
	hs_putc(w->out, '\n');
}

static void callgrind_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {.functions = hs_functions_new(), .out = out};
	struct hs_figures total = {{0}};
	for (size_t i = 0; i < report->n_targets; i++)
		add_profile(&w, report->targets[i].profile);
	for (size_t i = 0; i < w.costs.n; i++)
		for (int k = 0; k < HS_FIGURES && !w.costs.at[i].callee; k++)
			total.v[k] += w.costs.at[i].figures.v[k];
	hs_puts(out, "# callgrind format\nversion: 1\ncreator: heapsnap " PACKAGE_VERSION
		     "\ncmd: ");
	for (const char *s = report->title; *s; s++)
		hs_putc(out, (unsigned char)*s < ' ' ? ' ' : *s);
	hs_puts(out, "\npositions: line\n"
		     "event: PeakB : Bytes live at the peak\n"
		     "event: LiveB : Bytes live at the end\n"
		     "event: AllocB : Bytes allocated\n"
		     "event: Allocs : Allocations\n"
		     "event: Temps : Temporary allocations\n"
		     "events: PeakB LiveB AllocB Allocs Temps\nsummary:");
	for (size_t i = 0; i < HS_COUNT(events); i++)
		hs_printf(out, " %llu", (unsigned long long)total.v[events[i]]);
	hs_puts(out, "\n\n");
	for (size_t i = 0; i < w.costs.n; i++)
		put_cost(&w, &w.costs.at[i]);
	hs_array_free(&w.costs);
	hs_map_deinit(&w.cost_of);
	hs_functions_free(w.functions);
}

const struct hs_format hs_format_callgrind = {
	.name = "callgrind",
	.summary = "for KCachegrind and callgrind_annotate",
	.suffixes = (const char *const[]){".callgrind", NULL},
	.figures_alone = true,
	.write = callgrind_write,
};
