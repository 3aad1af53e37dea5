/* SPDX-License-Identifier: MIT */

/*
 * Verification builds only (HS_VERIFY_UNWIND, --enable-verify-unwind): every
 * HEAPSNAP_VERIFYth stack (default 100) is compared with what libunwind finds
 * from the same point, and every stack that was not walked is compared with a
 * full walk.  When the process ends in an orderly way, a line with
 * the counts is appended to the file HEAPSNAP_VERIFY_LOG.
 */
#ifndef TR_VERIFY_H
#define TR_VERIFY_H

#include <stddef.h>
#include <stdint.h>

struct tr_trail;

/*
 * tr_unwind found the N PCS and FLAGS.  The caller of tr_unwind holds the
 * tracker's guard, because libunwind may allocate.
 */
void tr_verify_unwind(const uint64_t *slot, const uint64_t *pcs, size_t n,
		      uint32_t flags);

/* libunwind has a cache, too. */
void tr_verify_forget(void);

/*
 * What the thread remembered is said to be the stack above the call at SLOT: so
 * it is compared with a full walk, each time.
 */
#ifdef HS_VERIFY_UNWIND
void tr_verify_trail(const struct tr_trail *t, const uint64_t *slot, uint64_t fp);
void tr_verify_memo(uint32_t id, const uint64_t *slot, uint64_t fp);

/* The stack of the N return addresses PCS is ID from now on. */
void tr_verify_id(uint32_t id, const uint64_t *pcs, size_t n);
#else
static inline void tr_verify_trail(const struct tr_trail *t, const uint64_t *slot,
				   uint64_t fp)
{
	(void)t;
	(void)slot;
	(void)fp;
}
static inline void tr_verify_memo(uint32_t id, const uint64_t *slot, uint64_t fp)
{
	(void)id;
	(void)slot;
	(void)fp;
}
static inline void tr_verify_id(uint32_t id, const uint64_t *pcs, size_t n)
{
	(void)id;
	(void)pcs;
	(void)n;
}
#endif

#endif /* TR_VERIFY_H */
