/* SPDX-License-Identifier: MIT */

/* Small ones are malloc's, large ones mappings at the bounds of huge pages. */
#include "src/huge.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static bool is_large(size_t size)
{
	return size >= 2 * HUGE_PAGE;
}

/*
 * SIZE bytes of addresses at such a bound.  A mapping that moves from bound to
 * bound takes its huge pages along (mremap, Linux 5.11).
 */
static char *reserve(size_t size)
{
	char *p = mmap(NULL, size + HUGE_PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		hs_out_of_memory();
	size_t before = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + size, HUGE_PAGE - before);
	return p + before;
}

static char *map(size_t size)
{
	char *p = mmap(reserve(size), size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		hs_out_of_memory();
	/* Probes are random: with small pages each would miss the TLB, too. */
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void *grow_large(void *p, size_t size, size_t to)
{
	p = mremap(p, size, to, MREMAP_MAYMOVE | MREMAP_FIXED, reserve(to));
	if (p == MAP_FAILED)
		hs_out_of_memory();
	return p;
}

static void *grow_small(void *p, size_t size, size_t to)
{
	if (!size)
		return hs_xcalloc(1, to);
	char *all = hs_xrealloc(p, to);
	memset(all + size, 0, to - size);
	return all;
}

void *hs_huge_grow(void *p, size_t size, size_t to)
{
	if (is_large(size))
		return grow_large(p, size, to);
	if (!is_large(to))
		return grow_small(p, size, to);
	void *all = map(to);
	if (size)
		memcpy(all, p, size);
	free(p);
	return all;
}

void hs_huge_free(void *p, size_t size)
{
	if (is_large(size))
		munmap(p, size);
	else
		free(p);
}
