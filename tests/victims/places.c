/* SPDX-License-Identifier: MIT */

/*
 * Prints where its own calls of mark() return to, as addresses in its ELF
 * file: "NAME ADDRESS".  The truth: each call stands on the line that says
 * @NAME, and the calls that were inlined stand on the lines that say so.
 *
 * Built at test time, in many ways, by tests/test_symbols.c.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>

#define KEEP   __attribute__((__noinline__))
#define INLINE static inline __attribute__((__always_inline__))

static volatile int sink;

static int find_base(struct dl_phdr_info *info, size_t size, void *base)
{
	(void)size;
	*(unsigned long *)base = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

KEEP void mark(const char *name)
{
	unsigned long base = 0;
	dl_iterate_phdr(find_base, &base);
	printf("%s %lx\n", name, (unsigned long)__builtin_return_address(0) - base);
}

#ifdef ANOTHER_BUILD
KEEP void another(void)
{
	mark("another");
	sink += 2;
}
#endif

KEEP void plain(void)
{
	mark("plain"); /* @plain */
	sink++;
}

INLINE void innermost(void)
{
	mark("inlined"); /* @innermost */
	sink++;
}

INLINE void middle(void)
{
	sink++;
	innermost(); /* @middle */
}

KEEP void outermost(void)
{
	sink++;
	middle(); /* @outermost */
	sink++;
}

/* Its public name is another. */
KEEP void __internal_name(void)
{
	mark("alias"); /* @alias */
	sink++;
}
extern __typeof__(__internal_name) public_name
	__attribute__((__alias__("__internal_name"), __used__));

static KEEP void local(void)
{
	mark("local"); /* @local */
	sink++;
}

/* GNU C's nested functions lie outside of the code of those they are in. */
#ifndef __clang__
static KEEP void nest(void)
{
	auto KEEP void nested(void);
	void nested(void)
	{
		mark("nested"); /* @nested */
		sink++;
	}
	nested();
}
#endif

int main(void)
{
#ifndef __clang__
	nest();
#endif
	plain();
	outermost();
	public_name();
	local();
	return 0;
}
