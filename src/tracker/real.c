/* SPDX-License-Identifier: MIT */

/* Finding the real functions, without help from malloc. */
#include "src/tracker/real.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOOTSTRAP_SIZE 65536u

bool tr_bootstrap_used;
static char bootstrap[BOOTSTRAP_SIZE] __attribute__((aligned(16)));
static size_t bootstrap_n;
static bool resolving;

static void *bootstrap_alloc(size_t size)
{
	size_t need = ((size + 15) & ~(size_t)15) + 16;
	if (size > BOOTSTRAP_SIZE || need > BOOTSTRAP_SIZE - bootstrap_n)
		return NULL;
	char *p = bootstrap + bootstrap_n;
	bootstrap_n += need;
	tr_bootstrap_used = true;
	memcpy(p, &size, sizeof(size));
	return p + 16;
}

bool tr_is_bootstrap_slow(const void *p)
{
	return (uintptr_t)p - (uintptr_t)bootstrap < BOOTSTRAP_SIZE;
}

size_t tr_bootstrap_size(const void *p)
{
	size_t size;
	memcpy(&size, (const char *)p - 16, sizeof(size));
	return size;
}

static void resolve(void);

#define FIRST(type, name, params, args)         \
	static type first_##name params         \
	{                                       \
		if (resolving)                  \
			return FALLBACK_##name; \
		resolve();                      \
		return tr_real.name args;       \
	}

#define FALLBACK_malloc             bootstrap_alloc(n)
#define FALLBACK_calloc             (b && a > BOOTSTRAP_SIZE / b ? NULL : bootstrap_alloc(a * b))
#define FALLBACK_realloc            ((void)p, bootstrap_alloc(n))
#define FALLBACK_free               (void)p
#define FALLBACK_posix_memalign     ((void)r, (void)a, (void)n, 12 /* ENOMEM */)
#define FALLBACK_aligned_alloc      ((void)a, (void)n, NULL)
#define FALLBACK_memalign           ((void)a, (void)n, NULL)
#define FALLBACK_valloc             ((void)n, NULL)
#define FALLBACK_pvalloc            ((void)n, NULL)
#define FALLBACK_malloc_usable_size ((void)p, 0)
#define FALLBACK_mmap               (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at)
#define FALLBACK_mmap64             FALLBACK_mmap
#define FALLBACK_munmap             (int)syscall(SYS_munmap, p, n)
#define FALLBACK_mremap             (void *)syscall(SYS_mremap, p, o, n, flags, to)
#define FALLBACK_prctl              ((void)o, (void)a, (void)b, (void)c, (void)d, -1)
#define FALLBACK_pthread_setname_np ((void)t, (void)s, 22 /* EINVAL */)
#define FALLBACK_setuid             ((void)u, -1)
#define FALLBACK_seteuid            ((void)u, -1)
#define FALLBACK_setreuid           ((void)r, (void)e, -1)
#define FALLBACK_setresuid          ((void)r, (void)e, (void)s, -1)
#define FALLBACK_dlclose            ((void)p, -1)
#define FALLBACK__exit              (void)n
#define FALLBACK__Exit              (void)n
#define FALLBACK_quick_exit         (void)n

FIRST(void *, malloc, (size_t n), (n))
FIRST(void *, calloc, (size_t a, size_t b), (a, b))
FIRST(void *, realloc, (void *p, size_t n), (p, n))
FIRST(void, free, (void *p), (p))
FIRST(int, posix_memalign, (void **r, size_t a, size_t n), (r, a, n))
FIRST(void *, aligned_alloc, (size_t a, size_t n), (a, n))
FIRST(void *, memalign, (size_t a, size_t n), (a, n))
FIRST(void *, valloc, (size_t n), (n))
FIRST(void *, pvalloc, (size_t n), (n))
FIRST(size_t, malloc_usable_size, (void *p), (p))
FIRST(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, int64_t at),
      (p, n, prot, flags, fd, at))
FIRST(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, int64_t at),
      (p, n, prot, flags, fd, at))
FIRST(int, munmap, (void *p, size_t n), (p, n))
FIRST(void *, mremap, (void *p, size_t o, size_t n, int flags, void *to),
      (p, o, n, flags, to))
FIRST(int, dlclose, (void *p), (p))
FIRST(int, prctl,
      (int o, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
      (o, a, b, c, d))
FIRST(int, pthread_setname_np, (unsigned long t, const char *s), (t, s))
FIRST(int, setuid, (unsigned u), (u))
FIRST(int, seteuid, (unsigned u), (u))
FIRST(int, setreuid, (unsigned r, unsigned e), (r, e))
FIRST(int, setresuid, (unsigned r, unsigned e, unsigned s), (r, e, s))
FIRST(void, _exit, (int n), (n))
FIRST(void, _Exit, (int n), (n))
FIRST(void, quick_exit, (int n), (n))

struct tr_real tr_real = {
	.malloc = first_malloc,
	.calloc = first_calloc,
	.realloc = first_realloc,
	.free = first_free,
	.posix_memalign = first_posix_memalign,
	.aligned_alloc = first_aligned_alloc,
	.memalign = first_memalign,
	.valloc = first_valloc,
	.pvalloc = first_pvalloc,
	.malloc_usable_size = first_malloc_usable_size,
	.mmap = first_mmap,
	.mmap64 = first_mmap64,
	.munmap = first_munmap,
	.mremap = first_mremap,
	.dlclose = first_dlclose,
	.prctl = first_prctl,
	.pthread_setname_np = first_pthread_setname_np,
	.setuid = first_setuid,
	.seteuid = first_seteuid,
	.setreuid = first_setreuid,
	.setresuid = first_setresuid,
	._exit = first__exit,
	._Exit = first__Exit,
	.quick_exit = first_quick_exit,
};

static struct {
	uint64_t start, end;
} foreign_code;

bool tr_is_foreign_code(uint64_t pc)
{
	return pc >= foreign_code.start && pc < foreign_code.end;
}

bool tr_is_own_code(uint64_t pc)
{
	extern const char tr_text_start[] __asm__("__ehdr_start") TR_HIDDEN;
	extern const char tr_text_end[] __asm__("etext") TR_HIDDEN;
	return pc >= (uint64_t)(uintptr_t)tr_text_start &&
	       pc < (uint64_t)(uintptr_t)tr_text_end;
}

bool tr_real_is_outrun(void)
{
	void *first = dlsym(RTLD_DEFAULT, "malloc");
	return first && !tr_is_own_code((uint64_t)(uintptr_t)first);
}

/* Whose malloc is it: that of the object which holds gnu_get_libc_version? */
static bool malloc_is_foreign(void)
{
	struct dl_find_object libc, owner;
	void *in_libc = dlsym(RTLD_NEXT, "gnu_get_libc_version");
	void *real_malloc;
	memcpy(&real_malloc, &tr_real.malloc, sizeof(real_malloc));
	if (!in_libc || _dl_find_object(in_libc, &libc) ||
	    _dl_find_object(real_malloc, &owner))
		return false;
	foreign_code.start = (uint64_t)(uintptr_t)owner.dlfo_map_start;
	foreign_code.end = (uint64_t)(uintptr_t)owner.dlfo_map_end;
	return libc.dlfo_link_map != owner.dlfo_link_map;
}

static void resolve(void)
{
	/* The first call comes while the process has one thread: ld.so's own. */
	resolving = true;
	struct tr_real found = tr_real;
#define FIND(name)                                          \
	do {                                                \
		void *f = dlsym(RTLD_NEXT, #name);          \
		if (f)                                      \
			memcpy(&found.name, &f, sizeof(f)); \
	} while (0)
	FIND(malloc);
	FIND(calloc);
	FIND(realloc);
	FIND(free);
	FIND(posix_memalign);
	FIND(aligned_alloc);
	FIND(memalign);
	FIND(valloc);
	FIND(pvalloc);
	FIND(malloc_usable_size);
	FIND(mmap);
	FIND(mmap64);
	FIND(munmap);
	FIND(mremap);
	FIND(dlclose);
	FIND(prctl);
	FIND(pthread_setname_np);
	FIND(setuid);
	FIND(seteuid);
	FIND(setreuid);
	FIND(setresuid);
	FIND(_exit);
	FIND(_Exit);
	FIND(quick_exit);
#undef FIND
	tr_real = found;
	tr_real.foreign = malloc_is_foreign();
	resolving = false;
}
