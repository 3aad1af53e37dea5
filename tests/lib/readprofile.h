/* SPDX-License-Identifier: MIT */

/* Reading samples of foreign formats in tests, and asking what is in them. */
#ifndef HS_TEST_READPROFILE_H
#define HS_TEST_READPROFILE_H

#include <stddef.h>

#include "src/profile.h"

/* Read SIZE bytes as FORMAT; an error is a failed test. */
struct hs_profile *read_profile(const char *format, const void *data, size_t size);

/* The same of tests/files/FORMAT/NAME, unpacked. */
struct hs_profile *read_sample(const char *format, const char *name);

/* "outermost;...;innermost" of STACK by functions; malloc'ed. */
char *stack_text(const struct hs_profile *p, hs_stack stack);

/* The sums over all sites whose stack reads like that. */
struct hs_site site_of_stack(const struct hs_profile *p, const char *stack);
uint64_t bytes_of_stack(const struct hs_profile *p, const char *stack); /* at the peak */

#endif /* HS_TEST_READPROFILE_H */
