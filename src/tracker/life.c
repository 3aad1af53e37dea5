/* SPDX-License-Identifier: MIT */

/*
 * Start and end: when recording begins, in a process and in its forked
 * children, and what is told when threads and the process end.
 */
#include "src/tracker/life.h"

#include <pthread.h>
#include <stdlib.h>

#include "src/tracker/capture.h"
#include "src/tracker/cxx.h"
#include "src/tracker/fork.h"
#include "src/tracker/identity.h"
#include "src/tracker/mode.h"
#include "src/tracker/modules.h"
#include "src/tracker/real.h"
#include "src/tracker/scan.h"
#include "src/tracker/select.h"
#include "src/tracker/spawn.h"
#include "src/tracker/stacks.h"
#include "src/tracker/state.h"
#include "src/tracker/unwind.h"

enum tr_state tr_state;
uint32_t tr_epoch;
uint32_t tr_pid;
bool tr_clock_is_tsc;

static pthread_key_t thread_key;
static bool have_key;

static bool open_capture(uint32_t flags)
{
	bool wiped = true;
	tr_pid = sys_getpid();
	tr_modules_start();
	/*
	 * Without MADV_WIPEONFORK a child would write into its parent's chunks:
	 * better no recording at all (Linux before 4.14).
	 */
	tr_mode_start();
	if (!tr_streams_start(&wiped) || !wiped || !tr_capture_open(flags))
		return false;
	tr_spawn_recorder(tr_identity_dir()); /* it finds the capture there */
	return true;
}

/* Begin, unless this process is not selected; we are TR_STARTING. */
static bool begin(uint32_t flags)
{
	enum tr_state state = TR_WAITING;
	tr_clock_is_tsc = sys_counter_is_usable();
	if (tr_selected())
		state = open_capture(flags) ? TR_ON : TR_DEAD;
	if (state != TR_ON && (flags & HS_WIRE_FORKED))
		tr_capture_leave();
	tr_mode_set(state == TR_ON);
	__atomic_store_n(&tr_state, state, __ATOMIC_RELEASE);
	return state == TR_ON;
}

bool tr_may_start(void)
{
	enum tr_state state = __atomic_load_n(&tr_state, __ATOMIC_ACQUIRE);
	return state == TR_ON || state == TR_UNBORN ||
	       (state == TR_WAITING && tr_select_due());
}

bool tr_start(void)
{
	enum tr_state state = __atomic_load_n(&tr_state, __ATOMIC_ACQUIRE);
	if (TR_LIKELY(state == TR_ON))
		return true;
	if (state != TR_UNBORN && state != TR_WAITING)
		return false;
	bool first = state == TR_UNBORN;
	if (!__atomic_compare_exchange_n(&tr_state, &state, TR_STARTING, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return state == TR_ON;
	if (first)
		tr_identity_settings();
	return begin(first ? 0 : HS_WIRE_ATTACHED);
}

bool tr_start_forked(void)
{
	/* One thread, and its hook waits for us: no race. */
	if (tr_state != TR_ON)
		return false;
	tr_many_streams = false;
	tr_epoch = 0;
	tr_stacks_restart();
	tr_unwind_forget(); /* so that modules are told of again */
	return begin(HS_WIRE_FORKED);
}

void tr_life_watch_thread(struct tr_stream *s)
{
	if (have_key)
		pthread_setspecific(thread_key, s);
}

void tr_life_exiting(uint32_t kind, int code)
{
	struct hs_wire_header *h = tr_header;
	/* A vfork child shares our memory, and its end is not ours. */
	if (!h || sys_getpid() != tr_pid)
		return;
	h->exit_code = code;
	h->exit_stamp = tr_stamp();
	__atomic_store_n(&h->exit_kind, kind, __ATOMIC_RELEASE);
	tr_scan_ending();
}

static void on_exit_hook(int code, void *unused)
{
	(void)unused;
	tr_life_exiting(HS_WIRE_EXIT_EXIT, code);
}

__attribute__((constructor)) static void construct(void)
{
	tr_cxx_start();
	tr_start();
	tr_fork_watch();
	if (tr_real_is_outrun())
		tr_identity_outrun();
	have_key = pthread_key_create(&thread_key, tr_stream_retire) == 0;
	if (have_key && tr_tls.stream)
		pthread_setspecific(thread_key, tr_tls.stream);
	/* In libc's first, static block of handlers: allocates nothing. */
	on_exit(on_exit_hook, NULL);
}
