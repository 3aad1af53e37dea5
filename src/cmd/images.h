/* SPDX-License-Identifier: MIT */

/* An input that is an image: the profile that its threads and its end make. */
#ifndef HS_IMAGES_H
#define HS_IMAGES_H

#include <sys/types.h>

#include "src/base.h"

struct hs_image;
struct hs_imagefiles;
struct hs_symbol_options;

/* Walk IMAGE's stacks; ID and SOURCE are those of the process in reports. */
struct hs_profile *hs_image_profile(struct hs_image *image, struct hs_imagefiles *files,
				    const char *id, const char *source);

/* The bytes at AT_RANDOM in hex; false where the image lacks them. */
#define HS_AT_RANDOM_SIZE 33
bool hs_image_at_random(const struct hs_image *image, char ret[HS_AT_RANDOM_SIZE]);
void hs_random_text(const uint8_t bytes[16], char ret[HS_AT_RANDOM_SIZE]);

/*
 * GIVEN, which is borrowed, and where process PID sees its files unless GIVEN
 * has a sysroot: in its root, which a container changes; its executable even
 * after that was replaced.
 */
struct hs_symbol_options *hs_live_options_new(const struct hs_symbol_options *given,
					      pid_t pid);
void hs_live_options_free(struct hs_symbol_options *options); /* accepts NULL */

#endif /* HS_IMAGES_H */
