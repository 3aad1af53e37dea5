/* SPDX-License-Identifier: MIT */

/* Buffered output with a sticky error, and the escapers. */
#include "src/out.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_SIZE ((size_t)64 << 10)

void hs_out_init(struct hs_out *out, int fd)
{
	*out = (struct hs_out){.fd = fd};
}

/* A terminal or pipe that somebody else made non-blocking is slow, not broken. */
static bool wait_until_writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

static void flush(struct hs_out *out)
{
	for (size_t done = 0; done < out->n && !out->err;) {
		ssize_t r = write(out->fd, out->buf + done, out->n - done);
		if (r >= 0) {
			done += (size_t)r;
			out->written += (uint64_t)r;
		} else if (errno != EINTR &&
			   (errno != EAGAIN || !wait_until_writable(out->fd))) {
			out->err = errno;
		}
	}
	out->n = 0;
}

struct hs_error *hs_out_finish(struct hs_out *out, const char *what)
{
	if (out->fd >= 0)
		flush(out);
	int err = out->err;
	free(out->buf);
	*out = (struct hs_out){.fd = -1};
	return err ? hs_error("cannot write %s: %s", what, strerror(err)) : NULL;
}

char *hs_out_take(struct hs_out *out, size_t *size_ret)
{
	hs_putc(out, '\0');
	if (size_ret)
		*size_ret = out->n - 1;
	char *buf = out->buf;
	*out = (struct hs_out){.fd = -1};
	return buf;
}

void hs_out_fail(struct hs_out *out)
{
	if (!out->err)
		out->err = EIO;
}

void hs_put(struct hs_out *out, const void *data, size_t size)
{
	if (out->err || !size)
		return;
	if (out->fd >= 0 && out->n + size > FLUSH_SIZE)
		flush(out);
	if (out->n + size > out->room) {
		size_t room = out->room ? out->room : FLUSH_SIZE;
		while (room < out->n + size)
			room *= 2;
		out->buf = hs_xrealloc(out->buf, room);
		out->room = room;
	}
	memcpy(out->buf + out->n, data, size);
	out->n += size;
}

void hs_puts(struct hs_out *out, const char *s)
{
	hs_put(out, s, strlen(s));
}

void hs_putc(struct hs_out *out, char c)
{
	hs_put(out, &c, 1);
}

void hs_printf(struct hs_out *out, const char *format, ...)
{
	char small[256];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(small, sizeof(small), format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(small)) {
		hs_put(out, small, (size_t)n);
		return;
	}
	char *large = hs_xmalloc((size_t)n + 1);
	va_start(ap, format);
	vsnprintf(large, (size_t)n + 1, format, ap);
	va_end(ap);
	hs_put(out, large, (size_t)n);
	free(large);
}

void hs_put_uleb(struct hs_out *out, uint64_t v)
{
	char bytes[10];
	size_t n = 0;
	while (v >= 128) {
		bytes[n++] = (char)(v | 128);
		v >>= 7;
	}
	bytes[n++] = (char)v;
	hs_put(out, bytes, n);
}

/*
 * Decode one code point of UTF-8 (RFC 3629: no overlong forms, no surrogates).
 * Returns its length, or 0 where the bytes at S are not valid.
 */
static unsigned decode_utf8(const unsigned char *s, uint32_t *cp_ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned n = s[0] < 0x80   ? 1
		     : s[0] < 0xc0 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
				   : 4;
	if (n == 0 || s[0] > 0xf4)
		return 0;
	uint32_t cp = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*cp_ret = cp;
	return n;
}

static bool is_bidi_control(uint32_t cp)
{
	return (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
	       cp == 0x200e || cp == 0x200f || cp == 0x61c;
}

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void hs_put_utf8(struct hs_out *out, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t cp;
		unsigned n = decode_utf8(p, &cp);
		if (n == 0)
			hs_puts(out, REPLACEMENT);
		else
			hs_put(out, p, n);
		p += n ? n : 1;
	}
}

void hs_put_json_string(struct hs_out *out, const char *s)
{
	hs_putc(out, '"');
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t cp;
		unsigned n = decode_utf8(p, &cp);
		if (n == 0)
			hs_puts(out, REPLACEMENT);
		else if (cp == '"' || cp == '\\')
			hs_printf(out, "\\%c", (char)cp);
		else if (is_control(cp) || is_bidi_control(cp) || cp == 0x2028 ||
			 cp == 0x2029)
			hs_printf(out, "\\u%04x", (unsigned)cp);
		else
			hs_put(out, p, n);
		p += n ? n : 1;
	}
	hs_putc(out, '"');
}

void hs_put_html(struct hs_out *out, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t cp;
		unsigned n = decode_utf8(p, &cp);
		if (n == 0 || (is_control(cp) && cp != '\n' && cp != '\t'))
			hs_puts(out, REPLACEMENT);
		else if (is_bidi_control(cp))
			hs_printf(out, "\\u%04x", (unsigned)cp);
		else if (cp == '&' || cp == '<' || cp == '>' || cp == '"' || cp == '\'')
			hs_printf(out, "&#%u;", (unsigned)cp);
		else
			hs_put(out, p, n);
		p += n ? n : 1;
	}
}

void hs_put_plain(struct hs_out *out, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t cp;
		unsigned n = decode_utf8(p, &cp);
		if (n == 0)
			hs_puts(out, REPLACEMENT);
		else if (is_control(cp))
			hs_printf(out, "\\x%02x", (unsigned)cp);
		else if (is_bidi_control(cp) || cp == 0x2028 || cp == 0x2029)
			hs_printf(out, "\\u%04x", (unsigned)cp);
		else
			hs_put(out, p, n);
		p += n ? n : 1;
	}
}

void hs_put_size(struct hs_out *out, uint64_t bytes)
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t u = 0;
	while (v >= 999.5 && u + 1 < HS_COUNT(units)) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		hs_printf(out, "%u B", (unsigned)bytes);
	else
		hs_printf(out, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[u]);
}
