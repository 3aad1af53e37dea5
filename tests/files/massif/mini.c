/* SPDX-License-Identifier: MIT */

/*
 * What valgrind's tools were run on: 100 blocks of 1000 bytes, then 50 of 20000
 * that go again, then 20 of 1000, and twenty small places.
 */
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

NOINLINE static char *keep(size_t n)
{
	char *p = malloc(n);
	memset(p, 1, n);
	return p;
}

NOINLINE static void burst(void)
{
	void *v[50];
	for (int i = 0; i < 50; i++)
		v[i] = keep(20000);
	for (int i = 0; i < 50; i++)
		free(v[i]);
}

NOINLINE static char *table(int n)
{
	char *last = NULL;
	for (int i = 0; i < n; i++)
		last = keep(1000);
	return last;
}

NOINLINE static char *small0(void)
{
	return keep(10);
}

NOINLINE static char *small1(void)
{
	return keep(11);
}

NOINLINE static char *small2(void)
{
	return keep(12);
}

NOINLINE static char *small3(void)
{
	return keep(13);
}

int main(void)
{
	char *volatile p = small0();
	p = small1();
	p = small2();
	p = small3();
	p = table(100);
	burst();
	p = table(20);
	return *p - 1;
}
