/* SPDX-License-Identifier: MIT */

/*
 * How a block is held, as far as a scan of a process's memory can tell; graph.h says
 * how that is found out.
 */
#ifndef HS_REACH_H
#define HS_REACH_H

#include "src/base.h"

enum hs_reach {
	HS_REACH_NO_BLOCK, /* free; or of a time when nobody looked */
	HS_REACH_REACHABLE,
	HS_REACH_WEAK,
	HS_REACH_DIRECT,
	HS_REACH_INDIRECT,
	HS_REACH_COUNT,
};

struct hs_reach_count {
	uint64_t blocks, bytes;
};

#endif /* HS_REACH_H */
