/* SPDX-License-Identifier: MIT */

/*
 * Why a process died, by its image: the signal, what its si_code means, the
 * address of a fault, and what the C library said before it called abort().
 */
#ifndef HS_CRASH_H
#define HS_CRASH_H

#include "src/base.h"

struct hs_builder;
struct hs_image;
struct hs_imagefiles;

/* Tell BUILDER, which knows the threads; nothing if IMAGE did not die. */
void hs_crash_tell(const struct hs_image *image, struct hs_imagefiles *files,
		   struct hs_builder *builder);

/*
 * The name of si_code CODE of SIGNAL, "SEGV_MAPERR", and its meaning; false,
 * and both "", if there is none.
 */
bool hs_crash_code(int signal, int code, const char **name_ret, const char **meaning_ret);

#endif /* HS_CRASH_H */
