/* SPDX-License-Identifier: MIT */

/*
 * Which pages of a living process are anywhere, without touching them: by the
 * PAGEMAP_SCAN ioctl of /proc/PID/pagemap (Linux 6.7), else by its entries.
 */
#ifndef HS_PAGEMAP_H
#define HS_PAGEMAP_H

#include <sys/types.h>

#include "src/base.h"

struct hs_pagemap;

enum hs_page_flags {
	HS_PAGE_PRESENT = 1 << 0, /* in memory */
	HS_PAGE_SWAPPED = 1 << 1,
	HS_PAGE_FILE = 1 << 2, /* of a file, or shared */
};

/* Pages that have their flags in common. */
struct hs_page_run {
	uint64_t start, end;
	uint32_t flags;
};

/* NULL where nobody may look. */
struct hs_pagemap *hs_pagemap_open(pid_t pid);
void hs_pagemap_close(struct hs_pagemap *p); /* accepts NULL */

/*
 * The next run in [FROM, TO) of pages that are anywhere; false if there is none.
 * Where the kernel does not tell, it is all of the range, as if it were present.
 */
bool hs_pagemap_next(struct hs_pagemap *p, uint64_t from, uint64_t to,
		     struct hs_page_run *ret);

#endif /* HS_PAGEMAP_H */
