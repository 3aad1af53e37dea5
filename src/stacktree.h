/* SPDX-License-Identifier: MIT */

/*
 * Stacks by the names of their functions: call sites, addresses and inlining do
 * not matter.  For formats whose stacks are nothing but names; several profiles
 * may go into one tree.  Also how a place without a name is called.
 */
#ifndef HS_STACKTREE_H
#define HS_STACKTREE_H

#include "src/measure.h"
#include "src/profile.h"

struct hs_out;

/*
 * The name of FRAME: its function's, "libz.so.1+0x1a2b", or "0x7f0012345678".
 * *SCRATCH (NULL at first) is malloc'ed by it, to be freed by the caller in the
 * end; the name is good until the next call with the same.
 */
const char *hs_frame_label(const struct hs_profile *profile, hs_frame frame,
			   char **scratch);

/* What a stack without any frame is called. */
#define HS_NO_STACK "[no stack]"

/*
 * NAME as a part of a folded stack, which is read again as one frame: no separators,
 * no ends of lines, no white space around it, and no '#' where, FIRST on its line, it
 * would make it a remark.
 */
void hs_put_folded_name(struct hs_out *out, const char *name, bool first);

struct hs_stacknode {
	uint32_t parent; /* smaller than the node's own index; 0 is the root */
	uint32_t name;
	uint64_t value; /* of the node itself, without what is below it */
};

struct hs_stacktree;

/* INVERTED: from the allocation outward, where the other goes inward. */
struct hs_stacktree *hs_stacktree_new(bool inverted);
void hs_stacktree_free(struct hs_stacktree *tree); /* accepts NULL */

/* Add what PROFILE has; sites whose value is 0 are left out. */
void hs_stacktree_add(struct hs_stacktree *tree, const struct hs_profile *profile,
		      enum hs_measure measure);

/* Nodes in the order in which they came, the root first. */
const struct hs_stacknode *hs_stacktree_nodes(const struct hs_stacktree *tree,
					      uint32_t *n_ret);
const char *hs_stacktree_name(const struct hs_stacktree *tree, uint32_t name);

#endif /* HS_STACKTREE_H */
