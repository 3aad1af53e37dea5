/* SPDX-License-Identifier: MIT */

/*
 * Directed graphs as such: cycles and dominators.  Nodes are numbers; edges in
 * compressed rows: those of node i are to[first[i]] to to[first[i + 1] - 1].
 * No function recurses; each takes (nearly) linear time.
 */
#ifndef HS_FLOW_H
#define HS_FLOW_H

#include "src/base.h"

#define HS_FLOW_NONE UINT32_MAX

struct hs_flow {
	uint32_t n;
	size_t *first; /* n + 1 */
	uint32_t *to;
};

/*
 * The sources: of each strongly connected component that no other one leads to,
 * the lowest node.  *SIZES_RET: nodes of its component.  Both malloc'ed, in
 * ascending order; returns their number.
 */
uint32_t hs_flow_sources(const struct hs_flow *f, uint32_t **nodes_ret,
			 uint32_t **sizes_ret);

/*
 * Immediate dominators, seen from one node before all N_STARTS nodes of STARTS.
 * IDOM[i]: HS_FLOW_NONE where only that node dominates i, or nothing leads to i.
 * ORDER gets the nodes which are led to, each behind its dominator; returns their
 * number.  Both have room for f->n.
 */
uint32_t hs_flow_dominators(const struct hs_flow *f, const uint32_t *starts,
			    uint32_t n_starts, uint32_t *idom, uint32_t *order);

void hs_flow_deinit(struct hs_flow *f);

#endif /* HS_FLOW_H */
