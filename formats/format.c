/* SPDX-License-Identifier: MIT */

/* Choosing a format: by its word, or by the first bytes of a file. */
#include "formats/format.h"

#include <string.h>

const struct hs_format *hs_format_by_name(const char *name)
{
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if (!strcmp((*f)->name, name))
			return *f;
	return NULL;
}

static bool has_suffix_of(const struct hs_format *format, const char *name)
{
	if (!name || !format->suffixes)
		return false;
	size_t n = strlen(name);
	for (const char *const *s = format->suffixes; *s; s++) {
		size_t m = strlen(*s);
		if (m <= n && !strcmp(name + n - m, *s))
			return true;
	}
	return false;
}

const struct hs_format *hs_format_guess(const uint8_t *data, size_t size,
					const char *name, enum hs_match *match_ret)
{
	const struct hs_format *best = NULL;
	int best_score = 0;
	size_t seen = HS_MIN(size, (size_t)HS_PROBE_SIZE);
	*match_ret = HS_MATCH_NO;
	if (!seen)
		return NULL; /* probes need not care */
	for (const struct hs_format *const *f = hs_formats; *f; f++) {
		enum hs_match match = (*f)->probe ? (*f)->probe(data, seen) : HS_MATCH_NO;
		int score = match ? (int)match * 2 + has_suffix_of(*f, name) : 0;
		if (score > best_score) {
			best_score = score;
			best = *f;
			*match_ret = match;
		}
	}
	return best;
}
