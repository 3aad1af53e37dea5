/* SPDX-License-Identifier: MIT */

/* Snapshots.  Everything here is read from /proc; the target is not disturbed. */
#include "src/recorder/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/recorder/io.h"
#include "src/recorder/process.h"
#include "src/recorder/target.h"
#include "src/wire.h"

#define MAPS_LIMIT (4u << 20)

/* Threads whose names are looked at in one snapshot: 5 us each. */
#define NAMES_AT_ONCE 256u

/* After so many snapshots they are taken half as often. */
#define SNAPSHOTS_BEFORE_DOUBLING 1024u

/* Where nothing can be compared: the pid is taken for the process's. */
static bool pid_is_alive(const struct rc_target *t)
{
	struct pollfd p = {.fd = t->pid_fd, .events = POLLIN};
	if (t->pid_fd >= 0)
		return poll(&p, 1, 0) == 0;
	return kill(t->pid, 0) == 0 || errno == EPERM;
}

bool rc_watch_alive(const struct rc_target *t)
{
	struct rc_process p;
	if (!t->start_ticks || !rc_process_proc_is_ours())
		return pid_is_alive(t);
	return rc_process_look(t->pid, &p) && p.start_ticks == t->start_ticks &&
	       !rc_process_ended(&p);
}

static struct hs_error *append_thread(struct rc_target *t, const struct rc_stream *s)
{
	uint8_t head[40], *p = head;
	char name[sizeof(s->name)];
	memcpy(name, s->name, sizeof(name));
	p = rc_uleb(p, s->stream);
	p = rc_uleb(p, (uint64_t)s->tid);
	p = rc_uleb(p, 0);
	p = rc_uleb(p, strlen(name));
	const struct iovec parts[] = {{.iov_base = head, .iov_len = (size_t)(p - head)},
				      {.iov_base = name, .iov_len = strlen(name)}};
	return rc_store_append(&t->store, HS_WIRE_THREAD, parts, 2);
}

/* The stream's entry, made if it is new. */
static struct rc_stream *find_stream(struct rc_target *t, uint32_t stream, pid_t tid)
{
	bool fresh;
	uint32_t *i = hs_map_put(&t->stream_index, stream, &fresh);
	if (fresh) {
		*i = (uint32_t)t->streams.n;
		hs_array_add(&t->streams)->stream = stream;
	}
	struct rc_stream *s = &t->streams.at[*i];
	/* A stream passes to another thread when its own has ended. */
	if (s->tid != tid) {
		s->tid = tid;
		s->name[0] = 0;
	}
	return s;
}

/* Threads name themselves late: look again and again, some at a time. */
static struct hs_error *name_threads(struct rc_target *t)
{
	for (size_t i = 0; i < t->chunks.n; i++) {
		const struct hs_wire_chunk *c = rc_target_at(t, t->chunks.at[i].page, 1);
		if (__atomic_load_n(&c->state, __ATOMIC_RELAXED) != HS_WIRE_CHUNK_FREE)
			find_stream(t, c->stream, (pid_t)c->tid);
	}
	size_t n = HS_MIN(t->streams.n, NAMES_AT_ONCE);
	for (size_t i = 0; i < n; i++) {
		struct rc_stream *s = &t->streams.at[t->next_stream++ % t->streams.n];
		char name[sizeof(s->name)];
		if (!rc_process_thread_name(t->pid, s->tid, name) ||
		    !strcmp(name, s->name))
			continue;
		memcpy(s->name, name, sizeof(name));
		struct hs_error *err = append_thread(t, s);
		if (err)
			return err;
	}
	return NULL;
}

/*
 * Where others may write, a file can claim to be of any process: root must not
 * tell its owner what the system would keep from him.
 */
static bool owner_may_read_maps(const struct rc_target *t)
{
	struct stat file, process;
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d", (int)t->pid);
	return geteuid() != 0 || (!fstat(t->fd, &file) && !stat(path, &process) &&
				  (file.st_uid == 0 || file.st_uid == process.st_uid));
}

/* Mappings change slowly: at the 1st, 2nd, 4th, 8th ... snapshot. */
static struct hs_error *append_maps(struct rc_target *t, uint64_t stamp)
{
	if (!owner_may_read_maps(t))
		return NULL;
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->pid);
	size_t size;
	HS_CLEANUP(hs_freep) char *text = rc_slurp(AT_FDCWD, path, MAPS_LIMIT, &size);
	if (!text || !size)
		return NULL;
	uint8_t head[10];
	const size_t n = (size_t)(rc_uleb(head, stamp) - head);
	const struct iovec parts[] = {{.iov_base = head, .iov_len = n},
				      {.iov_base = text, .iov_len = size}};
	return rc_store_append(&t->store, HS_WIRE_MAPS, parts, 2);
}

static struct hs_error *append_snapshot(struct rc_target *t, uint64_t stamp,
					uint64_t time_ns)
{
	struct rc_memory m;
	if (!rc_process_memory(t->pid, &m))
		return NULL; /* it has just ended */
	uint8_t text[80], *p = text;
	const uint64_t values[] = {stamp, time_ns, m.rss, m.anon, m.file, m.shmem};
	for (size_t i = 0; i < HS_COUNT(values); i++)
		p = rc_uleb(p, values[i]);
	const struct iovec part = {.iov_base = text, .iov_len = (size_t)(p - text)};
	struct hs_error *err = rc_store_append(&t->store, HS_WIRE_SNAPSHOT, &part, 1);
	if (!err)
		t->n_snapshots++;
	return err;
}

struct hs_error *rc_watch_snapshot(struct rc_target *t)
{
	uint64_t stamp = rc_target_stamp(t), time_ns = rc_now_ns();
	/* From here on each thread stamps its next event: it comes after STAMP. */
	__atomic_add_fetch(&t->header->tick, 1, __ATOMIC_ACQ_REL);
	struct hs_error *err = append_snapshot(t, stamp, time_ns);
	if (!err)
		err = name_threads(t);
	if (!err && t->n_snapshots && !(t->n_snapshots & (t->n_snapshots - 1)))
		err = append_maps(t, stamp);
	if (t->n_snapshots && t->n_snapshots % SNAPSHOTS_BEFORE_DOUBLING == 0)
		t->interval_ns *= 2;
	return err;
}

struct hs_error *rc_watch_end(struct rc_target *t)
{
	uint8_t text[40], *p = text;
	const struct rc_end *end = &t->end;
	p = rc_uleb(p, end->how);
	p = rc_uleb(p, (uint64_t)(end->code < 0 ? ~(int64_t)end->code * 2 + 1
						: (int64_t)end->code * 2));
	p = rc_uleb(p, end->stamp);
	p = rc_uleb(p, end->time_ns);
	const struct iovec part = {.iov_base = text, .iov_len = (size_t)(p - text)};
	return rc_store_append(&t->store, HS_WIRE_ENDED, &part, 1);
}
