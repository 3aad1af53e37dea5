/* SPDX-License-Identifier: MIT */

/*
 * Memory of all kinds, for `heapsnap snap --dump`: prints the address of each and
 * "ready", then does as each line of its input says:
 *
 *      vfork   have a child by vfork that never ends; this thread waits for it in the
 *              kernel, and cannot be stopped
 *
 * and ends with status 7 where its input ends.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static char *get(const char *name, size_t size, int kind)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail(name);
	/* A huge page would be touched as a whole. */
	madvise(p, size, MADV_NOHUGEPAGE);
	printf("%s %p\n", name, (void *)p);
	return p;
}

int main(void)
{
	char line[32];
	char *sparse = get("sparse", 64 * MIB, MAP_PRIVATE);
	for (size_t i = 0; i < 64; i += 8)
		sparse[i * MIB + 5] = (char)('a' + i);
	char *zeroed = get("zeroed", MIB, MAP_PRIVATE);
	memset(zeroed, 0, MIB);
	/* Pages of NORESERVE cost nothing: the end of 4 GiB of them. */
	char *wide = get("wide", 4096 * MIB, MAP_PRIVATE | MAP_NORESERVE);
	strcpy(wide + 4096 * MIB - 4096, "far away");
	char *hidden = get("hidden", MIB, MAP_PRIVATE);
	strcpy(hidden, "locked away");
	if (mprotect(hidden, MIB, PROT_NONE) != 0)
		fail("mprotect");
	char *secret = get("secret", MIB, MAP_PRIVATE);
	memset(secret, 'x', MIB);
	if (madvise(secret, MIB, MADV_DONTDUMP) != 0)
		fail("madvise");
	char *shared = get("shared", 16 * MIB, MAP_SHARED);
	strcpy(shared + 4 * MIB, "of us all");
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		if (!strcmp(line, "vfork\n") && vfork() == 0)
			for (;;)
				pause();
	return 7;
}
