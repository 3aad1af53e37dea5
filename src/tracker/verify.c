/* SPDX-License-Identifier: MIT */

/* Our stacks against libunwind's, in a tracker that is never shipped. */
/* Also where this file is looked at alone. */
#ifndef HS_VERIFY_UNWIND
#define HS_VERIFY_UNWIND
#endif
#include "src/tracker/verify.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "src/tracker/initial.h"
#include "src/tracker/machine.h"
#include "src/tracker/memo.h"
#include "src/tracker/sys.h"
#include "src/tracker/unwind.h"
#include "src/wire.h"

#define DEPTH_MAX     4096
#define N_BUFFERS     32
#define DETAILS_MAX   10
#define EVERY_DEFAULT 100

struct detail {
	size_t ours, theirs, same;
	uint32_t flags;
	uint64_t last_same, our_next, their_next;
};

struct buffer {
	bool taken;
	uint64_t pcs[DEPTH_MAX];
};

/* Of the process PID: a forked child begins anew. */
static struct {
	uint32_t pid;
	uint64_t total, mismatches, shorter, longer, differ;
	uint64_t from_trail, from_memo, wrong; /* remembered ones */
	struct detail details[DETAILS_MAX];
} counts;
static struct buffer buffers[N_BUFFERS];
static uint64_t n_calls, every;

static uint64_t add(uint64_t *n)
{
	return __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static struct buffer *buffer_take(void)
{
	for (size_t i = 0; i < N_BUFFERS; i++)
		if (!__atomic_test_and_set(&buffers[i].taken, __ATOMIC_ACQUIRE))
			return &buffers[i];
	return NULL;
}

/* Walk from here; keep what lies at and above the call at SLOT. */
static size_t walk_theirs(const uint64_t *slot, uint64_t *pcs)
{
	unw_context_t context;
	unw_cursor_t cursor;
	unw_word_t ip, sp;
	bool interrupted = false; /* the frame before was a signal's */
	size_t n = 0;
	if (unw_getcontext(&context) || unw_init_local(&cursor, &context))
		return 0;
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		unw_get_reg(&cursor, UNW_REG_SP, &sp);
		if (n || (ip == *slot && sp == (uintptr_t)(slot + 1)))
			pcs[n++] = ip + interrupted;
		/* unw_is_signal_frame answers for the frame after it. */
		interrupted = tr_returns_from_signal(ip);
	} while (n < DEPTH_MAX && unw_step(&cursor) > 0);
	/* Where a chain of frames ends with a null, libunwind may say so. */
	return n && pcs[n - 1] == 0 ? n - 1 : n;
}

static void compare(const uint64_t *ours, size_t n_ours, const uint64_t *theirs,
		    size_t n_theirs, uint32_t flags)
{
	struct detail d = {.ours = n_ours, .theirs = n_theirs, .flags = flags};
	while (d.same < n_ours && d.same < n_theirs && ours[d.same] == theirs[d.same])
		d.same++;
	add(&counts.total);
	if (d.same == n_ours && d.same == n_theirs)
		return;
	if (d.same == n_ours)
		add(&counts.shorter);
	else if (d.same == n_theirs)
		add(&counts.longer);
	else
		add(&counts.differ);
	uint64_t i = add(&counts.mismatches);
	if (i >= DETAILS_MAX)
		return;
	d.last_same = d.same ? ours[d.same - 1] : 0;
	d.our_next = d.same < n_ours ? ours[d.same] : 0;
	d.their_next = d.same < n_theirs ? theirs[d.same] : 0;
	counts.details[i] = d;
}

static void begin(void)
{
	const char *text = tr_env("HEAPSNAP_VERIFY");
	every = text ? strtoull(text, NULL, 10) : EVERY_DEFAULT;
	if (every == 0)
		every = EVERY_DEFAULT;
	__builtin_memset(&counts, 0, sizeof(counts));
	counts.pid = sys_getpid();
}

void tr_verify_unwind(const uint64_t *slot, const uint64_t *pcs, size_t n, uint32_t flags)
{
	/* libunwind maps memory while it holds its lock, and we are asked about that. */
	static __thread bool inside;
	uint64_t call = add(&n_calls);
	if ((every && call % every) || inside)
		return;
	if (counts.pid != sys_getpid())
		begin();
	struct buffer *b = buffer_take();
	if (!b)
		return;
	inside = true;
	size_t theirs = walk_theirs(slot, b->pcs);
	inside = false;
	/* A walk that never met the slot began where libunwind does not get out of. */
	if (theirs)
		compare(pcs, n, b->pcs, theirs, flags);
	__atomic_clear(&b->taken, __ATOMIC_RELEASE);
}

void tr_verify_forget(void)
{
	unw_flush_cache(unw_local_addr_space, 0, 0);
}

static void count_remembered(uint64_t *n, bool right)
{
	if (counts.pid != sys_getpid())
		begin();
	add(n);
	if (!right)
		add(&counts.wrong);
}

static uint64_t hash_of(const uint64_t *pcs, size_t n)
{
	uint64_t h = TR_HASH_START;
	while (n--)
		h = tr_hash_mix(h, pcs[n]);
	return h;
}

void tr_verify_trail(const struct tr_trail *t, const uint64_t *slot, uint64_t fp)
{
	const struct tr_mark *m = &t->marks[t->top];
	struct buffer *walked = buffer_take(), *known = buffer_take();
	uint32_t flags = 0;
	if (walked && known) {
		size_t n = tr_unwind(slot, fp, walked->pcs, DEPTH_MAX, &flags);
		tr_trail_pcs(t, known->pcs);
		count_remembered(&counts.from_trail,
				 n == m->depth && flags == m->flags &&
					 !memcmp(walked->pcs, known->pcs, n * 8) &&
					 hash_of(walked->pcs, n) == m->hash);
	}
	if (walked)
		__atomic_clear(&walked->taken, __ATOMIC_RELEASE);
	if (known)
		__atomic_clear(&known->taken, __ATOMIC_RELEASE);
}

/* By id; 0: not told. */
#define IDS_MAX (1u << 24)
static uint64_t *hashes;

void tr_verify_id(uint32_t id, const uint64_t *pcs, size_t n)
{
	uint64_t *all = __atomic_load_n(&hashes, __ATOMIC_ACQUIRE), *none = NULL;
	if (!all) {
		all = sys_map_memory(IDS_MAX * sizeof(*all), false, NULL);
		if (!all ||
		    !__atomic_compare_exchange_n(&hashes, &none, all, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			all = none;
	}
	if (all && id < IDS_MAX)
		__atomic_store_n(&all[id], hash_of(pcs, n), __ATOMIC_RELAXED);
}

void tr_verify_memo(uint32_t id, const uint64_t *slot, uint64_t fp)
{
	if (!hashes || id >= IDS_MAX)
		return;
	struct buffer *walked = buffer_take();
	uint32_t flags = 0;
	if (!walked)
		return;
	size_t n = tr_unwind(slot, fp, walked->pcs, DEPTH_MAX, &flags);
	count_remembered(&counts.from_memo,
			 !flags && hash_of(walked->pcs, n) == hashes[id]);
	__atomic_clear(&walked->taken, __ATOMIC_RELEASE);
}

static const char *module_of(uint64_t pc, uint64_t *offset_ret)
{
	Dl_info info;
	*offset_ret = pc;
	if (!dladdr((void *)(uintptr_t)pc, &info))
		return "?";
	*offset_ret = pc - (uintptr_t)info.dli_fbase;
	return info.dli_fname;
}

static void write_detail(int fd, const struct detail *d)
{
	uint64_t last, ours, theirs;
	const char *last_name = module_of(d->last_same, &last);
	const char *our_name = module_of(d->our_next, &ours);
	const char *their_name = module_of(d->their_next, &theirs);
	dprintf(fd,
		"  ours %zu theirs %zu frames, flags %x, the first %zu are the same up "
		"to "
		"%s+%#lx; then %s+%#lx and %s+%#lx\n",
		d->ours, d->theirs, d->flags, d->same, last_name, last, our_name, ours,
		their_name, theirs);
}

static __attribute__((__destructor__)) void report(void)
{
	const char *path = tr_env("HEAPSNAP_VERIFY_LOG");
	if (!path || counts.total == 0 || counts.pid != sys_getpid())
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	dprintf(fd,
		"verify: %s %u total=%lu mismatches=%lu (shorter=%lu longer=%lu "
		"differ=%lu) trail=%lu memo=%lu wrong=%lu\n",
		program_invocation_name, counts.pid, counts.total, counts.mismatches,
		counts.shorter, counts.longer, counts.differ, counts.from_trail,
		counts.from_memo, counts.wrong);
	for (size_t i = 0; i < counts.mismatches && i < DETAILS_MAX; i++)
		write_detail(fd, &counts.details[i]);
	close(fd);
}
