/* SPDX-License-Identifier: MIT */

/*
 * Naming frames: symbol tables, DWARF lines and inlined calls, demangling.
 * Reads ELF files of this machine (or a sysroot), each checked by build-id:
 * a file that was replaced since the recording gives a warning, never a wrong
 * name.  Nothing is fetched from a network, unless `debuginfod` is set.
 */
#ifndef HS_SYMBOLS_H
#define HS_SYMBOLS_H

#include "src/base.h"

struct hs_profile;

/*
 * Files that stay open from one profile to the next: processes of one program
 * have their libraries in common, and unpacking the debug information of libc
 * takes longer than naming what they use of it.
 */
struct hs_symbol_cache;

struct hs_symbol_cache *hs_symbol_cache_new(void);
void hs_symbol_cache_free(struct hs_symbol_cache *cache); /* accepts NULL */

struct hs_symbol_options {
	const char *const *exes;       /* --exe, NULL-terminated; may be NULL */
	const char *const *sysroots;   /* --sysroot, likewise */
	const char *const *debug_dirs; /* --debug-dir, likewise */
	bool no_inlines;               /* symbol tables and lines only */
	bool debuginfod;               /* hs_debuginfod_begin() has succeeded */

	/* May be NULL; of use only with the same options for every profile. */
	struct hs_symbol_cache *cache;

	/* Called now and then with frames done and frames in all; may be NULL. */
	void (*progress)(void *context, size_t done, size_t total);
	void *context;
};

/*
 * Fill function, file, line and inline callers of every frame of PROFILE that
 * has a module and no function yet; add warnings for modules that could not
 * be found or do not fit.  PROFILE must not be shared yet.
 */
void hs_symbolize(struct hs_profile *profile, const struct hs_symbol_options *options);

/*
 * Demangle NAME (Itanium C++, Rust legacy and v0, D); a name that is none of
 * these is copied.  malloc'ed.  Bounded in time and output size.
 */
char *hs_demangle(const char *name);

#endif /* HS_SYMBOLS_H */
