/* SPDX-License-Identifier: MIT */

/* The floor: attributes, small macros, errors.  Includes nothing of ours. */
#ifndef HS_BASE_H
#define HS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define HS_PRINTF(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define HS_MUST_USE          __attribute__((__warn_unused_result__))
#define HS_UNUSED            __attribute__((__unused__))
#define HS_CLEANUP(fn)       __attribute__((__cleanup__(fn)))
#define HS_COUNT(a)          (sizeof(a) / sizeof((a)[0]))
#define HS_MIN(a, b)         ((a) < (b) ? (a) : (b))
#define HS_MAX(a, b)         ((a) > (b) ? (a) : (b))

/* Move a pointer out of a scope-guarded variable. */
#define HS_TAKE(p)                         \
	({                                 \
		__typeof__(p) hs_p_ = (p); \
		(p) = NULL;                \
		hs_p_;                     \
	})

/*
 * An error is a sentence built outward: the cursor says what was wrong at
 * which offset, the reader names the file, the command names the intent and
 * adds what to do.
 */
struct hs_error;

/* NULL is success.  Whoever receives an error returns it or frees it. */
HS_MUST_USE struct hs_error *hs_error(const char *format, ...) HS_PRINTF(1, 2);

/* Put "FORMAT: " in front of ERR's message.  Returns ERR; NULL stays NULL. */
HS_MUST_USE struct hs_error *hs_error_in(struct hs_error *err, const char *format, ...)
	HS_PRINTF(2, 3);

/* Valid until ERR is freed or extended. */
const char *hs_error_message(const struct hs_error *err);

/* Accepts NULL. */
void hs_error_free(struct hs_error *err);

/*
 * Memory of the analysis program and the recorder.  Counts are bounded by
 * the input before anything is allocated, so running out is fatal: one
 * message on stderr, exit status 1.  Never used by the tracker.
 */
_Noreturn void hs_out_of_memory(void); /* says so */
void *hs_xmalloc(size_t size) __attribute__((__malloc__, __returns_nonnull__));
void *hs_xcalloc(size_t n, size_t size) __attribute__((__malloc__, __returns_nonnull__));
void *hs_xrealloc(void *p, size_t size) __attribute__((__returns_nonnull__));
char *hs_xstrdup(const char *s) __attribute__((__malloc__, __returns_nonnull__));
char *hs_xasprintf(const char *format, ...) HS_PRINTF(1, 2)
	__attribute__((__malloc__, __returns_nonnull__));
void hs_freep(void *pp); /* for HS_CLEANUP on any pointer from the above */

#endif /* HS_BASE_H */
