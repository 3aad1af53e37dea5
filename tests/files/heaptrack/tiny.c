/* SPDX-License-Identifier: MIT */

/* One of the programs that the samples were recorded from; see README. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *g[64];
__attribute__((noinline)) static void *mk(size_t n)
{
	void *p = malloc(n);
	memset(p, 7, n);
	return p;
}
__attribute__((noinline)) static void temp(void)
{
	for (int i = 0; i < 100; i++)
		free(mk(32));
}
__attribute__((noinline)) static void grow(void)
{
	char *p = NULL;
	for (size_t n = 16; n <= 65536; n *= 2)
		p = realloc(p, n);
	g[0] = p;
}
__attribute__((noinline)) static void aligned(void)
{
	void *p = NULL;
	if (posix_memalign(&p, 64, 1000))
		abort();
	g[1] = p;
	g[2] = aligned_alloc(128, 2048);
	g[3] = calloc(25, 40);
	g[4] = strdup("hello heap");
}
__attribute__((noinline)) static void leak(int n)
{
	for (int i = 0; i < n; i++) {
		char *volatile p = mk(77);
		(void)p;
	}
}
int main(int argc, char **argv)
{
	(void)argv;
	temp();
	grow();
	aligned();
	leak(5 + argc);
	free(g[1]);
	free(g[2]);
	puts("done");
	return 0;
}
