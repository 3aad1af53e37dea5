/* SPDX-License-Identifier: MIT */

/* Stacks by names: one trie for all profiles. */
#include "src/stacktree.h"

#include <string.h>

#include "src/array.h"
#include "src/findings.h"
#include "src/hash.h"
#include "src/interner.h"
#include "src/names.h"
#include "src/out.h"

struct hs_stacktree {
	bool inverted;
	struct hs_interner *names;
	HS_ARRAY(struct hs_stacknode) nodes;
	struct hs_map child_of; /* parent << 32 | name */
};

const char *hs_frame_label(const struct hs_profile *p, hs_frame frame, char **scratch)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	const struct hs_module_info *m = &p->modules[f->module.i];
	const char *function = hs_string(p, f->function);
	const char *module = hs_base_name(hs_string(p, m->path));
	if (*function)
		return function;
	free(*scratch);
	if (*module)
		*scratch =
			hs_xasprintf("%s+0x%llx", module, (unsigned long long)f->offset);
	else
		*scratch = hs_xasprintf("0x%llx", (unsigned long long)f->offset);
	return *scratch;
}

struct hs_stacktree *hs_stacktree_new(bool inverted)
{
	struct hs_stacktree *t = hs_xcalloc(1, sizeof(*t));
	t->inverted = inverted;
	t->names = hs_interner_new();
	(void)hs_array_add(&t->nodes);
	return t;
}

void hs_stacktree_free(struct hs_stacktree *t)
{
	if (!t)
		return;
	hs_interner_free(t->names);
	hs_array_free(&t->nodes);
	hs_map_deinit(&t->child_of);
	free(t);
}

static uint32_t child(struct hs_stacktree *t, uint32_t parent, uint32_t name)
{
	bool fresh;
	uint32_t *node = hs_map_put(&t->child_of, (uint64_t)parent << 32 | name, &fresh);
	if (fresh) {
		*node = (uint32_t)t->nodes.n;
		hs_array_push(&t->nodes, ((struct hs_stacknode){parent, name, 0}));
	}
	return *node;
}

/* What is worked out once for each frame of a profile. */
struct naming {
	struct hs_stacktree *tree;
	const struct hs_profile *profile;
	uint32_t *of_frame; /* name + 1; 0 while nobody asked */
	HS_ARRAY(hs_frame) frames;
};

static uint32_t name_of(struct naming *n, hs_frame frame)
{
	uint32_t *name = &n->of_frame[frame.i];
	if (!*name) {
		char *scratch = NULL;
		*name = hs_interner_put(n->tree->names,
					hs_frame_label(n->profile, frame, &scratch),
					NULL) +
			1;
		free(scratch);
	}
	return *name - 1;
}

static uint32_t node_of(struct naming *n, hs_stack stack)
{
	struct hs_stacktree *t = n->tree;
	size_t count = hs_stack_frames(n->profile, stack, n->frames.at, n->frames.room);
	if (count > n->frames.room) {
		n->frames.at = hs_xrealloc(n->frames.at, count * sizeof(hs_frame));
		n->frames.room = count;
		hs_stack_frames(n->profile, stack, n->frames.at, count);
	}
	uint32_t node = 0;
	for (size_t i = 0; i < count; i++)
		node = child(t, node,
			     name_of(n, n->frames.at[t->inverted ? i : count - 1 - i]));
	if (!count)
		node = child(t, 0, hs_interner_put(t->names, HS_NO_STACK, NULL));
	return node;
}

void hs_stacktree_add(struct hs_stacktree *t, const struct hs_profile *profile,
		      enum hs_measure measure)
{
	struct naming n = {.tree = t, .profile = profile};
	n.of_frame = hs_xcalloc(HS_MAX(profile->n_frames, 1u), sizeof(*n.of_frame));
	for (uint32_t i = 0; i < profile->n_sites; i++) {
		uint64_t value = hs_measure_value(&profile->sites[i], measure);
		if (!value)
			continue;
		uint32_t node = node_of(&n, profile->sites[i].stack);
		uint64_t *sum = &t->nodes.at[node].value;
		*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
	}
	hs_array_free(&n.frames);
	free(n.of_frame);
}

const struct hs_stacknode *hs_stacktree_nodes(const struct hs_stacktree *t,
					      uint32_t *n_ret)
{
	*n_ret = (uint32_t)t->nodes.n;
	return t->nodes.at;
}

const char *hs_stacktree_name(const struct hs_stacktree *t, uint32_t name)
{
	return hs_interner_all(t->names, NULL)[name];
}

void hs_put_folded_name(struct hs_out *out, const char *name, bool first)
{
	static const char white[] = " \t\n\v\f\r";
	name += strspn(name, white);
	size_t n = strlen(name);
	while (n && strchr(white, name[n - 1]))
		n--;
	if (!n)
		hs_putc(out, '?');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c == ';' || (c == '#' && first && i == 0))
			hs_putc(out, ':');
		else
			hs_putc(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
}
