/* SPDX-License-Identifier: MIT */

/* Lines, words and numbers of a text; see scan.h. */
#include "src/scan.h"

#include "src/cursor.h"

#define NO   255
#define NO8  NO, NO, NO, NO, NO, NO, NO, NO
#define NO64 NO8, NO8, NO8, NO8, NO8, NO8, NO8, NO8

const uint8_t hs_hex_digits[256] = {
	NO8, NO8, NO8, NO8,  NO8,  NO8,         /* up to '/' */
	0,   1,   2,   3,    4,    5,   6,  7,  /* '0' to '7' */
	8,   9,   NO,  NO,   NO,   NO,  NO, NO, /* '8' to '?' */
	NO,  10,  11,  12,   13,   14,  15, NO, /* '@' to 'G' */
	NO8, NO8, NO8,                          /* 'H' to '_' */
	NO,  10,  11,  12,   13,   14,  15, NO, /* '`' to 'g' */
	NO8, NO8, NO8, NO64, NO64,
};

bool hs_scan_line(struct hs_cursor *in, struct hs_span *ret, bool *whole_ret)
{
	size_t left = 0;
	const uint8_t *found = NULL;
	while (!found && hs_cur_want(in, left + 1)) {
		size_t searched = left;
		left = hs_cur_left(in);
		found = memchr(in->pos + searched, '\n', left - searched);
	}
	if (whole_ret)
		*whole_ret = found != NULL;
	if (!left)
		return false;
	const char *at = (const char *)in->pos;
	const char *end = found ? (const char *)found : at + left;
	in->pos += (size_t)(end - at) + (found != NULL);
	if (end > at && end[-1] == '\r')
		end--;
	*ret = (struct hs_span){at, end};
	return true;
}

bool hs_span_is(struct hs_span s, const char *word)
{
	size_t n = strlen(word);
	return hs_span_size(s) == n && !memcmp(s.at, word, n);
}

bool hs_span_begins(struct hs_span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return hs_span_size(s) >= n && !memcmp(s.at, prefix, n);
}

bool hs_scan_prefix(struct hs_span *s, const char *prefix)
{
	if (!hs_span_begins(*s, prefix))
		return false;
	s->at += strlen(prefix);
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

void hs_scan_spaces(struct hs_span *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

struct hs_span hs_span_trim(struct hs_span s)
{
	hs_scan_spaces(&s);
	while (s.at < s.end && is_space(s.end[-1]))
		s.end--;
	return s;
}

struct hs_span hs_scan_until(struct hs_span *s, char c)
{
	struct hs_span ret = *s;
	const char *found = memchr(s->at, c, hs_span_size(*s));
	if (found)
		ret.end = found;
	s->at = found ? found + 1 : s->end;
	return ret;
}

static bool scan_number(struct hs_span *s, unsigned base, uint64_t *ret)
{
	uint64_t n = 0;
	const char *p = s->at;
	for (; p < s->end && hs_hex_digits[(uint8_t)*p] < base; p++)
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)hs_hex_digits[(uint8_t)*p], &n))
			return false;
	if (p == s->at)
		return false;
	s->at = p;
	*ret = n;
	return true;
}

bool hs_scan_hex(struct hs_span *s, uint64_t *ret)
{
	return scan_number(s, 16, ret);
}

bool hs_scan_decimal(struct hs_span *s, uint64_t *ret)
{
	return scan_number(s, 10, ret);
}
