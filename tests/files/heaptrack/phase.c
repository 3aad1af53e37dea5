/* SPDX-License-Identifier: MIT */

/* One of the programs that the samples were recorded from; see README. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef EXTRA
#define EXTRA 0
#endif
__attribute__((noinline)) static void **stage(int n, size_t sz)
{
	void **v = calloc((size_t)n, sizeof *v);
	for (int i = 0; i < n; i++) {
		v[i] = malloc(sz + (size_t)i % 5);
		memset(v[i], 1, sz);
	}
	return v;
}
__attribute__((noinline)) static void drop(void **v, int n, int keep)
{
	for (int i = keep; i < n; i++)
		free(v[i]);
	free(v);
}
__attribute__((noinline)) static void parse(void)
{
	void **v = stage(300, 1000);
	usleep(25000);
	drop(v, 300, 10 + EXTRA);
}
__attribute__((noinline)) static void render(void)
{
	void **v = stage(500, 3000);
	usleep(25000);
	drop(v, 500, 3 * EXTRA);
}
int main(void)
{
	parse();
	render();
	parse();
	usleep(15000);
	return 0;
}
