/* SPDX-License-Identifier: MIT */

/* An input that is an image: the profile that its threads and its end make. */
#ifndef HS_IMAGES_H
#define HS_IMAGES_H

#include "src/base.h"

struct hs_image;
struct hs_imagefiles;

/* Walk IMAGE's stacks; ID and SOURCE are those of the process in reports. */
struct hs_profile *hs_image_profile(struct hs_image *image, struct hs_imagefiles *files,
				    const char *id, const char *source);

#endif /* HS_IMAGES_H */
