/* SPDX-License-Identifier: MIT */

/*
 * Files as a stream, and cursors over a window.  The truth is the bytes that
 * were written, or the same cursor over all of them at once.
 */
#include "src/source.h"

#include <lz4frame.h>
#include <string.h>
#include <unistd.h>

#include "src/hash.h"
#include "tests/lib/suite.h"

/* Larger than any window at its beginning. */
#define TEXT_SIZE ((size_t)5000000)

static uint8_t *make_text(void)
{
	uint8_t *text = hs_xmalloc(TEXT_SIZE);
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)(i / 1000 % 2 ? i / 100 : hs_hash_u64(i));
	return text;
}

static struct hs_source *opened(const void *data, size_t size)
{
	char path[] = "test_source.XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	unlink(path);
	hs_source_cursor(source)->name = "sample";
	return source;
}

/* All that follows is N bytes at TEXT, in pieces of all sizes. */
static void assert_is(struct hs_cursor *c, const uint8_t *text, size_t n)
{
	size_t at = 0;
	for (size_t piece = 0; at < n; piece = (piece * 5 + 1) % 100003) {
		size_t size = HS_MIN(piece, n - at);
		ck_assert_uint_eq(hs_cur_offset(c), at);
		const uint8_t *bytes = hs_cur_bytes(c, size);
		ck_assert_ptr_nonnull(bytes);
		ck_assert_int_eq(memcmp(bytes, text + at, size), 0);
		at += size;
	}
	ck_assert(!hs_cur_want(c, 1));
	ck_assert(!hs_cur_failed(c));
}

START_TEST(a_plain_file_comes_through_as_it_is)
{
	uint8_t *text = make_text();
	struct hs_source *source = opened(text, TEXT_SIZE);
	assert_is(hs_source_cursor(source), text, TEXT_SIZE);
	ck_assert(!hs_source_truncated(source));
	hs_source_close(source);
	free(text);
}
END_TEST

START_TEST(a_packed_file_comes_through_unpacked)
{
	uint8_t *text = make_text();
	size_t room = LZ4F_compressFrameBound(TEXT_SIZE, NULL);
	uint8_t *packed = hs_xmalloc(room);
	size_t n = LZ4F_compressFrame(packed, room, text, TEXT_SIZE, NULL);
	struct hs_source *source = opened(packed, n);
	assert_is(hs_source_cursor(source), text, TEXT_SIZE);
	ck_assert(!hs_source_truncated(source));
	hs_source_close(source);

	/* Without its end, a prefix. */
	source = opened(packed, n / 2);
	struct hs_cursor *c = hs_source_cursor(source);
	hs_cur_skip(c, TEXT_SIZE / 4);
	ck_assert(!hs_cur_failed(c));
	hs_cur_skip(c, TEXT_SIZE);
	ck_assert(hs_cur_failed(c));
	ck_assert(hs_source_truncated(source));
	hs_source_close(source);
	free(packed);
	free(text);
}
END_TEST

START_TEST(a_file_that_cannot_be_unpacked_at_all_is_an_error)
{
	char path[] = "test_source.XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, "\x04\x22\x4d\x18 nonsense", 13), 13);
	close(fd);
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), path));
	hs_error_free(err);
	ck_assert_ptr_null(source);
	unlink(path);
	err = hs_source_open(path, &source);
	ck_assert_ptr_nonnull(err);
	hs_error_free(err);
}
END_TEST

/* A feed that gives a few bytes at a time. */
struct trickle {
	struct hs_feed feed;
	const uint8_t *bytes;
	size_t n, at;
};

static size_t trickle(struct hs_feed *feed, uint8_t *buffer, size_t room)
{
	struct trickle *t = (struct trickle *)feed;
	size_t n = HS_MIN(HS_MIN(room, (size_t)3), t->n - t->at);
	memcpy(buffer, t->bytes + t->at, n);
	t->at += n;
	return n;
}

static struct hs_cursor trickling(struct trickle *t, const void *bytes, size_t n)
{
	*t = (struct trickle){.feed.read = trickle, .bytes = bytes, .n = n};
	struct hs_cursor c = hs_cursor("", 0, "trickle");
	c.feed = &t->feed;
	return c;
}

START_TEST(values_are_read_across_the_edges_of_windows)
{
	static const uint8_t bytes[] = {1,  2,   3,   4,   5,   6, 7,   8,  0x80, 0x80,
					1,  'a', 'b', 'c', 'd', 0, 'e', 0,  3,    10,
					11, 12,  9,   9,   9,   9, 13,  14, 0x81};
	struct trickle t;
	struct hs_cursor c = trickling(&t, bytes, sizeof(bytes));
	size_t n;
	ck_assert_uint_eq(hs_cur_u64(&c), 0x0807060504030201);
	ck_assert_uint_eq(hs_cur_uleb(&c), 0x4000);
	const uint8_t *s = hs_cur_until(&c, 0, &n);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(memcmp(s, "abcd", 5), 0);
	ck_assert_str_eq((const char *)hs_cur_until(&c, 0, &n), "e");
	ck_assert_uint_eq(hs_cur_count(&c, 1), 3);
	struct hs_cursor sub = hs_cur_sub(&c, 3);
	ck_assert_uint_eq(hs_cur_left(&sub), 3);
	ck_assert_uint_eq(hs_cur_u8(&sub), 10);
	hs_cur_skip(&c, 4);
	ck_assert_uint_eq(hs_cur_u16(&c), 0x0e0d);
	ck_assert_uint_eq(hs_cur_offset(&c), sizeof(bytes) - 1);
	ck_assert_uint_eq(hs_cur_uleb(&c), 0);
	struct hs_error *err = hs_cur_check(&c, "number");
	ck_assert_str_eq(hs_error_message(err),
			 "trickle: offset 0x1d: truncated or damaged number");
	hs_error_free(err);
	free(t.feed.buffer);
}
END_TEST

START_TEST(what_cannot_follow_fails_without_memory_for_it)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0x7f, 1};
	struct trickle t;
	struct hs_cursor c = trickling(&t, bytes, sizeof(bytes));
	ck_assert_uint_eq(hs_cur_count(&c, 1), 0);
	ck_assert(hs_cur_failed(&c));
	ck_assert_uint_lt(t.feed.room, (size_t)4 << 20);
	free(t.feed.buffer);
}
END_TEST

/* Of the N bytes at DATA, WANTED are read where zeros at the end are padding. */
static void assert_unpadded(const uint8_t *data, size_t n, size_t wanted)
{
	struct hs_cursor all = hs_cursor(data, n, "all");
	hs_cur_unpad(&all);
	ck_assert_uint_eq(hs_cur_left(&all), wanted);
	struct trickle t;
	for (size_t before = 0; before < 5; before++) {
		struct hs_cursor c = trickling(&t, data, n);
		bool first = hs_cur_want(&c, before);
		ck_assert(first == (before <= n));
		hs_cur_unpad(&c);
		size_t read = 0;
		while (hs_cur_want(&c, 1))
			ck_assert_uint_eq(hs_cur_u8(&c), data[read++]);
		ck_assert_uint_eq(read, wanted);
		free(t.feed.buffer);
	}
}

START_TEST(zeros_are_padding_only_at_the_very_end)
{
	static const uint8_t data[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0};
	assert_unpadded(data, sizeof(data), 10);
	assert_unpadded(data, 10, 10);
	assert_unpadded(data, 9, 1);
	assert_unpadded(data + 1, 4, 0);
}
END_TEST

START_TEST(padding_of_any_length_takes_no_memory)
{
	size_t n = (size_t)32 << 20;
	uint8_t *data = hs_xcalloc(n, 1);
	memset(data, 'x', 1000);
	struct hs_source *source = opened(data, n);
	struct hs_cursor *c = hs_source_cursor(source);
	hs_cur_unpad(c);
	ck_assert(hs_cur_want(c, 1000));
	ck_assert(!hs_cur_want(c, 1001));
	ck_assert_uint_lt(c->feed->room, (size_t)8 << 20);
	hs_source_close(source);
	free(data);
}
END_TEST

HS_SUITE("source", a_plain_file_comes_through_as_it_is,
	 a_packed_file_comes_through_unpacked,
	 a_file_that_cannot_be_unpacked_at_all_is_an_error,
	 values_are_read_across_the_edges_of_windows,
	 what_cannot_follow_fails_without_memory_for_it,
	 zeros_are_padding_only_at_the_very_end, padding_of_any_length_takes_no_memory)
