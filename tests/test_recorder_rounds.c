/* SPDX-License-Identifier: MIT */

/*
 * Checkpoints: what a capture tells does not change when its log is replaced,
 * whoever is killed at whatever moment, and the file stops growing.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/profile.h"
#include "src/recorder/chunks.h"
#include "src/recorder/finalize.h"
#include "src/recorder/image.h"
#include "src/recorder/io.h"
#include "src/recorder/round.h"
#include "src/recorder/target.h"
#include "src/recorder/watch.h"
#include "tests/lib/fakecapture.h"
#include "tests/lib/readtotals.h"
#include "tests/lib/suite.h"

#define NAME "fake.1.hsnap"

static char dir[] = "/tmp/hs-rounds-XXXXXX", path[64];
static int dir_fd;

static void assert_done(struct hs_error *err)
{
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
}

static struct fake *begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/" NAME, dir);
	return fake_new(path, getpid(), 1);
}

static void end(struct fake *f)
{
	fake_free(f);
	unlink(path);
	close(dir_fd);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct rc_target *open_target(void)
{
	struct rc_target *t = NULL;
	ck_assert_int_eq(rc_target_open(dir_fd, NAME, &t), RC_OPEN_OK);
	return t;
}

static void assert_truth(const struct fake *f, const char *file)
{
	const struct fake_truth *want = fake_truth(f), got = read_totals(file);
	ck_assert_uint_eq(got.allocs, want->allocs);
	ck_assert_uint_eq(got.frees, want->frees);
	ck_assert_uint_eq(got.bytes, want->bytes);
	ck_assert_uint_eq(got.live_blocks, want->live_blocks);
	ck_assert_uint_eq(got.live_bytes, want->live_bytes);
}

static void drain(struct rc_target *t)
{
	size_t copied = 0;
	assert_done(rc_drain(t, &copied));
}

static struct hs_error *finish(struct rc_target *t)
{
	while (rc_round_hear(t))
		;
	ck_assert(!t->round.copying || t->round.text[0]);
	return rc_round_finish(t);
}

static struct hs_error *round_of(struct rc_target *t)
{
	assert_done(rc_round_prepare(t));
	ck_assert(rc_round_fork(t));
	return finish(t);
}

/* The image of T's capture, as a file of its own, which the caller removes. */
static void write_image(struct rc_target *t, const char *to)
{
	struct rc_reaches reaches = {0};
	struct rc_image image;
	assert_done(rc_barrier(t, &reaches));
	assert_done(rc_image_read(&t->store, &reaches, &image));
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(rc_write(fd, image.data, image.size, 0), 0);
	close(fd);
	rc_image_free(&image);
	hs_array_free(&reaches.at);
}

START_TEST(an_image_holds_all_that_is_committed)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	char to[80];
	snprintf(to, sizeof(to), "%s/image", dir);
	for (unsigned i = 0; i < 8; i++) {
		fake_work(f, 1 + i % 3, 700, i);
		write_image(t, to);
		assert_truth(f, to);
		if (i % 2)
			drain(t);
		write_image(t, to);
		assert_truth(f, to);
	}
	unlink(to);
	rc_target_free(t);
	end(f);
}
END_TEST

struct writer {
	struct fake *fake;
	bool stop;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	for (unsigned i = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); i++)
		fake_work(w->fake, 1 + i % 3, 100, i);
	return NULL;
}

/* Chunks go round while a barrier looks at them: no gap in any stream. */
START_TEST(an_image_of_a_log_that_grows_has_no_gaps)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	struct writer w = {.fake = f};
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &w), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct rc_reaches reaches = {0};
		struct rc_image image;
		struct hs_capture *c;
		drain(t);
		assert_done(rc_barrier(t, &reaches));
		assert_done(rc_image_read(&t->store, &reaches, &image));
		struct hs_cursor in = hs_cursor(image.data, image.size, NULL);
		ck_assert_ptr_null(hs_capture_open(&in, &c));
		const struct hs_capture_event *events;
		while (hs_capture_next(c, &events))
			;
		ck_assert(!rc_is_damaged(c));
		hs_capture_free(c);
		rc_image_free(&image);
		hs_array_free(&reaches.at);
		/* The log is not the matter here: keep it short. */
		rc_store_rotate(&t->store);
		if (i % 10 == 0)
			assert_done(round_of(t));
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	drain(t);
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(checkpoints_change_nothing_that_a_capture_tells)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	for (unsigned i = 0; i < 60; i++) {
		fake_work(f, 1 + i % 4, 400, i);
		drain(t);
		if (i % 4 == 1)
			assert_done(rc_watch_snapshot(t));
		if (i % 3 == 0)
			assert_done(round_of(t));
		assert_truth(f, path);
	}
	ck_assert_uint_eq(t->round.finished, 20);
	ck_assert_uint_eq(fake_header(f)->generation, 20);
	rc_target_free(t);
	end(f);
}
END_TEST

static void assert_same_profiles(const struct hs_profile *a, const struct hs_profile *b)
{
	ck_assert_int_eq(memcmp(&a->totals, &b->totals, sizeof(a->totals)), 0);
	ck_assert_uint_eq(a->n_snapshots, b->n_snapshots);
	for (size_t i = 0; i < a->n_snapshots; i++)
		ck_assert_int_eq(memcmp(&a->snapshots[i], &b->snapshots[i],
					sizeof(a->snapshots[i])),
				 0);
	ck_assert_uint_eq(a->n_live, b->n_live);
	for (size_t i = 0; i < a->n_live; i++) {
		ck_assert_uint_eq(a->live[i].addr, b->live[i].addr);
		ck_assert_uint_eq(a->live[i].size, b->live[i].size);
	}
	ck_assert_uint_eq(a->n_sites, b->n_sites);
	for (size_t i = 0; i < a->n_sites; i++) {
		ck_assert_uint_eq(a->sites[i].allocs, b->sites[i].allocs);
		ck_assert_uint_eq(a->sites[i].temporaries, b->sites[i].temporaries);
		ck_assert_uint_eq(a->sites[i].peak_bytes, b->sites[i].peak_bytes);
		ck_assert_uint_eq(a->sites[i].peak_blocks, b->sites[i].peak_blocks);
	}
}

static void copy_file(const char *to)
{
	char command[200];
	snprintf(command, sizeof(command), "cp %s %s", path, to);
	ck_assert_int_eq(system(command), 0);
}

/* The same bytes, folded at once and in two steps. */
START_TEST(a_checkpoint_and_the_rest_are_the_whole)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	char before[80];
	snprintf(before, sizeof(before), "%s/before", dir);
	for (unsigned i = 0; i < 30; i++) {
		fake_work(f, 1 + i % 4, 400, i);
		drain(t);
		if (i % 4 == 1)
			assert_done(rc_watch_snapshot(t));
	}
	for (unsigned i = 0; i < 3; i++) {
		copy_file(before);
		assert_done(round_of(t));
		struct hs_profile *a = read_profile(before), *b = read_profile(path);
		assert_same_profiles(a, b);
		hs_profile_free(a);
		hs_profile_free(b);
		fake_work(f, 1 + i % 4, 400, 100 + i);
	}
	unlink(before);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(the_file_stops_growing)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	uint64_t most = 0;
	for (unsigned i = 0; i < 100; i++) {
		fake_work(f, 1 + i % 2, 2000, i);
		drain(t);
		assert_done(round_of(t));
		if (i == 20)
			most = fake_header(f)->end_page;
	}
	ck_assert_uint_eq(fake_header(f)->end_page, most);
	/* 200,000 events of some 22 bytes were written. */
	ck_assert_uint_lt(most * HS_WIRE_PAGE, 1000000);
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

static long child_dies_after = -1;

static void in_child(void)
{
	if (child_dies_after >= 0)
		rc_writes_until_exit = child_dies_after;
}

/* A child that is killed changes nothing, and its pages are used again. */
START_TEST(a_child_that_is_killed_at_any_write_loses_nothing)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	uint64_t most = 0;
	ck_assert_int_eq(pthread_atfork(NULL, NULL, in_child), 0);
	bool failed = true;
	for (child_dies_after = 0; failed; child_dies_after++) {
		fake_work(f, 1 + (unsigned)child_dies_after % 2, 1000,
			  (unsigned)child_dies_after);
		drain(t);
		struct hs_error *err = round_of(t);
		failed = err != NULL;
		hs_error_free(err);
		assert_truth(f, path);
		ck_assert_int_lt(child_dies_after, 1000);
	}
	ck_assert_int_ge(child_dies_after, 2);
	ck_assert_uint_eq(t->round.finished, 1);
	child_dies_after = -1;
	for (unsigned i = 0; i < 40; i++) {
		fake_work(f, 1 + i % 2, 1000, i);
		drain(t);
		assert_done(round_of(t));
		if (i == 10)
			most = fake_header(f)->end_page;
	}
	ck_assert_uint_eq(fake_header(f)->end_page, most);
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_child_that_is_killed_by_a_signal_loses_nothing)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	fake_work(f, 1, 3000, 1);
	drain(t);
	assert_done(rc_round_prepare(t));
	ck_assert(rc_round_fork(t));
	ck_assert_int_eq(kill(t->round.pid, SIGKILL), 0);
	while (rc_round_hear(t))
		;
	struct hs_error *err = rc_round_finish(t);
	/* It may have been done before. */
	if (err)
		ck_assert_ptr_nonnull(
			strstr(hs_error_message(err), "killed by signal 9"));
	hs_error_free(err);
	assert_truth(f, path);
	assert_done(round_of(t));
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

/* As loop.c does it for a capture that another recorder has left. */
static struct rc_target *adopt(void)
{
	struct rc_target *t = open_target();
	if (t->header->recorder_pid)
		rc_store_adopt(&t->store);
	t->header->recorder_pid = (uint32_t)getpid();
	return t;
}

/*
 * A round in a process of its own, which ends at its Nth write; false: it got
 * through.
 */
static bool record_until_write(long n)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct rc_target *t = adopt();
		drain(t);
		rc_writes_until_exit = n;
		/* The child counts as we do: where it has more to do it dies as well. */
		struct hs_error *err = round_of(t);
		_exit(err ? 98 : 0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) >= 98 || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) != 0;
}

START_TEST(a_recorder_that_is_killed_within_a_round_loses_nothing)
{
	struct fake *f = begin();
	uint32_t generation = 0;
	uint64_t most = 0;
	long n = 0, committed = 0;
	fake_work(f, 1, 1500, 3);
	for (bool killed = true; killed; n++) {
		killed = record_until_write(n);
		assert_truth(f, path);
		committed += fake_header(f)->generation != generation;
		generation = fake_header(f)->generation;
		/* What was given back is written over at once. */
		fake_work(f, 1, 4000, 5 + (unsigned)n);
		fake_work(f, 2, 4000, 6 + (unsigned)n);
		assert_truth(f, path);
		ck_assert_int_lt(n, 10000);
	}
	ck_assert_int_gt(n, 8);
	/* It was killed behind the commit, too. */
	ck_assert_int_gt(committed, 3);
	/* One that is not killed goes on with what they left. */
	struct rc_target *t = adopt();
	for (unsigned i = 0; i < 40; i++) {
		fake_work(f, 1 + i % 2, 500, i);
		drain(t);
		assert_done(round_of(t));
		assert_truth(f, path);
		if (i == 10)
			most = fake_header(f)->end_page;
	}
	ck_assert_uint_eq(fake_header(f)->end_page, most);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_full_disk_within_a_checkpoint_loses_nothing)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	struct rlimit old, none;
	fake_work(f, 1, 3000, 1);
	drain(t);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = fake_header(f)->end_page * HS_WIRE_PAGE;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	struct hs_error *err = round_of(t);
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), strerror(EFBIG)));
	hs_error_free(err);
	assert_truth(f, path);
	fake_work(f, 1, 3000, 2);
	drain(t);
	assert_done(round_of(t));
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_full_file_is_folded_and_goes_on)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	fake_work(f, 1, 2000, 1);
	drain(t);
	assert_done(round_of(t));
	/* No more room at the end: all has to go into pages that were freed. */
	fake_work(f, 1, 4000, 2);
	t->store.max_size = fake_header(f)->end_page * HS_WIRE_PAGE;
	size_t copied = 0;
	struct hs_error *err = rc_drain(t, &copied);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	ck_assert(rc_round_due(t, rc_clock_ns()));
	ck_assert_uint_gt(fake_chunks(f, HS_WIRE_CHUNK_CLOSED), 0);
	assert_done(round_of(t));
	/* All that was full is in the checkpoint. */
	ck_assert_uint_eq(fake_chunks(f, HS_WIRE_CHUNK_CLOSED), 0);
	assert_truth(f, path);
	/* What finds no place beside the next checkpoint is folded from its chunks. */
	fake_work(f, 1, 1000, 3);
	hs_error_free(rc_drain(t, &copied));
	assert_done(round_of(t));
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_log_that_only_allocates_leaves_room_for_its_checkpoints)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	unsigned refused = 0;
	t->store.max_size = 8u << 20;
	for (uint64_t i = 0; i < 300000; i++) {
		fake_malloc(f, 1, 0x10000000 + i * 4096,
			    100 + (uint32_t)(i * 7919 % 4096));
		if (i % 1000)
			continue;
		size_t copied = 0;
		struct hs_error *err = rc_drain(t, &copied);
		if (!err)
			continue;
		hs_error_free(err);
		refused++;
		ck_assert(rc_round_due(t, rc_clock_ns()));
		assert_done(round_of(t));
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_le(fake_header(f)->end_page * HS_WIRE_PAGE, t->store.max_size);
	assert_truth(f, path);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_damaged_log_is_not_folded)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	fake_work(f, 1, 500, 1);
	fake_open_chunk(f, 1)->sequence += 5; /* so many before it are missing */
	fake_work(f, 1, 500, 2);
	drain(t);
	struct hs_error *err = round_of(t);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), "damaged"));
	hs_error_free(err);
	ck_assert_uint_eq(fake_header(f)->generation, 0);
	ck_assert(!rc_round_due(t, rc_clock_ns()));
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_round_is_due_when_the_log_is_long)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	uint64_t now = rc_clock_ns();
	ck_assert(!rc_round_due(t, now));
	t->store.log_size = (64 << 20) - 1;
	ck_assert(!rc_round_due(t, now));
	t->store.log_size++;
	ck_assert(rc_round_due(t, now));
	t->store.folds = false; /* --keep-log */
	ck_assert(!rc_round_due(t, now));
	t->store.folds = true;
	t->store.log_size = 1 << 20;
	ck_assert(!rc_round_due(t, now));
	t->store.max_size = 4 << 20;
	ck_assert(rc_round_due(t, now));
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(what_checkpoints_left_becomes_a_final_capture)
{
	struct fake *f = begin();
	struct rc_target *t = open_target();
	struct stat st;
	for (unsigned i = 0; i < 10; i++) {
		fake_work(f, 1 + i % 4, 400, i);
		drain(t);
		assert_done(rc_watch_snapshot(t));
		if (i % 3 == 0)
			assert_done(round_of(t));
	}
	struct hs_profile *before = read_profile(path);
	const struct rc_end exited = {.known = true, .how = HS_WIRE_HOW_EXIT, .code = 7};
	ck_assert_int_eq(stat(path, &st), 0);
	assert_done(rc_finalize(dir_fd, NAME, st.st_ino, &exited));
	assert_truth(f, path);
	struct hs_profile *after = read_profile(path);
	assert_same_profiles(before, after);
	ck_assert_uint_eq(after->n_snapshots, 10);
	ck_assert_int_eq(after->process.code, 7);
	hs_profile_free(before);
	hs_profile_free(after);
	rc_target_free(t);
	end(f);
}
END_TEST

HS_SUITE("recorder_rounds", an_image_holds_all_that_is_committed,
	 an_image_of_a_log_that_grows_has_no_gaps,
	 checkpoints_change_nothing_that_a_capture_tells,
	 a_checkpoint_and_the_rest_are_the_whole, the_file_stops_growing,
	 a_child_that_is_killed_at_any_write_loses_nothing,
	 a_child_that_is_killed_by_a_signal_loses_nothing,
	 a_recorder_that_is_killed_within_a_round_loses_nothing,
	 a_full_disk_within_a_checkpoint_loses_nothing, a_full_file_is_folded_and_goes_on,
	 a_log_that_only_allocates_leaves_room_for_its_checkpoints,
	 a_damaged_log_is_not_folded, a_round_is_due_when_the_log_is_long,
	 what_checkpoints_left_becomes_a_final_capture)
