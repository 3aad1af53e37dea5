/* SPDX-License-Identifier: MIT */

/*
 * Opening input files.  The truth is the text that was packed by the codec's
 * own library, or the file's bytes themselves.
 */
#include "src/file.h"
#include "src/hash.h"

#include <fcntl.h>
#include <lz4frame.h>
#include <lzma.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/lib/suite.h"

#define TEXT_SIZE ((size_t)700000)

/* Half of it compresses, half of it does not. */
static uint8_t *make_text(void)
{
	uint8_t *text = hs_xmalloc(TEXT_SIZE);
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)(i / 1000 % 2 ? i / 100 : hs_hash_u64(i));
	return text;
}

static size_t pack_gzip(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	z_stream z = {0};
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)in;
	z.avail_in = (uInt)size;
	z.next_out = out;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_zstd(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	size_t n = ZSTD_compress2(context, out, room, in, size);
	ZSTD_freeCCtx(context);
	ck_assert(!ZSTD_isError(n));
	return n;
}

static size_t pack_lz4(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	LZ4F_preferences_t p = {.frameInfo.contentChecksumFlag =
					LZ4F_contentChecksumEnabled};
	size_t n = LZ4F_compressFrame(out, room, in, size, &p);
	ck_assert(!LZ4F_isError(n));
	return n;
}

static size_t pack_xz(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	size_t n = 0;
	ck_assert_int_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, in, size, out,
						 &n, room),
			 LZMA_OK);
	return n;
}

static const struct packer {
	const char *name;
	size_t (*pack)(const uint8_t *in, size_t size, uint8_t *out, size_t room);
} packers[] = {
	{"gzip", pack_gzip}, {"zstd", pack_zstd}, {"LZ4", pack_lz4}, {"xz", pack_xz}};

static char path[] = "test_file.XXXXXX";

static void write_sample(const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

/* Open the bytes as a file of their own; the caller closes it. */
static struct hs_file opened(const void *data, size_t size)
{
	write_sample(data, size);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return file;
}

static void setup(void)
{
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* The message of a failing open, checked for PART. */
static void assert_fails(const char *name, uint64_t limit, const char *part)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(name, limit, &file);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(hs_error_message(err), part), "%s", hs_error_message(err));
	ck_assert_msg(strstr(hs_error_message(err), name), "%s", hs_error_message(err));
	hs_error_free(err);
}

START_TEST(a_plain_file_is_its_bytes)
{
	setup();
	uint8_t *text = make_text();
	struct hs_file file = opened(text, TEXT_SIZE);
	ck_assert_uint_eq(file.size, TEXT_SIZE);
	ck_assert_int_eq(memcmp(file.data, text, TEXT_SIZE), 0);
	ck_assert(!file.truncated);
	hs_file_close(&file);
	hs_file_close(&file); /* twice is once */
	free(text);
	unlink(path);
}
END_TEST

START_TEST(an_empty_file_has_no_bytes)
{
	setup();
	struct hs_file file = opened("", 0);
	ck_assert_uint_eq(file.size, 0);
	ck_assert(!file.truncated);
	hs_file_close(&file);
	unlink(path);
}
END_TEST

START_TEST(packed_files_are_unpacked)
{
	setup();
	uint8_t *text = make_text();
	uint8_t *packed = hs_xmalloc(2 * TEXT_SIZE);
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		size_t n = packers[i].pack(text, TEXT_SIZE, packed, 2 * TEXT_SIZE);
		struct hs_file file = opened(packed, n);
		ck_assert_msg(file.size == TEXT_SIZE, "%s: %zu", packers[i].name,
			      file.size);
		ck_assert_int_eq(memcmp(file.data, text, TEXT_SIZE), 0);
		ck_assert(!file.truncated);
		hs_file_close(&file);
	}
	free(packed);
	free(text);
	unlink(path);
}
END_TEST

START_TEST(members_follow_one_another_and_padding_is_ignored)
{
	setup();
	uint8_t *text = make_text();
	uint8_t *packed = hs_xcalloc(2, TEXT_SIZE);
	const size_t half = TEXT_SIZE / 3, zeros = 4096;
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		memset(packed, 0, 2 * TEXT_SIZE);
		size_t n = packers[i].pack(text, half, packed, TEXT_SIZE);
		n += packers[i].pack(text, 0, packed + n, TEXT_SIZE);
		n += packers[i].pack(text + half, TEXT_SIZE - half, packed + n,
				     TEXT_SIZE);
		memset(packed + n, 0, zeros);
		struct hs_file file = opened(packed, n + zeros);
		ck_assert_msg(file.size == TEXT_SIZE, "%s: %zu", packers[i].name,
			      file.size);
		ck_assert_int_eq(memcmp(file.data, text, TEXT_SIZE), 0);
		ck_assert_msg(!file.truncated, "%s", packers[i].name);
		hs_file_close(&file);
		/* Something else behind it is not silently dropped. */
		packed[n + zeros - 1] = 'x';
		file = opened(packed, n + zeros);
		ck_assert_uint_eq(file.size, TEXT_SIZE);
		ck_assert_msg(file.truncated, "%s", packers[i].name);
		hs_file_close(&file);
	}
	free(packed);
	free(text);
	unlink(path);
}
END_TEST

START_TEST(a_skippable_frame_may_come_first)
{
	setup();
	uint8_t packed[256] = {0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
	for (size_t i = 1; i <= 2; i++) {
		size_t n = packers[i].pack((const uint8_t *)"hello", 5, packed + 11, 200);
		struct hs_file file = opened(packed, 11 + n);
		ck_assert_uint_eq(file.size, 5);
		ck_assert_int_eq(memcmp(file.data, "hello", 5), 0);
		ck_assert(!file.truncated);
		hs_file_close(&file);
	}
	unlink(path);
}
END_TEST

START_TEST(a_cut_stream_yields_its_beginning)
{
	setup();
	uint8_t *text = make_text();
	uint8_t *packed = hs_xmalloc(2 * TEXT_SIZE);
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		size_t n = packers[i].pack(text, TEXT_SIZE, packed, 2 * TEXT_SIZE);
		size_t last = 0;
		for (size_t cut = n - 1; cut > n / 2; cut -= n / 17) {
			struct hs_file file = opened(packed, cut);
			ck_assert_msg(file.truncated, "%s cut at %zu", packers[i].name,
				      cut);
			ck_assert_uint_le(file.size, TEXT_SIZE);
			ck_assert_int_eq(memcmp(file.data, text, file.size), 0);
			if (!last) /* only a checksum is missing */
				ck_assert_uint_eq(file.size, TEXT_SIZE);
			else
				ck_assert_uint_le(file.size, last);
			/* What is lost is at most a block; LZ4's have 64 KiB here, zstd's
			 * 128, and xz is one block for us. */
			ck_assert_uint_gt(file.size + ((size_t)300 << 10),
					  TEXT_SIZE * cut / n);
			last = file.size;
			hs_file_close(&file);
		}
	}
	free(packed);
	free(text);
	unlink(path);
}
END_TEST

START_TEST(damage_is_noticed)
{
	setup();
	uint8_t *text = make_text();
	uint8_t *packed = hs_xmalloc(2 * TEXT_SIZE);
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		size_t n = packers[i].pack(text, TEXT_SIZE, packed, 2 * TEXT_SIZE);
		for (size_t at = 50; at < n; at += n / 23) {
			packed[at] ^= 0x55;
			write_sample(packed, n);
			struct hs_file file;
			struct hs_error *err = hs_file_open(path, 4 * TEXT_SIZE, &file);
			packed[at] ^= 0x55;
			if (err) {
				hs_error_free(err);
				continue;
			}
			ck_assert_msg(file.truncated, "%s damaged at %zu",
				      packers[i].name, at);
			ck_assert_uint_le(file.size, 4 * TEXT_SIZE);
			hs_file_close(&file);
		}
	}
	free(packed);
	free(text);
	unlink(path);
}
END_TEST

START_TEST(the_first_bytes_alone_are_an_error)
{
	setup();
	uint8_t packed[256];
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		packers[i].pack((const uint8_t *)"hello", 5, packed, sizeof(packed));
		write_sample(packed, 6);
		assert_fails(path, 0, packers[i].name);
	}
	unlink(path);
}
END_TEST

START_TEST(unpacking_stops_at_the_limit)
{
	setup();
	const size_t size = (size_t)20 << 20;
	uint8_t *zeros = hs_xcalloc(1, size);
	uint8_t *packed = hs_xmalloc(2 * size);
	for (size_t i = 0; i < HS_COUNT(packers); i++) {
		size_t n = packers[i].pack(zeros, size, packed, 2 * size);
		write_sample(packed, n);
		assert_fails(path, size - 1, "unpacks to more than 20971519 bytes");
		assert_fails(path, 1, "unpacks to more than 1 bytes");
		struct hs_file file;
		ck_assert_ptr_null(hs_file_open(path, size, &file));
		ck_assert_uint_eq(file.size, size);
		ck_assert(!file.truncated);
		hs_file_close(&file);
	}
	free(packed);
	free(zeros);
	unlink(path);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_with_a_sentence)
{
	setup();
	assert_fails("/nonexistent/x.hsnap", 0, "No such file");
	assert_fails("/tmp", 0, "is a directory");
	assert_fails("/dev/null", 0, "is a device");
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_fails(path, 0, "is a pipe");
	unlink(path);
}
END_TEST

START_TEST(a_forbidden_file_says_so)
{
	setup();
	ck_assert_int_eq(chmod(path, 0), 0);
	if (geteuid() != 0) /* nothing is forbidden to root */
		assert_fails(path, 0, "Permission denied");
	unlink(path);
}
END_TEST

HS_SUITE("file", a_plain_file_is_its_bytes, an_empty_file_has_no_bytes,
	 packed_files_are_unpacked, members_follow_one_another_and_padding_is_ignored,
	 a_skippable_frame_may_come_first, a_cut_stream_yields_its_beginning,
	 damage_is_noticed, the_first_bytes_alone_are_an_error,
	 unpacking_stops_at_the_limit, what_is_no_regular_file_is_refused_with_a_sentence,
	 a_forbidden_file_says_so)
