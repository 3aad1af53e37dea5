/* SPDX-License-Identifier: MIT */

/*
 * A program that replaces operator new and delete, with a header before each
 * block; as a library it is preloaded behind the tracker.  OWN_MAIN: the former.
 */
#include <cstdlib>
#include <new>

#define HEADER 32

void *operator new(std::size_t size)
{
	char *p = static_cast<char *>(std::malloc(size + HEADER));
	if (!p)
		throw std::bad_alloc();
	return p + HEADER;
}

void operator delete(void *p) noexcept
{
	if (p)
		std::free(static_cast<char *>(p) - HEADER);
}

void operator delete(void *p, std::size_t) noexcept
{
	operator delete(p);
}

#ifdef OWN_MAIN
int main()
{
	for (int i = 0; i < 100; i++) {
		long *one = new long(i);
		char *many = new char[200];
		__asm__ volatile("" : "+r"(one), "+r"(many) : : "memory");
		delete one;
		delete[] many;
	}
}
#endif
