/* SPDX-License-Identifier: MIT */

/*
 * Which modules an image has loaded, and where: from the kernel's list of
 * mapped files, else from the loader's own list, else from ELF headers that
 * lie at the beginning of mappings.
 */
#ifndef HS_MODULES_H
#define HS_MODULES_H

struct hs_image;

/* Fill IMAGE's modules.  Its mappings, files and auxv are sealed. */
void hs_modules_find(struct hs_image *image);

#endif /* HS_MODULES_H */
