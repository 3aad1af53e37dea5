/* SPDX-License-Identifier: MIT */

/* Verification builds only (HS_VERIFY_UNWIND): our stacks against libunwind's. */
#ifndef TR_VERIFY_H
#define TR_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Compare what tr_unwind found with libunwind's walk from the same point, every
 * HEAPSNAP_VERIFYth time.  The caller holds the tracker's guard, because
 * libunwind may allocate.
 */
void tr_verify_unwind(const uint64_t *slot, uint64_t fp, const uint64_t *pcs, size_t n,
		      uint32_t flags);

#endif /* TR_VERIFY_H */
