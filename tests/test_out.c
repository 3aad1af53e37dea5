/* SPDX-License-Identifier: MIT */

/*
 * Output: hostile strings are harmless in what comes out, whatever they are;
 * and no byte and no error is lost on the way.  That what comes out is UTF-8
 * is judged by the C library, that it means the same by a decoder in here.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "src/hash.h"
#include "src/out.h"
#include "tests/lib/suite.h"

typedef void put_function(struct hs_out *, const char *);

static char *escaped(put_function *put, const char *s)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	put(&out, s);
	return hs_out_take(&out, NULL);
}

/* S as wide characters, by the C library; NULL where it is not UTF-8. */
static wchar_t *wide(const char *s)
{
	setlocale(LC_ALL, "C.UTF-8");
	size_t room = strlen(s) + 1;
	wchar_t *w = hs_xcalloc(room, sizeof(*w));
	const char *p = s;
	mbstate_t state = {0};
	bool valid = mbsrtowcs(w, &p, room, &state) != (size_t)-1;
	/* glibc is generous: RFC 3629 ends at U+10FFFF and has no surrogates. */
	for (const wchar_t *c = w; valid && *c; c++)
		valid = *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
	if (valid)
		return w;
	free(w);
	return NULL;
}

/* Strings made of what is most likely to do harm. */
static void make_hostile(char *s, size_t room, uint64_t seed)
{
	static const char *const parts[] = {
		"<",
		">",
		"&",
		"\"",
		"'",
		"\\",
		"\n",
		"\r",
		"\t",
		"\033[2J",
		"\177",
		"</script>",
		"<!--",
		"&#60;",
		"\\u0000",
		"%n",
		"a",
		"\xc3\xa4",
		"\xc2\x85",         /* a C1 control */
		"\xe2\x80\xae",     /* right-to-left override */
		"\xe2\x81\xa6",     /* an isolate */
		"\xe2\x80\xa8",     /* line separator */
		"\xf0\x9f\x98\x80", /* beyond the basic plane */
		"\xed\xa0\x80",     /* half of a surrogate pair */
		"\xc0\xbc",         /* overlong < */
		"\xe0\x80\xbc",
		"\xf4\x90\x80\x80",
		"\xf8",
		"\xff",
		"\x80",
		"\xe2\x80",
	};
	size_t n = 0;
	s[0] = '\0';
	for (size_t i = 0; i < 1 + seed % 9; i++) {
		const char *part =
			parts[hs_hash_u64(seed * 16 + i + 1) % HS_COUNT(parts)];
		n += strlen(part);
		if (n >= room)
			break;
		strcat(s, part);
	}
}

static bool is_harmful(wchar_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x61c;
}

#define ROUNDS 20000

START_TEST(plain_text_moves_no_cursor_and_turns_no_line)
{
	char s[256];
	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		make_hostile(s, sizeof(s), seed);
		char *text = escaped(hs_put_plain, s);
		wchar_t *w = wide(text);
		ck_assert_msg(w != NULL, "seed %lu is not UTF-8", seed);
		for (const wchar_t *p = w; *p; p++)
			ck_assert_msg(!is_harmful(*p), "seed %lu: U+%04x", seed,
				      (unsigned)*p);
		free(w);
		free(text);
	}
}
END_TEST

START_TEST(html_text_opens_no_tag_and_leaves_no_attribute)
{
	char s[256];
	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		make_hostile(s, sizeof(s), seed);
		char *text = escaped(hs_put_html, s);
		ck_assert_uint_eq(strcspn(text, "<>\"'"), strlen(text));
		for (const char *p = text; (p = strchr(p, '&')); p++) {
			int end = 0;
			ck_assert_int_eq(sscanf(p, "&#%*u;%n", &end), 0);
			ck_assert_msg(end > 0, "seed %lu: %s", seed, p);
		}
		wchar_t *w = wide(text);
		ck_assert_msg(w != NULL, "seed %lu is not UTF-8", seed);
		for (const wchar_t *p = w; *p; p++)
			ck_assert(*p == '\n' || *p == '\t' || !is_harmful(*p));
		free(w);
		free(text);
	}
}
END_TEST

/* Decode a JSON string (RFC 8259, 7) of the basic plane; false if it is none. */
static bool decode_json(const wchar_t *p, wchar_t *ret)
{
	if (*p++ != '"')
		return false;
	while (*p && *p != '"') {
		if (*p < 0x20)
			return false;
		if (*p != '\\') {
			*ret++ = *p++;
			continue;
		}
		unsigned code;
		int end = 0;
		if (swscanf(p, L"\\u%4x%n", &code, &end) == 1 && end == 6) {
			*ret++ = (wchar_t)code;
			p += 6;
		} else if (p[1] == '"' || p[1] == '\\') {
			*ret++ = p[1];
			p += 2;
		} else {
			return false;
		}
	}
	*ret = 0;
	return p[0] == '"' && p[1] == 0;
}

START_TEST(json_strings_mean_what_was_put)
{
	char s[256];
	unsigned n_valid = 0;
	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		wchar_t decoded[512];
		make_hostile(s, sizeof(s), seed);
		char *text = escaped(hs_put_json_string, s);
		wchar_t *w = wide(text), *original = wide(s);
		ck_assert_msg(w && decode_json(w, decoded), "seed %lu: %s", seed, text);
		for (const wchar_t *p = w; *p; p++) /* it may end on a terminal */
			ck_assert(!is_harmful(*p) && *p != 0x2028 && *p != 0x2029);
		if (original) {
			ck_assert_msg(wcscmp(decoded, original) == 0, "seed %lu: %s",
				      seed, text);
			n_valid++;
		} else {
			ck_assert_ptr_nonnull(wcschr(decoded, 0xfffd));
		}
		free(original);
		free(w);
		free(text);
	}
	ck_assert_uint_gt(n_valid, ROUNDS / 20);
	ck_assert_uint_lt(n_valid, ROUNDS);
}
END_TEST

START_TEST(a_full_disk_is_told_once_and_by_name)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	struct hs_out out;
	hs_out_init(&out, fd);
	for (int i = 0; i < 100000; i++)
		hs_puts(&out, "0123456789");
	ck_assert_uint_le(out.room, 1 << 20); /* nothing piles up */
	struct hs_error *err = hs_out_finish(&out, "the report");
	ck_assert_str_eq(hs_error_message(err),
			 "cannot write the report: No space left on device");
	hs_error_free(err);
	close(fd);
}
END_TEST

/* A terminal that another program set to non-blocking is no full disk. */
START_TEST(a_slow_reader_gets_every_byte)
{
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		close(ends[1]);
		char buf[4096];
		size_t n = 0;
		for (ssize_t r; (r = read(ends[0], buf, sizeof(buf))) > 0; n += (size_t)r)
			for (ssize_t i = 0; i < r; i++)
				if (buf[i] != (char)((n + (size_t)i) % 251))
					_exit(2);
		_exit(n == 1000000 ? 0 : 1);
	}
	close(ends[0]);
	struct hs_out out;
	hs_out_init(&out, ends[1]);
	for (size_t i = 0; i < 1000000; i++)
		hs_putc(&out, (char)(i % 251));
	struct hs_error *err = hs_out_finish(&out, "it");
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	close(ends[1]);
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(long_lines_are_formatted_whole)
{
	struct hs_out out;
	size_t size;
	for (int width = 250; width < 262; width++) {
		hs_out_init(&out, -1);
		hs_printf(&out, "%*d", width, 7);
		char *s = hs_out_take(&out, &size);
		ck_assert_uint_eq(size, (size_t)width);
		ck_assert_uint_eq(strlen(s), (size_t)width);
		ck_assert_int_eq(s[width - 1], '7');
		free(s);
	}
}
END_TEST

HS_SUITE("out", plain_text_moves_no_cursor_and_turns_no_line,
	 html_text_opens_no_tag_and_leaves_no_attribute, json_strings_mean_what_was_put,
	 a_full_disk_is_told_once_and_by_name, a_slow_reader_gets_every_byte,
	 long_lines_are_formatted_whole)
