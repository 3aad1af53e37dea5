/* SPDX-License-Identifier: MIT */

/* Images out of cores that are made here, so that everything in them is known. */
#include "src/image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/corepeek.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/live.h"
#include "tests/lib/corebuild.h"
#include "tests/lib/suite.h"

extern const struct hs_format hs_format_core;

/* Open the SIZE bytes at DATA, which this takes, as the program opens a file. */
static struct hs_error *open_bytes(uint8_t *data, size_t size, struct hs_image **ret)
{
	struct hs_file file = {.data = data, .heap = data, .size = size};
	*ret = NULL;
	struct hs_error *err = hs_format_core.image(&file, ret);
	ck_assert((err == NULL) == (*ret != NULL));
	hs_file_close(&file); /* empty if the image has it */
	return err;
}

static struct hs_image *open_core(struct core *c)
{
	size_t size;
	struct hs_image *image;
	uint8_t *data = core_finish(c, &size);
	struct hs_error *err = open_bytes(data, size, &image);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return image;
}

START_TEST(registers_of_x86_64_have_their_dwarf_numbers)
{
	/* psABI, figure 3.36; the kernel's order is that of <sys/user.h>. */
	static const char *const names =
		"r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip "
		"cs eflags rsp ss fs_base gs_base ds es fs gs";
	static const struct {
		const char *name;
		int number;
	} dwarf[] = {{"rax ", 0},  {"rdx ", 1},  {"rcx ", 2},  {"rbx ", 3},  {"rsi ", 4},
		     {"rdi ", 5},  {"rbp ", 6},  {"rsp ", 7},  {"r8 ", 8},   {"r9 ", 9},
		     {"r10 ", 10}, {"r11 ", 11}, {"r12 ", 12}, {"r13 ", 13}, {"r14 ", 14},
		     {"r15 ", 15}, {"rip ", 16}};
	struct core c;
	uint64_t r[27];
	for (uint64_t i = 0; i < 27; i++)
		r[i] = 1000 + i;
	core_init(&c, EM_X86_64);
	core_thread(&c, 77, 6, r, 27);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->threads.n, 1);
	const struct hs_image_thread *t = &image->threads.at[0];
	ck_assert_uint_eq(t->tid, 77);
	for (size_t i = 0; i < HS_COUNT(dwarf); i++) {
		uint64_t position = 0;
		const char *at = strstr(names, dwarf[i].name);
		/* "rax" is a part of "orig_rax", which comes later. */
		for (const char *p = names; p < at; p++)
			position += *p == ' ';
		ck_assert_uint_eq(t->registers[dwarf[i].number], 1000 + position);
	}
	ck_assert_uint_eq(t->tls, 1021);
	ck_assert_uint_eq(hs_image_pc(image, t), 1016);
	ck_assert_uint_eq(hs_image_sp(image, t), 1019);
	ck_assert_int_eq(image->signal.number, 6);
	hs_image_free(image);
}
END_TEST

START_TEST(an_aarch64_core_has_its_registers_tls_and_pac_mask)
{
	struct core c;
	uint64_t r[34], tls = 0x7f1234;
	const uint64_t masks[2] = {0x007f000000000000, 0xff7f000000000000};
	for (uint64_t i = 0; i < 34; i++)
		r[i] = 5000 + i;
	core_init(&c, EM_AARCH64);
	core_thread(&c, 9, 11, r, 34);
	core_note(&c, "LINUX", NT_ARM_TLS, &tls, sizeof(tls));
	core_note(&c, "LINUX", NT_ARM_PAC_MASK, masks, sizeof(masks));
	struct hs_image *image = open_core(&c);
	ck_assert_int_eq(image->machine, HS_MACHINE_AARCH64);
	for (uint64_t i = 0; i < 33; i++)
		ck_assert_uint_eq(image->threads.at[0].registers[i], 5000 + i);
	ck_assert_uint_eq(hs_image_sp(image, &image->threads.at[0]), 5031);
	ck_assert_uint_eq(hs_image_pc(image, &image->threads.at[0]), 5032);
	ck_assert_uint_eq(image->threads.at[0].tls, tls);
	ck_assert_uint_eq(image->pac_mask, masks[1]);
	hs_image_free(image);
}
END_TEST

START_TEST(process_signal_and_files_are_read_from_the_notes)
{
	struct core c;
	uint64_t r[27] = {0};
	const struct core_file files[] = {{0x1000, 0x2000, 0, "/bin/a b"},
					  {0x2000, 0x4000, 3, "/lib/c"}};
	core_init(&c, EM_X86_64);
	core_thread(&c, 43, 11, r, 27);
	core_process(&c, 42, "fifteen-letters", "fifteen-letters -x");
	core_signal(&c, 11, 1, 0x1234);
	core_files(&c, files, 2);
	core_thread(&c, 42, 11, r, 27);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->pid, 42);
	ck_assert_str_eq(image->name, "fifteen-letters");
	ck_assert_str_eq(image->arguments, "fifteen-letters -x");
	ck_assert_int_eq(image->signal.number, 11);
	ck_assert_int_eq(image->signal.code, 1);
	ck_assert_uint_eq(image->signal.address, 0x1234);
	ck_assert_uint_eq(image->threads.n, 2);
	ck_assert_uint_eq(image->threads.at[0].tid, 43);
	ck_assert_uint_eq(image->files.n, 2);
	ck_assert_str_eq(image->files.at[0].path, "/bin/a b");
	ck_assert_uint_eq(image->files.at[1].offset, 3 * 4096);
	ck_assert(image->complete);
	hs_image_free(image);
}
END_TEST

START_TEST(memory_that_is_not_in_the_core_is_unknown_and_never_zero)
{
	struct core c;
	uint64_t r[27] = {0}, word;
	uint8_t buffer[64];
	core_init(&c, EM_X86_64);
	core_thread(&c, 1, 11, r, 27);
	core_segment(&c, 0x20000, 0x3000, PF_R, "0123456789abcdef", 16);
	core_segment(&c, 0x10000, 0x1000, PF_R | PF_W, "ABCDEFGH", 8);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(hs_image_read(image, 0x20000, buffer, 64), 16);
	ck_assert_mem_eq(buffer, "0123456789abcdef", 16);
	ck_assert_uint_eq(hs_image_read(image, 0x2000c, buffer, 64), 4);
	ck_assert(hs_image_word(image, 0x10000, &word));
	ck_assert_mem_eq(&word, "ABCDEFGH", 8);
	ck_assert(!hs_image_word(image, 0x10001, &word));
	ck_assert(!hs_image_word(image, 0x20010, &word));
	ck_assert(!hs_image_word(image, 0x30000, &word));
	ck_assert(!hs_image_word(image, UINT64_MAX - 3, &word));
	ck_assert_ptr_nonnull(hs_image_mapping(image, 0x22fff));
	ck_assert_ptr_null(hs_image_mapping(image, 0x23000));
	ck_assert_uint_eq(hs_image_mapping(image, 0x10000)->flags,
			  HS_MAPPING_READ | HS_MAPPING_WRITE);
	hs_image_free(image);
}
END_TEST

START_TEST(reads_go_on_from_one_mapping_to_the_next)
{
	struct core c;
	char buffer[16];
	core_init(&c, EM_X86_64);
	core_segment(&c, 0x11000, 0x4, PF_R, "5678", 4);
	core_segment(&c, 0x10ffc, 0x4, PF_R, "1234", 4);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(hs_image_read(image, 0x10ffc, buffer, 16), 8);
	ck_assert_mem_eq(buffer, "12345678", 8);
	hs_image_free(image);
}
END_TEST

START_TEST(more_than_65535_segments_are_all_there)
{
	struct core c;
	core_init(&c, EM_X86_64);
	for (uint64_t i = 0; i < 70000; i++)
		core_segment(&c, 0x100000 + i * 0x2000, 0x1000, PF_R, &i, sizeof(i));
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->mappings.n, 70000);
	for (uint64_t i = 0, word; i < 70000; i += 997) {
		ck_assert(hs_image_word(image, 0x100000 + i * 0x2000, &word));
		ck_assert_uint_eq(word, i);
	}
	hs_image_free(image);
}
END_TEST

/* A core with two mappings of 0x1000 bytes, all of them in the file. */
static uint8_t *two_mappings(size_t *size_ret)
{
	static const uint8_t zeros[0x1000];
	struct core c;
	uint64_t r[27] = {0};
	core_init(&c, EM_X86_64);
	core_thread(&c, 8, 11, r, 27);
	core_segment(&c, 0x10000, 0x1000, PF_R, zeros, 0x1000);
	core_segment(&c, 0x20000, 0x1000, PF_R, zeros, 0x1000);
	return core_finish(&c, size_ret);
}

START_TEST(a_core_that_was_cut_off_says_so_and_keeps_the_rest)
{
	size_t size;
	struct hs_image *image;
	uint8_t *data = two_mappings(&size);
	struct hs_error *err = open_bytes(data, size - 0x800, &image);
	uint64_t word;
	ck_assert_ptr_null(err);
	ck_assert(!image->complete);
	ck_assert_uint_eq(image->warnings.n, 1);
	ck_assert_ptr_nonnull(
		strstr(image->warnings.at[0], "2.00 KiB in 1 of 2 mappings"));
	ck_assert_ptr_nonnull(strstr(image->warnings.at[0], "0x20800"));
	ck_assert_uint_eq(image->threads.n, 1);
	ck_assert(hs_image_word(image, 0x207f8, &word));
	ck_assert(!hs_image_word(image, 0x207f9, &word));
	ck_assert(hs_image_word(image, 0x10ff8, &word));
	hs_image_free(image);
}
END_TEST

START_TEST(a_core_that_was_cut_anywhere_is_opened_or_refused)
{
	size_t size;
	uint8_t *whole = two_mappings(&size);
	for (size_t n = 0; n < size - 1; n += n < 1024 ? 1 : 100) {
		struct hs_image *image;
		uint8_t *part = hs_xmalloc(n + 1);
		memcpy(part, whole, n);
		struct hs_error *err = open_bytes(part, n, &image);
		ck_assert((n < sizeof(Elf64_Ehdr)) == (err != NULL));
		ck_assert(err || !image->complete);
		hs_error_free(err);
		hs_image_free(image);
	}
	free(whole);
}
END_TEST

START_TEST(notes_that_are_named_a_thousand_times_are_kept_once)
{
	struct core c;
	uint64_t r[27] = {0};
	core_init(&c, EM_X86_64);
	for (uint32_t i = 0; i < 1000; i++)
		core_thread(&c, i, 11, r, 27);
	c.note_copies = 5000;
	struct hs_image *image = open_core(&c);
	ck_assert_uint_le(image->threads.n, 2000);
	hs_image_free(image);
}
END_TEST

START_TEST(what_is_not_supported_is_refused_with_a_reason)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *says;
	} cases[] = {{EI_CLASS, ELFCLASS32, "32-bit"},
		     {EI_DATA, ELFDATA2MSB, "big-endian"},
		     {offsetof(Elf64_Ehdr, e_machine), EM_RISCV, "ELF number 243"},
		     {offsetof(Elf64_Ehdr, e_phentsize), 1, "damaged"}};
	for (size_t i = 0; i < HS_COUNT(cases); i++) {
		size_t size;
		struct hs_image *image;
		uint8_t *data = two_mappings(&size);
		data[cases[i].at] = cases[i].value;
		struct hs_error *err = open_bytes(data, size, &image);
		ck_assert_ptr_nonnull(err);
		ck_assert_ptr_nonnull(strstr(hs_error_message(err), cases[i].says));
		hs_error_free(err);
	}
}
END_TEST

START_TEST(an_executable_is_no_core)
{
	size_t size;
	uint8_t *data = two_mappings(&size);
	ck_assert_int_eq(hs_format_core.probe(data, size), HS_MATCH_MAGIC);
	data[offsetof(Elf64_Ehdr, e_type)] = ET_DYN;
	ck_assert_int_eq(hs_format_core.probe(data, size), HS_MATCH_NO);
	ck_assert_int_eq(hs_format_core.probe(data, 63), HS_MATCH_NO);
	free(data);
}
END_TEST

/* -- Modules ------------------------------------------------------------------- */

#define EXE     0x400000u
#define LIBRARY 0x7f0000001000u

/* An ELF header, a PT_LOAD at VADDR, and a build-id of 20 times BYTE. */
static void put_module(uint8_t page[4096], uint64_t vaddr, uint8_t byte)
{
	Elf64_Ehdr h = {.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_phoff = sizeof(h),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 3};
	Elf64_Phdr p[3] = {
		{.p_type = PT_LOAD, .p_vaddr = vaddr, .p_filesz = 4096, .p_memsz = 4096},
		{.p_type = PT_NOTE, .p_vaddr = vaddr + 0x400, .p_filesz = 36},
		{.p_type = PT_DYNAMIC, .p_vaddr = vaddr + 0x500, .p_filesz = 32},
	};
	const Elf64_Nhdr note = {4, 20, NT_GNU_BUILD_ID};
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(page, &h, sizeof(h));
	memcpy(page + sizeof(h), p, sizeof(p));
	memcpy(page + 0x400, &note, sizeof(note));
	memcpy(page + 0x40c, "GNU", 4);
	memset(page + 0x410, byte, 20);
}

#define ID_AA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_BB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void expect_module(const struct hs_image *image, size_t i, const char *path,
			  const char *build_id, uint64_t start, uint64_t bias)
{
	const struct hs_image_module *m = &image->modules.at[i];
	ck_assert_str_eq(m->path, path);
	ck_assert_str_eq(m->build_id, build_id);
	ck_assert_uint_eq(m->start, start);
	ck_assert_uint_eq(m->bias, bias);
	ck_assert_ptr_eq(hs_image_module(image, start), m);
}

START_TEST(modules_come_from_the_list_of_files)
{
	struct core c;
	uint8_t page[4096] = {0};
	const uint64_t auxv[] = {AT_ENTRY, EXE + 0x800};
	const struct core_file files[] = {
		{EXE, EXE + 0x1000, 0, "/bin/x"},
		{LIBRARY, LIBRARY + 0x1000, 0, "/lib/l"},
		{LIBRARY + 0x5000, LIBRARY + 0x6000, 5, "/lib/l"},
		{0x500000, 0x501000, 0, "/usr/lib/locale/archive"},
	};
	core_init(&c, EM_X86_64);
	core_auxv(&c, auxv, 1);
	core_files(&c, files, 4);
	put_module(page, EXE, 0xaa);
	core_segment(&c, EXE, 4096, PF_R, page, 4096);
	put_module(page, 0x1000, 0xbb);
	core_segment(&c, LIBRARY, 4096, PF_R, page, 4096);
	core_segment(&c, 0x500000, 4096, PF_R, "data", 4);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->modules.n, 2);
	expect_module(image, 0, "/bin/x", ID_AA, EXE, 0);
	expect_module(image, 1, "/lib/l", ID_BB, LIBRARY, LIBRARY - 0x1000);
	ck_assert(image->modules.at[0].executable && !image->modules.at[1].executable);
	ck_assert_uint_eq(image->modules.at[1].end, LIBRARY + 0x6000);
	hs_image_free(image);
}
END_TEST

/* Without NT_FILE: AT_PHDR -> PT_DYNAMIC -> DT_DEBUG -> r_debug -> link_map. */
START_TEST(modules_come_from_the_loader_where_the_kernel_lists_none)
{
	struct core c;
	enum { DEBUG = EXE + 0x600, FIRST = EXE + 0x700, SECOND = EXE + 0x800 };
	uint8_t page[4096] = {0}, library[4096] = {0};
	const uint64_t auxv[] = {AT_PHDR,   EXE + sizeof(Elf64_Ehdr),
				 AT_PHNUM,  3,
				 AT_ENTRY,  EXE + 0x900,
				 AT_EXECFN, EXE + 0xa00};
	put_module(page, EXE, 0xaa);
	core_poke(page, EXE, EXE + 0x500, DT_DEBUG);
	core_poke(page, EXE, EXE + 0x508, DEBUG);
	core_poke(page, EXE, DEBUG + 8, FIRST);        /* struct r_debug: r_map */
	core_poke(page, EXE, FIRST + 8, EXE + 0xb00);  /* l_name: "" */
	core_poke(page, EXE, FIRST + 16, EXE + 0x500); /* l_ld */
	core_poke(page, EXE, FIRST + 24, SECOND);      /* l_next */
	core_poke(page, EXE, SECOND, LIBRARY);
	core_poke(page, EXE, SECOND + 8, EXE + 0xa80);
	core_poke(page, EXE, SECOND + 16, LIBRARY + 0x500);
	core_poke(page, EXE, SECOND + 24, FIRST); /* a circle, if it is hostile */
	memcpy(page + 0xa00, "/bin/x", 7);
	memcpy(page + 0xa80, "/lib/l", 7);
	put_module(library, 0, 0xbb);
	core_init(&c, EM_X86_64);
	core_auxv(&c, auxv, 4);
	core_segment(&c, EXE, 4096, PF_R, page, 4096);
	core_segment(&c, LIBRARY, 4096, PF_R, library, 4096);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->modules.n, 2);
	expect_module(image, 0, "/bin/x", ID_AA, EXE, 0);
	expect_module(image, 1, "/lib/l", ID_BB, LIBRARY, LIBRARY);
	hs_image_free(image);
}
END_TEST

START_TEST(modules_are_found_by_their_headers_where_nobody_lists_them)
{
	struct core c;
	uint8_t page[4096] = {0};
	core_init(&c, EM_X86_64);
	put_module(page, 0, 0xbb);
	core_segment(&c, LIBRARY, 4096, PF_R, page, 4096);
	core_segment(&c, LIBRARY + 0x10000, 4096, PF_R, "no header", 9);
	struct hs_image *image = open_core(&c);
	ck_assert_uint_eq(image->modules.n, 1);
	expect_module(image, 0, "", ID_BB, LIBRARY, LIBRARY);
	hs_image_free(image);
}
END_TEST

START_TEST(pages_of_a_file_stand_for_those_that_the_core_lacks)
{
	struct core c;
	char buffer[8];
	core_init(&c, EM_X86_64);
	core_segment(&c, 0x10000, 4, PF_R | PF_W, "core", 4);
	core_segment(&c, 0x20000, 4, PF_R, "", 0);
	struct hs_image *image = open_core(&c);
	hs_image_fill(image, 0x20000, (const uint8_t *)"file", 4);
	hs_image_fill(image, 0x10000, (const uint8_t *)"file", 4);
	ck_assert(hs_image_read_all(image, 0x10000, buffer, 4));
	ck_assert_mem_eq(buffer, "core", 4);
	ck_assert(hs_image_read_all(image, 0x20000, buffer, 4));
	ck_assert_mem_eq(buffer, "file", 4);
	hs_image_free(image);
}
END_TEST

/* -- Size ------------------------------------------------------------------------ */

#define HUGE_SIZE ((uint64_t)100 << 30)

START_TEST(a_core_of_100_gigabytes_is_mapped_and_never_read_whole)
{
	const char *top = getenv("top_builddir");
	HS_CLEANUP(hs_freep) char *path = hs_xasprintf("%s/huge.XXXXXX", top ? top : ".");
	struct core c;
	size_t size;
	struct hs_file file;
	struct hs_image *image;
	struct rusage before, after;
	uint64_t word, value = 0x1122334455667788, r[27] = {0};
	core_init(&c, EM_X86_64);
	core_thread(&c, 1, 11, r, 27);
	core_segment(&c, 0x7f0000000000, HUGE_SIZE, PF_R, "", 0);
	c.segments.at[0].p_filesz = HUGE_SIZE;
	uint8_t *data = core_finish(&c, &size);
	int fd = mkstemp(path);
	bool made = fd >= 0 && ftruncate(fd, (off_t)(size + HUGE_SIZE)) == 0 &&
		    pwrite(fd, data, size, 0) == (ssize_t)size &&
		    pwrite(fd, &value, 8, (off_t)(size + HUGE_SIZE - 8)) == 8;
	free(data);
	ck_assert(getrusage(RUSAGE_SELF, &before) == 0);
	struct hs_error *err = made ? hs_file_open(path, 0, &file) : NULL;
	unlink(path);
	close(fd);
	if (!made)
		return; /* no file system for files of that size */
	ck_assert_ptr_null(err);
	ck_assert_ptr_null(hs_format_core.image(&file, &image));
	ck_assert(image->complete);
	ck_assert(hs_image_word(image, 0x7f0000000000 + HUGE_SIZE - 8, &word));
	ck_assert_uint_eq(word, value);
	struct hs_image_extent e;
	uint64_t last = 0x7f0000000000 + HUGE_SIZE;
	size_t n_data = 0, n_bytes = 0;
	for (uint64_t at = 0; hs_image_next_data(image, at, UINT64_MAX, &e); at = e.end) {
		n_data++;
		n_bytes += e.end - e.start;
		ck_assert_uint_le(e.end, last);
	}
	ck_assert_uint_eq(e.end, last);
	ck_assert_uint_le(n_data, 2);
	ck_assert_uint_lt(n_bytes, 1 << 20);
	ck_assert(getrusage(RUSAGE_SELF, &after) == 0);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 16 << 10);
	hs_image_free(image);
}
END_TEST

/* -- Without copies, and many at once ---------------------------------------------- */

START_TEST(bytes_of_a_core_are_read_where_they_lie)
{
	struct core c;
	uint64_t n;
	core_init(&c, EM_X86_64);
	core_segment(&c, 0x10000, 0x1000, PF_R, "0123456789", 10);
	struct hs_image *image = open_core(&c);
	const uint8_t *bytes = hs_image_bytes(image, 0x10004, &n);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(n, 6);
	ck_assert_mem_eq(bytes, "456789", 6);
	ck_assert_ptr_null(hs_image_bytes(image, 0x1000a, &n));
	ck_assert_ptr_null(hs_image_bytes(image, 0xffff, &n));
	hs_image_free(image);
}
END_TEST

START_TEST(data_is_told_range_by_range_and_within_bounds)
{
	struct core c;
	struct hs_image_extent e;
	core_init(&c, EM_X86_64);
	core_segment(&c, 0x10000, 0x1000, PF_R, "0123456789", 10);
	core_segment(&c, 0x20000, 0x1000, PF_R, "", 0);
	core_segment(&c, 0x30000, 0x1000, PF_R, "abc", 3);
	struct hs_image *image = open_core(&c);
	ck_assert(hs_image_next_data(image, 0, UINT64_MAX, &e));
	ck_assert_uint_eq(e.start, 0x10000);
	ck_assert_uint_eq(e.end, 0x1000a);
	ck_assert(hs_image_next_data(image, e.end, UINT64_MAX, &e));
	ck_assert_uint_eq(e.start, 0x30000);
	ck_assert_uint_eq(e.end, 0x30003);
	ck_assert(!hs_image_next_data(image, e.end, UINT64_MAX, &e));
	ck_assert(hs_image_next_data(image, 0x10002, 0x10005, &e));
	ck_assert_uint_eq(e.start, 0x10002);
	ck_assert_uint_eq(e.end, 0x10005);
	ck_assert(!hs_image_next_data(image, 0x1000a, 0x30000, &e));
	hs_image_free(image);
}
END_TEST

/* A child with memory of which all is known; it waits until the pipe is closed. */
#define N_PAGES 64u
static pid_t fork_sample(uint8_t **memory_ret, int *end_ret)
{
	int ends[2];
	char byte;
	uint8_t *memory = mmap(NULL, N_PAGES * 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(madvise(memory, N_PAGES * 4096, MADV_NOHUGEPAGE), 0);
	/* Every eighth page, and nothing of the last eight. */
	for (size_t i = 0; i < N_PAGES - 8; i += 8)
		memory[i * 4096 + i] = (uint8_t)(i + 1);
	ck_assert_int_eq(munmap(memory + 4 * 4096, 4096), 0);
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	close(ends[0]);
	*memory_ret = memory;
	*end_ret = ends[1];
	return pid;
}

START_TEST(a_living_process_is_read_in_batches_and_by_its_touched_pages)
{
	uint8_t *memory, bytes[N_PAGES][16];
	int end, status;
	struct hs_image *image;
	struct hs_image_extent e;
	struct hs_image_piece pieces[N_PAGES];
	pid_t pid = fork_sample(&memory, &end);
	struct hs_error *err = hs_live_open(pid, &image);
	if (err) { /* no rights: said elsewhere */
		hs_error_free(err);
		close(end);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		return;
	}
	uint64_t start = (uint64_t)(uintptr_t)memory;
	for (size_t i = 0; i < N_PAGES; i++)
		pieces[i] = (struct hs_image_piece){.addr = start + i * 4097,
						    .buffer = bytes[i],
						    .size = 16,
						    .n = 99};
	hs_image_read_many(image, pieces, N_PAGES);
	for (size_t i = 0; i < N_PAGES; i++) {
		ck_assert_uint_eq(pieces[i].n, i == 4 ? 0 : 16);
		if (i != 4)
			ck_assert_uint_eq(bytes[i][0],
					  i % 8 || i >= N_PAGES - 8 ? 0 : i + 1);
	}
	hs_image_free(image);
	/* The reads above have mapped zeros; a fresh child has not. */
	close(end);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	munmap(memory, 4 * 4096);
	munmap(memory + 5 * 4096, (N_PAGES - 5) * 4096);
	pid = fork_sample(&memory, &end);
	start = (uint64_t)(uintptr_t)memory;
	ck_assert_ptr_null(hs_live_open(pid, &image));
	size_t n = 0;
	for (uint64_t at = start;
	     hs_image_next_data(image, at, start + N_PAGES * 4096, &e); at = e.end, n++) {
		ck_assert_uint_eq(e.start, start + n * 8 * 4096);
		ck_assert_uint_eq(e.end, e.start + 4096);
	}
	ck_assert_uint_eq(n, N_PAGES / 8 - 1);
	hs_image_free(image);
	close(end);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

/* -- Whose it is -----------------------------------------------------------------------
 */

START_TEST(a_look_at_a_core_tells_its_process_and_survives_every_cut)
{
	static const uint8_t random[17] = "0123456789abcdef";
	const uint64_t auxv[4] = {AT_RANDOM, 0x20010, AT_NULL, 0};
	struct core c;
	size_t size;
	uint64_t r[27] = {0};
	uint8_t found[16] = {0}, stack[0x1000] = {0};
	memcpy(stack + 0x10, random, 16);
	core_init(&c, EM_X86_64);
	core_thread(&c, 43, 11, r, 27);
	core_process(&c, 42, "x", "x");
	core_auxv(&c, auxv, 2);
	core_segment(&c, 0x10000, 0x1000, PF_R, "", 0);
	core_segment(&c, 0x20000, 0x1000, PF_R | PF_W, stack, sizeof(stack));
	uint8_t *data = core_finish(&c, &size);
	struct hs_cursor in = hs_cursor(data, size, "core");
	ck_assert(hs_core_peek(&in, 42, UINT64_MAX, found));
	ck_assert_mem_eq(found, random, 16);
	in = hs_cursor(data, size, "core");
	ck_assert(!hs_core_peek(&in, 43, UINT64_MAX, found));
	in = hs_cursor(data, size, "core");
	ck_assert(!hs_core_peek(&in, 42, 64, found));
	size_t n_found = 0;
	for (size_t n = 0; n < size; n += 7) {
		uint8_t *cut = hs_xmalloc(n + 1);
		memcpy(cut, data, n);
		in = hs_cursor(cut, n, "core");
		n_found += hs_core_peek(&in, 42, UINT64_MAX, found);
		free(cut);
	}
	/* Only the rest of the stack is behind those bytes. */
	ck_assert_uint_lt(n_found, sizeof(stack) / 7 + 1);
	free(data);
}
END_TEST

HS_SUITE("image", registers_of_x86_64_have_their_dwarf_numbers,
	 an_aarch64_core_has_its_registers_tls_and_pac_mask,
	 process_signal_and_files_are_read_from_the_notes,
	 memory_that_is_not_in_the_core_is_unknown_and_never_zero,
	 reads_go_on_from_one_mapping_to_the_next, more_than_65535_segments_are_all_there,
	 a_core_that_was_cut_off_says_so_and_keeps_the_rest,
	 a_core_that_was_cut_anywhere_is_opened_or_refused,
	 notes_that_are_named_a_thousand_times_are_kept_once,
	 what_is_not_supported_is_refused_with_a_reason, an_executable_is_no_core,
	 modules_come_from_the_list_of_files,
	 modules_come_from_the_loader_where_the_kernel_lists_none,
	 modules_are_found_by_their_headers_where_nobody_lists_them,
	 pages_of_a_file_stand_for_those_that_the_core_lacks,
	 a_core_of_100_gigabytes_is_mapped_and_never_read_whole,
	 bytes_of_a_core_are_read_where_they_lie,
	 data_is_told_range_by_range_and_within_bounds,
	 a_look_at_a_core_tells_its_process_and_survives_every_cut,
	 a_living_process_is_read_in_batches_and_by_its_touched_pages)
