/* SPDX-License-Identifier: MIT */

/* The worked example of doc/capture-format.md is a real file, byte for byte. */
#include <ctype.h>
#include <string.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/file.h"
#include "tests/lib/suite.h"

static struct hs_file open_file(const char *name)
{
	const char *top = getenv("top_srcdir");
	char *path HS_CLEANUP(hs_freep) = hs_xasprintf("%s/%s", top ? top : ".", name);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return file;
}

/* "0048  00 2a   words": put the bytes where the line says. */
static size_t read_line(const char *line, uint8_t *bytes, size_t size)
{
	char *end;
	size_t at = strtoul(line, &end, 16), n = 0;
	ck_assert_int_eq(end - line, 4);
	for (const char *p = end + 2; isxdigit(p[0]) && isxdigit(p[1]); p += 3) {
		ck_assert_uint_lt(at + n, size);
		bytes[at + n++] = (uint8_t)strtoul(p, &end, 16);
		ck_assert_int_eq(end - p, 2);
		if (p[2] != ' ')
			break;
	}
	ck_assert_uint_gt(n, 0);
	return n;
}

START_TEST(the_bytes_in_the_document_are_those_of_the_sample)
{
	struct hs_file doc = open_file("doc/capture-format.md");
	struct hs_file sample = open_file("tests/files/heapsnap/good-example.hsnap");
	uint8_t *told HS_CLEANUP(hs_freep) = hs_xcalloc(sample.size, 1);
	char *text HS_CLEANUP(hs_freep) = hs_xcalloc(doc.size + 1, 1);
	memcpy(text, doc.data, doc.size);
	char *block = strstr(strstr(text, "## 10. Example"), "```\n");
	ck_assert_ptr_nonnull(block);
	size_t n = 0;
	char *save = NULL, *line = strtok_r(block + 4, "\n", &save);
	for (; line && strcmp(line, "```"); line = strtok_r(NULL, "\n", &save))
		n += read_line(line, told, sample.size);
	ck_assert_uint_gt(n, 150); /* the block was not empty */
	ck_assert_mem_eq(told, sample.data, sample.size);
	hs_file_close(&doc);
	hs_file_close(&sample);
}
END_TEST

START_TEST(the_sample_says_what_the_document_says)
{
	struct hs_file sample = open_file("tests/files/heapsnap/good-example.hsnap");
	struct hs_cursor in = hs_cursor(sample.data, sample.size, "example");
	const struct hs_capture_event *e;
	struct hs_capture *c;
	ck_assert_ptr_null(hs_capture_open(&in, &c));
	ck_assert_uint_eq(hs_capture_next(c, &e), 3);
	ck_assert_uint_eq(e[0].kind, HS_WIRE_MALLOC);
	ck_assert_uint_eq(e[0].addr, 0x4052a0);
	ck_assert_uint_eq(e[1].addr, 0x405310);
	ck_assert_uint_eq(e[1].size, 100);
	ck_assert_uint_eq(e[1].stack, 1);
	ck_assert_uint_eq(e[2].kind, HS_WIRE_FREE);
	ck_assert_uint_eq(e[2].addr, 0x4052a0);
	ck_assert_uint_eq(e[2].stamp, 1300);
	ck_assert_uint_eq(hs_capture_next(c, &e), 0);
	const struct hs_capture_node *leaf = &c->nodes[hs_capture_stack(c, 1)->node];
	ck_assert_uint_eq(leaf->pc, 0x401190);
	ck_assert_uint_eq(c->nodes[leaf->parent].pc, 0x401136);
	hs_capture_free(c);
	hs_file_close(&sample);
}
END_TEST

HS_SUITE("example", the_bytes_in_the_document_are_those_of_the_sample,
	 the_sample_says_what_the_document_says)
