/* SPDX-License-Identifier: MIT */

/* Blocks sorted by address, in the memory where they are. */
#ifndef HS_BLOCKSORT_H
#define HS_BLOCKSORT_H

#include "src/fold.h"

void hs_sort_blocks(struct hs_fold_block *blocks, size_t n);

#endif /* HS_BLOCKSORT_H */
