/* SPDX-License-Identifier: MIT */

/*
 * Rewriting captures of ended processes happens in children: the loop goes on
 * draining the others meanwhile, and whatever a damaged capture or a lack of
 * memory does to a child, the original file stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/finalize.h"
#include "src/recorder/recorder.h"

/* Each may need as much memory as its capture has live blocks. */
#define AT_ONCE 2u

static void report(struct rc_recorder *rc, struct rc_target *t, const char *why)
{
	struct rc_message m = {.kind = RC_FINALIZED, .pid = (uint32_t)t->pid};
	snprintf(m.name, sizeof(m.name), "%s", t->name);
	snprintf(m.text, sizeof(m.text), "%s", why);
	rc_peers_tell(rc, t->peer, &m);
	if (*why)
		hs_array_push(&rc->hopeless, t->inode);
	rc_targets_drop(rc, t);
}

static _Noreturn void work(struct rc_recorder *rc, const struct rc_target *t, int pipe_fd)
{
	/* A run that waits for our end must not wait for the child's. */
	for (size_t i = 0; i < rc->peers.n; i++)
		close(rc->peers.at[i].fd);
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
	struct hs_error *err = rc_finalize(rc->dir_fd, t->name, t->inode, &t->end);
	if (!err && rc->options.reports && !rc_peers_present(rc, t->peer))
		rc_report(rc->dir_fd, t->name);
	if (err)
		(void)!write(pipe_fd, hs_error_message(err),
			     strlen(hs_error_message(err)));
	_exit(err ? 1 : 0);
}

static void start(struct rc_recorder *rc, struct rc_target *t)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC)) {
		report(rc, t, strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		work(rc, t, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		report(rc, t, strerror(errno));
		return;
	}
	t->state = RC_WRITING;
	struct rc_writer *w = hs_array_add(&rc->writers);
	*w = (struct rc_writer){.target = t->id, .pid = pid, .pipe_fd = fds[0]};
	rc_poll_add(rc, fds[0], RC_WRITER, t->id, EPOLLIN);
}

void rc_writers_start(struct rc_recorder *rc)
{
	for (size_t i = 0; i < rc->targets.n && rc->writers.n < AT_ONCE;) {
		struct rc_target *t = rc->targets.at[i];
		/* What a checkpoint tells need not be folded again: it may end. */
		if (t->state == RC_DEAD && !t->round.pid && !t->scanning)
			start(rc, t);
		/* It may be gone by now, and another have its place. */
		if (i < rc->targets.n && rc->targets.at[i] == t)
			i++;
	}
}

static void describe(int status, char *text, size_t room)
{
	if (WIFSIGNALED(status))
		snprintf(text, room,
			 "the process that rewrote it was killed by signal %d",
			 WTERMSIG(status));
	else if (WEXITSTATUS(status) && !*text)
		snprintf(text, room,
			 "the process that rewrote it failed (out of memory?)");
}

void rc_writers_finish(struct rc_recorder *rc, uint64_t id)
{
	size_t i = 0;
	while (i < rc->writers.n && rc->writers.at[i].target != id)
		i++;
	if (i == rc->writers.n)
		return;
	struct rc_writer w = rc->writers.at[i];
	char text[sizeof(((struct rc_message *)0)->text)] = "";
	ssize_t got = read(w.pipe_fd, text, sizeof(text) - 1);
	text[HS_MAX(got, 0)] = 0;
	int status = 0;
	while (waitpid(w.pid, &status, 0) < 0 && errno == EINTR)
		;
	rc_poll_remove(rc, w.pipe_fd);
	close(w.pipe_fd);
	rc->writers.at[i] = rc->writers.at[--rc->writers.n];
	describe(status, text, sizeof(text));
	struct rc_target *t = rc_targets_find(rc, id);
	if (t)
		report(rc, t, text);
}
