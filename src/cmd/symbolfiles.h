/* SPDX-License-Identifier: MIT */

/* --exe, --sysroot, --debug-dir and --debuginfod: where the files of a target lie. */
#ifndef HS_SYMBOLFILES_H
#define HS_SYMBOLFILES_H

#include "src/array.h"

struct hs_symbolfiles {
	HS_ARRAY(const char *) exes, sysroots, debug_dirs;
	bool debuginfod;
};

/*
 * End the lists with NULL, as others want them, and warn of what cannot be
 * used: a mistyped folder would otherwise only show as frames without names.
 */
void hs_symbolfiles_finish(struct hs_symbolfiles *f);

/* Make --debuginfod work, if it was given; the error says what is missing. */
HS_MUST_USE struct hs_error *hs_symbolfiles_connect(const struct hs_symbolfiles *f);

void hs_symbolfiles_deinit(struct hs_symbolfiles *f);

#endif /* HS_SYMBOLFILES_H */
