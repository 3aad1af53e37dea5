/* SPDX-License-Identifier: MIT */

/* Errors as sentences, and memory whose absence is fatal. */
#include "src/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct hs_error {
	char *message;
};

void hs_out_of_memory(void)
{
	/* No formatting: stdio may want memory, too. */
	fputs("heapsnap: out of memory\n", stderr);
	exit(1);
}

void *hs_xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	if (!p)
		hs_out_of_memory();
	return p;
}

void *hs_xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		hs_out_of_memory();
	return p;
}

void *hs_xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		hs_out_of_memory();
	return p;
}

char *hs_xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(hs_xmalloc(n), s, n);
}

static HS_PRINTF(1, 0) char *format_message(const char *format, va_list ap)
{
	char *s = NULL;
	if (vasprintf(&s, format, ap) < 0)
		hs_out_of_memory();
	return s;
}

char *hs_xasprintf(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *s = format_message(format, ap);
	va_end(ap);
	return s;
}

void hs_freep(void *pp)
{
	free(*(void **)pp);
}

struct hs_error *hs_error(const char *format, ...)
{
	struct hs_error *err = hs_xmalloc(sizeof(*err));
	va_list ap;
	va_start(ap, format);
	err->message = format_message(format, ap);
	va_end(ap);
	return err;
}

struct hs_error *hs_error_in(struct hs_error *err, const char *format, ...)
{
	if (!err)
		return NULL;
	va_list ap;
	va_start(ap, format);
	char *prefix = format_message(format, ap);
	va_end(ap);
	char *whole = hs_xasprintf("%s: %s", prefix, err->message);
	free(prefix);
	free(err->message);
	err->message = whole;
	return err;
}

const char *hs_error_message(const struct hs_error *err)
{
	return err->message;
}

void hs_error_free(struct hs_error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err);
}
