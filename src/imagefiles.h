/* SPDX-License-Identifier: MIT */

/*
 * The files of an image's modules, opened when somebody asks for the first
 * time, each checked by build-id (src/debugfile.h).  What a core lacks of a
 * module's unchanged pages comes from there.
 */
#ifndef HS_IMAGEFILES_H
#define HS_IMAGEFILES_H

#include "src/base.h"

struct hs_debugfile;
struct hs_image;
struct hs_imagefiles;
struct hs_symbol_options;

/* Borrows both; goes after IMAGE does, which gets memory from here. */
struct hs_imagefiles *hs_imagefiles_new(struct hs_image *image,
					const struct hs_symbol_options *options);
void hs_imagefiles_free(struct hs_imagefiles *files); /* accepts NULL */

/* What describes module I of the image, but for DWARF, or NULL; good until FILES is
 * freed. */
const struct hs_debugfile *hs_imagefiles_open(struct hs_imagefiles *files, size_t i);

#endif /* HS_IMAGEFILES_H */
