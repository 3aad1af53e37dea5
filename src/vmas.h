/* SPDX-License-Identifier: MIT */

/*
 * The mappings of a living process, from /proc/PID/maps, or from
 * /proc/PID/smaps, which also tells what was advised and counts pages.
 */
#ifndef HS_VMAS_H
#define HS_VMAS_H

#include <sys/types.h>

#include "src/array.h"

enum hs_vma_flags {
	HS_VMA_READ = 1 << 0,
	HS_VMA_WRITE = 1 << 1,
	HS_VMA_EXEC = 1 << 2,
	HS_VMA_SHARED = 1 << 3,
	/* By smaps alone (proc(5), VmFlags). */
	HS_VMA_DONTDUMP = 1 << 4, /* MADV_DONTDUMP */
	HS_VMA_IO = 1 << 5,       /* devices and the like: reading may have effects */
	HS_VMA_HUGETLB = 1 << 6,
};

struct hs_vma {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	uint32_t flags;
	uint64_t anonymous_bytes; /* in memory or swapped; by smaps alone */
	const char *path;         /* as the kernel tells it; "" for none */
};

struct hs_vmas {
	HS_ARRAY(struct hs_vma) list; /* by address */
	struct hs_arena *arena;       /* has the paths */
};

/* False if there is no such process, or we may not know.  A zombie has none. */
bool hs_vmas_read(pid_t pid, bool details, struct hs_vmas *ret);
void hs_vmas_deinit(struct hs_vmas *v);

/* Has V its memory from a file, also from one without a name (memfd, /dev/zero)? */
bool hs_vma_has_file(const struct hs_vma *v);

#endif /* HS_VMAS_H */
