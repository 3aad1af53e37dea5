/* SPDX-License-Identifier: MIT */

/*
 * A counting malloc to be preloaded beneath the tracker, so that both see the
 * very same calls of the same run.  It knows nothing of the tracker and calls
 * libc by libc's own names.  Its counts are in COUNT_FILE.PID, four numbers of
 * 64 bits that are shared with the file while the process lives: allocations,
 * frees, allocated bytes, failures.  An exec continues the file of its pid, a
 * fork begins a new one.  The program called COUNT_SKIP and its forked children
 * are not counted: what they do before they execute another program is theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *p);

struct counts {
	_Atomic uint64_t allocations, frees, allocated_bytes, failures;
};

static struct counts early; /* before there is a file */
static struct counts *shared;
static uint32_t *mine; /* a page that is zero again in a forked child */

static char *put_number(char *to, unsigned n)
{
	char digits[12];
	int k = 0;
	do
		digits[k++] = (char)('0' + n % 10);
	while (n /= 10);
	while (k)
		*to++ = digits[--k];
	return to;
}

static struct counts *open_counts(void)
{
	const char *base = getenv("COUNT_FILE"), *skip = getenv("COUNT_SKIP");
	char path[4096];
	if (!base || strlen(base) > sizeof(path) - 20)
		return NULL;
	if (skip && !strcmp(skip, program_invocation_short_name))
		return NULL;
	char *end = stpcpy(path, base);
	*end++ = '.';
	*put_number(end, (unsigned)getpid()) = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return NULL;
	void *p = MAP_FAILED;
	if (!ftruncate(fd, sizeof(struct counts)))
		p = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static void move(_Atomic uint64_t *to, _Atomic uint64_t *from)
{
	atomic_fetch_add(to, atomic_exchange(from, 0));
}

/* The counts of this process: a new file after a fork. */
static struct counts *counts(void)
{
	if (!mine || *mine)
		return shared ? shared : &early;
	int saved = errno;
	*mine = 1;
	shared = open_counts();
	if (shared) {
		move(&shared->allocations, &early.allocations);
		move(&shared->frees, &early.frees);
		move(&shared->allocated_bytes, &early.allocated_bytes);
		move(&shared->failures, &early.failures);
	}
	errno = saved;
	return shared ? shared : &early;
}

__attribute__((__constructor__)) static void begin(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (page == MAP_FAILED || madvise(page, 4096, MADV_WIPEONFORK))
		abort();
	mine = page;
	counts();
}

static void *came(void *p, size_t size)
{
	struct counts *c = counts();
	if (p) {
		c->allocations++;
		c->allocated_bytes += size;
	} else {
		c->failures++;
	}
	return p;
}

void *malloc(size_t size)
{
	return came(__libc_malloc(size), size);
}

void *calloc(size_t n, size_t size)
{
	return came(__libc_calloc(n, size), n * size);
}

void free(void *p)
{
	if (p)
		counts()->frees++;
	__libc_free(p);
}

void *realloc(void *old, size_t size)
{
	if (!old)
		return came(__libc_realloc(NULL, size), size);
	void *p = __libc_realloc(old, size);
	if (p || !size)
		counts()->frees++;
	return size || p ? came(p, size) : NULL;
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, total);
}

void *memalign(size_t alignment, size_t size)
{
	return came(__libc_memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	bool power = alignment && !(alignment & (alignment - 1));
	if (!power || alignment % sizeof(void *))
		return EINVAL;
	int saved = errno;
	void *p = memalign(alignment, size);
	errno = saved;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *valloc(size_t size)
{
	return came(__libc_valloc(size), size);
}

void *pvalloc(size_t size)
{
	return came(__libc_pvalloc(size), size);
}
