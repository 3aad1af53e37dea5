/* SPDX-License-Identifier: MIT */

/* Where the preload library and the recorder are: beside the program that runs. */
#ifndef HS_PLACE_H
#define HS_PLACE_H

#include "src/base.h"

struct hs_place {
	char *tracker;  /* libheapsnap.so */
	char *recorder; /* heapsnap-recorder */
};

HS_MUST_USE struct hs_error *hs_place_find(struct hs_place *ret);
void hs_place_deinit(struct hs_place *place);

#endif /* HS_PLACE_H */
