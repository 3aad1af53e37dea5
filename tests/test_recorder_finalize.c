/* SPDX-License-Identifier: MIT */

/* The rewritten capture says what the original said, or is not there. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/profile.h"
#include "src/recorder/chunks.h"
#include "src/recorder/finalize.h"
#include "src/recorder/io.h"
#include "src/recorder/target.h"
#include "src/recorder/watch.h"
#include "tests/lib/fakecapture.h"
#include "tests/lib/readtotals.h"
#include "tests/lib/suite.h"

#define NAME "fake.1.hsnap"

static char dir[] = "/tmp/hs-final-XXXXXX", path[64];
static int dir_fd;
static const struct rc_end exited = {
	.known = true, .how = HS_WIRE_HOW_EXIT, .code = 7, .stamp = 0, .time_ns = 0};

/* A capture with pieces, chunks and snapshots. */
static struct fake *begin(uint32_t flags)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/" NAME, dir);
	struct fake *f = fake_new(path, getpid(), 1);
	fake_header(f)->flags |= flags;
	struct rc_target *t = NULL;
	ck_assert_int_eq(rc_target_open(dir_fd, NAME, &t), RC_OPEN_OK);
	for (unsigned i = 0; i < 12; i++) {
		size_t copied = 0;
		fake_work(f, 1 + i % 2, 700, i);
		if (i < 10)
			ck_assert_ptr_null(rc_drain(t, &copied));
		if (i % 3 == 0)
			ck_assert_ptr_null(rc_watch_snapshot(t));
	}
	rc_target_free(t);
	return f;
}

static void end(struct fake *f)
{
	fake_free(f);
	unlink(path);
	close(dir_fd);
	/* Fails if anything else was left. */
	ck_assert_int_eq(rmdir(dir), 0);
}

static ino_t inode(void)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

static uint32_t state(void)
{
	struct hs_wire_header h;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(rc_read(fd, &h, sizeof(h), 0), sizeof(h));
	close(fd);
	return h.state;
}

static void assert_truth(const struct fake *f)
{
	const struct fake_truth *want = fake_truth(f), got = read_totals(path);
	ck_assert_uint_eq(got.allocs, want->allocs);
	ck_assert_uint_eq(got.frees, want->frees);
	ck_assert_uint_eq(got.bytes, want->bytes);
	ck_assert_uint_eq(got.live_blocks, want->live_blocks);
	ck_assert_uint_eq(got.live_bytes, want->live_bytes);
}

static void check_final(uint32_t flags)
{
	struct fake *f = begin(flags);
	struct hs_profile *before = read_profile(path);
	ck_assert_ptr_null(rc_finalize(dir_fd, NAME, inode(), &exited));
	ck_assert_uint_eq(state(), HS_WIRE_FINAL);
	assert_truth(f);
	struct hs_profile *after = read_profile(path);
	ck_assert_uint_eq(after->totals.temporaries, before->totals.temporaries);
	ck_assert_uint_eq(after->totals.peak_bytes, before->totals.peak_bytes);
	ck_assert_uint_eq(after->totals.peak_blocks, before->totals.peak_blocks);
	ck_assert_uint_eq(after->totals.peak_ns, before->totals.peak_ns);
	ck_assert_uint_eq(after->n_snapshots, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct hs_snapshot *a = &after->snapshots[i];
		const struct hs_snapshot *b = &before->snapshots[i];
		ck_assert_int_eq(memcmp(a, b, sizeof(*a)), 0);
	}
	ck_assert_uint_eq(after->n_live, before->n_live);
	for (size_t i = 0; i < after->n_live; i++)
		ck_assert_uint_eq(after->live[i].addr, before->live[i].addr);
	ck_assert_int_eq(after->process.end, HS_END_EXIT);
	ck_assert_int_eq(after->process.code, 7);
	hs_profile_free(before);
	hs_profile_free(after);
	end(f);
}

START_TEST(a_folded_capture_tells_the_same)
{
	check_final(0);
}
END_TEST

START_TEST(a_kept_log_tells_the_same)
{
	check_final(HS_WIRE_KEEP_LOG);
}
END_TEST

START_TEST(an_unknown_end_stays_unknown)
{
	struct fake *f = begin(0);
	const struct rc_end unknown = {0};
	ck_assert_ptr_null(rc_finalize(dir_fd, NAME, inode(), &unknown));
	struct hs_profile *p = read_profile(path);
	ck_assert_int_eq(p->process.end, HS_END_UNKNOWN);
	hs_profile_free(p);
	end(f);
}
END_TEST

/* Returns true if the child ended at its Nth write. */
static bool killed_at(long n)
{
	pid_t pid = fork();
	if (pid == 0) {
		rc_writes_until_exit = n;
		_exit(rc_finalize(dir_fd, NAME, inode(), &exited) ? 1 : 0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 99;
}

static void remove_leftovers(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -f %s/." NAME ".*", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_kill_at_any_write_leaves_one_of_the_two)
{
	struct fake *f = begin(0);
	long n = 0;
	for (; killed_at(n); n++) {
		ck_assert_uint_eq(state(), HS_WIRE_LIVE);
		assert_truth(f);
		ck_assert_int_lt(n, 1000);
	}
	ck_assert_int_ge(n, 2);
	ck_assert_uint_eq(state(), HS_WIRE_FINAL);
	assert_truth(f);
	remove_leftovers();
	end(f);
}
END_TEST

/* The original must be as it was, and nothing beside it. */
static void assert_refused(ino_t given, const char *words)
{
	struct hs_error *err = rc_finalize(dir_fd, NAME, given, &exited);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(hs_error_message(err), words) != NULL, "%s",
		      hs_error_message(err));
	hs_error_free(err);
	ck_assert_uint_eq(state(), HS_WIRE_LIVE);
}

START_TEST(another_file_of_that_name_is_left_alone)
{
	struct fake *f = begin(0);
	assert_refused(inode() + 1, "replaced");
	assert_truth(f);
	end(f);
}
END_TEST

START_TEST(a_damaged_capture_is_left_alone)
{
	struct fake *f = begin(0);
	fake_open_chunk(f, 1)->sequence += 5; /* so many before it are missing */
	assert_refused(inode(), "damaged");
	end(f);
}
END_TEST

START_TEST(a_directory_that_takes_no_files_loses_nothing)
{
	struct fake *f = begin(0);
	/* /proc/self/fd takes no new file, and NAME is not in it, either. */
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct hs_error *err = rc_finalize(proc, NAME, inode(), &exited);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	close(proc);
	assert_truth(f);
	end(f);
}
END_TEST

HS_SUITE("recorder_finalize", a_folded_capture_tells_the_same, a_kept_log_tells_the_same,
	 an_unknown_end_stays_unknown, a_kill_at_any_write_leaves_one_of_the_two,
	 another_file_of_that_name_is_left_alone, a_damaged_capture_is_left_alone,
	 a_directory_that_takes_no_files_loses_nothing)
