/* SPDX-License-Identifier: MIT */

/*
 * Scanning texts that programs wrote: lines, words and numbers, in place.  For
 * formats that are made of lines; knows none of them.
 */
#ifndef HS_SCAN_H
#define HS_SCAN_H

#include <string.h>

#include "src/base.h"

struct hs_cursor;

/* A piece of text, not terminated, borrowed from the input. */
struct hs_span {
	const char *at, *end;
};

static inline size_t hs_span_size(struct hs_span s)
{
	return (size_t)(s.end - s.at);
}

/*
 * The next line of IN without its end (LF or CR LF); false where there is none.
 * *WHOLE_RET (may be NULL) says whether its end was there: what a file that was
 * cut off ends with may be half a number.
 */
bool hs_scan_line(struct hs_cursor *in, struct hs_span *ret, bool *whole_ret);

bool hs_span_is(struct hs_span s, const char *word);
bool hs_span_begins(struct hs_span s, const char *prefix);

/* Skip PREFIX; false, and S as it was, where it does not begin with it. */
bool hs_scan_prefix(struct hs_span *s, const char *prefix);

/* Spaces and tabs at the beginning, and on both sides. */
void hs_scan_spaces(struct hs_span *s);
struct hs_span hs_span_trim(struct hs_span s);

/* What comes before C or the end of S, which moves behind C. */
struct hs_span hs_scan_until(struct hs_span *s, char c);

/*
 * The digits that come next; false, and S as it was, where there are none or
 * where they are more than 64 bits.
 */
bool hs_scan_hex(struct hs_span *s, uint64_t *ret);
bool hs_scan_decimal(struct hs_span *s, uint64_t *ret);

/* Value of a lower or upper case hexadecimal digit; 255 for what is none. */
extern const uint8_t hs_hex_digits[256];

#endif /* HS_SCAN_H */
