/* SPDX-License-Identifier: MIT */

/*
 * Files by build-id from a server of debuginfod, for who asked for it: the address
 * of a program's libraries is nobody else's business.  libdebuginfod is loaded when
 * it is wanted, since it brings an HTTP client; it reads DEBUGINFOD_URLS and keeps a
 * cache (debuginfod(8)).
 */
#ifndef HS_DEBUGINFOD_H
#define HS_DEBUGINFOD_H

#include "src/base.h"

enum hs_debuginfod_kind { HS_DEBUGINFOD_DEBUG, HS_DEBUGINFOD_EXECUTABLE };

/* Must succeed once, before anything is fetched. */
HS_MUST_USE struct hs_error *hs_debuginfod_begin(void);

/* The path of the file in the cache, malloc'ed; NULL if no server has it. */
char *hs_debuginfod_fetch(enum hs_debuginfod_kind kind, const char *build_id);

#endif /* HS_DEBUGINFOD_H */
