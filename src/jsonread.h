/* SPDX-License-Identifier: MIT */

/*
 * Reading JSON piece by piece, for formats that are JSON: nothing is built, what
 * is of no interest is skipped.  Whoever reads knows what he expects:
 *
 *      struct hs_json j = hs_json(in);
 *      struct hs_span key;
 *      hs_json_open(&j, '{');
 *      while (hs_json_key(&j, &key))
 *              if (hs_span_is(key, "pid"))
 *                      hs_json_number(&j, &pid);
 *              else
 *                      hs_json_skip(&j);
 *
 * The first thing that is not as expected makes all calls fail from then on.
 */
#ifndef HS_JSONREAD_H
#define HS_JSONREAD_H

#include "src/array.h"
#include "src/scan.h"

struct hs_json {
	struct hs_cursor *in;
	HS_ARRAY(char) text; /* the latest string */
	bool failed;
	bool first; /* no comma is needed: a bracket has just been opened */
};

struct hs_json hs_json(struct hs_cursor *in);
void hs_json_deinit(struct hs_json *j);

/* '{', '[', '"', '0' for numbers, 't', 'f', 'n'; 0 at the end or after a failure. */
char hs_json_next(struct hs_json *j);

/* Enter an object or array: BRACKET is '{' or '['. */
bool hs_json_open(struct hs_json *j, char bracket);

/* The next key of this object; false, having left it, where there is none. */
bool hs_json_key(struct hs_json *j, struct hs_span *key);

/* Is there another item in this array?  False, having left it, where not. */
bool hs_json_item(struct hs_json *j);

/* Without its quotes and escapes; good until the next call. */
bool hs_json_string(struct hs_json *j, struct hs_span *ret);

/* Something must follow it.  Fractions are cut off; what is negative is 0, what is too
 * large the maximum. */
bool hs_json_number(struct hs_json *j, uint64_t *ret);

/* Skip one value, whatever it is. */
bool hs_json_skip(struct hs_json *j);

#endif /* HS_JSONREAD_H */
