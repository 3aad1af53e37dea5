/* SPDX-License-Identifier: MIT */

/*
 * One step up a stack where no unwind table says how: by the frame pointer, or
 * by looking for a return address.  Both only believe an address that lies
 * behind a call.
 */
#ifndef HS_UNWIND_GUESS_H
#define HS_UNWIND_GUESS_H

#include "src/profile.h"

struct hs_image;

/* Where a walk is: the registers that a guess needs. */
struct hs_spot {
	uint64_t pc, sp, fp;
	uint64_t lr; /* AArch64, in the innermost frame; else 0 */
};

/* Does ADDR lie in code, behind a call as far as the code can be read? */
bool hs_guess_is_return(const struct hs_image *image, uint64_t addr);

/* Move SPOT to its caller; returns false, and leaves it, where none is found. */
bool hs_guess_caller(const struct hs_image *image, struct hs_spot *spot,
		     enum hs_frame_how *how_ret);

#endif /* HS_UNWIND_GUESS_H */
