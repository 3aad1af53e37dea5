/* SPDX-License-Identifier: MIT */

/*
 * reloader: a program that loads a plugin and unloads it, again and again, and
 * each time allocates something from the very same place.  Addresses may mean
 * another object after each of the ten rounds, yet these are the same.
 *
 * truth: leak keep 1000 10
 * truth: end exit 0
 */
#include <dlfcn.h>
#include <stdlib.h>

static char *volatile kept;

__attribute__((noinline)) static void keep(void)
{
	kept = malloc(100);
	if (!kept)
		abort();
	kept = NULL;
}

/* What calls left on the stack would seem to hold the block. */
__attribute__((noinline)) static void scrub(void)
{
	volatile char dead[16384];
	for (size_t i = 0; i < sizeof(dead); i++)
		dead[i] = 0;
}

int main(void)
{
	for (int i = 0; i < 10; i++) {
		/* Any library will do that nobody else here needs. */
		void *plugin = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
		if (!plugin || dlclose(plugin))
			abort();
		keep();
	}
	scrub();
	return 0;
}
