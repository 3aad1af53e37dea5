/* SPDX-License-Identifier: MIT */

/*
 * Scans: who asks for one, and the children that make them.  Processes which are
 * about to end ask by a socket of their own; the system says who they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/recorder.h"
#include "src/recorder/scanner.h"

/* Beyond its limit a child has this long to tell what it found. */
#define GRACE_S 10u

static struct rc_scan *find(struct rc_recorder *rc, uint64_t id)
{
	for (size_t i = 0; i < rc->scans.n; i++)
		if (rc->scans.at[i].id == id)
			return &rc->scans.at[i];
	return NULL;
}

/* Closing its end lets the process go on. */
static void forget(struct rc_recorder *rc, struct rc_scan *s)
{
	if (s->asker_fd >= 0) {
		rc_poll_remove(rc, s->asker_fd);
		close(s->asker_fd);
	}
	*s = rc->scans.at[--rc->scans.n];
}

void rc_scans_accept(struct rc_recorder *rc)
{
	int fd = accept4(rc->scan_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred who;
	socklen_t size = sizeof(who);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.pid <= 0) {
		close(fd);
		return;
	}
	struct rc_scan *s = hs_array_add(&rc->scans);
	*s = (struct rc_scan){.id = ++rc->last_id, .asker_fd = fd, .asker = who.pid};
	rc_poll_add(rc, fd, RC_SCAN, s->id, EPOLLIN);
}

/* A process may end before its capture was looked at. */
static struct rc_target *target_of(struct rc_recorder *rc, pid_t pid)
{
	rc_targets_notice(rc);
	/* By execve there may be several of one number: the last one is meant. */
	for (size_t i = rc->targets.n; i-- > 0;)
		if (rc->targets.at[i]->pid == pid && rc->targets.at[i]->state == RC_ALIVE)
			return rc->targets.at[i];
	return NULL;
}

void rc_scans_receive(struct rc_recorder *rc, uint64_t id)
{
	struct rc_scan *s = find(rc, id);
	char byte;
	if (!s)
		return;
	ssize_t got = recv(s->asker_fd, &byte, 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 1 && !s->target) {
		struct rc_target *t = target_of(rc, s->asker);
		s = find(rc, id);
		s->target = t ? t->id : 0;
		s->ready = t != NULL;
		if (t)
			return;
	}
	/* It has gone, or waits no longer: a child at work notices that itself. */
	if (s->child) {
		rc_poll_remove(rc, s->asker_fd);
		close(s->asker_fd);
		s->asker_fd = -1;
	} else {
		forget(rc, s);
	}
}

static _Noreturn void work(struct rc_recorder *rc, struct rc_target *t, struct rc_scan s,
			   int said_fd, pid_t parent)
{
	/* The handler would return into the parent's stack frames. */
	signal(SIGBUS, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < rc->peers.n; i++)
		close(rc->peers.at[i].fd);
	for (size_t i = 0; i < rc->scans.n; i++)
		if (rc->scans.at[i].asker_fd >= 0 &&
		    rc->scans.at[i].asker_fd != s.asker_fd)
			close(rc->scans.at[i].asker_fd);
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
	/* Whatever happens to us, the process is not stopped for ever. */
	alarm((unsigned)(rc->options.scan_ns / 1000000000) + GRACE_S);
	const struct rc_scanner scanner = {.target = t,
					   .said_fd = said_fd,
					   .result_fd = s.result_fd,
					   .asker_fd = s.asker_fd,
					   .at_exit = s.asker_fd >= 0,
					   .limit_ns = rc->options.scan_ns};
	rc_scanner_run(&scanner);
	_exit(0);
}

/* Returns false where it cannot be started. */
static bool start(struct rc_recorder *rc, struct rc_target *t, struct rc_scan *s)
{
	int fds[2];
	pid_t parent = getpid();
	s->result_fd = memfd_create("scan", MFD_CLOEXEC);
	if (s->result_fd < 0)
		return false;
	if (pipe2(fds, O_CLOEXEC)) {
		close(s->result_fd);
		return false;
	}
	s->child = fork();
	if (s->child == 0)
		work(rc, t, *s, fds[1], parent);
	close(fds[1]);
	if (s->child < 0) {
		close(fds[0]);
		close(s->result_fd);
		return false;
	}
	s->ready = false;
	s->said_fd = fds[0];
	t->scanning = t->copying = true;
	rc_poll_add(rc, fds[0], RC_SCANNER, s->id, EPOLLIN);
	return true;
}

void rc_scans_start(struct rc_recorder *rc)
{
	for (size_t i = rc->scans.n; i-- > 0;) {
		struct rc_scan *s = &rc->scans.at[i];
		if (!s->ready)
			continue;
		struct rc_target *t = rc_targets_find(rc, s->target);
		/* A checkpoint under way moves what a scan would read. */
		if (t && t->state == RC_ALIVE && (t->round.pid || t->scanning))
			continue;
		if (!t || t->state != RC_ALIVE || !start(rc, t, s))
			forget(rc, s);
	}
}

struct work {
	int result_fd;
	struct hs_error *err;
};

static void append(struct rc_target *t, void *arg)
{
	struct work *w = arg;
	w->err = rc_scanner_append(t, w->result_fd);
}

static void finish(struct rc_recorder *rc, struct rc_scan *s)
{
	struct work w = {.result_fd = s->result_fd};
	struct rc_target *t = rc_targets_find(rc, s->target);
	while (waitpid(s->child, NULL, 0) < 0 && errno == EINTR)
		;
	rc_poll_remove(rc, s->said_fd);
	close(s->said_fd);
	s->child = 0;
	forget(rc, s);
	if (t) {
		t->scanning = t->copying = false;
		if (!rc_target_guarded(t, append, &w))
			rc_targets_lose(rc, t);
	}
	/* A capture without a scan says so by itself. */
	hs_error_free(w.err);
	close(w.result_fd);
}

void rc_scans_hear(struct rc_recorder *rc, uint64_t id)
{
	struct rc_scan *s = find(rc, id);
	char byte;
	if (!s || !s->child)
		return;
	ssize_t got = read(s->said_fd, &byte, 1);
	if (got < 0 && errno == EINTR)
		return;
	struct rc_target *t = rc_targets_find(rc, s->target);
	if (got == 1) {
		if (t)
			t->copying = false;
		return;
	}
	finish(rc, s);
}
