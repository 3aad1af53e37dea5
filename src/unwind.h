/* SPDX-License-Identifier: MIT */

/*
 * The stacks of an image's threads.  By the compiler's unwind tables as long
 * as there are any, else by frame pointers, else by a search of the stack for
 * what looks like a return address; each frame says which (enum hs_frame_how).
 */
#ifndef HS_UNWIND_H
#define HS_UNWIND_H

#include "src/base.h"

struct hs_builder;
struct hs_image;
struct hs_imagefiles;

/*
 * Tell BUILDER of the image's modules, its threads, and the stack of each, as
 * addresses: hs_symbolize() names them.  IMAGE gets the memory that FILES have.
 */
void hs_unwind(struct hs_image *image, struct hs_imagefiles *files,
	       struct hs_builder *builder);

#endif /* HS_UNWIND_H */
