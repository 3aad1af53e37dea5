/* SPDX-License-Identifier: MIT */

/*
 * As places.c, for C++: templates, constructors, lambdas, and inlined
 * functions that are visible in this file alone.
 */
#include <link.h>
#include <stdio.h>

#define KEEP   __attribute__((__noinline__))
#define INLINE inline __attribute__((__always_inline__))

static volatile int sink;

static int find_base(struct dl_phdr_info *info, size_t, void *base)
{
	*static_cast<unsigned long *>(base) = info->dlpi_addr;
	return 1;
}

extern "C" KEEP void mark(const char *name)
{
	unsigned long base = 0;
	dl_iterate_phdr(find_base, &base);
	printf("%s %lx\n", name,
	       reinterpret_cast<unsigned long>(__builtin_return_address(0)) - base);
}

namespace
{
INLINE void hidden()
{
	mark("hidden"); // @hidden
	sink = sink + 1;
}

KEEP void unseen(int)
{
	mark("unseen"); // @unseen
	sink = sink + 1;
}
} // namespace

namespace box
{
template <class T> struct Box {
	KEEP explicit Box(T)
	{
		mark("constructor"); // @constructor
		sink = sink + 1;
	}
	KEEP void fill(T)
	{
		hidden(); // @fill
		sink = sink + 1;
	}
	template <class U> INLINE void mix(U)
	{
		mark("mixed"); // @mixed
		sink = sink + 1;
	}
};
} // namespace box

KEEP void mixer(box::Box<int> &b)
{
	b.mix('x'); // @mixer
	sink = sink + 1;
}

template <class F> KEEP void call(F f)
{
	f();
	sink = sink + 1;
}

int main()
{
	box::Box<int> b(1);
	b.fill(2);
	mixer(b);
	unseen(3);
	call([] {
		mark("lambda"); // @lambda
		sink = sink + 1;
	});
	return 0;
}
