/* SPDX-License-Identifier: MIT */

/* One of the programs that the samples were recorded from; see README. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static void *use(const char *f, const char *s, int keep)
{
	void *h = dlopen(f, RTLD_NOW);
	if (!h) {
		puts(dlerror());
		exit(1);
	}
	void *(*fn)(size_t) = (void *(*)(size_t))dlsym(h, s);
	void *last = NULL;
	for (int i = 0; i < 50; i++) {
		void *p = fn(100 + (size_t)i);
		if (i % 2)
			free(p);
		last = p;
	}
	if (!keep)
		dlclose(h);
	return last;
}
int main(int c, char **v)
{
	(void)c;
	use(v[1], "plug_alloc", 0);
	use(v[2], "plug_alloc2", 1);
	use(v[1], "plug_alloc", 0);
	return 0;
}
