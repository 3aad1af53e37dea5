/* SPDX-License-Identifier: MIT */

/*
 * Profiles for tests, written down instead of recorded.
 *
 *      struct prof *b = prof_new("server", 42);
 *      hs_stack main_ = prof_call(b, prof_root, "main", "main.c", 10, "server");
 *      prof_site(b, main_, (struct hs_site){.allocs = 1, .bytes = 100});
 *      struct hs_profile *p = prof_seal(b);
 */
#ifndef HS_TEST_PROFBUILD_H
#define HS_TEST_PROFBUILD_H

#include "src/profile.h"

struct prof;

static const hs_stack prof_root = {0};

struct prof *prof_new(const char *name, uint32_t pid);

/* Identity, to be filled in before sealing. */
struct hs_process_info *prof_process(struct prof *b);

/* The stack of CALLER plus a frame in FUNCTION; equal arguments, equal stack.
   MODULE's bytes are kept until sealing. */
hs_stack prof_call(struct prof *b, hs_stack caller, const char *function,
		   const char *file, uint32_t line, const char *module);

/* Likewise, with INNER inlined into FUNCTION: one address, two frames. */
hs_stack prof_call_inlined(struct prof *b, hs_stack caller, const char *function,
			   const char *inner, const char *file, uint32_t line,
			   const char *module);

/* Likewise, without any name: MODULE and OFFSET are all there is. */
hs_stack prof_call_unnamed(struct prof *b, hs_stack caller, const char *module,
			   uint64_t offset);

/* Figures of a stack; SITE's own stack is ignored, other fields are taken. */
void prof_site(struct prof *b, hs_stack stack, struct hs_site site);

void prof_snapshot(struct prof *b, struct hs_snapshot snapshot);
/* A thread of a core that was at STACK. */
void prof_thread(struct prof *b, uint32_t tid, hs_stack stack);

/* A slice of time ends; and in it, that STACK's blocks became more by BYTES. */
void prof_mark(struct prof *b, uint64_t time_ns);
void prof_more(struct prof *b, hs_stack stack, int64_t blocks, int64_t bytes);
void prof_peak_time(struct prof *b, uint64_t time_ns);
void prof_warn(struct prof *b, const char *sentence);

/* Finish, with totals that are the sums of the sites.  Consumes B. */
struct hs_profile *prof_seal(struct prof *b);

#endif /* HS_TEST_PROFBUILD_H */
