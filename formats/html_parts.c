/* SPDX-License-Identifier: MIT */

/* Pieces of markup that the sections of the report page share. */
#include "formats/html_parts.h"

#include <string.h>

#define MAX_TEXT 300 /* bytes of a name in the markup */

void hs_html_put_text(struct hs_out *out, const char *s)
{
	char clipped[MAX_TEXT + 1];
	size_t n = strnlen(s, sizeof(clipped));
	if (n < sizeof(clipped)) {
		hs_put_html(out, s);
		return;
	}
	n = MAX_TEXT;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	memcpy(clipped, s, n);
	clipped[n] = '\0';
	hs_put_html(out, clipped);
	hs_puts(out, "\xe2\x80\xa6");
}

/* 1204113 -> "1,204,113" */
void hs_html_put_count(struct hs_out *out, uint64_t n)
{
	char text[32];
	size_t at = sizeof(text);
	for (unsigned digits = 0; digits == 0 || n; n /= 10) {
		if (digits++ && digits % 3 == 1)
			text[--at] = ',';
		text[--at] = (char)('0' + n % 10);
	}
	hs_put(out, text + at, sizeof(text) - at);
}

void hs_html_put_frame(struct hs_html_page *page, const struct hs_profile *p,
		       hs_frame frame)
{
	/* First: a frame of no block's stack may be new, and make the table move. */
	uint32_t n, index = hs_functions_intern(page->functions, p, frame);
	const struct hs_function *f = &hs_functions_get(page->functions, &n)[index];
	hs_puts(page->out, "<code>");
	hs_html_put_text(page->out, f->name);
	hs_puts(page->out, "</code>");
	if (!*f->file && !*f->module)
		return;
	hs_puts(page->out, " <span class=\"where\">");
	if (*f->file) {
		hs_html_put_text(page->out, f->file);
		if (p->frames[frame.i].line)
			hs_printf(page->out, ":%u", p->frames[frame.i].line);
	}
	if (*f->file && *f->module)
		hs_puts(page->out, " \xc2\xb7 ");
	hs_html_put_text(page->out, f->module);
	hs_puts(page->out, "</span>");
}
