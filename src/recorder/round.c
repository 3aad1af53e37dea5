/* SPDX-License-Identifier: MIT */

/*
 * One round.  The main process alone appends to the log, gives chunks back,
 * stores the generation that counts and frees pages; the child only writes to
 * pages that were lent to it and behind the end of the file.
 */
#include "src/recorder/round.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/checkpoint.h"
#include "src/recorder/image.h"
#include "src/recorder/target.h"

/*
 * A round reads and writes all that lives, some 150 ns for each block; to fold as
 * much log as the checkpoint takes on disk costs as much as that.  So it is made
 * where that is a fraction of what was logged.  Nearly every program that ends soon
 * ends before the first one, and so much log is folded then in half a second.
 */
#define LEAST_LOG        (UINT64_C(64) << 20)
#define LOG_A_CHECKPOINT 4u

/* What failed once is tried again after a second, then after two, four ... */
#define PATIENCE_NS   UINT64_C(1000000000)
#define MOST_DOUBLING 10u

static void wait_longer(struct rc_round *r)
{
	r->not_before_ns =
		rc_clock_ns() + (PATIENCE_NS << HS_MIN(r->failures, MOST_DOUBLING));
	r->failures++;
}

static uint64_t threshold(const struct rc_target *t)
{
	uint64_t checkpoint = rc_store_checkpoint_pages(&t->store) * HS_WIRE_PAGE;
	uint64_t size = HS_MAX(LEAST_LOG, LOG_A_CHECKPOINT * checkpoint);
	return t->store.max_size ? HS_MIN(size, t->store.max_size / 4) : size;
}

bool rc_round_due(const struct rc_target *t, uint64_t now_ns)
{
	return t->store.folds && !t->round.pid && now_ns >= t->round.not_before_ns &&
	       t->store.generation < UINT32_MAX - 1 &&
	       (t->store.full || t->store.log_size >= threshold(t));
}

struct hs_error *rc_round_prepare(struct rc_target *t)
{
	struct rc_round *r = &t->round;
	r->reaches.at.n = 0;
	r->text[0] = 0;
	/* What is committed by now has stamps up to this one. */
	r->horizon = rc_target_stamp(t);
	struct hs_error *err = rc_barrier(t, &r->reaches);
	if (err) {
		wait_longer(r);
		return err;
	}
	r->end_page = __atomic_load_n(&t->header->end_page, __ATOMIC_ACQUIRE);
	rc_store_rotate(&t->store);
	r->copying = true;
	return NULL;
}

static struct hs_error *copy_and_write(struct rc_target *t, int pipe_fd)
{
	struct rc_round *r = &t->round;
	const struct rc_checkpoint k = {.generation = t->store.generation,
					.horizon = r->horizon,
					.pages = &r->lent,
					.limit = t->store.max_size / HS_WIRE_PAGE};
	struct rc_image image = {0};
	struct hs_error *err = rc_image_read(&t->store, &r->reaches, &image);
	if (!err && write(pipe_fd, "", 1) != 1)
		err = hs_error("nobody waits for it");
	if (!err)
		err = rc_checkpoint_write(&k, &image);
	rc_image_free(&image);
	return err;
}

static _Noreturn void work(struct rc_target *t, pid_t parent, int pipe_fd)
{
	/* The handler would return into the parent's stack frames. */
	signal(SIGBUS, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	struct hs_error *err = copy_and_write(t, pipe_fd);
	const char *why = err ? hs_error_message(err) : "";
	if (err)
		(void)!write(pipe_fd, why, strlen(why));
	_exit(err ? 1 : 0);
}

bool rc_round_fork(struct rc_target *t)
{
	struct rc_round *r = &t->round;
	int fds[2];
	pid_t parent = getpid(), pid = -1;
	if (!pipe2(fds, O_CLOEXEC)) {
		pid = fork();
		if (pid == 0)
			work(t, parent, fds[1]);
		close(fds[1]);
		if (pid < 0)
			close(fds[0]);
	}
	if (pid < 0) {
		snprintf(r->text, sizeof(r->text), "%s", strerror(errno));
		return false;
	}
	r->pid = pid;
	r->pipe_fd = fds[0];
	return true;
}

bool rc_round_hear(struct rc_target *t)
{
	struct rc_round *r = &t->round;
	char text[sizeof(r->text)];
	ssize_t got = read(r->pipe_fd, text, sizeof(text) - 1);
	if (got < 0)
		return errno == EINTR;
	if (got == 0)
		return false;
	text[got] = 0;
	const char *said = text;
	if (!*said) {
		r->copying = false;
		said++;
	}
	if (said < text + got)
		snprintf(r->text, sizeof(r->text), "%s", said);
	return true;
}

/* Returns true if it has done its work. */
static bool reap(struct rc_round *r)
{
	int status = 0;
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(r->pipe_fd);
	r->pid = 0;
	if (WIFSIGNALED(status))
		snprintf(r->text, sizeof(r->text), "its process was killed by signal %d",
			 WTERMSIG(status));
	else if (WEXITSTATUS(status) && !*r->text)
		snprintf(r->text, sizeof(r->text), "its process failed (out of memory?)");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * As much as this checkpoint has and some more: there will be room for the next
 * one, even where the rest of the file is full of log.
 */
static void set_aside(struct rc_target *t)
{
	uint64_t pages = rc_store_checkpoint_pages(&t->store);
	rc_pages_deinit(&t->round.lent);
	rc_pages_init(&t->round.lent, t->fd, t->header);
	rc_pages_lend(&t->store.pages, &t->round.lent, pages + pages / 4);
	t->store.set_aside = rc_pages_count(&t->round.lent);
}

struct hs_error *rc_round_finish(struct rc_target *t)
{
	struct rc_round *r = &t->round;
	bool success = r->pid && reap(r);
	r->copying = false;
	rc_store_collect(&t->store, &r->lent, r->end_page);
	if (success) {
		rc_store_commit(&t->store);
		rc_give_back(t, &r->reaches);
	}
	rc_store_reclaim(&t->store);
	set_aside(t);
	if (success) {
		r->finished++;
		r->failures = 0;
		t->retry_ns = 0; /* there is room again */
		return NULL;
	}
	wait_longer(r);
	return hs_error("a checkpoint could not be made, the log gets longer: %s",
			r->text);
}

void rc_round_stop(struct rc_target *t)
{
	struct rc_round *r = &t->round;
	if (r->pid) {
		kill(r->pid, SIGKILL);
		(void)reap(r);
	}
	rc_pages_deinit(&r->lent);
	hs_array_free(&r->reaches.at);
}
