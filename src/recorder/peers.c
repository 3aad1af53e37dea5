/* SPDX-License-Identifier: MIT */

/* The runs: what they tell, and what they are told. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/recorder/process.h"
#include "src/recorder/recorder.h"
#include "src/recorder/watch.h"

/* How far up the tree of processes a run is looked for. */
#define MOST_ANCESTORS 256

static struct rc_peer *find(struct rc_recorder *rc, uint64_t id)
{
	for (size_t i = 0; i < rc->peers.n; i++)
		if (rc->peers.at[i].id == id && !rc->peers.at[i].gone)
			return &rc->peers.at[i];
	return NULL;
}

static void watch(struct rc_recorder *rc, struct rc_peer *p)
{
	struct epoll_event e = {.events = EPOLLIN | (p->queue.n ? EPOLLOUT : 0),
				.data.u64 = (uint64_t)RC_PEER << 56 | p->id};
	epoll_ctl(rc->epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
}

struct rc_peer *rc_peers_add(struct rc_recorder *rc, int fd)
{
	struct rc_peer *p = hs_array_add(&rc->peers);
	p->id = ++rc->last_id;
	p->fd = fd;
	struct ucred who;
	socklen_t size = sizeof(who);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size))
		p->run = who.pid;
	rc_poll_add(rc, fd, RC_PEER, p->id, EPOLLIN);
	return p;
}

void rc_peers_accept(struct rc_recorder *rc)
{
	int fd = accept4(rc->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct ucred who;
	socklen_t size = sizeof(who);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) ||
	    (who.uid != geteuid() && who.uid != 0)) {
		close(fd);
		return;
	}
	struct rc_peer *p = rc_peers_add(rc, fd);
	const struct rc_message ready = {.kind = RC_READY};
	rc_peers_tell(rc, p->id, &ready);
}

static void forget(struct rc_recorder *rc, struct rc_peer *p)
{
	if (p->gone)
		return;
	p->gone = true;
	rc_poll_remove(rc, p->fd);
	close(p->fd);
	hs_array_free(&p->queue);
}

static void send_queue(struct rc_peer *p)
{
	size_t n = 0;
	while (n < p->queue.n) {
		ssize_t sent = send(p->fd, &p->queue.at[n], sizeof(p->queue.at[n]),
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			n = p->queue.n; /* nobody reads it any more */
		if (sent < 0)
			break;
		n++;
	}
	p->queue.n -= n;
	if (n && p->queue.n)
		memmove(p->queue.at, p->queue.at + n, p->queue.n * sizeof(*p->queue.at));
}

static void tell(struct rc_recorder *rc, struct rc_peer *p, const struct rc_message *m)
{
	hs_array_push(&p->queue, *m);
	send_queue(p);
	watch(rc, p);
}

void rc_peers_tell(struct rc_recorder *rc, uint64_t id, const struct rc_message *m)
{
	for (size_t i = 0; i < rc->peers.n; i++) {
		struct rc_peer *p = &rc->peers.at[i];
		if (!p->gone && p->id == id)
			tell(rc, p, m);
	}
}

static void take(struct rc_recorder *rc, struct rc_peer *p, const struct rc_message *m)
{
	if (m->kind == RC_MAIN) {
		p->main = (pid_t)m->pid;
	} else if (m->kind == RC_ENDED) {
		rc_targets_tell_end(rc, (pid_t)m->pid, (enum hs_wire_how)m->how, m->code);
		const struct rc_message noted = {.kind = RC_NOTED, .pid = m->pid};
		tell(rc, p, &noted);
		p->main = 0;
	} else if (m->kind == RC_CLOSE) {
		p->closing = true;
	}
}

void rc_peers_receive(struct rc_recorder *rc, uint64_t id, uint32_t events)
{
	struct rc_peer *p = find(rc, id);
	if (!p)
		return;
	if (events & EPOLLOUT) {
		send_queue(p);
		watch(rc, p);
	}
	for (;;) {
		struct rc_message m;
		ssize_t got = recv(p->fd, &m, sizeof(m), MSG_DONTWAIT);
		if (got == (ssize_t)sizeof(m)) {
			take(rc, p, &m);
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		forget(rc, p); /* closed, or it talks nonsense */
		return;
	}
}

/* Is PID the run's program, or the run itself? */
static uint64_t peer_at(const struct rc_recorder *rc, pid_t pid)
{
	for (size_t i = 0; i < rc->peers.n; i++) {
		const struct rc_peer *p = &rc->peers.at[i];
		if (!p->gone && pid > 1 && (p->main == pid || p->run == pid))
			return p->id;
	}
	return 0;
}

uint64_t rc_peers_of(const struct rc_recorder *rc, const struct rc_target *t)
{
	pid_t pid = t->pid;
	/* Left by a recorder before us: no run waits for it. */
	if (t->start_ns < rc->start_ns)
		return 0;
	for (int i = 0; i < MOST_ANCESTORS && pid > 1; i++) {
		uint64_t id = peer_at(rc, pid);
		if (id)
			return id;
		for (size_t k = 0; k < rc->targets.n; k++)
			if (rc->targets.at[k] != t && rc->targets.at[k]->pid == pid &&
			    rc->targets.at[k]->peer)
				return rc->targets.at[k]->peer;
		struct rc_process p;
		pid = rc_process_look(pid, &p) ? p.ppid : pid == t->pid ? t->ppid : 0;
	}
	/* A daemon has lost its ancestors: where there is one run, it is of it. */
	return rc->peers.n == 1 && !rc->peers.at[0].gone ? rc->peers.at[0].id : 0;
}

bool rc_peers_present(const struct rc_recorder *rc, uint64_t id)
{
	for (size_t i = 0; i < rc->peers.n; i++)
		if (rc->peers.at[i].id == id && !rc->peers.at[i].gone)
			return true;
	return false;
}

bool rc_peers_await(const struct rc_recorder *rc, pid_t pid)
{
	for (size_t i = 0; i < rc->peers.n; i++)
		if (!rc->peers.at[i].gone && rc->peers.at[i].main == pid)
			return true;
	return false;
}

void rc_peers_settle(struct rc_recorder *rc)
{
	for (size_t i = 0; i < rc->peers.n; i++) {
		struct rc_peer *p = &rc->peers.at[i];
		if (p->gone || !p->closing)
			continue;
		uint32_t living = 0;
		bool busy = rc->pending.n > 0;
		for (size_t k = 0; k < rc->targets.n; k++) {
			const struct rc_target *t = rc->targets.at[k];
			if (t->peer != p->id)
				continue;
			/* It may have ended without our having heard of it yet. */
			bool lives = t->state == RC_ALIVE && rc_watch_alive(t);
			living += lives;
			busy |= !lives;
		}
		if (busy)
			continue;
		const struct rc_message bye = {.kind = RC_BYE, .count = living};
		tell(rc, p, &bye);
		p->closing = false;
	}
	size_t kept = 0;
	for (size_t i = 0; i < rc->peers.n; i++)
		if (!rc->peers.at[i].gone)
			rc->peers.at[kept++] = rc->peers.at[i];
	rc->peers.n = kept;
}
