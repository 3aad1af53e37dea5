/* SPDX-License-Identifier: MIT */

/*
 * Mappings with known figures, by every call that makes or ends them; see
 * tests/host_mmap.py.  With "wait" it then waits to be killed; with "race" four
 * threads take each other's addresses, 20,000 times each, and keep 3 pages each.
 *
 *      10 pages anonymous                                   10 mapped
 *      20 pages of a file by mmap64                         30
 *      munmap of 4 in the middle of the 10                  26
 *      MAP_FIXED of 2 pages over the file's                 26
 *      a hole of 100 pages, not accessible                 126: the highest point
 *      munmap of all 100                                    26
 *      mremap of the last 3 of the 10 to 30, moving         53
 *      mremap of these 30 to 5, in place                    28
 *      mremap of 2 of them onto the hole in the 10          28
 *      mremap of 1 of these, leaving its place mapped       29
 *      three calls that fail                                29
 *
 * and a page that comes and goes: 12 calls that succeeded.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define FREE (MAP_PRIVATE | MAP_ANONYMOUS)

static void want(int good)
{
	if (!good)
		abort();
}

static char *map(void *at, size_t pages, int prot, int flags)
{
	char *p = mmap(at, pages * PAGE, prot, flags, -1, 0);
	want(p != MAP_FAILED);
	return p;
}

/* Whoever unmaps leaves the place to the next who maps. */
static void *race(void *unused)
{
	for (unsigned i = 0; i < 20000; i++) {
		size_t pages = 1 + i % 4;
		char *p = map(NULL, pages, PROT_NONE, FREE);
		if (i % 3 == 0) {
			p = mremap(p, pages * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
			want(p != MAP_FAILED);
			pages = 6;
		}
		want(!munmap(p, pages * PAGE));
	}
	map(NULL, 3, PROT_NONE, FREE);
	return unused;
}

static int race_all(void)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < 4; i++)
		want(!pthread_create(&threads[i], NULL, race, NULL));
	for (unsigned i = 0; i < 4; i++)
		want(!pthread_join(threads[i], NULL));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "race"))
		return race_all();
	int file = memfd_create("pages", 0);
	want(file >= 0 && !ftruncate(file, 20 * PAGE));
	char *ten = map(NULL, 10, PROT_READ | PROT_WRITE, FREE);
	char *twenty = mmap64(NULL, 20 * PAGE - 100, PROT_READ, MAP_SHARED, file, 0);
	want(twenty != MAP_FAILED);
	want(!munmap(ten + 3 * PAGE, 4 * PAGE));
	map(twenty + 5 * PAGE, 2, PROT_READ | PROT_WRITE, FREE | MAP_FIXED);
	char *hole = map(NULL, 100, PROT_NONE, FREE | MAP_NORESERVE);
	want(!munmap(hole, 100 * PAGE));
	char *room = map(NULL, 1, PROT_NONE, FREE);
	want(!munmap(room, PAGE));
	ten[7 * PAGE] = 7;
	char *moved = mremap(ten + 7 * PAGE, 3 * PAGE, 30 * PAGE, MREMAP_MAYMOVE);
	want(moved != MAP_FAILED && moved[0] == 7);
	want(mremap(moved, 30 * PAGE, 5 * PAGE, 0) == moved);
	char *onto = mremap(moved + 3 * PAGE, 2 * PAGE, 2 * PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED, ten + 4 * PAGE);
	want(onto == ten + 4 * PAGE);
	want(mremap(onto, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) !=
	     MAP_FAILED);
	errno = 0;
	want(mmap(NULL, 0, PROT_READ, FREE, -1, 0) == MAP_FAILED && errno == EINVAL);
	want(munmap(ten + 1, PAGE) == -1 && errno == EINVAL);
	want(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, -1, 0) == MAP_FAILED &&
	     errno == EBADF);
	if (argc > 1) {
		want(write(1, "ready\n", 6) == 6);
		pause();
	}
	return 0;
}
