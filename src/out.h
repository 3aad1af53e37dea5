/* SPDX-License-Identifier: MIT */

/*
 * Bytes on their way out.  The first write error sticks; later calls do
 * nothing; whoever opened the output asks once at the end.  Also the only
 * place that knows how to make hostile strings harmless in JSON, HTML and on
 * a terminal.
 */
#ifndef HS_OUT_H
#define HS_OUT_H

#include "src/base.h"

struct hs_out {
	int fd;    /* -1: memory only */
	char *buf; /* pending bytes; all bytes when fd is -1 */
	size_t n, room;
	int err;          /* errno of the first failed write, or 0 */
	uint64_t written; /* bytes handed to fd so far */
};

/* Borrows FD (-1: collect in memory; see hs_out_take). */
void hs_out_init(struct hs_out *out, int fd);

/* Flush; returns an error that names WHAT if any write failed.  Deinits. */
HS_MUST_USE struct hs_error *hs_out_finish(struct hs_out *out, const char *what);

/* A memory output's bytes, NUL-terminated, owned by the caller.  Deinits. */
char *hs_out_take(struct hs_out *out, size_t *size_ret);

/* What is being written cannot be whole: as if a write had failed. */
void hs_out_fail(struct hs_out *out);

void hs_put(struct hs_out *out, const void *data, size_t size);
void hs_puts(struct hs_out *out, const char *s);
void hs_putc(struct hs_out *out, char c);
void hs_printf(struct hs_out *out, const char *format, ...) HS_PRINTF(2, 3);

/* LEB128. */
void hs_put_uleb(struct hs_out *out, uint64_t v);

/* S as it is, but that invalid UTF-8 becomes U+FFFD. */
void hs_put_utf8(struct hs_out *out, const char *s);

/* S as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void hs_put_json_string(struct hs_out *out, const char *s);

/*
 * S as HTML text or attribute value: & < > " ' escaped; C0/C1 controls and
 * invalid UTF-8 become U+FFFD; bidirectional controls become \u202x escapes.
 */
void hs_put_html(struct hs_out *out, const char *s);

/* S for a terminal or a ticket: no controls, no bidirectional overrides. */
void hs_put_plain(struct hs_out *out, const char *s);

/* 1536 -> "1.5 KiB", at most three significant digits, C locale. */
void hs_put_size(struct hs_out *out, uint64_t bytes);

#endif /* HS_OUT_H */
