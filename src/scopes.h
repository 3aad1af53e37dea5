/* SPDX-License-Identifier: MIT */

/*
 * What DWARF says of code addresses: the functions whose code each is part of
 * (inlined ones first), source files and lines.
 */
#ifndef HS_SCOPES_H
#define HS_SCOPES_H

#include "src/base.h"

struct Dwarf; /* elfutils' */
struct hs_arena;

/* No chain of inlined calls is longer; what would be is cut at its inner end. */
#define HS_MAX_SCOPES 64

/* A function, and the line in it that is being executed. */
struct hs_scope {
	const char *function; /* linkage name, else qualified name, else NULL; not
				 demangled */
	bool linked;          /* it is a linkage name */
	const char *file;     /* NULL: unknown */
	uint32_t line;
};

struct hs_place {
	uint64_t address;        /* in; an ELF address */
	struct hs_scope *scopes; /* innermost first */
	uint32_t n_scopes;       /* 0: DWARF knows nothing of the address */
	uint64_t start;          /* of the outermost scope's function; 0: unknown */
};

struct hs_scope_options {
	bool no_inlines; /* one scope each, without a function: the line alone */

	/* Called with places done since the last call; may be NULL. */
	void (*progress)(void *context, size_t done);
	void *context;
};

/*
 * Fill the N places, which are sorted by address without duplicates.  What is
 * found lives in ARENA or as long as DWARF does.  Damaged units are passed over.
 */
void hs_scopes_find(struct Dwarf *dwarf, const struct hs_scope_options *options,
		    struct hs_arena *arena, struct hs_place *places, size_t n);

#endif /* HS_SCOPES_H */
