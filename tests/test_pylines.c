/* SPDX-License-Identifier: MIT */

/*
 * Line tables of Python's code objects.  One function of twelve lines, two of them
 * 200 lines apart, compiled by six releases of CPython; the truth is what each says
 * of its own code: co_lines() where it has that (PEP 626), else
 * dis.findlinestarts().
 */
#include "src/pylines.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"

static const struct sample {
	const char *release;
	uint32_t version, first;
	const char *table; /* in hex */
	struct {
		int offset, line; /* from here on, as f_lasti counts */
	} lines[32];
} samples[] = {
	{"3.7",
	 0x030710f0,
	 1,
	 "00011202040104010e01100102011e020a010601080002010a7f004a",
	 {{0, 2},
	  {18, 4},
	  {22, 5},
	  {26, 6},
	  {40, 7},
	  {56, 8},
	  {58, 9},
	  {88, 11},
	  {98, 12},
	  {104, 13},
	  {114, 14},
	  {124, 215}}},
	{"3.9",
	 0x030912f0,
	 1,
	 "000112020401040106ff08020e01020102ff020102ff1a03140104010a0102ff"
	 "067f004b",
	 {{0, 2},
	  {18, 4},
	  {22, 5},
	  {26, 6},
	  {32, 5},
	  {40, 7},
	  {54, 8},
	  {56, 9},
	  {58, 8},
	  {60, 9},
	  {62, 8},
	  {88, 11},
	  {108, 12},
	  {112, 13},
	  {122, 14},
	  {124, 13},
	  {130, 215}}},
	{"3.10",
	 0x030a0df0,
	 1,
	 "120104020401060108ff0e020201020102ff020102ff088002ff02fe14060401"
	 "0a01020104ff04ff007f0c4c",
	 {{0, 2},   {9, 4},   {11, 5},  {13, 6},  {16, 5},  {20, 7},  {27, 8},
	  {28, 9},  {29, 8},  {30, 9},  {31, 8},  {36, 7},  {37, 5},  {38, 11},
	  {48, 12}, {50, 13}, {55, 14}, {56, 13}, {58, 12}, {60, 215}}},
	{"3.11",
	 0x030b07f0,
	 1,
	 "f88000f002010913f0000109139545982191489448f000010913f100010913f4"
	 "000109138041f00407050fd808098f088a08dd0c0d886189448c44f103010912"
	 "f400010912f000010912f000010912f8e50b12f000020516f000020516f00002"
	 "0516dd0e18d80c0df103010f0ff400010f0fd81415f003010916f8f8f8f8f003"
	 "020516f8f8f8f005010912f00c00090a8851890688018801f888018851890688"
	 "018801880188018801d80a0bf00002050dd808098851890688019051d80a0bf0"
	 "0301150d9001f003000b0cf00002050df05606010c0bf000010c0bf000010c0b"
	 "f000010c0bf00001050b",
	 {{0, 1},    {4, 2},    {54, 4},   {56, 5},   {80, 6},   {108, 5},  {128, 7},
	  {146, 8},  {158, 9},  {160, 8},  {174, 9},  {176, 8},  {186, 7},  {194, 5},
	  {196, 11}, {228, 12}, {232, 13}, {244, 14}, {246, 13}, {250, 12}, {254, 215}}},
	{"3.12",
	 0x030c01f0,
	 1,
	 "f88000dc141998219348f6000109138871d80c0d90018a45f203000a0bf00001"
	 "09138041f000010913f00407050fd808098f088908dc0c0d88618b44f5030109"
	 "12f00c00090a885189068801d90a0bd808098851890688019051d80a0bf00301"
	 "150d9001f203000b0cf35606010c0bf00001050bf9f26b06010913f8f40a000c"
	 "13f200020516dc0e18d80c0df303010f0fd81415f003010916fbf003020516fb"
	 "f00800090a885189068901fa",
	 {{0, 1},    {4, 2},    {40, 3},    {50, 2},   {62, 4},   {64, 5},
	  {86, 6},   {106, 5},  {118, 11},  {128, 12}, {132, 13}, {144, 14},
	  {146, 13}, {150, 12}, {156, 215}, {170, 2},  {178, 7},  {194, 8},
	  {204, 9},  {206, 8},  {214, 9},   {216, 8},  {226, 7},  {236, 11}}},
	{"3.13",
	 0x030d00f0,
	 1,
	 "f88000dc141998219448f30001091391488871d80c0d90018945f703000a0b91"
	 "488041f000010913f00407050fd808098f088908dc0c0d88618b44f503010912"
	 "f00c00090a885189068801de0a0bd80809885189068801d80a0bf00301150d90"
	 "01f703000b0c8821f45606010c0bf00001050bf9f26b06010913f8f40a000c13"
	 "f300020516dc0e18d80c0df303010f0fd81415f003010916fbf003020516fbf0"
	 "0800090a885189068901fa",
	 {{0, 1},    {4, 2},    {40, 3},    {48, 2},   {72, 4},   {74, 5},
	  {96, 6},   {116, 5},  {128, 11},  {138, 12}, {152, 13}, {162, 14},
	  {164, 13}, {168, 12}, {186, 215}, {202, 2},  {210, 7},  {228, 8},
	  {238, 9},  {240, 8},  {248, 9},   {250, 8},  {260, 7},  {270, 11}}},
};

static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = strlen(hex) / 2;
	for (size_t i = 0; i < n; i++) {
		const char digits[] = {hex[2 * i], hex[2 * i + 1], 0};
		ret[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

START_TEST(each_instruction_has_the_line_that_python_says)
{
	for (size_t i = 0; i < HS_COUNT(samples); i++) {
		const struct sample *s = &samples[i];
		uint8_t bytes[512];
		struct hs_python_lines lines = {s->version, s->first, bytes,
						from_hex(s->table, bytes)};
		for (int k = 0; s->lines[k].line; k++) {
			int end = s->lines[k + 1].line ? s->lines[k + 1].offset
						       : s->lines[k].offset + 1;
			for (int at = s->lines[k].offset; at < end; at++)
				ck_assert_msg(hs_python_line(&lines, at) ==
						      (uint32_t)s->lines[k].line,
					      "%s: line %u at %d, not %d", s->release,
					      hs_python_line(&lines, at), at,
					      s->lines[k].line);
		}
	}
}
END_TEST

START_TEST(without_an_instruction_or_a_table_there_is_no_line)
{
	uint8_t bytes[512];
	const struct sample *s = &samples[0];
	struct hs_python_lines lines = {s->version, s->first, bytes,
					from_hex(s->table, bytes)};
	ck_assert_uint_eq(hs_python_line(&lines, -1), 0);
	ck_assert_uint_eq(hs_python_line(&lines, INT64_MAX), 0);
	lines.n = 0;
	ck_assert_uint_eq(hs_python_line(&lines, 0), 0);
}
END_TEST

START_TEST(tables_cut_or_hostile_are_read_within_their_bytes)
{
	static const uint32_t versions[] = {0x03070000, 0x030a0000, 0x030b0000};
	uint32_t random = 1;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % 24;
		uint8_t *bytes = hs_xmalloc(n + 1); /* as tight as a sanitizer needs it */
		for (size_t i = 0; i < n; i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(random >> 24);
		}
		const struct hs_python_lines lines = {versions[round % 3], 1, bytes, n};
		uint32_t line = hs_python_line(&lines, round);
		ck_assert_uint_le(line, INT32_MAX);
		free(bytes);
	}
}
END_TEST

HS_SUITE("pylines", each_instruction_has_the_line_that_python_says,
	 without_an_instruction_or_a_table_there_is_no_line,
	 tables_cut_or_hostile_are_read_within_their_bytes)
