/* SPDX-License-Identifier: MIT */

/* A pull parser of JSON (RFC 8259) over a cursor. */
#include "src/jsonread.h"

#include "src/cursor.h"

#define MAX_NESTED 256 /* in what is skipped */
#define MAX_DIGITS 64

struct hs_json hs_json(struct hs_cursor *in)
{
	return (struct hs_json){.in = in, .first = true};
}

void hs_json_deinit(struct hs_json *j)
{
	hs_array_free(&j->text);
}

static bool fail(struct hs_json *j)
{
	j->failed = true;
	return false;
}

/* The next byte that is no space, left where it is; 0 where there is none. */
static char peek(struct hs_json *j)
{
	while (!j->failed && hs_cur_want(j->in, 1)) {
		char c = (char)*j->in->pos;
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return c;
		j->in->pos++;
	}
	return 0;
}

static bool take(struct hs_json *j, char c)
{
	if (peek(j) != c)
		return fail(j);
	j->in->pos++;
	return true;
}

char hs_json_next(struct hs_json *j)
{
	char c = peek(j);
	return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

bool hs_json_open(struct hs_json *j, char bracket)
{
	j->first = true;
	return take(j, bracket);
}

/* Before the next item: its comma, or BRACKET, which ends them. */
static bool go_on(struct hs_json *j, char bracket)
{
	bool first = j->first;
	j->first = false;
	if (peek(j) == bracket) {
		j->in->pos++;
		return false;
	}
	return first ? !j->failed : take(j, ',');
}

bool hs_json_item(struct hs_json *j)
{
	return go_on(j, ']') && !j->failed;
}

bool hs_json_key(struct hs_json *j, struct hs_span *key)
{
	return go_on(j, '}') && hs_json_string(j, key) && take(j, ':');
}

/* ---- strings ---- */

static void put(struct hs_json *j, uint32_t c)
{
	hs_array_push(&j->text, (char)c);
}

static void put_utf8(struct hs_json *j, uint32_t c)
{
	if (c < 0x80) {
		put(j, c);
	} else if (c < 0x800) {
		put(j, 0xc0 | c >> 6);
		put(j, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		put(j, 0xe0 | c >> 12);
		put(j, 0x80 | (c >> 6 & 0x3f));
		put(j, 0x80 | (c & 0x3f));
	} else {
		put(j, 0xf0 | c >> 18);
		put(j, 0x80 | (c >> 12 & 0x3f));
		put(j, 0x80 | (c >> 6 & 0x3f));
		put(j, 0x80 | (c & 0x3f));
	}
}

static bool read_hex4(struct hs_json *j, uint32_t *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		uint8_t digit = hs_hex_digits[hs_cur_u8(j->in)];
		if (digit > 15)
			return fail(j);
		*ret = *ret << 4 | digit;
	}
	return true;
}

#define REPLACEMENT 0xfffdu /* for halves of surrogate pairs */

static bool is_surrogate(uint32_t c)
{
	return c >= 0xd800 && c < 0xe000;
}

static bool read_unicode(struct hs_json *j)
{
	uint32_t c, low;
	if (!read_hex4(j, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && hs_cur_want(j->in, 6) && j->in->pos[0] == '\\' &&
	    j->in->pos[1] == 'u') {
		hs_cur_skip(j->in, 2);
		if (!read_hex4(j, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		} else {
			put_utf8(j, REPLACEMENT);
			c = low;
		}
	}
	put_utf8(j, is_surrogate(c) ? REPLACEMENT : c);
	return true;
}

static bool read_escape(struct hs_json *j)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = (char)hs_cur_u8(j->in);
	if (c == 'u')
		return read_unicode(j);
	const char *found = c ? strchr(from, c) : NULL;
	if (!found)
		return fail(j);
	put(j, (uint8_t)to[found - from]);
	return true;
}

bool hs_json_string(struct hs_json *j, struct hs_span *ret)
{
	j->text.n = 0;
	put(j, 0); /* so that there is an address */
	if (!take(j, '"'))
		return false;
	for (;;) {
		uint8_t c = hs_cur_u8(j->in);
		if (hs_cur_failed(j->in))
			return fail(j);
		if (c == '"')
			break;
		if (c == '\\' && !read_escape(j))
			return false;
		if (c != '\\')
			put(j, c);
	}
	*ret = (struct hs_span){j->text.at + 1, j->text.at + j->text.n};
	return true;
}

/* ---- the rest ---- */

static bool is_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' ||
	       c == 'E';
}

static uint64_t saturated(double value)
{
	if (!(value > 0))
		return 0;
	return value >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)value;
}

bool hs_json_number(struct hs_json *j, uint64_t *ret)
{
	char text[MAX_DIGITS + 1];
	size_t n = 0;
	peek(j);
	while (!j->failed && hs_cur_want(j->in, 1) && is_number((char)*j->in->pos)) {
		if (n == MAX_DIGITS)
			return fail(j);
		text[n++] = (char)*j->in->pos++;
	}
	text[n] = 0;
	/* At the end of the input it may be half a number. */
	char next = hs_json_next(j);
	if (!n || !next || next == '0')
		return fail(j);
	struct hs_span s = {text, text + n};
	if (hs_scan_decimal(&s, ret) && s.at == s.end)
		return true;
	char *end;
	double value = strtod(text, &end); /* the program never sets a locale */
	*ret = saturated(value);
	return *end ? fail(j) : true;
}

static bool skip_word(struct hs_json *j)
{
	size_t n = 0;
	while (hs_cur_want(j->in, 1) && *j->in->pos >= 'a' && *j->in->pos <= 'z' &&
	       n < 6) {
		j->in->pos++;
		n++;
	}
	return n >= 4 && n <= 5 ? true : fail(j);
}

static bool skip_scalar(struct hs_json *j)
{
	struct hs_span ignored;
	uint64_t number;
	char c = hs_json_next(j);
	if (c == '"')
		return hs_json_string(j, &ignored);
	return c == '0' ? hs_json_number(j, &number) : skip_word(j);
}

bool hs_json_skip(struct hs_json *j)
{
	char closing[MAX_NESTED];
	size_t depth = 0;
	struct hs_span key;
	do {
		char c = hs_json_next(j);
		if (c == '{' || c == '[') {
			if (depth == MAX_NESTED)
				return fail(j);
			closing[depth++] = c == '{' ? '}' : ']';
			hs_json_open(j, c);
		} else if (!skip_scalar(j)) {
			return false;
		}
		/* To where the next value begins. */
		while (depth && !j->failed &&
		       !(closing[depth - 1] == '}' ? hs_json_key(j, &key)
						   : hs_json_item(j)))
			depth--;
	} while (depth && !j->failed);
	return !j->failed;
}
