/* SPDX-License-Identifier: MIT */

/*
 * What a fold may know of sites beyond SEGMENT and PEAK: how sure the figures are
 * (WEIGHTS) and who freed what (FREE_STACKS).  Encoding and decoding of these
 * payloads, whose bytes are specified in doc/capture-format.md.
 */
#ifndef HS_SITEFACTS_H
#define HS_SITEFACTS_H

#include "src/fold.h"

struct hs_cursor;
struct hs_out;

struct hs_weights_row {
	uint32_t stack, kind;
	struct hs_fold_variance variance; /* all but the live ones */
};

struct hs_frees_row {
	uint32_t stack, kind; /* the site's */
	uint32_t by;          /* the stack of the frees */
	uint64_t frees, bytes;
};

/* F was sampled, and has caught up. */
void hs_weights_encode(const struct hs_fold *f, struct hs_out *out);
void hs_frees_encode(const struct hs_fold *f, struct hs_out *out);

/* On success *RET is malloc'ed, for the caller to free. */
HS_MUST_USE struct hs_error *hs_weights_decode(struct hs_cursor *in,
					       struct hs_weights_row **ret,
					       size_t *n_ret);
HS_MUST_USE struct hs_error *hs_frees_decode(struct hs_cursor *in,
					     struct hs_frees_row **ret, size_t *n_ret);

#endif /* HS_SITEFACTS_H */
