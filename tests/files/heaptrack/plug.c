/* SPDX-License-Identifier: MIT */

/* One of the programs that the samples were recorded from; see README. */
#include <stdlib.h>
void *plug_alloc(size_t n)
{
	return malloc(n);
}
