/* SPDX-License-Identifier: MIT */

/*
 * The unwinder's readers of bytes: .eh_frame entries, CFA programs and DWARF
 * expressions, each written by hand.  Sections lie in blocks of their exact
 * size, so that a sanitizer sees every step outside.
 */
#include "src/tracker/ehframe.h"
#include "src/tracker/machine.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/lib/suite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CODE     0x10000u /* where the function lies, SIZE long */
#define SIZE     0x1000u

/* ---- sections */

struct section {
	size_t n, fde; /* bytes; where the FDE begins */
	uint8_t bytes[2048];
};

static void put(struct section *s, const void *bytes, size_t n)
{
	ck_assert_uint_le(s->n + n, sizeof(s->bytes));
	if (n)
		memcpy(s->bytes + s->n, bytes, n);
	s->n += n;
}

static void put_u32(struct section *s, uint32_t value)
{
	put(s, &value, 4);
}

static void put_u64(struct section *s, uint64_t value)
{
	put(s, &value, 8);
}

/* Set the record's length, which stands at AT. */
static void end_record(struct section *s, size_t at)
{
	uint32_t length = (uint32_t)(s->n - at - 4);
	memcpy(s->bytes + at, &length, 4);
}

/* What follows the CIE's id: version 1, "zR", aligns 1 and -8, RA 16, absptr. */
#define CIE_HEAD "\001zR\0\001\x78\020\001\0"

static struct section section(const char *head, size_t head_size, const char *common,
			      size_t common_size, const char *own, size_t own_size)
{
	struct section s = {0};
	put_u32(&s, 0);
	put_u32(&s, 0);
	put(&s, head, head_size);
	put(&s, common, common_size);
	end_record(&s, 0);
	s.fde = s.n;
	put_u32(&s, 0);
	put_u32(&s, (uint32_t)s.n); /* back to the CIE, which is at 0 */
	put_u64(&s, CODE);
	put_u64(&s, SIZE);
	put(&s, "", 1); /* no augmentation data */
	put(&s, own, own_size);
	end_record(&s, s.fde);
	return s;
}

/* Parse S as if it were a whole .eh_frame, and compute the row for PC. */
static bool row_of(const struct section *s, uint64_t pc, struct tr_row *ret)
{
	uint8_t *exact = malloc(s->n);
	memcpy(exact, s->bytes, s->n);
	struct tr_fde fde;
	bool good = s->fde <= s->n &&
		    tr_fde_parse(exact + s->fde, exact, exact + s->n, &fde) &&
		    tr_row_compute(&fde, pc, ret);
	free(exact);
	return good;
}

/* The CIE's program: CFA = rsp + 8, return address at CFA - 8. */
#define COMMON "\x0c\x07\x08\x90\x01"

#define ROW(own, pc, ret) row_with(own, sizeof(own) - 1, pc, ret)

static bool row_with(const char *own, size_t own_size, uint64_t pc, struct tr_row *ret)
{
	struct section s = section(CIE_HEAD, sizeof(CIE_HEAD) - 1, COMMON,
				   sizeof(COMMON) - 1, own, own_size);
	return row_of(&s, pc, ret);
}

/* push %rbp; mov %rsp, %rbp; ...; leave; ret, as gcc 12 describes it */
#define FUNCTION "\x41\x0e\x10\x86\x02\x43\x0d\x06\x60\x0a\x0c\x07\x08\x41\x0b"

START_TEST(rows_follow_a_functions_instructions)
{
	struct tr_row row;
	ck_assert(ROW(FUNCTION, CODE, &row));
	ck_assert_uint_eq(row.cfa_reg, TR_RSP);
	ck_assert_int_eq(row.cfa_value, 8);
	ck_assert_uint_eq(row.how[TR_RBP], TR_SAME);
	ck_assert_uint_eq(row.how[TR_RIP], TR_AT_CFA);
	ck_assert_int_eq(row.value[TR_RIP], -8);
	ck_assert(ROW(FUNCTION, CODE + 1, &row));
	ck_assert_uint_eq(row.cfa_reg, TR_RSP);
	ck_assert_int_eq(row.cfa_value, 16);
	ck_assert_uint_eq(row.how[TR_RBP], TR_AT_CFA);
	ck_assert_int_eq(row.value[TR_RBP], -16);
	ck_assert(ROW(FUNCTION, CODE + 4 + 31, &row));
	ck_assert_uint_eq(row.cfa_reg, TR_RBP);
	ck_assert_int_eq(row.cfa_value, 16);
	ck_assert(ROW(FUNCTION, CODE + 4 + 32, &row));
	ck_assert_uint_eq(row.cfa_reg, TR_RSP);
	ck_assert_int_eq(row.cfa_value, 8);
	ck_assert(ROW(FUNCTION, CODE + 4 + 33, &row));
	ck_assert_uint_eq(row.cfa_reg, TR_RBP);
}
END_TEST

/* One instruction and what it says of rbx, or of the CFA. */
static const struct {
	const char *program;
	size_t size;
	enum tr_how how;
	int32_t value;
	int32_t cfa_reg, cfa_value;
} instructions[] = {
	{"\x83\x03", 2, TR_AT_CFA, -24, 7, 8},          /* offset */
	{"\x05\x03\x04", 3, TR_AT_CFA, -32, 7, 8},      /* offset_extended */
	{"\x83\x03\xc3", 3, TR_SAME, 0, 7, 8},          /* restore */
	{"\x83\x03\x06\x03", 4, TR_SAME, 0, 7, 8},      /* restore_extended */
	{"\x07\x03", 2, TR_UNDEFINED, 0, 7, 8},         /* undefined */
	{"\x83\x03\x08\x03", 4, TR_SAME, 0, 7, 8},      /* same_value */
	{"\x09\x03\x0c", 3, TR_IN_REG, 12, 7, 8},       /* register */
	{"\x11\x03\x7f", 3, TR_AT_CFA, 8, 7, 8},        /* offset_extended_sf */
	{"\x14\x03\x02", 3, TR_IS_CFA, -16, 7, 8},      /* val_offset */
	{"\x15\x03\x7e", 3, TR_IS_CFA, 16, 7, 8},       /* val_offset_sf */
	{"\x2f\x03\x02", 3, TR_AT_CFA, 16, 7, 8},       /* GNU_negative_offset_extended */
	{"\x0c\x06\x20", 3, TR_SAME, 0, 6, 32},         /* def_cfa */
	{"\x0d\x0c", 2, TR_SAME, 0, 12, 8},             /* def_cfa_register */
	{"\x0e\xc0\x80\x01", 4, TR_SAME, 0, 7, 0x4040}, /* def_cfa_offset */
	{"\x12\x06\x7e", 3, TR_SAME, 0, 6, 16},         /* def_cfa_sf */
	{"\x13\x7d", 2, TR_SAME, 0, 7, 24},             /* def_cfa_offset_sf */
	{"\x2e\x10", 2, TR_SAME, 0, 7, 8},              /* GNU_args_size */
	{"\x00\x00", 2, TR_SAME, 0, 7, 8},              /* nop */
	{"\x0a\x83\x03\x0e\x40\x0b", 6, TR_SAME, 0, 7, 8}, /* remember, restore state */
	{"\x83\x02\x0a\x83\x03\x0b", 6, TR_AT_CFA, -16, 7, 8}, /* likewise */
	{"\x94\x02\x05\x40\x02", 5, TR_SAME, 0, 7, 8},         /* registers beyond rip */
};

START_TEST(every_instruction_says_what_dwarf_says_it_says)
{
	for (size_t i = 0; i < COUNT(instructions); i++) {
		struct tr_row row;
		ck_assert_msg(row_with(instructions[i].program, instructions[i].size,
				       CODE, &row),
			      "instruction %zu", i);
		ck_assert_msg(row.how[TR_RBX] == instructions[i].how &&
				      row.value[TR_RBX] == instructions[i].value &&
				      row.cfa_reg == instructions[i].cfa_reg &&
				      row.cfa_value == instructions[i].cfa_value,
			      "instruction %zu", i);
	}
}
END_TEST

START_TEST(locations_advance_by_every_width)
{
	const struct {
		const char *program;
		size_t size;
		uint64_t distance;
	} cases[] = {
		{"\x45\x0e\x10", 3, 5},
		{"\x02\x05\x0e\x10", 4, 5},
		{"\x03\x05\x01\x0e\x10", 5, 0x105},
		{"\x04\x05\x02\x00\x00\x0e\x10", 7, 0x205},
		{"\x01\x05\x00\x01\x00\x00\x00\x00\x00\x0e\x10", 11, 5}, /* set_loc */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tr_row row;
		ck_assert(row_with(cases[i].program, cases[i].size,
				   CODE + cases[i].distance - 1, &row));
		ck_assert_int_eq(row.cfa_value, 8);
		ck_assert(row_with(cases[i].program, cases[i].size,
				   CODE + cases[i].distance, &row));
		ck_assert_int_eq(row.cfa_value, 16);
	}
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const struct {
		const char *program;
		size_t size;
	} cases[] = {
		{"\x3f", 1},                             /* no such instruction */
		{"\x2d", 1},                             /* of SPARC and AArch64 */
		{"\x0b", 1},                             /* nothing was remembered */
		{"\x0c\x11\x08", 3},                     /* CFA in a vector register */
		{"\x0e\xff\xff\xff\xff\xff\xff\x7f", 8}, /* frame of 2^49 bytes */
		{"\x83\xff\xff\xff\xff\xff\xff\xff\x7f", 9}, /* saved as far away */
		{"\x0f\x02\x77\x08\x0e\x7f", 6},             /* half of an expression */
		{"\x0f\x02\x77\x08\x0d\x07", 6},
		{"\x0f\x02\x77\x08\x13\x7f", 6},
		{"\x83", 1}, /* cut short */
		{"\x0c\x07", 2},
		{"\x04\x01\x02\x03", 4},
		{"\x0f\x05\x77\x08", 4},
		{"\x10\x03\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x77", 12},
		{"\x0e\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 13},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tr_row row;
		ck_assert_msg(!row_with(cases[i].program, cases[i].size, CODE, &row),
			      "case %zu", i);
	}
}
END_TEST

START_TEST(endless_remembering_is_refused)
{
	char program[512];
	struct tr_row row;
	memset(program, 0x0a, sizeof(program));
	ck_assert(!row_with(program, sizeof(program), CODE, &row));
	memset(program + 6, 0x0b, 6); /* six deep is fine */
	ck_assert(row_with(program, 12, CODE, &row));
}
END_TEST

START_TEST(a_row_without_cfa_is_refused)
{
	struct section s = section(CIE_HEAD, sizeof(CIE_HEAD) - 1, "", 0, "\x83\x02", 2);
	struct tr_row row;
	ck_assert(!row_of(&s, CODE, &row));
}
END_TEST

START_TEST(heads_that_are_not_understood_are_refused)
{
	static const struct {
		const char *head;
		size_t size;
		bool good;
	} cases[] = {
		{"\001zR\0\001\x78\020\001\0", 9, true},
		{"\003zR\0\001\x78\020\001\0", 9, true},
		{"\004zR\0\010\0\001\x78\020\001\0", 11, true},
		{"\001zS\0\001\x78\020\0", 8, true},
		{"\001zPLR\0\001\x78\020\013\0\1\2\3\4\5\6\7\x8\0\0", 21, true},
		{"\001zX\0\001\x78\020\002\1\2", 10, true}, /* unknown, but measured */
		{"\002zR\0\001\x78\020\001\0", 9, false},   /* no such version */
		{"\004zR\0\004\0\001\x78\020\001\0", 11, false}, /* 32-bit addresses */
		{"\001eh\0\0\0\0\0\0\0\0\0\001\x78\020", 15, false},
		{"\001zR\0\001\x78\036\001\0", 9,
		 false}, /* another return address column */
		{"\001zR\0\001\x78\020\001\x80", 9, false}, /* indirect */
		{"\001zR\0\001\x78\020\001\x50", 9, false}, /* aligned */
		{"\001zR\0\001\x78\020\x7f\0", 9, false},   /* longer than the record */
		{"\001zzzzz", 6, false},                    /* endless */
		{"", 0, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct section s = section(cases[i].head, cases[i].size, "", 0, "", 0);
		struct tr_fde fde;
		uint8_t *exact = malloc(s.n);
		memcpy(exact, s.bytes, s.n);
		bool good = tr_fde_parse(exact + s.fde, exact, exact + s.n, &fde);
		ck_assert_msg(good == cases[i].good, "case %zu", i);
		if (good)
			ck_assert_int_eq(fde.signal, i == 3);
		free(exact);
	}
}
END_TEST

START_TEST(entries_that_point_outside_are_refused)
{
	struct section s = section(CIE_HEAD, sizeof(CIE_HEAD) - 1, COMMON,
				   sizeof(COMMON) - 1, FUNCTION, sizeof(FUNCTION) - 1);
	const uint32_t words[] = {0,          1,          3,         0x7fffffff,
				  0x80000000, 0xfffffff0, 0xffffffff};
	struct tr_row row;
	ck_assert(row_of(&s, CODE, &row));
	for (size_t at = 0; at <= s.fde + 4; at += at == 0 ? s.fde : 4)
		for (size_t i = 0; i < COUNT(words); i++) {
			struct section bad = s;
			memcpy(bad.bytes + at, &words[i], 4);
			ck_assert_msg(!row_of(&bad, CODE, &row), "%#x at %zu", words[i],
				      at);
		}
	struct tr_fde fde;
	ck_assert(!tr_fde_parse(s.bytes, s.bytes, s.bytes + s.n, &fde)); /* a CIE */
	ck_assert(!tr_fde_parse(s.bytes - 8, s.bytes, s.bytes + s.n, &fde));
	ck_assert(!tr_fde_parse(s.bytes + s.n, s.bytes, s.bytes + s.n, &fde));
}
END_TEST

/* Every instruction once, with operands. */
#define ALL                                                                            \
	"\x41\x02\x01\x03\x01\x00\x04\x01\x00\x00\x00\x83\x02\xc3\x05\x03\x02\x06\x03" \
	"\x07\x03\x08\x03\x09\x03\x0c\x0a\x0c\x07\x10\x0d\x06\x0e\x10\x0f\x02\x77\x08" \
	"\x10\x03\x02\x77\x08\x11\x03\x7f\x12\x07\x7e\x13\x7e\x14\x03\x02\x15\x03\x7e" \
	"\x16\x03\x02\x77\x08\x2e\x10\x2f\x03\x02\x0b"

START_TEST(bytes_cut_off_or_changed_never_lead_outside)
{
	struct section s = section(CIE_HEAD, sizeof(CIE_HEAD) - 1, COMMON,
				   sizeof(COMMON) - 1, ALL, sizeof(ALL) - 1);
	struct tr_row row;
	ck_assert(row_of(&s, CODE + SIZE - 1, &row));
	for (size_t n = 0; n < s.n; n++) {
		struct section cut = s;
		cut.n = n;
		ck_assert(
			!row_of(&cut, CODE + SIZE - 1, &row)); /* its length says more */
		if (n >= s.fde + 4)
			end_record(&cut, s.fde);
		row_of(&cut, CODE + SIZE - 1, &row);
	}
	for (size_t at = 0; at < s.n; at++)
		for (unsigned value = 0; value < 256; value++) {
			struct section changed = s;
			changed.bytes[at] = (uint8_t)value;
			row_of(&changed, CODE + SIZE - 1, &row);
		}
}
END_TEST

/* ---- search */

#define N_FUNCTIONS 37

/* Functions of 16 bytes, 48 apart, with a search table or without. */
static uint8_t *object_with(bool table, size_t *size_ret)
{
	size_t header_size = table ? 12 + 8 * N_FUNCTIONS : 8;
	struct section s = section(CIE_HEAD, sizeof(CIE_HEAD) - 1, COMMON,
				   sizeof(COMMON) - 1, "", 0);
	size_t fde_size = s.n - s.fde,
	       size = header_size + s.fde + N_FUNCTIONS * fde_size + 4;
	uint8_t *object = calloc(1, size), *at = object + header_size;
	const uint8_t head[4] = {1, 0x1b, table ? 0x03 : 0xff, table ? 0x3b : 0xff};
	int32_t word = (int32_t)header_size - 4;
	memcpy(object, head, 4);
	memcpy(object + 4, &word, 4);
	word = N_FUNCTIONS;
	if (table)
		memcpy(object + 8, &word, 4);
	memcpy(at, s.bytes, s.fde);
	for (uint32_t i = 0; i < N_FUNCTIONS; i++) {
		uint8_t *fde = at + s.fde + i * fde_size;
		uint64_t start = (uintptr_t)object + 4096 + 48 * i, length = 16;
		uint32_t back = (uint32_t)(fde + 4 - at);
		int32_t entry[2] = {(int32_t)(4096 + 48 * i), (int32_t)(fde - object)};
		memcpy(fde, s.bytes + s.fde, fde_size);
		memcpy(fde + 4, &back, 4);
		memcpy(fde + 8, &start, 8);
		memcpy(fde + 16, &length, 8);
		if (table)
			memcpy(object + 12 + 8 * i, entry, 8);
	}
	*size_ret = size;
	return object;
}

START_TEST(the_right_entry_is_found_with_a_table_and_without)
{
	for (int table = 0; table < 2; table++) {
		size_t size;
		uint8_t *object = object_with(table, &size);
		struct dl_find_object found = {.dlfo_map_start = object,
					       .dlfo_map_end = object + size,
					       .dlfo_eh_frame = object};
		for (uint64_t i = 0; i < N_FUNCTIONS * 48 + 100; i++) {
			uint64_t pc = (uintptr_t)object + 4096 - 50 + i;
			bool inside = i >= 50 && (i - 50) % 48 < 16 &&
				      (i - 50) / 48 < N_FUNCTIONS;
			struct tr_fde fde;
			ck_assert_msg(tr_fde_find(&found, pc, &fde) == inside, "%lu", i);
			if (inside)
				ck_assert_uint_eq(fde.start, pc - (i - 50) % 48);
		}
		free(object);
	}
}
END_TEST

START_TEST(damaged_headers_find_nothing_outside)
{
	for (int table = 0; table < 2; table++) {
		size_t size;
		uint8_t *object = object_with(table, &size);
		struct dl_find_object found = {.dlfo_map_start = object,
					       .dlfo_map_end = object + size,
					       .dlfo_eh_frame = object};
		for (size_t at = 0; at < 12; at++)
			for (unsigned value = 0; value < 256; value++) {
				uint8_t was = object[at];
				struct tr_fde fde;
				object[at] = (uint8_t)value;
				tr_fde_find(&found, (uintptr_t)object + 4096 + 48 * 9,
					    &fde);
				object[at] = was;
			}
		free(object);
	}
}
END_TEST

/* ---- expressions */

static struct tr_machine machine(void)
{
	struct tr_machine m = {.known = 1u << TR_RBX | 1u << TR_RSP | 1u << TR_RIP};
	m.reg[TR_RBX] = 0x1111;
	m.reg[TR_RSP] = 0x2000;
	m.reg[TR_RIP] = 0x40000b;
	return m;
}

static enum tr_step eval(const char *bytes, size_t size, const uint64_t *cfa,
			 uint64_t *ret)
{
	struct tr_machine m = machine();
	uint8_t *exact = malloc(size + 1);
	memcpy(exact, bytes, size);
	enum tr_step step =
		tr_expr_eval((struct tr_bytes){exact, exact + size, false}, &m, cfa, ret);
	free(exact);
	return step;
}

#define EVAL(bytes, cfa, ret) eval(bytes, sizeof(bytes) - 1, cfa, ret)
#define E(bytes, value)                                     \
	{                                                   \
		bytes, sizeof(bytes) - 1, (uint64_t)(value) \
	}

static const struct {
	const char *bytes;
	size_t size;
	uint64_t value;
} expressions[] = {
	E("\x03\1\2\3\4\5\6\7\x8", 0x0807060504030201),  /* addr */
	E("\x08\xff", 255),                              /* const1u */
	E("\x09\xff", -1),                               /* const1s */
	E("\x0a\xff\xff", 65535),                        /* const2u */
	E("\x0b\xfe\xff", -2),                           /* const2s */
	E("\x0c\xff\xff\xff\xff", 0xffffffff),           /* const4u */
	E("\x0d\xfd\xff\xff\xff", -3),                   /* const4s */
	E("\x0e\1\0\0\0\0\0\0\x80", 0x8000000000000001), /* const8u */
	E("\x0f\1\0\0\0\0\0\0\x80", 0x8000000000000001), /* const8s */
	E("\x10\x80\x01", 128),                          /* constu */
	E("\x11\x80\x7f", -128),                         /* consts */
	E("\x35\x12\x22", 10),                           /* lit5 dup plus */
	E("\x35\x36\x13", 5),                            /* drop */
	E("\x35\x36\x14\x1c", 1),                        /* over minus */
	E("\x35\x36\x37\x15\2\x1c", 2),                  /* pick 2 minus: 7 - 5 */
	E("\x35\x36\x16\x1c", 1),                        /* swap minus: 6 - 5 */
	E("\x35\x36\x37\x17\x13\x13", 7),                /* rot: 7 5 6 */
	E("\x35\x36\x37\x17\x13\x1c", 2),                /* rot drop minus: 7 - 5 */
	E("\x09\xfb\x19", 5),                            /* abs */
	E("\x3f\x35\x1a", 5),                            /* and */
	E("\x09\xf9\x32\x1b", -3),                       /* div: -7 / 2 */
	E("\x37\x32\x1c", 5),                            /* minus */
	E("\x37\x34\x1d", 3),                            /* mod */
	E("\x37\x34\x1e", 28),                           /* mul */
	E("\x37\x1f", -7),                               /* neg */
	E("\x37\x20", -8),                               /* not */
	E("\x34\x31\x21", 5),                            /* or */
	E("\x34\x31\x22", 5),                            /* plus */
	E("\x34\x23\x80\x01", 132),                      /* plus_uconst */
	E("\x31\x33\x24", 8),                            /* shl */
	E("\x31\x08\x40\x24", 0),                        /* shl by 64 */
	E("\x09\xff\x08\x3f\x25", 1),                    /* shr */
	E("\x09\xf8\x31\x26", -4),                       /* shra */
	E("\x09\xf8\x08\x7f\x26", -1),                   /* shra by 127 */
	E("\x36\x33\x27", 5),                            /* xor */
	E("\x31\x28\1\0\x35\x37", 7),                    /* bra taken */
	E("\x35\x30\x28\1\0\x36", 6),                    /* bra not taken */
	E("\x31\x31\x29", 1),                            /* eq */
	E("\x09\xff\x31\x2a", 0),                        /* ge, signed */
	E("\x31\x09\xff\x2b", 1),                        /* gt */
	E("\x31\x31\x2c", 1),                            /* le */
	E("\x09\xff\x31\x2d", 1),                        /* lt */
	E("\x31\x32\x2e", 1),                            /* ne */
	E("\x35\x2f\1\0\x36", 5),                        /* skip */
	E("\x4f", 31),                                   /* lit31 */
	E("\x53", 0x1111),                               /* reg3 */
	E("\x77\x70", 0x1ff0),                           /* breg7 -16 */
	E("\x90\3", 0x1111),                             /* regx */
	E("\x92\7\x10", 0x2010),                         /* bregx */
	E("\x35\x96", 5),                                /* nop */
	/* As ld writes it for PLT entries: rsp + 8, or + 16 in the entry's second half.
	 */
	E("\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", 0x2010),
	/* -2^63 / -1 overflows, and would trap */
	E("\x0e\0\0\0\0\0\0\0\x80\x09\xff\x1b", 0x8000000000000000),
};

START_TEST(every_operation_computes_what_dwarf_says)
{
	for (size_t i = 0; i < COUNT(expressions); i++) {
		uint64_t value = 0;
		enum tr_step step =
			eval(expressions[i].bytes, expressions[i].size, NULL, &value);
		ck_assert_msg(step == TR_STEP_DONE && value == expressions[i].value,
			      "expression %zu: step %d, value %#lx", i, step, value);
	}
}
END_TEST

START_TEST(the_cfa_lies_on_the_stack_first)
{
	uint64_t cfa = 0x5000, value = 0;
	ck_assert_int_eq(EVAL("\x38\x1c", &cfa, &value), TR_STEP_DONE);
	ck_assert_uint_eq(value, 0x4ff8);
}
END_TEST

START_TEST(memory_is_read_only_where_it_can_be)
{
	static const uint64_t words[2] = {0x8877665544332211, 0x99};
	char program[] = "\x0e\0\0\0\0\0\0\0\0\x06";
	uint64_t address = (uintptr_t)words, value = 0;
	memcpy(program + 1, &address, 8);
	ck_assert_int_eq(eval(program, 10, NULL, &value), TR_STEP_DONE);
	ck_assert_uint_eq(value, words[0]);
	program[9] = (char)0x94; /* deref_size */
	program[10] = 2;
	ck_assert_int_eq(eval(program, 11, NULL, &value), TR_STEP_DONE);
	ck_assert_uint_eq(value, 0x2211);
	program[9] = 0x06;
	char *pages = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(pages + 4096, 4096, PROT_NONE);
	const uint64_t bad[] = {0,
				8,
				(uintptr_t)pages + 4096,
				(uintptr_t)pages + 4092, /* half of it */
				0x7fffffffffff,
				0x800000000000,
				0xffff888000000000,
				UINT64_MAX,
				UINT64_MAX - 7};
	for (size_t i = 0; i < COUNT(bad); i++) {
		memcpy(program + 1, &bad[i], 8);
		ck_assert_msg(eval(program, 10, NULL, &value) == TR_STEP_BROKEN, "%#lx",
			      bad[i]);
	}
	munmap(pages, 8192);
}
END_TEST

START_TEST(expressions_that_go_wrong_end)
{
	uint64_t value;
	char deep[200];
	memset(deep, 0x31, sizeof(deep));
	ck_assert_int_eq(eval(deep, sizeof(deep), NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x2f\xfd\xff", NULL, &value),
			 TR_STEP_BROKEN); /* forever */
	ck_assert_int_eq(EVAL("\x31\x28\xfc\xff", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x2f\xfc\xff", NULL, &value), TR_STEP_BROKEN); /* before */
	ck_assert_int_eq(EVAL("\x31\x2f\x01\x00", NULL, &value),
			 TR_STEP_BROKEN); /* behind */
	ck_assert_int_eq(EVAL("", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x22", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x31\x22", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x31\x15\x01", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x31\x30\x1b", NULL, &value), TR_STEP_BROKEN); /* by 0 */
	ck_assert_int_eq(EVAL("\x31\x30\x1d", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x31\x94\x09", NULL, &value), TR_STEP_BROKEN);
	ck_assert_int_eq(EVAL("\x0e\x01", NULL, &value), TR_STEP_BROKEN);  /* cut short */
	ck_assert_int_eq(EVAL("\x31\xff", NULL, &value), TR_STEP_BROKEN);  /* unknown */
	ck_assert_int_eq(EVAL("\x70\x00", NULL, &value), TR_STEP_UNKNOWN); /* rax */
	ck_assert_int_eq(EVAL("\x90\x20", NULL, &value), TR_STEP_BROKEN);
}
END_TEST

/* ---- steps */

START_TEST(a_step_restores_what_the_row_describes)
{
	uint64_t stack[4] = {0x11, 0x22, 0x33, 0x44};
	struct tr_machine m = {.known = TR_CALL_PRESERVED | 1u << TR_RIP};
	struct tr_row row = {.cfa_reg = TR_RSP, .cfa_value = 32};
	m.reg[TR_RSP] = (uintptr_t)stack;
	m.reg[TR_R12] = 0xc;
	row.how[TR_RIP] = row.how[TR_RBX] = TR_AT_CFA;
	row.value[TR_RIP] = -8;
	row.value[TR_RBX] = -32;
	row.how[TR_RBP] = TR_IS_CFA;
	row.value[TR_RBP] = 8;
	row.how[TR_R12 + 1] = TR_IN_REG;
	row.value[TR_R12 + 1] = TR_R12;
	row.how[TR_R12 + 2] = TR_UNDEFINED;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_DONE);
	ck_assert_uint_eq(m.reg[TR_RIP], 0x44);
	ck_assert_uint_eq(m.reg[TR_RBX], 0x11);
	ck_assert_uint_eq(m.reg[TR_RSP], (uintptr_t)(stack + 4));
	ck_assert_uint_eq(m.reg[TR_RBP], (uintptr_t)(stack + 4) + 8);
	ck_assert_uint_eq(m.reg[TR_R12], 0xc);
	ck_assert_uint_eq(m.reg[TR_R12 + 1], 0xc);
	ck_assert(!tr_machine_knows(&m, TR_R12 + 2));
	ck_assert(!tr_machine_knows(&m, 0));
}
END_TEST

START_TEST(a_step_that_fails_says_why_and_changes_nothing)
{
	struct tr_machine m = {.known = 1u << TR_RSP | 1u << TR_RIP}, before;
	struct tr_row row = {.cfa_reg = TR_RBX, .cfa_value = 16};
	m.reg[TR_RSP] = 64;
	before = m;
	row.how[TR_RIP] = TR_AT_CFA;
	row.value[TR_RIP] = -8;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_UNKNOWN);
	row.cfa_reg = TR_RSP;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_BROKEN);
	row.how[TR_RIP] = TR_SAME;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_BROKEN);
	row.how[TR_RIP] = TR_IN_REG;
	row.value[TR_RIP] = 99;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_BROKEN);
	row.value[TR_RIP] = TR_RBX;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_UNKNOWN);
	row.how[TR_RIP] = TR_UNDEFINED;
	ck_assert_int_eq(tr_machine_step_row(&m, &row), TR_STEP_END);
	ck_assert_mem_eq(&m, &before, sizeof(m));
}
END_TEST

HS_SUITE("tracker_cfi", rows_follow_a_functions_instructions,
	 every_instruction_says_what_dwarf_says_it_says, locations_advance_by_every_width,
	 nonsense_is_refused, endless_remembering_is_refused,
	 a_row_without_cfa_is_refused, heads_that_are_not_understood_are_refused,
	 entries_that_point_outside_are_refused,
	 bytes_cut_off_or_changed_never_lead_outside,
	 the_right_entry_is_found_with_a_table_and_without,
	 damaged_headers_find_nothing_outside, every_operation_computes_what_dwarf_says,
	 the_cfa_lies_on_the_stack_first, memory_is_read_only_where_it_can_be,
	 expressions_that_go_wrong_end, a_step_restores_what_the_row_describes,
	 a_step_that_fails_says_why_and_changes_nothing)
