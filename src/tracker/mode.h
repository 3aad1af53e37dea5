/* SPDX-License-Identifier: MIT */

/*
 * What is recorded, where that is not simply all blocks: samples, stacks of frees.
 * Hooks look at tr_mode first, so that who records all pays for one compare.
 *
 * Sampled, a thread counts down the bytes to its next sample, and counts what it does
 * where the capture has it (HS_WIRE_COUNTERS): nothing else happens to nearly all
 * blocks.  A stream that a fork has wiped has no way left and no counters, so it comes
 * by the slow half, like one that is not born.
 */
#ifndef TR_MODE_H
#define TR_MODE_H

#include "src/tracker/sampled.h"
#include "src/tracker/stream.h"

enum tr_mode {
	TR_MODE_ALL = 0,
	TR_MODE_UNKNOWN = 1, /* not recording (yet) */
	TR_MODE_SAMPLED = 2,
	TR_MODE_FREES_BY = 4, /* stacks of frees, too */
};
extern TR_HIDDEN unsigned tr_mode; /* atomic; set before tr_state is TR_ON */

/* Of the environment: bytes between samples, or 0; whether frees have stacks. */
extern TR_HIDDEN uint64_t tr_sample_mean;
extern TR_HIDDEN bool tr_free_stacks;

/* A mean beyond this samples nothing. */
#define TR_SAMPLE_MOST ((uint64_t)1 << 40)

/* Get ready for what the environment asked for.  What cannot be had is given up. */
TR_HIDDEN void tr_mode_start(void);

/* Set tr_mode; RECORDING: the capture is open. */
TR_HIDDEN void tr_mode_set(bool recording);

/* S, of the calling thread, begins to count; SEED: any number. */
TR_HIDDEN void tr_sample_begin(struct tr_stream *s, uint64_t seed);

/* An empty block can be sampled, too. */
static inline int64_t tr_sample_units(size_t size)
{
	return (int64_t)(size + !size);
}

/*
 * An allocation of SIZE bytes, done or to come: does it lie before the next sample?
 * One that then fails has used up some of the way, which changes nothing: what is
 * left of it has the same distribution.
 */
static inline bool tr_sample_skips(size_t size)
{
	struct tr_stream *s = tr_tls.stream;
	/* No block is so large; who asks for one must not turn the sign. */
	if (TR_UNLIKELY(!s) || TR_UNLIKELY(size >> 62))
		return false;
	return TR_LIKELY((s->left -= tr_sample_units(size)) >= 0);
}

/*
 * Count an allocation.  Each count is one instruction on x86-64, which no signal
 * handler can come between; one that forks leaves the child without counters.
 */
static inline void tr_sample_count(const struct tr_stream *s, size_t size)
{
	struct hs_wire_counters *c = s->counters;
	if (TR_UNLIKELY(!c))
		return;
	c->allocations++;
	__asm__ volatile("" ::: "memory"); /* else it adds both by one register */
	c->bytes += size;
}

/* An allocation of SIZE bytes: is there nothing more to do? */
static inline bool tr_sample_passes(size_t size)
{
	if (TR_UNLIKELY(!tr_sample_skips(size)))
		return false;
	tr_sample_count(tr_tls.stream, size);
	return true;
}

/* Will tr_sample_passes(SIZE) be true, if nothing comes before? */
static inline bool tr_sample_would_pass(size_t size)
{
	const struct tr_stream *s = tr_tls.stream;
	return s && s->left > tr_sample_units(size);
}

/* Is P, which is about to be freed, no sample, as far as this thread can tell? */
static inline bool tr_sample_knows_not(const void *p)
{
	const struct tr_stream *s = tr_tls.stream;
	return s && s->counters && !tr_sampled_maybe(p);
}

/* P is about to be freed: is there nothing more to do? */
static inline bool tr_sample_ignores(const void *p)
{
	const struct tr_stream *s = tr_tls.stream;
	struct hs_wire_counters *c = TR_LIKELY(s != NULL) ? s->counters : NULL;
	if (TR_UNLIKELY(!c) || TR_UNLIKELY(tr_sampled_maybe(p)))
		return false;
	c->frees++;
	return true;
}

/* The slow half, inside S, the thread's stream: is the allocation a sample?  Counts. */
TR_HIDDEN bool tr_sample_hits(struct tr_stream *s, size_t size);

/* An allocation that was not skipped has failed: no sample is here any more. */
TR_HIDDEN void tr_sample_missed(void);

/* Likewise for the end of P. */
TR_HIDDEN bool tr_sample_ends(struct tr_stream *s, const void *p);

/* The realloc that was to give back P has failed.  TOLD: its RELEASE was written. */
TR_HIDDEN void tr_sample_keeps(struct tr_stream *s, const void *p, bool told);

#endif /* TR_MODE_H */
