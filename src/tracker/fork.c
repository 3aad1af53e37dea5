/* SPDX-License-Identifier: MIT */

/*
 * The handlers that libc's fork() calls.  Who forks by a system call of its own,
 * or by _Fork, is not heard of: then the child's inheritance stays unknown.
 */
#include "src/tracker/fork.h"

#include "src/tracker/emit.h"
#include "src/tracker/life.h"
#include "src/tracker/state.h"

/*
 * What pthread_atfork calls, which lies in libc's static part.  It keeps its first
 * 48 handlers without allocating (glibc 2.28).
 */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
		      void *dso);
extern void *__dso_handle TR_HIDDEN;

/*
 * A child that has recorded nothing yet has no capture, and needs none to fork: it
 * passes on its own inheritance, and the stamp of the fork it comes from.
 */
static bool records(void)
{
	return tr_state == TR_ON && tr_streams_alive();
}

/* Other threads go on until the process is copied; the difference is theirs alone. */
static void about_to_fork(void)
{
	struct tr_stream *s =
		records() ? tr_enter((uintptr_t)__builtin_frame_address(0)) : NULL;
	if (!s)
		return;
	tr_tls.fork_stamp = 0;
	uint8_t *at = tr_room(s);
	tr_want_stamp(s);
	if (at && tr_finish_event(s, at, at + 2, HS_WIRE_FORK, s->last_addr))
		tr_tls.fork_stamp = s->last_stamp;
	tr_leave(s);
}

static void forked(void)
{
	if (records())
		tr_tls.fork_stamp = 0;
}

void tr_fork_watch(void)
{
	__register_atfork(about_to_fork, forked, NULL, __dso_handle);
}

uint64_t tr_fork_take_stamp(void)
{
	uint64_t stamp = tr_tls.fork_stamp;
	tr_tls.fork_stamp = 0;
	return stamp;
}
