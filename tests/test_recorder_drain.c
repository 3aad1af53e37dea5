/* SPDX-License-Identifier: MIT */

/* Chunks become pieces, nothing is lost on the way, hostile files do no harm. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/chunks.h"
#include "src/recorder/io.h"
#include "src/recorder/target.h"
#include "src/recorder/watch.h"
#include "tests/lib/fakecapture.h"
#include "tests/lib/readtotals.h"
#include "tests/lib/suite.h"

static char dir[] = "/tmp/hs-drain-XXXXXX";
static int dir_fd;

static struct fake *begin(uint32_t pages)
{
	char path[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/fake.1.hsnap", dir);
	return fake_new(path, getpid(), pages);
}

static void end(struct fake *f)
{
	fake_free(f);
	unlinkat(dir_fd, "fake.1.hsnap", 0);
	close(dir_fd);
	rmdir(dir);
}

static struct rc_target *open_target(void)
{
	struct rc_target *t = NULL;
	ck_assert_int_eq(rc_target_open(dir_fd, "fake.1.hsnap", &t), RC_OPEN_OK);
	return t;
}

static struct fake_truth totals(void)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/fake.1.hsnap", dir);
	return read_totals(path);
}

static void assert_same(const struct fake_truth *want, struct fake_truth got)
{
	ck_assert_uint_eq(got.allocs, want->allocs);
	ck_assert_uint_eq(got.frees, want->frees);
	ck_assert_uint_eq(got.bytes, want->bytes);
	ck_assert_uint_eq(got.live_blocks, want->live_blocks);
	ck_assert_uint_eq(got.live_bytes, want->live_bytes);
}

START_TEST(closed_chunks_are_copied_and_given_back)
{
	struct fake *f = begin(1);
	fake_work(f, 1, 2000, 1);
	unsigned closed = fake_chunks(f, HS_WIRE_CHUNK_CLOSED);
	ck_assert_uint_gt(closed, 5);
	struct rc_target *t = open_target();
	size_t copied = 0;
	ck_assert_ptr_null(rc_drain(t, &copied));
	ck_assert_uint_eq(copied, closed);
	ck_assert_uint_eq(fake_chunks(f, HS_WIRE_CHUNK_CLOSED), 0);
	ck_assert_uint_eq(fake_chunks(f, HS_WIRE_CHUNK_FREE), closed);
	ck_assert_uint_eq(fake_chunks(f, HS_WIRE_CHUNK_OPEN), 1);
	assert_same(fake_truth(f), totals());
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(chunks_go_round_while_they_are_drained)
{
	struct fake *f = begin(1);
	struct rc_target *t = open_target();
	for (unsigned i = 0; i < 100; i++) {
		size_t copied = 0;
		fake_work(f, 1 + i % 3, 500, i);
		ck_assert_ptr_null(rc_drain(t, &copied));
		if (i % 10 == 0)
			ck_assert_ptr_null(rc_watch_snapshot(t));
	}
	/* 500 events of 26 bytes: four chunks at most are full at once. */
	ck_assert_uint_le(fake_chunks(f, HS_WIRE_CHUNK_FREE) +
				  fake_chunks(f, HS_WIRE_CHUNK_OPEN),
			  3 * 5);
	ck_assert_uint_eq(fake_header(f)->tick, 10);
	assert_same(fake_truth(f), totals());
	rc_target_free(t);
	end(f);
}
END_TEST

/* Drain in a child which ends at its Nth write; false when it got through. */
static bool drain_until_write(long n)
{
	pid_t pid = fork();
	if (pid == 0) {
		size_t copied = 0;
		struct rc_target *t = open_target();
		rc_writes_until_exit = n;
		_exit(rc_drain(t, &copied) ? 1 : 0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 99;
}

START_TEST(a_recorder_that_is_killed_at_any_write_loses_nothing)
{
	struct fake *f = begin(1);
	long n = 0;
	fake_work(f, 1, 1500, 3);
	fake_work(f, 2, 1500, 4);
	/* What was freed is written over at once, as its thread would do. */
	for (bool killed = true; killed; n++) {
		killed = drain_until_write(n);
		assert_same(fake_truth(f), totals());
		fake_work(f, 1, 300, 5 + (unsigned)n);
		fake_work(f, 2, 300, 6 + (unsigned)n);
		assert_same(fake_truth(f), totals());
		ck_assert_int_lt(n, 10000);
	}
	ck_assert_int_gt(n, 20);
	end(f);
}
END_TEST

START_TEST(where_nothing_can_be_written_chunks_stay)
{
	struct fake *f = begin(1);
	fake_work(f, 1, 2000, 1);
	unsigned closed = fake_chunks(f, HS_WIRE_CHUNK_CLOSED);
	struct rc_target *t = open_target();
	struct rlimit old, none = {.rlim_cur = HS_WIRE_PAGE};
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	size_t copied = 0;
	struct hs_error *err = rc_drain(t, &copied);
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), strerror(EFBIG)));
	hs_error_free(err);
	ck_assert_uint_eq(copied, 0);
	ck_assert_uint_eq(fake_chunks(f, HS_WIRE_CHUNK_CLOSED), closed);
	assert_same(fake_truth(f), totals());
	/* And when there is room again, it goes on. */
	ck_assert_ptr_null(rc_drain(t, &copied));
	ck_assert_uint_eq(copied, closed);
	assert_same(fake_truth(f), totals());
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(the_bound_on_disk_stops_pieces_and_nothing_else)
{
	struct fake *f = begin(1);
	fake_work(f, 1, 2000, 1);
	struct rc_target *t = open_target();
	t->store.max_size = fake_header(f)->end_page * HS_WIRE_PAGE;
	size_t copied = 0;
	struct hs_error *err = rc_drain(t, &copied);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	ck_assert_uint_eq(copied, 0);
	ck_assert_ptr_null(rc_watch_snapshot(t));
	assert_same(fake_truth(f), totals());
	rc_target_free(t);
	end(f);
}
END_TEST

static void drain(struct rc_target *t, void *arg)
{
	size_t copied = 0;
	*(struct hs_error **)arg = rc_drain(t, &copied);
}

START_TEST(a_file_that_is_cut_under_the_recorder_is_noticed)
{
	struct fake *f = begin(1);
	fake_work(f, 1, 2000, 1);
	struct rc_target *t = open_target();
	struct hs_error *err = NULL;
	ck_assert(rc_target_guarded(t, drain, &err));
	ck_assert_ptr_null(err);
	int fd = openat(dir_fd, "fake.1.hsnap", O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert(!rc_target_guarded(t, drain, &err));
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(a_ring_of_chunks_is_an_error)
{
	struct fake *f = begin(1);
	fake_work(f, 1, 2000, 1);
	struct hs_wire_header *h = fake_header(f);
	struct hs_wire_chunk *c = (void *)((char *)h + h->newest_chunk * HS_WIRE_PAGE);
	c->previous = h->newest_chunk;
	struct rc_target *t = open_target();
	struct hs_error *err = NULL;
	ck_assert(rc_target_guarded(t, drain, &err));
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
	rc_target_free(t);
	end(f);
}
END_TEST

START_TEST(hostile_chunks_are_errors)
{
	const struct {
		size_t offset, size;
		uint64_t value;
	} damage[] = {
		{offsetof(struct hs_wire_chunk, section.magic), 4, 1},
		{offsetof(struct hs_wire_chunk, section.tag), 2, 9},
		{offsetof(struct hs_wire_chunk, section.header_size), 2, 8},
		{offsetof(struct hs_wire_chunk, section.header_size), 2, 65535},
		{offsetof(struct hs_wire_chunk, section.pages), 4, 0},
		{offsetof(struct hs_wire_chunk, section.pages), 4, UINT32_MAX},
		{offsetof(struct hs_wire_chunk, section.length), 4, UINT32_MAX},
		{offsetof(struct hs_wire_chunk, previous), 8, UINT64_MAX},
		{offsetof(struct hs_wire_chunk, previous), 8, UINT64_MAX / HS_WIRE_PAGE},
	};
	for (size_t i = 0; i < HS_COUNT(damage); i++) {
		strcpy(dir, "/tmp/hs-drain-XXXXXX");
		struct fake *f = begin(1);
		fake_work(f, 1, 2000, 1);
		struct hs_wire_header *h = fake_header(f);
		char *c = (char *)h + h->newest_chunk * HS_WIRE_PAGE;
		memcpy(c + damage[i].offset, &damage[i].value, damage[i].size);
		((struct hs_wire_chunk *)(void *)c)->state = HS_WIRE_CHUNK_CLOSED;
		struct rc_target *t = open_target();
		struct hs_error *err = NULL;
		ck_assert(rc_target_guarded(t, drain, &err));
		ck_assert_msg(err != NULL, "damage %zu was not noticed", i);
		hs_error_free(err);
		rc_target_free(t);
		end(f);
	}
}
END_TEST

START_TEST(only_live_captures_of_this_version_are_opened)
{
	struct fake *f = begin(1);
	struct hs_wire_header *h = fake_header(f), good = *h;
	struct rc_target *t;
	h->state = HS_WIRE_FINAL;
	ck_assert_int_eq(rc_target_open(dir_fd, "fake.1.hsnap", &t), RC_OPEN_NEVER);
	*h = good;
	h->version++;
	ck_assert_int_eq(rc_target_open(dir_fd, "fake.1.hsnap", &t), RC_OPEN_NEVER);
	*h = good;
	memset(h->magic, 0, sizeof(h->magic));
	ck_assert_int_eq(rc_target_open(dir_fd, "fake.1.hsnap", &t), RC_OPEN_LATER);
	memset(h->magic, 'x', sizeof(h->magic));
	ck_assert_int_eq(rc_target_open(dir_fd, "fake.1.hsnap", &t), RC_OPEN_NEVER);
	ck_assert_int_eq(rc_target_open(dir_fd, "nothing", &t), RC_OPEN_NEVER);
	ck_assert_int_eq(mkfifoat(dir_fd, "fifo", 0600), 0);
	ck_assert_int_eq(rc_target_open(dir_fd, "fifo", &t), RC_OPEN_NEVER);
	unlinkat(dir_fd, "fifo", 0);
	ck_assert_int_eq(symlinkat("fake.1.hsnap", dir_fd, "link"), 0);
	*h = good;
	ck_assert_int_eq(rc_target_open(dir_fd, "link", &t), RC_OPEN_NEVER);
	unlinkat(dir_fd, "link", 0);
	end(f);
}
END_TEST

HS_SUITE("recorder_drain", closed_chunks_are_copied_and_given_back,
	 chunks_go_round_while_they_are_drained,
	 a_recorder_that_is_killed_at_any_write_loses_nothing,
	 where_nothing_can_be_written_chunks_stay,
	 the_bound_on_disk_stops_pieces_and_nothing_else,
	 a_file_that_is_cut_under_the_recorder_is_noticed, a_ring_of_chunks_is_an_error,
	 hostile_chunks_are_errors, only_live_captures_of_this_version_are_opened)
