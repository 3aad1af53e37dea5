/* SPDX-License-Identifier: MIT */

/* Two sides, stack by stack: one trie of normalised frames with sums of both. */
#include "src/compare.h"

#include <string.h>

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/interner.h"
#include "src/names.h"

/* Between a module, which has none, and a function in the text of a frame. */
#define SEPARATOR '\n'

struct node {
	uint32_t parent, frame;
	struct hs_amount side[HS_SIDES];
};

struct hs_compare {
	enum hs_measure measure;
	bool modules;
	struct hs_interner *frames;
	HS_ARRAY(struct node) nodes;
	struct hs_map child_of;
	HS_ARRAY(struct hs_difference) list;
	struct hs_amount total[HS_SIDES];
};

static bool has_modules(const struct hs_compared *what, size_t n, enum hs_side side)
{
	for (size_t i = 0; i < n; i++) {
		const struct hs_profile *p = what[i].profile;
		for (uint32_t k = 1; what[i].side == side && k < p->n_frames; k++)
			if (p->frames[k].module.i)
				return true;
	}
	return false;
}

/* As hs_findings_culprit() has it. */
static uint32_t frame_of(struct hs_compare *c, const struct hs_profile *p, hs_frame frame)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	const struct hs_module_info *m = &p->modules[f->module.i];
	const char *module = hs_base_name(hs_string(p, m->path));
	const char *function = hs_string(p, f->function);
	char *name;
	if (*function) {
		name = hs_function_base(function);
	} else {
		uint64_t at = f->function_start ? f->function_start : f->offset;
		name = hs_xasprintf("%s+0x%llx", *module ? module : "unknown",
				    (unsigned long long)(m->unplaced ? 0 : at));
	}
	/* What follows an end of line in a file's name is no part of it that matters. */
	int length = c->modules ? (int)strcspn(module, "\n") : 0;
	char *text = hs_xasprintf("%.*s%c%s", length, module, SEPARATOR, name);
	uint32_t id = hs_interner_put(c->frames, text, NULL);
	free(name);
	free(text);
	return id;
}

static uint32_t child(struct hs_compare *c, uint32_t parent, uint32_t frame)
{
	bool fresh;
	uint32_t *node = hs_map_put(&c->child_of, (uint64_t)parent << 32 | frame, &fresh);
	if (fresh) {
		*node = (uint32_t)c->nodes.n;
		hs_array_push(&c->nodes,
			      ((struct node){.parent = parent, .frame = frame}));
	}
	return *node;
}

static uint32_t node_of(struct hs_compare *c, const struct hs_profile *p,
			uint32_t *frame_ids, hs_stack stack)
{
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(HS_MAX(n, (size_t)1), sizeof(*frames));
	hs_stack_frames(p, stack, frames, n);
	uint32_t node = 0;
	while (n-- > 0) {
		uint32_t *id = &frame_ids[frames[n].i];
		if (!*id)
			*id = frame_of(c, p, frames[n]) + 1;
		node = child(c, node, *id - 1);
	}
	free(frames);
	return node;
}

static void add(struct hs_amount *sum, struct hs_amount amount)
{
	if (__builtin_add_overflow(sum->bytes, amount.bytes, &sum->bytes))
		sum->bytes = UINT64_MAX;
	if (__builtin_add_overflow(sum->blocks, amount.blocks, &sum->blocks))
		sum->blocks = UINT64_MAX;
}

/* The last mark up to TIME_NS, or UINT32_MAX if there is none. */
static uint32_t mark_at(const struct hs_profile *p, uint64_t time_ns)
{
	uint32_t mark = UINT32_MAX;
	for (uint32_t i = 0; i < p->n_marks && p->marks[i].time_ns <= time_ns; i++)
		mark = i;
	return mark;
}

/* What each site held at a moment: its last level up to then. */
static struct hs_amount *amounts_at(const struct hs_profile *p, uint64_t time_ns)
{
	struct hs_amount *at = hs_xcalloc(HS_MAX(p->n_sites, 1u), sizeof(*at));
	uint32_t mark = mark_at(p, time_ns);
	for (uint32_t i = 0; i < p->n_levels && mark != UINT32_MAX; i++) {
		const struct hs_level *l = &p->levels[i];
		if (l->mark <= mark)
			at[l->site] = (struct hs_amount){l->blocks, l->bytes};
	}
	return at;
}

static void add_profile(struct hs_compare *c, const struct hs_compared *what)
{
	const struct hs_profile *p = what->profile;
	uint32_t *frame_ids = hs_xcalloc(HS_MAX(p->n_frames, 1u), sizeof(*frame_ids));
	struct hs_amount *at = what->at_time ? amounts_at(p, what->time_ns) : NULL;
	for (uint32_t i = 0; i < p->n_sites; i++) {
		struct hs_amount amount =
			at ? at[i] : hs_measure_amount(&p->sites[i], c->measure);
		if (!amount.bytes && !amount.blocks)
			continue;
		uint32_t node = node_of(c, p, frame_ids, p->sites[i].stack);
		add(&c->nodes.at[node].side[what->side], amount);
		add(&c->total[what->side], amount);
	}
	free(at);
	free(frame_ids);
}

/* ---- the order ---- */

static uint64_t weight(const struct hs_difference *d, bool counts)
{
	uint64_t a = counts ? d->side[HS_SIDE_A].blocks : d->side[HS_SIDE_A].bytes;
	uint64_t b = counts ? d->side[HS_SIDE_B].blocks : d->side[HS_SIDE_B].bytes;
	return a > b ? a - b : b - a;
}

static int compare(const struct hs_difference *x, const struct hs_difference *y,
		   bool counts)
{
	uint64_t wx = weight(x, counts), wy = weight(y, counts);
	if (wx != wy)
		return wx > wy ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int compare_bytes(const void *x, const void *y)
{
	return compare(x, y, false);
}

static int compare_blocks(const void *x, const void *y)
{
	return compare(x, y, true);
}

struct hs_compare *hs_compare(const struct hs_compared *what, size_t n,
			      enum hs_measure measure)
{
	struct hs_compare *c = hs_xcalloc(1, sizeof(*c));
	c->measure = measure;
	c->modules = has_modules(what, n, HS_SIDE_A) && has_modules(what, n, HS_SIDE_B);
	c->frames = hs_interner_new();
	(void)hs_array_add(&c->nodes);
	for (size_t i = 0; i < n; i++)
		add_profile(c, &what[i]);
	for (uint32_t i = 0; i < c->nodes.n; i++) {
		const struct node *node = &c->nodes.at[i];
		struct hs_difference d = {.node = i};
		memcpy(d.side, node->side, sizeof(d.side));
		if (d.side[0].bytes || d.side[0].blocks || d.side[1].bytes ||
		    d.side[1].blocks)
			hs_array_push(&c->list, d);
	}
	if (c->list.n)
		qsort(c->list.at, c->list.n, sizeof(c->list.at[0]),
		      hs_measure_counts(measure) ? compare_blocks : compare_bytes);
	return c;
}

void hs_compare_free(struct hs_compare *c)
{
	if (!c)
		return;
	hs_interner_free(c->frames);
	hs_array_free(&c->nodes);
	hs_array_free(&c->list);
	hs_map_deinit(&c->child_of);
	free(c);
}

const struct hs_difference *hs_compare_all(const struct hs_compare *c, size_t *n_ret)
{
	*n_ret = c->list.n;
	return c->list.at;
}

struct hs_amount hs_compare_total(const struct hs_compare *c, enum hs_side side)
{
	return c->total[side];
}

size_t hs_compare_stack(const struct hs_compare *c, const struct hs_difference *d,
			struct hs_compare_frame *ret, size_t room)
{
	const char *const *texts = hs_interner_all(c->frames, NULL);
	size_t n = 0;
	for (uint32_t i = d->node; i; i = c->nodes.at[i].parent, n++) {
		if (n >= room)
			continue;
		const char *text = texts[c->nodes.at[i].frame];
		const char *separator = strchr(text, SEPARATOR);
		ret[n] = (struct hs_compare_frame){.module = text,
						   .function = separator + 1,
						   .module_length =
							   (int)(separator - text)};
	}
	return n;
}
