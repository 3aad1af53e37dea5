/* SPDX-License-Identifier: MIT */

/*
 * The functions behind ours: the next definitions in lookup order, so that
 * jemalloc, a debug malloc or a counting preload below us stays in use.
 */
#ifndef TR_REAL_H
#define TR_REAL_H

#include <stddef.h>

#include "src/tracker/stream.h"

struct tr_real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	size_t (*malloc_usable_size)(void *);
	void *(*mmap)(void *, size_t, int, int, int, int64_t);
	void *(*mmap64)(void *, size_t, int, int, int, int64_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, void *);
	int (*dlclose)(void *);
	int (*prctl)(int, unsigned long, unsigned long, unsigned long, unsigned long);
	int (*pthread_setname_np)(unsigned long, const char *);
	int (*setuid)(unsigned);
	int (*seteuid)(unsigned);
	int (*setreuid)(unsigned, unsigned);
	int (*setresuid)(unsigned, unsigned, unsigned);
	void (*_exit)(int);
	void (*_Exit)(int);
	void (*quick_exit)(int);
	bool foreign; /* malloc is not libc's own: it may call our hooks from within */
};

/* Usable at any moment: until they are found, members find them first. */
extern TR_HIDDEN struct tr_real tr_real;

/*
 * A few blocks that dlsym itself asks for while it finds malloc.  They are
 * never given back to an allocator.
 */
TR_HIDDEN bool tr_is_bootstrap_slow(const void *p);
extern TR_HIDDEN bool tr_bootstrap_used;
static inline bool tr_is_bootstrap(const void *p)
{
	return TR_UNLIKELY(tr_bootstrap_used) && tr_is_bootstrap_slow(p);
}
TR_HIDDEN size_t tr_bootstrap_size(const void *p);

/*
 * Does a malloc come before ours: the program's own, or that of a preload?  Unless it
 * calls the next one, which is ours, the heap stays unseen.  Not before all objects
 * are there.
 */
TR_HIDDEN bool tr_real_is_outrun(void);

/* Is PC in the object that holds a foreign malloc? */
TR_HIDDEN bool tr_is_foreign_code(uint64_t pc);

/* Is PC in ours?  So it is where a real function that we called jumped to a hook. */
TR_HIDDEN bool tr_is_own_code(uint64_t pc);

/*
 * Around a call of the real allocator, by the hook whose return address lies
 * at SLOT.  False: a foreign allocator called this hook from within such a
 * call, so the event is not the program's.  A signal handler's call from
 * within is: its caller is not the allocator.
 */
static inline bool tr_real_enter(const uint64_t *slot)
{
	if (TR_LIKELY(!tr_real.foreign))
		return true;
	/* The lower half of such a call's slot, which is even; 0: there is none. */
	uint32_t *in_real = &tr_tls.note.in_real;
	/* A handler may have jumped out: then we are in an older frame. */
	if (*in_real && *in_real - (uint32_t)(uintptr_t)slot <= INT32_MAX &&
	    (tr_is_foreign_code(*slot) || tr_is_own_code(*slot)))
		return false;
	*in_real = (uint32_t)(uintptr_t)slot | 1;
	return true;
}

static inline void tr_real_leave(bool outermost)
{
	if (TR_UNLIKELY(tr_real.foreign) && outermost)
		tr_tls.note.in_real = 0;
}

#endif /* TR_REAL_H */
