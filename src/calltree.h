/* SPDX-License-Identifier: MIT */

/*
 * The call tree of a profile as people see it: functions instead of
 * addresses, inlined calls as nodes of their own, call sites in the same
 * function merged.  In preorder, siblings by name, so that two reports line
 * up.  Knows nothing of how it is shown.
 */
#ifndef HS_CALLTREE_H
#define HS_CALLTREE_H

#include "src/profile.h"

/* A function, the same for all processes of a report. */
struct hs_function {
	const char *name;   /* never empty: "libz.so.1+0x1a2b" where it is unknown */
	const char *file;   /* folder and name, "" if unknown */
	const char *module; /* base name, "" if unknown */
	const char *build_id;
	bool named;   /* NAME is a name, not a place in a module */
	bool runtime; /* allocator, libc, containers: never to blame itself */
};

/* Two functions that stand for something else. */
enum {
	HS_FUNCTION_ROOT = 0,   /* the process */
	HS_FUNCTION_FOLDED = 1, /* calls left out for size; a node's line counts them */
};

struct hs_functions;

struct hs_functions *hs_functions_new(void);
void hs_functions_free(struct hs_functions *functions); /* accepts NULL */
const struct hs_function *hs_functions_get(const struct hs_functions *functions,
					   uint32_t *n_ret);

/* The function that frame FRAME of PROFILE lies in, interned by content. */
uint32_t hs_functions_intern(struct hs_functions *functions,
			     const struct hs_profile *profile, hs_frame frame);

/* What was allocated at a node itself, without its callees. */
enum hs_figure {
	HS_FIGURE_PEAK_BYTES,
	HS_FIGURE_PEAK_BLOCKS,
	HS_FIGURE_LIVE_BYTES,
	HS_FIGURE_LIVE_BLOCKS,
	HS_FIGURE_BYTES,
	HS_FIGURE_ALLOCATIONS,
	HS_FIGURE_TEMPORARIES,
	HS_FIGURES,
};

struct hs_figures {
	uint64_t v[HS_FIGURES];
};

struct hs_calltree_node {
	uint32_t parent; /* smaller than the node's own index; 0 is the root */
	uint32_t function;
	uint32_t line;    /* 0: unknown, or several call sites */
	uint32_t figures; /* index into figures; 0: allocates nothing itself */
};

struct hs_calltree {
	struct hs_calltree_node *nodes; /* in preorder */
	struct hs_figures *figures;     /* figures[0] is zero */
	uint32_t *of_stack;             /* node of each stack of the profile */
	uint32_t n, n_figures, n_stacks;
	uint32_t n_folded; /* nodes that hs_calltree_fold() took out */
	uint32_t n_marks;  /* nodes that stand for them */
};

struct hs_calltree *hs_calltree_build(struct hs_functions *functions,
				      const struct hs_profile *profile);
void hs_calltree_free(struct hs_calltree *tree); /* accepts NULL */

/*
 * Keep at most N_MAX nodes (a few more for the marks): those with the largest
 * share in any figure, and the way to each node in PRECIOUS.  What goes is
 * added up under its nearest kept caller as HS_FUNCTION_FOLDED, so that every
 * sum stays.
 */
void hs_calltree_fold(struct hs_calltree *tree, uint32_t n_max, const uint32_t *precious,
		      size_t n_precious);

#endif /* HS_CALLTREE_H */
