/* SPDX-License-Identifier: MIT */

/*
 * The hooks.  Those of the malloc family are entered through the stubs, which
 * add SLOT (where the return address lies) and FP (the caller's frame
 * pointer).  Results and errno are the real functions' own.
 *
 * Order matters to readers: a block's end is written before the block is
 * given back, its beginning after it was obtained.
 */
#include <errno.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <string.h>

#include "src/tracker/cxx.h"
#include "src/tracker/life.h"
#include "src/tracker/modules.h"
#include "src/tracker/real.h"
#include "src/tracker/record.h"
#include "src/tracker/scan.h"
#include "src/tracker/select.h"
#include "src/tracker/state.h"

#define HOOK TR_HIDDEN

HOOK void *tr_malloc(size_t size, const uint64_t *slot, uint64_t fp);
HOOK void tr_free(void *p, const uint64_t *slot, uint64_t fp);
HOOK void *tr_calloc(size_t n, size_t size, const uint64_t *slot, uint64_t fp);
HOOK void *tr_realloc(void *old, size_t size, const uint64_t *slot, uint64_t fp);
HOOK void *tr_reallocarray(void *old, size_t n, size_t size, const uint64_t *slot,
			   uint64_t fp);
HOOK int tr_posix_memalign(void **ret, size_t align, size_t size, const uint64_t *slot,
			   uint64_t fp);
HOOK void *tr_aligned_alloc(size_t align, size_t size, const uint64_t *slot, uint64_t fp);
HOOK void *tr_memalign(size_t align, size_t size, const uint64_t *slot, uint64_t fp);
HOOK void *tr_valloc(size_t size, const uint64_t *slot, uint64_t fp);
HOOK void *tr_pvalloc(size_t size, const uint64_t *slot, uint64_t fp);

/* Call the real function; what it returns was obtained by the program unless nested. */
#define OBTAIN(kind, size, real_call)                                 \
	do {                                                          \
		bool outermost = tr_real_enter(slot);                 \
		void *block = (real_call);                            \
		tr_real_leave(outermost);                             \
		if (TR_LIKELY(block && outermost))                    \
			tr_record_block(kind, block, size, slot, fp); \
		return block;                                         \
	} while (0)

/*
 * malloc and free are called most, so they have a short way past nearly all blocks
 * where samples are recorded.
 */
#define BY_MODE static __attribute__((__noinline__))

/* What does not lie before the next sample, or is not sampled. */
BY_MODE void *malloc_told(size_t size, const uint64_t *slot, uint64_t fp)
{
	void *p = tr_real.malloc(size);
	if (TR_LIKELY(p != NULL))
		tr_record_block_by_mode(HS_WIRE_MALLOC, p, size, slot, fp);
	else
		tr_sample_missed();
	return p;
}

BY_MODE void *malloc_of_another(size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_MALLOC, size, tr_real.malloc(size));
}

BY_MODE void *malloc_by_mode(size_t size, const uint64_t *slot, uint64_t fp)
{
	if (TR_UNLIKELY(tr_real.foreign))
		return malloc_of_another(size, slot, fp);
	if (TR_UNLIKELY(!tr_sample_skips(size)))
		return malloc_told(size, slot, fp);
	void *p = tr_real.malloc(size);
	if (TR_LIKELY(p != NULL))
		tr_sample_count(tr_tls.stream, size);
	return p;
}

void *tr_malloc(size_t size, const uint64_t *slot, uint64_t fp)
{
	if (TR_UNLIKELY(tr_mode))
		return malloc_by_mode(size, slot, fp);
	OBTAIN(HS_WIRE_MALLOC, size, tr_real.malloc(size));
}

void *tr_calloc(size_t n, size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_CALLOC, n * size, tr_real.calloc(n, size));
}

void *tr_aligned_alloc(size_t align, size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_ALIGNED, size, tr_real.aligned_alloc(align, size));
}

void *tr_memalign(size_t align, size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_ALIGNED, size, tr_real.memalign(align, size));
}

void *tr_valloc(size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_ALIGNED, size, tr_real.valloc(size));
}

void *tr_pvalloc(size_t size, const uint64_t *slot, uint64_t fp)
{
	OBTAIN(HS_WIRE_ALIGNED, size, tr_real.pvalloc(size));
}

int tr_posix_memalign(void **ret, size_t align, size_t size, const uint64_t *slot,
		      uint64_t fp)
{
	bool outermost = tr_real_enter(slot);
	int err = tr_real.posix_memalign(ret, align, size);
	tr_real_leave(outermost);
	/* posix_memalign(.., 0) may succeed with NULL in other allocators. */
	if (!err && *ret && outermost)
		tr_record_block(HS_WIRE_ALIGNED, *ret, size, slot, fp);
	return err;
}

BY_MODE void free_told(void *p, const uint64_t *slot, uint64_t fp)
{
	bool outermost = tr_real_enter(slot);
	if (TR_LIKELY(outermost))
		tr_record_end(HS_WIRE_FREE, p, slot, fp);
	tr_real.free(p);
	tr_real_leave(outermost);
}

BY_MODE void free_by_mode(void *p, const uint64_t *slot, uint64_t fp)
{
	if (TR_UNLIKELY(tr_real.foreign) || TR_UNLIKELY(!tr_sample_ignores(p)))
		free_told(p, slot, fp);
	else
		tr_real.free(p);
}

void tr_free(void *p, const uint64_t *slot, uint64_t fp)
{
	if (!p || tr_is_bootstrap(p))
		return;
	if (TR_UNLIKELY(tr_mode)) {
		free_by_mode(p, slot, fp);
		return;
	}
	bool outermost = tr_real_enter(slot);
	if (TR_LIKELY(outermost))
		tr_record_end(HS_WIRE_FREE, p, slot, fp);
	tr_real.free(p);
	tr_real_leave(outermost);
}

static void *move_bootstrap(void *old, size_t size, const uint64_t *slot, uint64_t fp)
{
	void *p = tr_malloc(size, slot, fp);
	size_t n = tr_bootstrap_size(old);
	if (p)
		memcpy(p, old, n < size ? n : size);
	return p;
}

/* realloc(p, 0): glibc frees and returns NULL; other allocators may return a block. */
static void *realloc_to_zero(void *old, const uint64_t *slot, uint64_t fp)
{
	bool outermost = tr_real_enter(slot);
	if (outermost)
		tr_record_end(HS_WIRE_FREE, old, slot, fp);
	void *p = tr_real.realloc(old, 0);
	tr_real_leave(outermost);
	if (p && outermost)
		tr_record_block(HS_WIRE_REALLOC, p, 0, slot, fp);
	return p;
}

void *tr_realloc(void *old, size_t size, const uint64_t *slot, uint64_t fp)
{
	if (old && tr_is_bootstrap(old))
		return move_bootstrap(old, size, slot, fp);
	if (!old)
		OBTAIN(HS_WIRE_REALLOC, size, tr_real.realloc(NULL, size));
	if (!size)
		return realloc_to_zero(old, slot, fp);
	bool outermost = tr_real_enter(slot), told = false;
	/* Another thread may obtain the old block before realloc returns. */
	if (outermost)
		told = tr_record_end(HS_WIRE_RELEASE, old, slot, fp);
	void *p = tr_real.realloc(old, size);
	tr_real_leave(outermost);
	if (!outermost)
		return p;
	if (!p)
		tr_record_retain(old, told, slot);
	else if (!tr_record_block(HS_WIRE_REALLOC, p, size, slot, fp) && told)
		tr_record_gone(slot, fp);
	return p;
}

void *tr_reallocarray(void *old, size_t n, size_t size, const uint64_t *slot, uint64_t fp)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return tr_realloc(old, bytes, slot, fp);
}

TR_EXPORT size_t malloc_usable_size(void *p);
size_t malloc_usable_size(void *p)
{
	if (p && tr_is_bootstrap(p))
		return tr_bootstrap_size(p);
	return tr_real.malloc_usable_size(p);
}

TR_EXPORT int dlclose(void *handle);
int dlclose(void *handle)
{
	int ret = tr_real.dlclose(handle);
	tr_modules_check_unloaded();
	tr_cxx_forget();
	return ret;
}

static void renamed(uintptr_t sp)
{
	struct tr_stream *s = tr_enter(sp);
	if (s) {
		tr_stream_name(s);
		tr_leave(s);
	} else {
		tr_select_renamed();
	}
}

/* Declared variadic by libc; it takes five words wherever it is called. */
TR_EXPORT int prctl(int option, unsigned long a, unsigned long b, unsigned long c,
		    unsigned long d);
int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (option == PR_SET_SECCOMP)
		tr_scan_never();
	if (option == PR_SET_TSC)
		tr_clock_leave_tsc();
	int ret = tr_real.prctl(option, a, b, c, d);
	if (option == PR_SET_NAME && ret == 0)
		renamed((uintptr_t)__builtin_frame_address(0));
	return ret;
}

TR_EXPORT int pthread_setname_np(pthread_t thread, const char *name);
int pthread_setname_np(pthread_t thread, const char *name)
{
	int ret = tr_real.pthread_setname_np(thread, name);
	if (ret == 0 && pthread_equal(thread, pthread_self()))
		renamed((uintptr_t)__builtin_frame_address(0));
	return ret;
}

/*
 * Who becomes another user can no longer open the capture, which is its owner's
 * alone.  errno is set by the real function, if at all.
 */
#define LEAVE_USER(name, parameters, arguments)                              \
	TR_EXPORT int name parameters;                                       \
	int name parameters                                                  \
	{                                                                    \
		if (__atomic_load_n(&tr_state, __ATOMIC_ACQUIRE) == TR_ON && \
		    sys_getpid() == tr_pid)                                  \
			tr_capture_reserve();                                \
		return tr_real.name arguments;                               \
	}

LEAVE_USER(setuid, (unsigned u), (u))
LEAVE_USER(seteuid, (unsigned u), (u))
LEAVE_USER(setreuid, (unsigned r, unsigned e), (r, e))
LEAVE_USER(setresuid, (unsigned r, unsigned e, unsigned s), (r, e, s))

#define EXIT(name)                                         \
	TR_EXPORT _Noreturn void name(int code);           \
	void name(int code)                                \
	{                                                  \
		tr_life_exiting(HS_WIRE_EXIT_UEXIT, code); \
		tr_real.name(code);                        \
		__builtin_unreachable();                   \
	}

EXIT(_exit)
EXIT(_Exit)
EXIT(quick_exit)
