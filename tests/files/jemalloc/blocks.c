/* SPDX-License-Identifier: MIT */

/* 100 + 20 blocks of 1000 bytes that stay, and 50 of 20000 that go again. */
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

NOINLINE static char *keep(size_t n)
{
	char *p = malloc(n);
	memset(p, 1, n);
	return p;
}

NOINLINE static char *table(int n)
{
	char *last = NULL;
	for (int i = 0; i < n; i++)
		last = keep(1000);
	return last;
}

NOINLINE static void burst(void)
{
	void *v[50];
	for (int i = 0; i < 50; i++)
		v[i] = keep(20000);
	for (int i = 0; i < 50; i++)
		free(v[i]);
}

int main(void)
{
	char *volatile p = table(100);
	burst();
	p = table(20);
	return *p - 1;
}
