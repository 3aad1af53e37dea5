/* SPDX-License-Identifier: MIT */

/*
 * Asking for the scan takes a socket for as long as it takes, and nothing else: the
 * recorder stops our threads, this one too, and reads our memory from outside.  If it
 * dies, its end of the socket is closed, and the threads go on by themselves.
 */
#include "src/tracker/scan.h"

#include <fcntl.h>

#include "src/tracker/capture.h"
#include "src/tracker/identity.h"
#include "src/tracker/initial.h"
#include "src/tracker/state.h"
#include "src/tracker/stream.h"

#define DEFAULT_MS 5000u
#define START_MS   1000u /* for a recorder to begin to listen */
#define RETRY_MS   2u

static struct {
	uint64_t ms;   /* 0: no scan */
	bool confined; /* by a filter, from the beginning: it let us do all so far */
	bool never;
	uint32_t asked; /* the process that has asked */
} scan;

/* "5s", "500ms", "5"; what makes no sense is the default. */
static uint64_t parse_ms(const char *s)
{
	uint64_t n = 0;
	const char *p = s;
	for (; *p >= '0' && *p <= '9' && n < 1000000; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == s)
		return *s ? (*s == 'n' ? 0 : DEFAULT_MS) : DEFAULT_MS;
	return p[0] == 'm' && p[1] == 's' ? n : n * 1000;
}

void tr_scan_settings(void)
{
	const char *bound = tr_env("HEAPSNAP_SCAN"), *report = tr_env("HEAPSNAP_REPORT");
	scan.ms = bound ? parse_ms(bound) : DEFAULT_MS;
	if (report && report[0] == 'n' && report[1] == 'o')
		scan.ms = 0;
	scan.confined = sys_is_confined();
	tr_own.tls_below =
		(uint64_t)((uintptr_t)__builtin_thread_pointer() - (uintptr_t)&tr_tls);
	tr_own.tls_size = sizeof(tr_tls);
}

void tr_scan_never(void)
{
	scan.never = true;
}

/* A socket's address is short: the way there leads through a descriptor. */
static long connect_by(long dir)
{
	char path[64], *p = path;
	tr_append(&p, path + sizeof(path), "/proc/self/fd/");
	tr_append_number(&p, path + sizeof(path), (uint64_t)dir);
	tr_append(&p, path + sizeof(path), "/" HS_WIRE_SCAN_SOCKET);
	return sys_connect(path);
}

/*
 * Of a program that ends at once the recorder may not listen yet; that there is one
 * is told by its lock on the folder.
 */
static long connect_recorder(void)
{
	long dir = sys_open(tr_identity_dir(), O_RDONLY | O_DIRECTORY, 0);
	long fd = dir;
	for (unsigned ms = 0; dir >= 0; ms += RETRY_MS) {
		fd = connect_by(dir);
		if (fd >= 0 || ms >= scan.ms || ms >= START_MS || sys_lock((int)dir))
			break;
		sys_sleep_ms(RETRY_MS);
	}
	if (dir >= 0)
		sys_close((int)dir);
	return fd;
}

static void ask(void)
{
	long fd = connect_recorder();
	if (fd < 0)
		return;
	uint32_t recorder = sys_peer((int)fd);
	if (recorder)
		sys_allow_ptrace(recorder);
	if (recorder && sys_send_byte((int)fd))
		sys_wait_readable((int)fd, scan.ms);
	sys_close((int)fd);
}

void tr_scan_ending(void)
{
	if (!scan.ms || scan.never || scan.asked == tr_pid || !tr_header ||
	    __atomic_load_n(&tr_state, __ATOMIC_ACQUIRE) != TR_ON)
		return;
	scan.asked = tr_pid;
	/* Our own frames lie over dead ones of the program, and would show their words.
	 */
	tr_own.asker_tid = sys_gettid();
	tr_own.asker_sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	if (!scan.confined && sys_is_confined())
		return;
	uint64_t mask = sys_signals_block();
	ask();
	sys_signals_restore(mask);
}
