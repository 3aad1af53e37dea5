/* SPDX-License-Identifier: MIT */

/*
 * Verification builds only (HS_VERIFY_UNWIND, --enable-verify-unwind): every
 * HEAPSNAP_VERIFYth stack (default 100) is compared with what libunwind finds
 * from the same point.  When the process ends in an orderly way, a line with
 * the counts is appended to the file HEAPSNAP_VERIFY_LOG.
 */
#ifndef TR_VERIFY_H
#define TR_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/*
 * tr_unwind found the N PCS and FLAGS.  The caller of tr_unwind holds the
 * tracker's guard, because libunwind may allocate.
 */
void tr_verify_unwind(const uint64_t *slot, const uint64_t *pcs, size_t n,
		      uint32_t flags);

/* libunwind has a cache, too. */
void tr_verify_forget(void);

#endif /* TR_VERIFY_H */
