/* SPDX-License-Identifier: MIT */

/* Profiles of programs that never ran, and their reports as HTML. */
#ifndef HS_TEST_INVENTED_H
#define HS_TEST_INVENTED_H

#include "src/out.h"
#include "src/profile.h"

/* A C++ server that leaks, with a time line; and a small process beside it. */
struct hs_profile *invented_server(void);
struct hs_profile *invented_worker(void);

/* A tree of about N_NODES nodes, the same at every call in a program's life. */
struct hs_profile *invented_tree(unsigned n_nodes);

/* leak() holds 0, 100, 300, 400 and 500 bytes, from second to second. */
struct hs_profile *invented_series(void);

/* Names that want to be markup, script, layout, or not to be UTF-8. */
struct hs_profile *invented_hostile(void);

/*
 * Small enough to add up by hand (tests/viewer/page.mjs does); figures are
 * allocations x size, live blocks, blocks at the peak, temporaries:
 *
 *      main - alpha                     10 x 100   1   4   2
 *           |   `- beta - alpha          5 x 1000  2   3   0
 *           `- gamma                   100 x 10    0  50  90
 *               `- beta                  4 x 500   4   0   0
 */
struct hs_profile *invented_known(void);

/* Run all analyzers and write the report page. */
void invented_report(struct hs_profile *const *profiles, size_t n, const char *title,
		     struct hs_out *out);

#endif /* HS_TEST_INVENTED_H */
