/* SPDX-License-Identifier: MIT */

/* The one loop, and what is opened before it and put away after it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/recorder/process.h"
#include "src/recorder/recorder.h"

void rc_poll_add(struct rc_recorder *rc, int fd, enum rc_source source, uint64_t id,
		 uint32_t events)
{
	struct epoll_event e = {.events = events,
				.data.u64 = (uint64_t)source << 56 | id};
	epoll_ctl(rc->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

void rc_poll_remove(struct rc_recorder *rc, int fd)
{
	if (fd >= 0)
		epoll_ctl(rc->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/*
 * Where other runs find us.  Their way there is short, whatever the length of
 * the directory's name (a socket's address has 108 bytes).  A file system that
 * knows no sockets costs only that.
 */
static int open_socket(struct rc_recorder *rc, const char *name, mode_t others)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", rc->dir_fd, name);
	unlinkat(rc->dir_fd, name, 0);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	mode_t mask = umask(0777 & ~others);
	int failed = bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(mask);
	if (failed || listen(fd, 64)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void answer(int fd, enum rc_message_kind kind, const char *text)
{
	struct rc_message m = {.kind = kind};
	if (text)
		snprintf(m.text, sizeof(m.text), "%s", text);
	(void)!send(fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* Returns what is wrong, or NULL; errno says more. */
static const char *open_all(struct rc_recorder *rc)
{
	char path[64];
	rc->dir_fd = rc->options.dir_fd;
	if (rc->dir_fd < 0)
		rc->dir_fd = open(rc->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc->dir_fd < 0)
		return "cannot open the directory";
	if (flock(rc->dir_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? "" : "cannot lock the directory";
	rc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rc->dir_fd);
	if (rc->epoll_fd < 0 || rc->inotify_fd < 0 ||
	    inotify_add_watch(rc->inotify_fd, path, IN_CREATE | IN_MOVED_TO) < 0)
		return "cannot watch the directory";
	rc_poll_add(rc, rc->inotify_fd, RC_INOTIFY, 0, EPOLLIN);
	rc->listen_fd = open_socket(rc, RC_SOCKET_NAME, 0700);
	if (rc->listen_fd >= 0)
		rc_poll_add(rc, rc->listen_fd, RC_LISTEN, 0, EPOLLIN);
	/* Recorded processes may be other users'; the kernel says who asks. */
	if (rc->options.scan_ns)
		rc->scan_fd = open_socket(rc, HS_WIRE_SCAN_SOCKET, 0777);
	if (rc->scan_fd >= 0)
		rc_poll_add(rc, rc->scan_fd, RC_SCAN_LISTEN, 0, EPOLLIN);
	return NULL;
}

static void handle(struct rc_recorder *rc, const struct epoll_event *e)
{
	uint64_t id = e->data.u64 & ((UINT64_C(1) << 56) - 1);
	switch ((enum rc_source)(e->data.u64 >> 56)) {
	case RC_INOTIFY:
		rc_targets_notice(rc);
		break;
	case RC_LISTEN:
		rc_peers_accept(rc);
		break;
	case RC_PEER:
		rc_peers_receive(rc, id, e->events);
		break;
	case RC_TARGET:
		rc_targets_ended(rc, id);
		break;
	case RC_ROUND:
		rc_rounds_hear(rc, id);
		break;
	case RC_WRITER:
		rc_writers_finish(rc, id);
		break;
	case RC_SCAN_LISTEN:
		rc_scans_accept(rc);
		break;
	case RC_SCAN:
		rc_scans_receive(rc, id);
		break;
	case RC_SCANNER:
		rc_scans_hear(rc, id);
		break;
	}
}

static int timeout_ms(const struct rc_recorder *rc)
{
	uint64_t next = rc_targets_next(rc), now = rc_clock_ns();
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)HS_MIN((next - now + 999999) / 1000000, 60000u);
}

static bool busy(const struct rc_recorder *rc)
{
	return rc->peers.n || rc->targets.n || rc->pending.n;
}

/*
 * A program that begins right now finds the folder locked and starts no
 * recorder.  So the lock is given up first and then looked who came: who comes
 * later finds it free.
 */
static bool may_leave(struct rc_recorder *rc)
{
	flock(rc->dir_fd, LOCK_UN);
	rc_targets_scan(rc, false);
	return !busy(rc) || flock(rc->dir_fd, LOCK_EX | LOCK_NB) != 0;
}

static void loop(struct rc_recorder *rc)
{
	while (busy(rc) || !may_leave(rc)) {
		struct epoll_event events[64];
		/* What a scan found dead has nobody who would wake us. */
		rc_writers_start(rc);
		int n = epoll_wait(rc->epoll_fd, events, HS_COUNT(events),
				   timeout_ms(rc));
		for (int i = 0; i < n; i++)
			handle(rc, &events[i]);
		rc_targets_work(rc, rc_clock_ns());
		rc_scans_start(rc);
		rc_rounds_start(rc, rc_clock_ns());
		rc_writers_start(rc);
		rc_peers_settle(rc);
	}
}

int rc_record(const struct rc_options *options)
{
	struct rc_recorder rc = {.options = *options,
				 .dir_fd = -1,
				 .listen_fd = -1,
				 .scan_fd = -1,
				 .pid_ns = rc_process_own_pid_ns(),
				 .start_ns = rc_now_ns()};
	/* A full disk or RLIMIT_FSIZE is an error to report, not a death. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	const char *wrong = open_all(&rc);
	if (wrong) {
		char *text = hs_xasprintf("%s: %s", wrong, strerror(errno));
		if (options->control_fd >= 0)
			answer(options->control_fd, *wrong ? RC_FAILED : RC_BUSY, text);
		free(text);
		return 1;
	}
	rc_targets_scan(&rc, true);
	if (options->control_fd >= 0) {
		uint64_t id = rc_peers_add(&rc, options->control_fd)->id;
		rc_peers_tell(&rc, id, &(struct rc_message){.kind = RC_READY});
	}
	loop(&rc);
	if (rc.listen_fd >= 0)
		unlinkat(rc.dir_fd, RC_SOCKET_NAME, 0);
	if (rc.scan_fd >= 0)
		unlinkat(rc.dir_fd, HS_WIRE_SCAN_SOCKET, 0);
	return 0;
}
