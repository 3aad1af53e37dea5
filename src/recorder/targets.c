/* SPDX-License-Identifier: MIT */

/*
 * The captures of the directory: finding them, serving those whose process
 * lives, and establishing how the others ended.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/chunks.h"
#include "src/recorder/process.h"
#include "src/recorder/recorder.h"
#include "src/recorder/watch.h"

#define MS UINT64_C(1000000)

/* A busy thread fills a 64 KiB chunk in about 2 ms. */
#define DRAIN_MIN_NS (1 * MS)
#define DRAIN_MAX_NS (100 * MS)

#define PENDING_NS (5000 * MS) /* for the tracker to write its header */
#define ENDING_NS  (2000 * MS) /* for the run to tell how its program ended */
#define RETRY_NS   (1000 * MS) /* after a write that failed */
#define NOT_YET_NS (5 * MS)

#define CUT_SHORT "somebody cut the file short; it is no longer recorded"

struct rc_target *rc_targets_find(struct rc_recorder *rc, uint64_t id)
{
	for (size_t i = 0; i < rc->targets.n; i++)
		if (rc->targets.at[i]->id == id)
			return rc->targets.at[i];
	return NULL;
}

void rc_targets_drop(struct rc_recorder *rc, struct rc_target *t)
{
	size_t i = 0;
	while (rc->targets.at[i] != t)
		i++;
	memmove(&rc->targets.at[i], &rc->targets.at[i + 1],
		(--rc->targets.n - i) * sizeof(t));
	rc_poll_remove(rc, t->pid_fd);
	rc_poll_remove(rc, t->round.pid ? t->round.pipe_fd : -1);
	rc_target_free(t);
}

void rc_targets_complain(struct rc_recorder *rc, struct rc_target *t, const char *why)
{
	struct rc_message m = {.kind = RC_TROUBLE, .pid = (uint32_t)t->pid};
	snprintf(m.name, sizeof(m.name), "%s", t->name);
	snprintf(m.text, sizeof(m.text), "%s", why);
	if (!t->troubled)
		rc_peers_tell(rc, t->peer, &m);
	t->troubled = true;
}

void rc_targets_lose(struct rc_recorder *rc, struct rc_target *t)
{
	rc_targets_complain(rc, t, CUT_SHORT);
	rc_targets_drop(rc, t);
}

/* A snapshot or a drain, and what came of it; see rc_target_guarded(). */
struct work {
	struct hs_error *err;
	size_t copied;
};

static void drain(struct rc_target *t, void *arg)
{
	struct work *w = arg;
	w->err = rc_drain(t, &w->copied);
}

static void snapshot(struct rc_target *t, void *arg)
{
	struct work *w = arg;
	w->err = rc_watch_snapshot(t);
}

/* Returns false if the target had to be dropped. */
static bool serve(struct rc_recorder *rc, struct rc_target *t,
		  void (*fn)(struct rc_target *, void *), struct work *w)
{
	if (!rc_target_guarded(t, fn, w)) {
		rc_targets_lose(rc, t);
		return false;
	}
	if (w->err) {
		/* A checkpoint makes room; what is lost until then is counted. */
		if (!t->round.pid && !rc_round_due(t, rc_clock_ns()))
			rc_targets_complain(rc, t, hs_error_message(w->err));
		hs_error_free(w->err);
		w->err = NULL;
		t->retry_ns = rc_clock_ns() + RETRY_NS;
	}
	return true;
}

static enum hs_wire_how how_of(int status, int32_t *code)
{
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	if (WIFEXITED(status))
		return HS_WIRE_HOW_EXIT;
	return *code == SIGKILL ? HS_WIRE_HOW_KILLED : HS_WIRE_HOW_SIGNAL;
}

/* Is LATER what the process of T went on as by execve? */
static bool follows(const struct rc_target *later, const struct rc_target *t)
{
	return later->pid == t->pid && later->pid_ns == t->pid_ns &&
	       later->start_ticks == t->start_ticks && later->start_ns > t->start_ns;
}

/* Did the process of T go on as another program?  Then that has a capture, too. */
static bool replaced(const struct rc_recorder *rc, const struct rc_target *t)
{
	for (size_t i = 0; i < rc->targets.n; i++)
		if (follows(rc->targets.at[i], t))
			return true;
	return false;
}

static void read_exit(struct rc_target *t, void *arg HS_UNUSED)
{
	const struct hs_wire_header *h = t->header;
	uint32_t kind = __atomic_load_n(&h->exit_kind, __ATOMIC_ACQUIRE);
	if (t->end.known || !kind)
		return;
	t->end.known = true;
	t->end.how = HS_WIRE_HOW_EXIT;
	t->end.code = h->exit_code;
}

static void read_stamp(struct rc_target *t, void *arg HS_UNUSED)
{
	t->end.stamp = rc_target_stamp(t);
}

/* T ended just now: its last pair of stamp and time. */
static void note_time(struct rc_target *t)
{
	if (!t->end.time_ns && rc_target_guarded(t, read_stamp, NULL))
		t->end.time_ns = rc_now_ns();
}

/* Take down how T ended; the surest evidence comes first. */
static void establish_end(struct rc_recorder *rc, struct rc_target *t)
{
	struct rc_end *end = &t->end;
	int status;
	if (!end->known && replaced(rc, t)) {
		end->known = true;
		end->how = HS_WIRE_HOW_EXEC;
	}
	if (!end->known &&
	    rc_process_wait_status(t->pid_fd, t->pid, t->start_ticks, &status)) {
		end->known = true;
		end->how = how_of(status, &end->code);
	}
	if (!rc_target_guarded(t, read_exit, NULL))
		rc_targets_complain(rc, t, CUT_SHORT);
}

/* So it is in the file even if it cannot be rewritten. */
static void append_end(struct rc_target *t, void *arg)
{
	struct work *w = arg;
	w->err = rc_watch_end(t);
}

static void bury(struct rc_recorder *rc, struct rc_target *t)
{
	if (t->state != RC_ALIVE && t->state != RC_ENDING)
		return;
	establish_end(rc, t);
	if (t->state == RC_ALIVE && !t->end.known && rc_peers_await(rc, t->pid)) {
		t->state = RC_ENDING;
		t->give_up_ns = rc_clock_ns() + ENDING_NS;
		return;
	}
	t->state = RC_DEAD;
	rc_poll_remove(rc, t->pid_fd);
	if (t->pid_fd >= 0)
		close(t->pid_fd);
	t->pid_fd = -1;
	struct work w = {0};
	if (!t->end.known)
		return;
	if (!rc_target_guarded(t, append_end, &w) || w.err)
		rc_targets_complain(rc, t, w.err ? hs_error_message(w.err) : CUT_SHORT);
	hs_error_free(w.err);
}

void rc_targets_ended(struct rc_recorder *rc, uint64_t id)
{
	/* What it became by exec may have announced itself in the meantime. */
	rc_targets_notice(rc);
	struct rc_target *t = rc_targets_find(rc, id);
	if (!t)
		return;
	note_time(t);
	bury(rc, t);
	if (t->state == RC_ENDING)
		rc_poll_remove(rc, t->pid_fd);
}

void rc_targets_tell_end(struct rc_recorder *rc, pid_t pid, enum hs_wire_how how,
			 int32_t code)
{
	rc_targets_notice(rc);
	struct rc_process p;
	bool found = rc_process_look(pid, &p);
	for (size_t i = 0; i < rc->targets.n; i++) {
		struct rc_target *t = rc->targets.at[i];
		if (t->pid != pid || t->pid_ns != rc->pid_ns || t->state > RC_ENDING ||
		    (found && p.start_ticks != t->start_ticks))
			continue;
		note_time(t);
		if (!replaced(rc, t)) {
			t->end.known = true;
			t->end.how = how;
			t->end.code = code;
		}
		bury(rc, t);
	}
}

static void claim(struct rc_target *t, void *arg HS_UNUSED)
{
	/* Another recorder was here, and was killed. */
	if (t->header->recorder_pid)
		rc_store_adopt(&t->store);
	__atomic_store_n(&t->header->recorder_pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
}

/*
 * T has come: what its process was before ended by execve.  That may be known
 * already as a process that is no more, if all of this was too short for us; and
 * T itself may be done and gone before its predecessor's end is looked into.
 */
static void end_predecessors(struct rc_recorder *rc, const struct rc_target *t)
{
	for (size_t i = 0; i < rc->targets.n; i++) {
		struct rc_target *o = rc->targets.at[i];
		if (!follows(t, o) || o->state == RC_WRITING)
			continue;
		if (o->state == RC_ALIVE)
			note_time(o);
		o->end.known = true;
		o->end.how = HS_WIRE_HOW_EXEC;
		o->end.code = 0;
		bury(rc, o);
	}
}

static void adopt(struct rc_recorder *rc, struct rc_target *t)
{
	t->id = ++rc->last_id;
	t->peer = rc_peers_of(rc, t);
	t->interval_ns = rc->options.interval_ns;
	t->store.max_size = rc->options.max_disk;
	hs_array_push(&rc->targets, t);
	end_predecessors(rc, t);
	/* First the descriptor, then the look: so both are the same process. */
	t->pid_fd = rc_process_open(t->pid);
	/*
	 * It was too short for us, and ended just now, or long ago.  Where its header
	 * was not yet written at the first look, its successor may be known already.
	 */
	if (!rc_watch_alive(t) || replaced(rc, t)) {
		if (t->start_ns >= rc->start_ns)
			note_time(t);
		bury(rc, t);
		return;
	}
	if (t->pid_fd >= 0)
		rc_poll_add(rc, t->pid_fd, RC_TARGET, t->id, EPOLLIN);
	if (!rc_target_guarded(t, claim, NULL)) {
		rc_targets_drop(rc, t);
		return;
	}
	t->next_snapshot_ns = rc_clock_ns();
	rc->drain_period_ns = DRAIN_MIN_NS;
	rc->next_drain_ns = rc_clock_ns();
}

static bool known(const struct rc_recorder *rc, const struct rc_target *t)
{
	for (size_t i = 0; i < rc->targets.n; i++)
		if (rc->targets.at[i]->inode == t->inode &&
		    rc->targets.at[i]->device == t->device)
			return true;
	for (size_t i = 0; i < rc->hopeless.n; i++)
		if (rc->hopeless.at[i] == t->inode)
			return true;
	return false;
}

/* Returns true if NAME is to be looked at again soon. */
static bool consider(struct rc_recorder *rc, const char *name)
{
	struct rc_target *t;
	enum rc_open opened = rc_target_open(rc->dir_fd, name, &t);
	if (opened != RC_OPEN_OK)
		return opened == RC_OPEN_LATER;
	/* Pids of another container mean nothing to us: that one has a recorder. */
	if (known(rc, t) || t->pid_ns != rc->pid_ns)
		rc_target_free(t);
	else
		adopt(rc, t);
	return false;
}

static bool has_capture_name(const char *name)
{
	static const char suffix[] = ".hsnap";
	size_t n = strlen(name);
	return name[0] != '.' && n >= sizeof(suffix) &&
	       !strcmp(name + n - (sizeof(suffix) - 1), suffix);
}

/* What was killed before it wrote its header will not write it later. */
static bool is_new(const struct rc_recorder *rc, const char *name)
{
	struct stat st;
	if (fstatat(rc->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	uint64_t changed = (uint64_t)st.st_mtim.tv_sec * 1000 * MS;
	return rc_now_ns() < changed + PENDING_NS;
}

void rc_targets_consider(struct rc_recorder *rc, const char *name)
{
	for (size_t i = 0; i < rc->pending.n; i++)
		if (!strcmp(rc->pending.at[i].name, name))
			return;
	if (!has_capture_name(name) || !consider(rc, name) || !is_new(rc, name))
		return;
	struct rc_pending *p = hs_array_add(&rc->pending);
	p->name = hs_xstrdup(name);
	p->until_ns = rc_clock_ns() + PENDING_NS;
}

void rc_targets_scan(struct rc_recorder *rc, bool clean_up)
{
	int fd = openat(rc->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		/* ".NAME.PID.hsnap.XXXXXX": a writer was killed; see finalize.c. */
		if (clean_up && e->d_name[0] == '.' && strstr(e->d_name, ".hsnap."))
			unlinkat(rc->dir_fd, e->d_name, 0);
		else
			rc_targets_consider(rc, e->d_name);
	}
	closedir(dir);
}

static void read_inotify(struct rc_recorder *rc)
{
	char buffer[8192] __attribute__((__aligned__(8)));
	ssize_t got;
	while ((got = read(rc->inotify_fd, buffer, sizeof(buffer))) > 0)
		for (char *p = buffer; p < buffer + got;) {
			struct inotify_event e;
			memcpy(&e, p, sizeof(e));
			if (e.mask & IN_Q_OVERFLOW)
				rc->rescan = true;
			else if (e.len)
				rc_targets_consider(rc, p + sizeof(e));
			p += sizeof(e) + e.len;
		}
	if (rc->rescan)
		rc_targets_scan(rc, false);
	rc->rescan = false;
}

void rc_targets_notice(struct rc_recorder *rc)
{
	size_t kept = 0;
	read_inotify(rc);
	for (size_t i = 0; i < rc->pending.n; i++) {
		struct rc_pending p = rc->pending.at[i];
		if (rc_clock_ns() < p.until_ns && consider(rc, p.name))
			rc->pending.at[kept++] = p;
		else
			free(p.name);
	}
	rc->pending.n = kept;
}

static void drain_all(struct rc_recorder *rc, uint64_t now)
{
	size_t copied = 0;
	for (size_t i = rc->targets.n; i-- > 0;) {
		struct rc_target *t = rc->targets.at[i];
		struct work w = {0};
		if (t->state != RC_ALIVE || now < t->retry_ns || t->round.copying ||
		    t->copying)
			continue;
		serve(rc, t, drain, &w);
		copied += w.copied;
	}
	uint64_t period = copied ? rc->drain_period_ns / 4 : rc->drain_period_ns * 3 / 2;
	rc->drain_period_ns = HS_MAX(DRAIN_MIN_NS, HS_MIN(period, DRAIN_MAX_NS));
	rc->next_drain_ns = now + rc->drain_period_ns;
}

static void snapshot_all(struct rc_recorder *rc, uint64_t now)
{
	for (size_t i = rc->targets.n; i-- > 0;) {
		struct rc_target *t = rc->targets.at[i];
		struct work w = {0};
		if (t->state != RC_ALIVE || now < t->next_snapshot_ns)
			continue;
		t->next_snapshot_ns = now + t->interval_ns;
		serve(rc, t, snapshot, &w);
	}
}

/* Ends that no descriptor announces. */
static void look_for_ends(struct rc_recorder *rc, uint64_t now)
{
	rc_targets_notice(rc);
	for (size_t i = 0; i < rc->targets.n; i++) {
		struct rc_target *t = rc->targets.at[i];
		if (t->state == RC_ALIVE && t->pid_fd < 0 && !rc_watch_alive(t)) {
			note_time(t);
			bury(rc, t);
		}
		if (t->state == RC_ENDING &&
		    (now >= t->give_up_ns || !rc_peers_await(rc, t->pid)))
			bury(rc, t);
	}
}

void rc_targets_work(struct rc_recorder *rc, uint64_t now)
{
	if (rc->pending.n)
		rc_targets_notice(rc);
	if (now >= rc->next_drain_ns)
		drain_all(rc, now);
	snapshot_all(rc, now);
	if (now >= rc->next_look_ns) {
		look_for_ends(rc, now);
		rc->next_look_ns = now + DRAIN_MAX_NS;
	}
}

uint64_t rc_targets_next(const struct rc_recorder *rc)
{
	uint64_t next = UINT64_MAX;
	if (rc->pending.n)
		next = rc_clock_ns() + NOT_YET_NS;
	for (size_t i = 0; i < rc->targets.n; i++) {
		const struct rc_target *t = rc->targets.at[i];
		if (t->state == RC_ALIVE)
			next = HS_MIN(next,
				      HS_MIN(t->next_snapshot_ns, rc->next_drain_ns));
		if (t->state == RC_ENDING || (t->state == RC_ALIVE && t->pid_fd < 0))
			next = HS_MIN(next, rc->next_look_ns);
	}
	return next;
}
