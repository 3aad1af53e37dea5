/* SPDX-License-Identifier: MIT */

/* The threads of a profile, those together that were in the same place. */
#ifndef HS_THREADGROUPS_H
#define HS_THREADGROUPS_H

#include "src/profile.h"

/* Threads that have one stack follow one another, in the order of the core. */
struct hs_thread_row {
	uint32_t stack;
	uint32_t leader; /* the group's first thread */
	uint32_t thread; /* index in the profile */
};

/* One row for each of P's threads, *N_RET of them; the caller frees them. */
struct hs_thread_row *hs_group_threads(const struct hs_profile *p, size_t *n_ret);

/* How many of the N rows from ROWS on are one group. */
size_t hs_thread_group_size(const struct hs_thread_row *rows, size_t n);

#endif /* HS_THREADGROUPS_H */
