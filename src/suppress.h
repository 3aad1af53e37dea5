/* SPDX-License-Identifier: MIT */

/*
 * Suppressions: leaks that somebody knows of and does not want to see.  They are
 * taken out of the findings, and counted.
 *
 * A file has a rule on each line, in LeakSanitizer's syntax, so that the files which
 * projects have can be used as they are:
 *
 *      # a comment
 *      leak:PATTERN
 *
 * hides what was allocated through a frame whose function, source file or module
 * PATTERN fits: anywhere in it, unless PATTERN begins with ^ or ends with $; * stands
 * for any text.  Two extensions,
 *
 *      leak:PATTERN max=1MiB
 *      leak-id:HS-k3v9x2m4qa
 *
 * hide no more than so many bytes in all, and one finding; where the bytes are more,
 * the rule hides nothing.  LeakSanitizer does not know these; behind "#heapsnap " at
 * the beginning of a line it takes them for comments.
 */
#ifndef HS_SUPPRESS_H
#define HS_SUPPRESS_H

#include "src/base.h"

struct hs_findings;
struct hs_target;

enum hs_suppression_kind {
	HS_SUPPRESS_PATTERN, /* leak: */
	HS_SUPPRESS_ID,      /* leak-id: */
};

struct hs_suppression {
	enum hs_suppression_kind kind;
	const char *pattern;
	const char *origin; /* the file's name */
	uint32_t line;
	uint64_t max_bytes; /* UINT64_MAX: no bound */

	/* What it fits, once it was applied. */
	uint64_t bytes, blocks;
	bool exceeded; /* bytes > max_bytes: it hides nothing */
};

struct hs_suppressions;

struct hs_suppressions *hs_suppressions_new(void);
void hs_suppressions_free(struct hs_suppressions *s); /* accepts NULL */

/*
 * Add the rules in SIZE bytes of TEXT, which need not end with NUL or a newline.
 * An error names ORIGIN, the line, and what was expected; rules before it stay.
 */
HS_MUST_USE struct hs_error *hs_suppressions_parse(struct hs_suppressions *s,
						   const char *origin, const char *text,
						   size_t size);

/* Rules in the order of their addition. */
const struct hs_suppression *hs_suppressions_get(const struct hs_suppressions *s,
						 size_t *n_ret);

/*
 * Find what each of the N TARGETS has that is hidden, and tell them: their field
 * `suppressed` is S's, and good until it is freed.  Of several rules that fit, the
 * first counts.  FINDINGS is needed for the ids.
 */
void hs_suppressions_apply(struct hs_suppressions *s, struct hs_findings *findings,
			   struct hs_target *targets, size_t n);

/* Does PATTERN, as above, fit TEXT?  Nothing fits an empty text. */
bool hs_suppression_fits(const char *pattern, const char *text);

#endif /* HS_SUPPRESS_H */
