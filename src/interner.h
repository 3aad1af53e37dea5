/* SPDX-License-Identifier: MIT */

/*
 * Strings by number: equal strings get equal numbers, from 0, in the order in
 * which they first came.  For the tables of strings and frames that formats have.
 */
#ifndef HS_INTERNER_H
#define HS_INTERNER_H

#include "src/base.h"

struct hs_interner;

struct hs_interner *hs_interner_new(void);
void hs_interner_free(struct hs_interner *in); /* accepts NULL */

/* *NEW_RET may be NULL. */
uint32_t hs_interner_put(struct hs_interner *in, const char *s, bool *new_ret);

/* All of them; good until the next put. */
const char *const *hs_interner_all(const struct hs_interner *in, uint32_t *n_ret);

#endif /* HS_INTERNER_H */
