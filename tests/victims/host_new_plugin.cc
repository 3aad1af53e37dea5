/* SPDX-License-Identifier: MIT */

/* A C++ plugin for a host that knows no C++; see host_dlopen.c. */
#include <new>

extern "C" int plugin_run(int n)
{
	int caught = 0;
	for (int i = 0; i < n; i++) {
		long *p = new long(i);
		char *q = new char[300];
		__asm__ volatile("" : "+r"(p), "+r"(q) : : "memory");
		delete p;
		delete[] q;
		try {
			void *r = operator new(static_cast<std::size_t>(1) << 62);
			__asm__ volatile("" : "+r"(r) : : "memory");
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	return caught;
}
