/* SPDX-License-Identifier: MIT */

/* Layout of dumps, and copying of memory: this process's own. */
#include "src/dump.h"

#include <sys/mman.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/dump_parts.h"
#include "src/file.h"
#include "src/image.h"
#include "tests/lib/suite.h"

#define PAGE 4096u

/* What a sink got; holes are zeros. */
struct copy {
	uint8_t *bytes;
	size_t n, room, skipped;
};

static bool keep(void *context, const void *bytes, size_t size)
{
	struct copy *c = context;
	if (c->n + size > c->room)
		c->bytes = hs_xrealloc(c->bytes, c->room = (c->n + size) * 2);
	if (bytes)
		memcpy(c->bytes + c->n, bytes, size);
	else
		memset(c->bytes + c->n, 0, size);
	c->n += size;
	return true;
}

static bool keep_zeros(void *context, uint64_t size)
{
	struct copy *c = context;
	c->skipped += (size_t)size;
	return keep(context, NULL, (size_t)size);
}

/* Write D, of which only segments and pieces count, and open what was written. */
static struct hs_image *reopen(struct hs_dump *d, struct copy *c)
{
	const struct hs_dump_sink sink = {keep, keep_zeros, c};
	struct hs_image *image;
	d->pid = getpid();
	ck_assert(hs_dump_write(d, &sink));
	ck_assert_uint_eq(d->stats.file_size, c->n);
	struct hs_file file = {.data = c->bytes, .heap = c->bytes, .size = c->n};
	struct hs_error *err = hs_format_by_name("core")->image(&file, &image);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return image;
}

static void add(struct hs_dump *d, uint64_t start, uint64_t size, uint64_t n_bytes)
{
	hs_array_push(&d->segments, ((struct hs_dump_segment){.start = start,
							      .end = start + size,
							      .n_bytes = n_bytes,
							      .flags = PF_R | PF_W}));
}

static void hold(struct hs_dump *d, uint64_t start, const void *bytes, uint64_t size)
{
	hs_array_push(&d->hold.list, ((struct hs_held){start, start + size, bytes}));
}

static void finish(struct hs_dump *d)
{
	hs_array_free(&d->segments);
	hs_array_free(&d->hold.list);
}

START_TEST(segments_are_read_back_as_they_were_held)
{
	static uint8_t page[3 * PAGE];
	struct hs_dump d = {0};
	struct copy c = {0};
	uint64_t word;
	memset(page, 'a', PAGE);
	memset(page + 2 * PAGE, 'c', PAGE);
	add(&d, 0x10000, 0x8000, 0x8000);
	add(&d, 0x20000, 0x1000, 0);
	add(&d, 0x30000, 0x1000, 0x1000);
	hold(&d, 0x11000, page, sizeof(page));
	hold(&d, 0x30000, page, PAGE);
	struct hs_image *image = reopen(&d, &c);
	ck_assert_uint_eq(image->mappings.n, 3);
	ck_assert(hs_image_word(image, 0x10ff8, &word) && word == 0);
	ck_assert(hs_image_word(image, 0x11000, &word) && word == 0x6161616161616161);
	ck_assert(hs_image_word(image, 0x12000, &word) && word == 0);
	ck_assert(hs_image_word(image, 0x13ff8, &word) && word == 0x6363636363636363);
	ck_assert(hs_image_word(image, 0x17ff8, &word) && word == 0);
	ck_assert(!hs_image_word(image, 0x20000, &word));
	ck_assert(hs_image_word(image, 0x30000, &word) && word == 0x6161616161616161);
	/* Of 9 pages 3 are not zero; the page of zeros that was held is a hole, too. */
	ck_assert_uint_ge(c.skipped, 6 * PAGE);
	hs_image_free(image);
	finish(&d);
}
END_TEST

START_TEST(more_than_65535_mappings_are_all_in_a_dump)
{
	struct hs_dump d = {0};
	struct copy c = {0};
	uint64_t bytes[PAGE / 8] = {0}, word;
	bytes[0] = 0x1122334455667788;
	for (uint64_t i = 0; i < 70000; i++)
		add(&d, 0x100000 + i * 0x2000, PAGE, i == 69999 ? PAGE : 0);
	hold(&d, 0x100000 + 69999 * 0x2000, bytes, PAGE);
	struct hs_image *image = reopen(&d, &c);
	ck_assert_uint_eq(image->mappings.n, 70000);
	ck_assert(hs_image_word(image, 0x100000 + 69999 * 0x2000, &word));
	ck_assert_uint_eq(word, bytes[0]);
	hs_image_free(image);
	finish(&d);
}
END_TEST

START_TEST(wide_reservations_do_not_make_wide_files)
{
	const uint64_t tib = (uint64_t)1 << 40, base = 0x100000000000;
	struct hs_dump d = {0};
	struct copy c = {0};
	uint64_t bytes[PAGE / 8] = {7}, word;
	add(&d, base, 20 * tib, 20 * tib);
	hold(&d, base + 5 * tib, bytes, PAGE);
	hold(&d, base + 5 * tib + 8 * PAGE, bytes, PAGE);
	hold(&d, base + 20 * tib - PAGE, bytes, PAGE);
	struct hs_image *image = reopen(&d, &c);
	ck_assert_uint_lt(c.n, 1 << 20);
	ck_assert(hs_image_word(image, base + 5 * tib, &word) && word == 7);
	ck_assert(hs_image_word(image, base + 5 * tib + PAGE, &word) && word == 0);
	ck_assert(hs_image_word(image, base + 20 * tib - PAGE, &word) && word == 7);
	for (uint64_t at = base; at < base + 20 * tib; at += tib)
		ck_assert_ptr_nonnull(hs_image_mapping(image, at));
	hs_image_free(image);
	finish(&d);
}
END_TEST

/* -- Copying --------------------------------------------------------------------- */

/* Three pages with a gap: the second cannot be read. */
static uint8_t *make_sample(void)
{
	uint8_t *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	memset(p, '1', PAGE);
	memset(p + 2 * PAGE, '3', PAGE);
	ck_assert_int_eq(munmap(p + PAGE, PAGE), 0);
	return p;
}

static void check_copied(struct hs_hold *h, const uint8_t *p)
{
	uint64_t start = (uint64_t)(uintptr_t)p;
	static const uint8_t zeros[PAGE];
	ck_assert_ptr_null(hs_hold_want(h, start, start + 3 * PAGE));
	ck_assert_ptr_null(hs_hold_want(h, start, start + 16));
	ck_assert_ptr_null(hs_hold_flush(h));
	ck_assert_uint_eq(h->list.n, 2);
	ck_assert_uint_eq(h->list.at[0].start, start);
	ck_assert_uint_eq(h->list.at[0].end, start + 3 * PAGE);
	ck_assert_mem_eq(h->list.at[0].bytes, p, PAGE);
	ck_assert_mem_eq(h->list.at[0].bytes + PAGE, zeros, PAGE);
	ck_assert_mem_eq(h->list.at[0].bytes + 2 * PAGE, p + 2 * PAGE, PAGE);
	ck_assert_mem_eq(h->list.at[1].bytes, p, 16);
	ck_assert_uint_eq(h->unreadable, PAGE);
}

static void check_holding(bool no_readv, bool no_memory)
{
	struct hs_hold h;
	uint8_t *p = make_sample();
	hs_hold_init(&h, getpid(), ".");
	h.no_readv = no_readv;
	if (no_memory)
		h.left = 0;
	ck_assert_ptr_null(hs_hold_prepare(&h, 1));
	check_copied(&h, p);
	hs_hold_deinit(&h);
	munmap(p, PAGE);
	munmap(p + 2 * PAGE, PAGE);
}

START_TEST(what_cannot_be_read_is_zero_and_counted)
{
	check_holding(false, false);
}
END_TEST

START_TEST(where_process_vm_readv_is_forbidden_proc_serves)
{
	check_holding(true, false);
}
END_TEST

START_TEST(what_does_not_fit_into_memory_is_held_in_a_file)
{
	check_holding(false, true);
}
END_TEST

START_TEST(no_room_at_all_is_an_error)
{
	struct hs_hold h;
	hs_hold_init(&h, getpid(), "/nowhere");
	h.left = 0;
	struct hs_error *err = hs_hold_prepare(&h, 1);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), "/nowhere"));
	hs_error_free(err);
	hs_hold_deinit(&h);
}
END_TEST

HS_SUITE("dump", segments_are_read_back_as_they_were_held,
	 more_than_65535_mappings_are_all_in_a_dump,
	 wide_reservations_do_not_make_wide_files,
	 what_cannot_be_read_is_zero_and_counted,
	 where_process_vm_readv_is_forbidden_proc_serves,
	 what_does_not_fit_into_memory_is_held_in_a_file, no_room_at_all_is_an_error)
