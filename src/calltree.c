/* SPDX-License-Identifier: MIT */

/* Building the call tree: interning functions, merging stacks, ordering nodes. */
#include "src/calltree.h"

#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/hash.h"
#include "src/names.h"

/* A chain of inlined calls longer than this is damage in the debug data. */
#define MAX_INLINES 256

struct hs_functions {
	struct hs_arena *arena;
	HS_ARRAY(struct hs_function) list;
	struct hs_map by_content;
};

struct hs_functions *hs_functions_new(void)
{
	struct hs_functions *f = hs_xcalloc(1, sizeof(*f));
	f->arena = hs_arena_new();
	hs_array_push(&f->list, ((struct hs_function){"", "", "", "", false, false}));
	hs_array_push(&f->list,
		      ((struct hs_function){"(folded)", "", "", "", false, false}));
	return f;
}

void hs_functions_free(struct hs_functions *f)
{
	if (!f)
		return;
	hs_array_free(&f->list);
	hs_map_deinit(&f->by_content);
	hs_arena_free(f->arena);
	free(f);
}

const struct hs_function *hs_functions_get(const struct hs_functions *f, uint32_t *n_ret)
{
	*n_ret = (uint32_t)f->list.n;
	return f->list.at;
}

/* The last PARTS components of PATH: enough to find it, without naming homes. */
static const char *path_tail(const char *path, unsigned parts)
{
	const char *p = path + strlen(path);
	while (p > path && (p[-1] != '/' || --parts))
		p--;
	return p;
}

static bool same_function(const struct hs_function *a, const struct hs_function *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->file, b->file) &&
	       !strcmp(a->module, b->module) && !strcmp(a->build_id, b->build_id);
}

static uint64_t hash_function(const struct hs_function *f)
{
	/* The NUL is hashed too, so that "ab", "c" is not "a", "bc". */
	uint64_t h = hs_hash_bytes(HS_HASH_INIT, f->name, strlen(f->name) + 1);
	h = hs_hash_bytes(h, f->file, strlen(f->file) + 1);
	h = hs_hash_bytes(h, f->module, strlen(f->module) + 1);
	return hs_hash_bytes(h, f->build_id, strlen(f->build_id));
}

static const char *copy(struct hs_functions *f, const char *s)
{
	return hs_arena_strndup(f->arena, s, strlen(s));
}

static bool is_runtime(const struct hs_function *f)
{
	char *base HS_CLEANUP(hs_freep) = hs_function_base(f->named ? f->name : "");
	return hs_role_of(f->module, base) != HS_ROLE_CODE;
}

static uint32_t intern(struct hs_functions *f, const struct hs_function *wanted)
{
	for (uint64_t h = hash_function(wanted);; h = hs_hash_u64(h + 1)) {
		bool fresh;
		uint32_t *slot = hs_map_put(&f->by_content, h, &fresh);
		if (fresh) {
			*slot = (uint32_t)f->list.n;
			struct hs_function *added = hs_array_add(&f->list);
			*added = (struct hs_function){
				.name = copy(f, wanted->name),
				.file = copy(f, wanted->file),
				.module = copy(f, wanted->module),
				.build_id = copy(f, wanted->build_id),
				.named = wanted->named,
				.runtime = wanted->runtime || is_runtime(wanted),
			};
			return (uint32_t)f->list.n - 1;
		}
		if (same_function(&f->list.at[*slot], wanted))
			return *slot;
	}
}

uint32_t hs_functions_intern(struct hs_functions *f, const struct hs_profile *p,
			     hs_frame frame)
{
	const struct hs_frame_info *info = &p->frames[frame.i];
	const struct hs_module_info *module = &p->modules[info->module.i];
	struct hs_function wanted = {
		.name = hs_string(p, info->function),
		.file = path_tail(hs_string(p, info->file), 2),
		.module = path_tail(hs_string(p, module->path), 1),
		.build_id = hs_string(p, module->build_id),
		.named = true,
		.runtime =
			!info->module.i && hs_is_python_library(hs_string(p, info->file)),
	};
	/* Python code is in no module; so it has a colour of its own. */
	if (!info->module.i && hs_is_python_source(hs_string(p, info->file)))
		wanted.module = "Python";
	char *place HS_CLEANUP(hs_freep) = NULL;
	if (!*wanted.name) {
		uint64_t at = info->function_start ? info->function_start : info->offset;
		place = hs_xasprintf("%s+0x%llx",
				     *wanted.module ? wanted.module : "unknown",
				     (unsigned long long)at);
		wanted.name = place;
		wanted.named = false;
	}
	return intern(f, &wanted);
}

/* What is needed while nodes are added in any order. */
struct growing {
	HS_ARRAY(struct hs_calltree_node) nodes;
	HS_ARRAY(struct hs_figures) figures;
	struct hs_map child_of; /* parent << 32 | function */
};

static uint32_t child(struct growing *g, uint32_t parent, uint32_t function,
		      uint32_t line)
{
	bool fresh;
	uint64_t key = (uint64_t)parent << 32 | function;
	uint32_t *slot = hs_map_put(&g->child_of, key, &fresh);
	if (fresh) {
		*slot = (uint32_t)g->nodes.n;
		hs_array_push(&g->nodes,
			      ((struct hs_calltree_node){parent, function, line, 0}));
	} else if (g->nodes.at[*slot].line != line) {
		g->nodes.at[*slot].line = 0;
	}
	return *slot;
}

/* Sums of hostile figures stay at the maximum. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

static void add_site(struct growing *g, uint32_t node, const struct hs_site *s)
{
	uint32_t *figures = &g->nodes.at[node].figures;
	if (!*figures) {
		*figures = (uint32_t)g->figures.n;
		hs_array_add(&g->figures);
	}
	uint64_t *v = g->figures.at[*figures].v;
	add(&v[HS_FIGURE_PEAK_BYTES], s->peak_bytes);
	add(&v[HS_FIGURE_PEAK_BLOCKS], s->peak_blocks);
	add(&v[HS_FIGURE_LIVE_BYTES], s->live_bytes);
	add(&v[HS_FIGURE_LIVE_BLOCKS], s->live_blocks);
	add(&v[HS_FIGURE_BYTES], s->bytes);
	add(&v[HS_FIGURE_ALLOCATIONS], s->allocs);
	add(&v[HS_FIGURE_TEMPORARIES], s->temporaries);
}

/* Stacks that lead to a site; the others would be branches without leaves. */
static uint8_t *mark_used(const struct hs_profile *p)
{
	uint8_t *used = hs_xcalloc(HS_MAX(p->n_stacks, 1u), 1);
	for (uint32_t i = 0; i < p->n_sites; i++)
		used[p->sites[i].stack.i] = 1;
	for (uint32_t i = p->n_stacks; i-- > 1;)
		used[p->stacks[i].parent.i] |= used[i];
	return used;
}

struct naming {
	struct hs_functions *functions;
	const struct hs_profile *profile;
	uint32_t *of_frame; /* function + 1, or 0 while not asked for */
};

static uint32_t function_of(struct naming *n, hs_frame frame)
{
	uint32_t *f = &n->of_frame[frame.i];
	if (!*f)
		*f = hs_functions_intern(n->functions, n->profile, frame) + 1;
	return *f - 1;
}

/* Add FRAME below PARENT: outermost first, the calls that were inlined. */
static uint32_t add_frame(struct growing *g, struct naming *n, uint32_t parent,
			  hs_frame frame)
{
	const struct hs_frame_info *frames = n->profile->frames;
	hs_frame chain[MAX_INLINES];
	size_t depth = 0;
	for (hs_frame f = frame; f.i && depth < MAX_INLINES; f = frames[f.i].caller)
		chain[depth++] = f;
	while (depth-- > 0)
		parent = child(g, parent, function_of(n, chain[depth]),
			       frames[chain[depth].i].line);
	return parent;
}

static int compare_functions(const void *a, const void *b, void *context)
{
	const struct hs_function *list = context;
	const struct hs_function *f = &list[*(const uint32_t *)a];
	const struct hs_function *g = &list[*(const uint32_t *)b];
	int d = strcmp(f->name, g->name);
	d = d ? d : strcmp(f->module, g->module);
	d = d ? d : strcmp(f->file, g->file);
	return d ? d : strcmp(f->build_id, g->build_id);
}

/* Node indices, ordered by the names of their functions (a counting sort). */
static uint32_t *nodes_by_name(const struct hs_calltree_node *nodes, uint32_t n,
			       const struct hs_functions *functions)
{
	uint32_t n_functions = (uint32_t)functions->list.n;
	uint32_t *order = hs_xcalloc(n_functions, sizeof(*order));
	for (uint32_t i = 0; i < n_functions; i++)
		order[i] = i;
	qsort_r(order, n_functions, sizeof(*order), compare_functions,
		functions->list.at);

	uint32_t *count = hs_xcalloc((size_t)n_functions + 1, sizeof(*count));
	for (uint32_t i = 0; i < n; i++)
		count[nodes[i].function]++;
	for (uint32_t i = 0, at = 0; i < n_functions; i++) {
		uint32_t size = count[order[i]];
		count[order[i]] = at;
		at += size;
	}
	uint32_t *sorted = hs_xcalloc(n, sizeof(*sorted));
	for (uint32_t i = 0; i < n; i++)
		sorted[count[nodes[i].function]++] = i;
	free(count);
	free(order);
	return sorted;
}

/* Children lists as links: first[] by parent, next[] by child. */
struct links {
	uint32_t *first, *next;
};

static struct links link_by_name(const struct hs_calltree_node *nodes, uint32_t n,
				 const struct hs_functions *functions)
{
	struct links l = {hs_xcalloc(n, sizeof(uint32_t)),
			  hs_xcalloc(n, sizeof(uint32_t))};
	uint32_t *sorted = nodes_by_name(nodes, n, functions);
	for (uint32_t i = n; i-- > 0;) {
		uint32_t c = sorted[i];
		if (c == 0)
			continue;
		l.next[c] = l.first[nodes[c].parent];
		l.first[nodes[c].parent] = c;
	}
	free(sorted);
	return l;
}

/* Renumber nodes in preorder; returns the new index of each old one. */
static uint32_t *preorder(struct hs_calltree *t, const struct hs_functions *functions)
{
	struct links l = link_by_name(t->nodes, t->n, functions);
	uint32_t *at = hs_xcalloc(t->n, sizeof(*at));
	struct hs_calltree_node *out = hs_xcalloc(t->n, sizeof(*out));
	uint32_t n = 0;
	for (uint32_t i = 0;;) {
		at[i] = n;
		out[n] = t->nodes[i];
		out[n++].parent = at[t->nodes[i].parent];
		if (l.first[i]) {
			i = l.first[i];
			continue;
		}
		while (i && !l.next[i])
			i = t->nodes[i].parent;
		if (!i)
			break;
		i = l.next[i];
	}
	free(l.first);
	free(l.next);
	free(t->nodes);
	t->nodes = out;
	return at;
}

struct hs_calltree *hs_calltree_build(struct hs_functions *functions,
				      const struct hs_profile *p)
{
	struct hs_calltree *t = hs_xcalloc(1, sizeof(*t));
	struct growing g = {0};
	struct naming names = {functions, p, hs_xcalloc(HS_MAX(p->n_frames, 1u), 4)};
	uint8_t *used = mark_used(p);
	hs_array_add(&g.nodes);
	hs_array_add(&g.figures);
	t->n_stacks = p->n_stacks;
	t->of_stack = hs_xcalloc(HS_MAX(p->n_stacks, 1u), sizeof(uint32_t));
	for (uint32_t i = 1; i < p->n_stacks; i++)
		if (used[i])
			t->of_stack[i] =
				add_frame(&g, &names, t->of_stack[p->stacks[i].parent.i],
					  p->stacks[i].frame);
	for (uint32_t i = 0; i < p->n_sites; i++)
		add_site(&g, t->of_stack[p->sites[i].stack.i], &p->sites[i]);
	free(used);
	free(names.of_frame);
	hs_map_deinit(&g.child_of);

	t->nodes = g.nodes.at;
	t->n = (uint32_t)g.nodes.n;
	t->figures = g.figures.at;
	t->n_figures = (uint32_t)g.figures.n;
	uint32_t *at = preorder(t, functions);
	for (uint32_t i = 0; i < t->n_stacks; i++)
		t->of_stack[i] = at[t->of_stack[i]];
	free(at);
	return t;
}

void hs_calltree_free(struct hs_calltree *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->figures);
	free(t->of_stack);
	free(t);
}

/* The largest share of each node's subtree in any figure, in 2^-32. */
static uint32_t *weigh(const struct hs_calltree *t)
{
	uint32_t *weight = hs_xcalloc(t->n, sizeof(*weight));
	uint64_t *sum = hs_xcalloc(t->n, sizeof(*sum));
	for (unsigned f = 0; f < HS_FIGURES; f++) {
		for (uint32_t i = 0; i < t->n; i++)
			sum[i] = t->figures[t->nodes[i].figures].v[f];
		for (uint32_t i = t->n; i-- > 1;)
			add(&sum[t->nodes[i].parent], sum[i]);
		for (uint32_t i = 0; i < t->n && sum[0]; i++) {
			double share = (double)sum[i] / (double)sum[0] * UINT32_MAX;
			weight[i] = HS_MAX(weight[i], (uint32_t)share);
		}
	}
	free(sum);
	/* Marks of an earlier folding go into the new ones. */
	for (uint32_t i = 0; i < t->n; i++)
		if (t->nodes[i].function == HS_FUNCTION_FOLDED)
			weight[i] = 0;
	return weight;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* The smallest weight such that at most N_MAX nodes weigh more. */
static uint32_t threshold(const uint32_t *weight, uint32_t n, uint32_t n_max)
{
	uint32_t *sorted = hs_xcalloc(n, sizeof(*sorted));
	memcpy(sorted, weight, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_u32);
	uint32_t limit = n_max < n ? sorted[n - n_max - 1] : 0;
	free(sorted);
	return limit;
}

/* What folding works with: which nodes go, and the tree that is left. */
struct folding {
	const uint32_t *weight;
	uint32_t limit; /* nodes that weigh no more go */
	uint8_t *loses; /* by old node: stays, but loses callees */
	uint32_t *at;   /* new node of each old one */
	struct hs_calltree_node *nodes;
	struct hs_figures *figures;
	uint32_t n, n_figures;
};

static bool stays(const struct folding *f, uint32_t node)
{
	return f->weight[node] > f->limit;
}

/* Find who loses callees; returns the number of nodes with their marks. */
static uint32_t count_kept(struct folding *f, const struct hs_calltree *t)
{
	uint32_t n = 1;
	for (uint32_t i = 1; i < t->n; i++) {
		uint32_t parent = t->nodes[i].parent;
		if (stays(f, i)) {
			n++;
		} else if (stays(f, parent) && !f->loses[parent]) {
			f->loses[parent] = 1;
			n++;
		}
	}
	return n;
}

/* A mark lies directly behind its node: its first child, so still preorder. */
static void keep_node(struct folding *f, const struct hs_calltree *t, uint32_t i)
{
	f->nodes[f->n] = t->nodes[i];
	f->nodes[f->n].parent = i ? f->at[t->nodes[i].parent] : 0;
	f->nodes[f->n].figures = 0;
	f->at[i] = f->n++;
	if (f->loses[i])
		f->nodes[f->n++] = (struct hs_calltree_node){
			.parent = f->at[i], .function = HS_FUNCTION_FOLDED};
}

static void lose_node(struct folding *f, const struct hs_calltree *t, uint32_t i)
{
	uint32_t mark = f->at[t->nodes[i].parent];
	if (f->nodes[mark].function != HS_FUNCTION_FOLDED)
		mark++;
	f->nodes[mark].line +=
		t->nodes[i].function == HS_FUNCTION_FOLDED ? t->nodes[i].line : 1;
	f->at[i] = mark;
}

static void move_figures(struct folding *f, const struct hs_calltree *t, uint32_t i)
{
	if (!t->nodes[i].figures)
		return;
	uint32_t *row = &f->nodes[f->at[i]].figures;
	if (!*row)
		*row = f->n_figures++;
	const struct hs_figures *from = &t->figures[t->nodes[i].figures];
	for (unsigned k = 0; k < HS_FIGURES; k++)
		add(&f->figures[*row].v[k], from->v[k]);
}

static void replace_nodes(struct hs_calltree *t, const struct folding *f)
{
	t->n_folded = 0;
	t->n_marks = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		if (f->nodes[i].function == HS_FUNCTION_FOLDED) {
			t->n_folded += f->nodes[i].line;
			t->n_marks++;
		}
	}
	for (uint32_t i = 0; i < t->n_stacks; i++)
		t->of_stack[i] = f->at[t->of_stack[i]];
	free(t->nodes);
	free(t->figures);
	t->nodes = f->nodes;
	t->figures = f->figures;
	t->n = f->n;
	t->n_figures = f->n_figures;
}

void hs_calltree_fold(struct hs_calltree *t, uint32_t n_max, const uint32_t *precious,
		      size_t n_precious)
{
	uint32_t *weight = weigh(t);
	struct folding f = {
		.weight = weight,
		.limit = HS_MIN(threshold(weight, t->n, n_max), UINT32_MAX - 1),
		.loses = hs_xcalloc(t->n, sizeof(*f.loses)),
		.at = hs_xcalloc(t->n, sizeof(*f.at)),
		.n_figures = 1,
	};
	weight[0] = UINT32_MAX;
	for (size_t i = 0; i < n_precious; i++)
		for (uint32_t n = precious[i]; n; n = t->nodes[n].parent)
			weight[n] = UINT32_MAX;
	uint32_t n_kept = count_kept(&f, t);
	f.nodes = hs_xcalloc(n_kept, sizeof(*f.nodes));
	f.figures = hs_xcalloc((size_t)n_kept + 1, sizeof(*f.figures));
	for (uint32_t i = 0; i < t->n; i++) {
		if (stays(&f, i))
			keep_node(&f, t, i);
		else
			lose_node(&f, t, i);
		move_figures(&f, t, i);
	}
	replace_nodes(t, &f);
	free(weight);
	free(f.loses);
	free(f.at);
}
