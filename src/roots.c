/* SPDX-License-Identifier: MIT */
#include "src/roots.h"
void hs_roots_deinit(struct hs_roots *r)
{
	hs_array_free(&r->at);
	hs_array_free(&r->missing);
}
