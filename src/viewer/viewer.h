/* SPDX-License-Identifier: MIT */

/*
 * The viewer's script and style sheet, bundled and embedded at build time,
 * with what a Content-Security-Policy needs to let exactly them run.
 */
#ifndef HS_VIEWER_H
#define HS_VIEWER_H

#include <stddef.h>

struct hs_viewer_text {
	const unsigned char *text;
	size_t size;
	const char *sha256; /* base64 of the digest */
};

extern const struct hs_viewer_text hs_viewer_script, hs_viewer_style;

#endif /* HS_VIEWER_H */
