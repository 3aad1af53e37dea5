/* SPDX-License-Identifier: MIT */

/*
 * Folded records: what replaces a log, in a checkpoint and in a final capture.  Encoding
 * and decoding of the payloads of SEGMENT, LIVE_SET, PEAK and SPREADS, whose bytes are
 * specified in doc/capture-format.md.
 *
 *      struct hs_segments *cutter = hs_segments_new();
 *      feed the fold up to a snapshot
 *      hs_segments_cut(cutter, fold, threads, &segment)
 *      fill in stamps, time and RSS; hs_segment_encode(&segment, out)
 *      ... at the end, after hs_fold_settle(): cut once more, then
 *      hs_live_set_encode(fold, live, n, threads, out), hs_peak_encode(fold, out)
 *
 * The fold's kinds are enum hs_wire_kind, its threads indices into `threads`,
 * its stacks raw ids, its times stamps.
 */
#ifndef HS_SEGMENT_H
#define HS_SEGMENT_H

#include "src/base.h"
#include "src/spread.h"

struct hs_capture_thread;
struct hs_cursor;
struct hs_fold;
struct hs_fold_block;
struct hs_out;

/*
 * What changed at one (stack, kind) within a segment.  Frees may be negative:
 * a realloc under way at the boundary may fail in the next segment.
 */
struct hs_segment_site {
	uint32_t stack, kind;
	uint64_t allocs, bytes;
	int64_t frees, temporaries;
	uint64_t thread; /* tid + 1 of the only thread that ever allocated here, or 0 */
	/* HS_SEGMENT_LEVELS: at its end, and by how much less it was at its lowest. */
	uint64_t live_bytes, drop;
};

/* A slice of time, and the state at its end. */
struct hs_segment {
	uint64_t from_stamp, to_stamp; /* events with from < stamp <= to */
	uint64_t flags;
	uint64_t time_ns; /* at its end */
	uint64_t live_bytes, live_blocks;
	uint64_t peak_bytes;             /* highest live bytes in it */
	int64_t unmatched_frees;         /* in it */
	uint64_t rss, anon, file, shmem; /* at its end; 0 where not HS_SEGMENT_SNAPSHOT */
	const struct hs_segment_site *sites; /* sorted by (stack, kind) */
	size_t n_sites;
};
#define HS_SEGMENT_SNAPSHOT 1u /* ends with a snapshot, not with the process */
#define HS_SEGMENT_LEVELS   2u /* its sites have live_bytes and drop */

/* Remembers what the fold had counted at the last cut. */
struct hs_segments;

struct hs_segments *hs_segments_new(void);
void hs_segments_free(struct hs_segments *s); /* accepts NULL */

/*
 * Fill in what F has counted since the last cut: sites (good until the next
 * cut), live figures, peak, unmatched frees, flags.  The rest of RET becomes 0.
 */
void hs_segments_cut(struct hs_segments *s, struct hs_fold *f,
		     const struct hs_capture_thread *threads, struct hs_segment *ret);

/* Let the next cut begin here: what F holds was restored, not folded. */
void hs_segments_start(struct hs_segments *s, const struct hs_fold *f);

/*
 * B, which follows A, becomes both.  Its sites are malloc'ed, for the caller to
 * free (A's and B's former ones stay their owners').
 */
void hs_segment_merge(const struct hs_segment *a, struct hs_segment *b);

void hs_segment_encode(const struct hs_segment *segment, struct hs_out *out);

/* On success RET's sites are malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_segment_decode(struct hs_cursor *in,
					       struct hs_segment *ret);

/* A block alive at the end. */
struct hs_live_row {
	uint64_t addr, size, born; /* born: stamp */
	uint32_t stack, kind, tid;
};

/* N blocks in a row of hs_fold_live(F): several records together are the set. */
void hs_live_set_encode(const struct hs_fold *f, const struct hs_fold_block *live,
			size_t n, const struct hs_capture_thread *threads,
			struct hs_out *out);

/* On success *RET is malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_live_set_decode(struct hs_cursor *in,
						struct hs_live_row **ret, size_t *n_ret);

/* The highest point and each site's share of it. */
struct hs_peak_row {
	uint32_t stack, kind;
	uint64_t blocks, bytes;
};

struct hs_peak {
	uint64_t stamp, blocks, bytes;
	struct hs_peak_row *rows; /* sorted by (stack, kind) */
	size_t n;
};

/* F has caught up. */
void hs_peak_encode(const struct hs_fold *f, struct hs_out *out);

/* On success RET's rows are malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_peak_decode(struct hs_cursor *in, struct hs_peak *ret);

/* What the sites from FIRST on, COUNT of them, have of spreads. */
void hs_spreads_encode(const struct hs_fold *f, size_t first, size_t count,
		       struct hs_out *out);

struct hs_spread_row {
	uint32_t stack, kind;
	struct hs_spread spread;
};

/* On success *RET is malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_spreads_decode(struct hs_cursor *in,
					       struct hs_spread_row **ret, size_t *n_ret);

#endif /* HS_SEGMENT_H */
