/* SPDX-License-Identifier: MIT */

/* Readable memory, page by page.  Knows no stack and no unwind table. */
#include "src/tracker/peek.h"

#include <errno.h>
#include <sys/syscall.h>

#define PAGE_SIZE ((uint64_t)1 << TR_STRETCH_PAGE_SHIFT)

/* How far below a known stretch a stack may have grown to be joined to it. */
#define JOIN_PAGES 16

/* No frame is longer: what CFI says beyond that is wrong. */
#define FRAME_SIZE_MAX ((uint64_t)16 << 20)

_Thread_local uint64_t tr_stretches[2];

static uint64_t page_of(uint64_t addr)
{
	return addr & -PAGE_SIZE;
}

static uint64_t stretch_make(uint64_t start, uint64_t end)
{
	return start >> TR_STRETCH_PAGE_SHIFT << TR_STRETCH_COUNT_BITS |
	       (end - start) >> TR_STRETCH_PAGE_SHIFT;
}

static bool stretch_holds(uint64_t stretch, uint64_t addr)
{
	return addr - tr_stretch_start(stretch) < tr_stretch_size(stretch);
}

/*
 * rt_sigprocmask copies the new set in before it looks at HOW (kernel/signal.c
 * since 2.6), so an impossible HOW gives EFAULT or EINVAL and changes nothing.
 * Unlike mincore it sees guard pages, and unlike process_vm_readv no seccomp
 * policy in use forbids it.
 */
bool tr_page_readable(uint64_t addr)
{
	if (page_of(addr) == 0)
		return false; /* to the kernel a null means: no new set */
	return tr_system_call(SYS_rt_sigprocmask, -1, (long)page_of(addr), 0, 8, 0, 0) !=
	       -EFAULT;
}

/* Did the stack of the current stretch grow down to ADDR?  The joint stretch, or 0. */
static uint64_t stretch_join_below(uint64_t addr)
{
	uint64_t stretch = tr_stretches[0], start = tr_stretch_start(stretch);
	if (addr >= start || start - addr > JOIN_PAGES * PAGE_SIZE)
		return 0;
	for (uint64_t page = page_of(addr); page < start; page += PAGE_SIZE)
		if (!tr_page_readable(page))
			return 0;
	return stretch_make(page_of(addr), start + tr_stretch_size(stretch));
}

uint64_t tr_stretch_find(uint64_t addr)
{
	uint64_t current = tr_stretches[0], previous = tr_stretches[1];
	if (stretch_holds(current, addr))
		return current;
	if (!stretch_holds(previous, addr)) {
		uint64_t joint = stretch_join_below(addr);
		if (joint)
			return tr_stretches[0] = joint;
		if (addr >> TR_ADDRESS_BITS || !tr_page_readable(addr))
			return 0;
		previous = stretch_make(page_of(addr), page_of(addr) + PAGE_SIZE);
	}
	/* Each word is true for itself, whatever a signal does in between. */
	tr_stretches[1] = current;
	tr_stretches[0] = previous;
	return previous;
}

uint64_t tr_stretch_extend(uint64_t addr, uint64_t end)
{
	uint64_t stretch = tr_stretch_find(addr), start = tr_stretch_start(stretch);
	uint64_t known = start + tr_stretch_size(stretch);
	if (!stretch || end >> TR_ADDRESS_BITS ||
	    (end > known && end - known > FRAME_SIZE_MAX))
		return known;
	uint64_t before = known;
	while (known < end && tr_page_readable(known))
		known += PAGE_SIZE;
	if (known != before)
		tr_stretches[0] = stretch_make(start, known);
	return known;
}

bool tr_peek(uint64_t addr, size_t size, uint64_t *ret)
{
	uint64_t last = addr + size - 1;
	if (last < addr || last >> TR_ADDRESS_BITS)
		return false;
	if (!stretch_holds(tr_stretches[0], addr) ||
	    !stretch_holds(tr_stretches[0], last))
		if (!tr_page_readable(addr) || !tr_page_readable(last))
			return false;
	*ret = 0;
	memcpy(ret, (const void *)(uintptr_t)addr, size);
	return true;
}
