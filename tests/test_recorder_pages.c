/* SPDX-License-Identifier: MIT */

/* Pages are given out once, come back, and are given out again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/recorder/io.h"
#include "src/recorder/pages.h"
#include "src/recorder/store.h"
#include "src/recorder/survey.h"
#include "src/wire.h"
#include "tests/lib/suite.h"

static struct hs_wire_header header;
static int fd;

static struct rc_pages begin(void)
{
	char path[] = "/tmp/hs-pages-XXXXXX";
	struct rc_pages p;
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	header = (struct hs_wire_header){.end_page = 1};
	rc_pages_init(&p, fd, &header);
	return p;
}

static void end(struct rc_pages *p)
{
	rc_pages_deinit(p);
	close(fd);
}

static void assert_ranges(const struct rc_pages *p, size_t n, const uint64_t *want)
{
	ck_assert_uint_eq(p->free.n, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(p->free.at[i].page, want[2 * i]);
		ck_assert_uint_eq(p->free.at[i].pages, want[2 * i + 1]);
	}
}

START_TEST(neighbours_become_one_range)
{
	struct rc_pages p = begin();
	rc_pages_give(&p, 10, 5);
	rc_pages_give(&p, 30, 5);
	rc_pages_give(&p, 20, 5);
	assert_ranges(&p, 3, (uint64_t[]){10, 5, 20, 5, 30, 5});
	rc_pages_give(&p, 15, 5);
	assert_ranges(&p, 2, (uint64_t[]){10, 15, 30, 5});
	rc_pages_give(&p, 29, 1);
	assert_ranges(&p, 2, (uint64_t[]){10, 15, 29, 6});
	rc_pages_give(&p, 25, 4);
	assert_ranges(&p, 1, (uint64_t[]){10, 25});
	ck_assert_uint_eq(rc_pages_count(&p), 25);
	end(&p);
}
END_TEST

START_TEST(what_is_free_already_is_left_alone)
{
	struct rc_pages p = begin();
	rc_pages_give(&p, 10, 10);
	rc_pages_give(&p, 30, 10);
	const uint64_t again[][2] = {{10, 10}, {5, 6},   {19, 1},  {15, 20},
				     {8, 40},  {39, 10}, {20, 11}, {25, UINT64_MAX}};
	for (size_t i = 0; i < HS_COUNT(again); i++)
		rc_pages_give(&p, again[i][0], again[i][1]);
	assert_ranges(&p, 2, (uint64_t[]){10, 10, 30, 10});
	end(&p);
}
END_TEST

START_TEST(the_lowest_range_that_has_all_goes_first)
{
	struct rc_pages p = begin();
	struct rc_range r;
	rc_pages_give(&p, 10, 4);
	rc_pages_give(&p, 20, 8);
	rc_pages_give(&p, 40, 8);
	ck_assert(rc_pages_take(&p, 2, 6, &r));
	ck_assert_uint_eq(r.page, 20);
	ck_assert_uint_eq(r.pages, 6);
	/* None has twenty: the first that has three is taken whole. */
	ck_assert(rc_pages_take(&p, 3, 20, &r));
	ck_assert_uint_eq(r.page, 10);
	ck_assert_uint_eq(r.pages, 4);
	ck_assert(!rc_pages_take(&p, 9, 20, &r));
	assert_ranges(&p, 2, (uint64_t[]){26, 2, 40, 8});
	end(&p);
}
END_TEST

START_TEST(the_file_grows_up_to_its_bound)
{
	struct rc_pages p = begin();
	struct rc_range r;
	ck_assert_ptr_null(rc_pages_get(&p, 1, 8, 10, &r));
	ck_assert_uint_eq(r.page, 1);
	ck_assert_uint_eq(r.pages, 8);
	ck_assert_uint_eq(header.end_page, 9);
	struct stat st;
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 9 * HS_WIRE_PAGE);
	struct hs_error *err = rc_pages_get(&p, 2, 2, 10, &r);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), "--max-disk"));
	hs_error_free(err);
	ck_assert_uint_eq(header.end_page, 9);
	/* What is free lies within it. */
	rc_pages_give(&p, 3, 2);
	ck_assert_ptr_null(rc_pages_get(&p, 2, 2, 10, &r));
	ck_assert_uint_eq(r.page, 3);
	end(&p);
}
END_TEST

START_TEST(a_damaged_end_is_an_error)
{
	struct rc_pages p = begin();
	struct rc_range r;
	const uint64_t ends[] = {0, UINT64_MAX - 1, UINT64_MAX / HS_WIRE_PAGE};
	for (size_t i = 0; i < HS_COUNT(ends); i++) {
		header.end_page = ends[i];
		struct hs_error *err = rc_pages_get(&p, 1, 1, 0, &r);
		ck_assert_ptr_nonnull(err);
		hs_error_free(err);
	}
	end(&p);
}
END_TEST

START_TEST(lent_pages_are_no_longer_free)
{
	struct rc_pages p = begin(), lent;
	rc_pages_init(&lent, fd, &header);
	rc_pages_give(&p, 10, 10);
	rc_pages_give(&p, 30, 10);
	rc_pages_lend(&p, &lent, 12);
	assert_ranges(&lent, 2, (uint64_t[]){10, 10, 30, 2});
	assert_ranges(&p, 1, (uint64_t[]){32, 8});
	rc_pages_lend(&p, &lent, 100);
	ck_assert_uint_eq(rc_pages_count(&lent), 20);
	ck_assert_uint_eq(rc_pages_count(&p), 0);
	rc_pages_deinit(&lent);
	end(&p);
}
END_TEST

static void append(struct rc_store *s, size_t size)
{
	char *bytes = hs_xcalloc(1, size);
	memset(bytes, 'x', size);
	const struct iovec part = {.iov_base = bytes, .iov_len = size};
	ck_assert_ptr_null(rc_store_append(s, HS_WIRE_NAME, &part, 1));
	free(bytes);
}

static void count(void *context, uint64_t page HS_UNUSED,
		  const struct hs_wire_records *head)
{
	unsigned *generations = context;
	if (head->section.tag == HS_WIRE_UNUSED)
		return;
	ck_assert_uint_lt(head->generation, 16);
	generations[head->generation]++;
}

/* Sections in the file that are used, by generation. */
static void survey(unsigned generations[16])
{
	memset(generations, 0, 16 * sizeof(generations[0]));
	rc_survey(fd, 1, header.end_page, count, generations);
}

START_TEST(pages_of_dead_generations_are_used_again)
{
	struct rc_pages p = begin();
	struct rc_store s;
	unsigned found[16];
	rc_store_init(&s, fd, &header);
	append(&s, 100000);
	append(&s, 100000);
	rc_store_rotate(&s);
	append(&s, 5000);
	survey(found);
	ck_assert_uint_eq(found[0], 2);
	ck_assert_uint_eq(found[1], 1);
	uint64_t end_page = header.end_page;
	rc_store_commit(&s);
	rc_store_reclaim(&s);
	ck_assert_uint_eq(header.generation, 1);
	survey(found);
	ck_assert_uint_eq(found[0], 0);
	ck_assert_uint_eq(found[1], 1);
	/* A record of 100000 bytes and its section take 25 pages. */
	ck_assert_uint_eq(rc_pages_count(&s.pages), 50);
	append(&s, 204000);
	ck_assert_uint_eq(header.end_page, end_page);
	ck_assert_uint_eq(rc_pages_count(&s.pages), 0);
	rc_store_deinit(&s);
	end(&p);
}
END_TEST

START_TEST(free_pages_take_no_room_on_the_disk)
{
	struct rc_pages p = begin();
	struct rc_store s;
	struct stat before, after;
	rc_store_init(&s, fd, &header);
	append(&s, 4000000);
	ck_assert_int_eq(fstat(fd, &before), 0);
	rc_store_rotate(&s);
	rc_store_commit(&s);
	rc_store_reclaim(&s);
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	/* tmpfs and ext4 can; blocks of 512 bytes. */
	ck_assert_int_lt(after.st_blocks, before.st_blocks - 7000);
	rc_store_deinit(&s);
	end(&p);
}
END_TEST

START_TEST(a_later_recorder_learns_what_is_there)
{
	struct rc_pages p = begin();
	struct rc_store first, second;
	unsigned found[16];
	rc_store_init(&first, fd, &header);
	append(&first, 100000);
	for (int i = 0; i < 3; i++) {
		rc_store_rotate(&first);
		append(&first, 100000);
	}
	header.generation = 2;
	rc_store_init(&second, fd, &header);
	rc_store_adopt(&second);
	ck_assert_uint_eq(second.generation, 4);
	ck_assert_uint_gt(second.number, first.number - 1);
	ck_assert_uint_eq(second.sections.n, 2);
	survey(found);
	ck_assert_uint_eq(found[0] + found[1], 0);
	ck_assert_uint_eq(found[2] + found[3], 2);
	ck_assert_uint_eq(rc_pages_count(&second.pages), 50);
	/* And one after that, what was free. */
	struct rc_store third;
	header.generation = 2;
	rc_store_init(&third, fd, &header);
	rc_store_adopt(&third);
	assert_ranges(&third.pages, 1, (uint64_t[]){1, 50});
	rc_store_deinit(&third);
	append(&second, 1000);
	survey(found);
	ck_assert_uint_eq(found[4], 1);
	rc_store_deinit(&first);
	rc_store_deinit(&second);
	end(&p);
}
END_TEST

static void note_page(void *context, uint64_t page, const struct hs_wire_records *head)
{
	uint64_t *next = context;
	ck_assert_uint_eq(page, *next);
	ck_assert_uint_eq(head->section.tag, HS_WIRE_UNUSED);
	*next = page + head->section.pages;
}

/* From one header to the next, never by a page that reads as zeros. */
START_TEST(what_is_free_is_skipped_at_once)
{
	struct rc_pages p = begin(), lent;
	struct rc_range r;
	rc_pages_init(&lent, fd, &header);
	header.end_page = 101;
	ck_assert_int_eq(ftruncate(fd, 101 * HS_WIRE_PAGE), 0);
	unsigned seed = 1;
	rc_pages_give(&p, 1, 100);
	for (unsigned i = 0; i < 1000; i++) {
		struct rc_range taken[8];
		size_t n = 0;
		for (; n < HS_COUNT(taken); n++) {
			seed = seed * 1664525u + 1013904223u;
			if (!rc_pages_take(&p, 1, 1 + (seed >> 16) % 20, &taken[n]))
				break;
		}
		rc_pages_lend(&p, &lent, i % 7);
		uint64_t next = 1;
		rc_survey(fd, 1, header.end_page, note_page, &next);
		ck_assert_uint_eq(next, 101);
		while (rc_pages_take(&lent, 1, 1, &r))
			rc_pages_give(&p, r.page, r.pages);
		for (size_t k = n; k-- > 0;)
			rc_pages_give(&p, taken[k].page, taken[k].pages);
		assert_ranges(&p, 1, (uint64_t[]){1, 100});
	}
	rc_pages_deinit(&lent);
	end(&p);
}
END_TEST

HS_SUITE("recorder_pages", neighbours_become_one_range,
	 what_is_free_already_is_left_alone, the_lowest_range_that_has_all_goes_first,
	 the_file_grows_up_to_its_bound, a_damaged_end_is_an_error,
	 lent_pages_are_no_longer_free, pages_of_dead_generations_are_used_again,
	 free_pages_take_no_room_on_the_disk, a_later_recorder_learns_what_is_there,
	 what_is_free_is_skipped_at_once)
