/* SPDX-License-Identifier: MIT */

/*
 * Finding what describes a recorded file: separate debug information where
 * distributions and gdb put it, and never that of another build.
 */
#include <errno.h>
#include <lzma.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/build.h"
#include "src/file.h"
#include "src/symbols.h"
#include "tests/lib/places.h"
#include "tests/lib/suite.h"

/* -- Debug information elsewhere ------------------------------------------------------
 */

/* "places" with all debug information, then split into it and "places.debug". */
static size_t make_split(const char *flags, struct mark marks[16])
{
	compile("places", flags);
	size_t n = run("places", marks);
	shell("cd '%s' && objcopy --only-keep-debug places places.debug && strip places "
	      "&& "
	      "cp places bare && objcopy --add-gnu-debuglink=places.debug places",
	      folder);
	return n;
}

START_TEST(a_debug_link_is_followed)
{
	static const char *const ids[] = {"-Wl,--build-id=sha1", "-Wl,--build-id=none"};
	for (size_t i = 0; i < HS_COUNT(ids); i++) {
		struct mark marks[16];
		char flags[80];
		snprintf(flags, sizeof(flags), "-g -O2 %s", ids[i]);
		size_t n = make_split(flags, marks);
		struct hs_profile *p = symbolized("places", marks, n, &no_options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);

		shell("cd '%s' && mkdir -p .debug && mv places.debug .debug/", folder);
		p = symbolized("places", marks, n, &no_options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);

		shell("cd '%s' && mkdir -p dbg && mv .debug/places.debug dbg/", folder);
		const char *const dirs[] = {in_folder("dbg"), NULL};
		struct hs_symbol_options options = {.debug_dirs = dirs};
		p = symbolized("places", marks, n, &options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);

		shell("cd '%s/dbg' && mkdir -p '.%s' && mv places.debug '.%s/'", folder,
		      folder, folder);
		p = symbolized("places", marks, n, &options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);

		/* Not here any more: what is left is nothing, and no error. */
		p = symbolized("places", marks, n, &no_options);
		CHAIN(p, marks, "plain", "places.c", {"", NULL});
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(a_debug_link_to_another_build_is_not_believed)
{
	static const char *const ids[] = {"-Wl,--build-id=sha1", "-Wl,--build-id=none"};
	for (size_t i = 0; i < HS_COUNT(ids); i++) {
		struct mark marks[16];
		char flags[80];
		snprintf(flags, sizeof(flags), "-g -O2 %s", ids[i]);
		size_t n = make_split(flags, marks);
		snprintf(flags, sizeof(flags), "-g -O2 -DANOTHER_BUILD %s", ids[i]);
		compile("other", flags);
		shell("cd '%s' && objcopy --only-keep-debug other places.debug", folder);
		struct hs_profile *p = symbolized("places", marks, n, &no_options);
		CHAIN(p, marks, "plain", "places.c", {"", NULL});
		hs_profile_free(p);
	}
}
END_TEST

/* Put the debug file FROM below DIR, as .build-id/xx/yyyy.debug for the id of OF. */
static void install_debug(const char *from, const char *dir, const char *of)
{
	char *id = build_id(in_folder(of));
	ck_assert_uint_gt(strlen(id), 10);
	shell("cd '%s' && mkdir -p '%s/.build-id/%.2s' && cp '%s' "
	      "'%s/.build-id/%.2s/%s.debug'",
	      folder, dir, id, from, dir, id, id + 2);
}

START_TEST(debug_files_are_found_by_build_id)
{
	struct mark marks[16];
	size_t n = make_split("-g -O2", marks);
	install_debug("places.debug", "dbg", "bare");
	const char *const dirs[] = {"/nonexistent", in_folder("dbg"), NULL};
	struct hs_symbol_options options = {.debug_dirs = dirs};
	struct hs_profile *p = symbolized("bare", marks, n, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);

	/* One that lies there under a wrong name. */
	compile("other", "-g -O2 -DANOTHER_BUILD");
	shell("cd '%s' && objcopy --only-keep-debug other other.debug", folder);
	install_debug("other.debug", "dbg", "bare");
	p = symbolized("bare", marks, n, &options);
	CHAIN(p, marks, "plain", "places.c", {"", NULL});
	hs_profile_free(p);
}
END_TEST

START_TEST(a_file_that_is_gone_is_named_by_its_debug_file)
{
	struct mark marks[16];
	size_t n = make_split("-g -O2", marks);
	install_debug("places.debug", "dbg", "places");
	char *id = hs_xstrdup(build_id(in_folder("places")));
	char *path = hs_xasprintf("%s (deleted)", in_folder("places"));
	shell("rm '%s' '%s'", in_folder("places"), in_folder("places.debug"));
	struct hs_profile *p = profile_of(path, id, 0, marks, n);
	hs_symbolize(p, &no_options);
	assert_unnamed(p, 1, "is not here");
	ck_assert_ptr_null(strstr(p->warnings[0], "(deleted)"));
	hs_profile_free(p);

	const char *const dirs[] = {in_folder("dbg"), NULL};
	struct hs_symbol_options options = {.debug_dirs = dirs};
	p = profile_of(path, id, 0, marks, n);
	hs_symbolize(p, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);
	free(path);
	free(id);
}
END_TEST

/* -- The right file
 * ---------------------------------------------------------------------- */

START_TEST(a_replaced_file_gives_one_warning_and_no_name)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	char *id = hs_xstrdup(build_id(in_folder("places")));
	shell("cp '%s' '%s'", in_folder("places"), in_folder("old"));
	compile("places", "-g -O2 -DANOTHER_BUILD");
	struct hs_builder *b = hs_build_new();
	for (uint32_t epoch = 0; epoch < 3; epoch++) {
		struct hs_module_info info = {
			.path = hs_build_cstring(b, in_folder("places")),
			.build_id = hs_build_cstring(b, id),
			.epoch = epoch};
		hs_module module = hs_build_module(b, &info);
		for (size_t i = 0; i < n; i++)
			hs_build_location(b, module, marks[i].address);
	}
	struct hs_profile *p = hs_build_seal(b);
	hs_symbolize(p, &no_options);
	assert_unnamed(p, 1, "was replaced since the recording");
	ck_assert_ptr_nonnull(strstr(p->warnings[0], "--exe"));
	char *part = hs_xasprintf("%.8s..", id);
	ck_assert_ptr_nonnull(strstr(p->warnings[0], part));
	free(part);
	part = hs_xasprintf("%.8s..", build_id(in_folder("places")));
	ck_assert_ptr_nonnull(strstr(p->warnings[0], part));
	free(part);
	hs_profile_free(p);

	/* The old one, given by hand, wherever it lies. */
	const char *const exes[] = {"/nonexistent", in_folder("old"), NULL};
	struct hs_symbol_options options = {.exes = exes};
	p = profile_of(in_folder("places"), id, 0, marks, n);
	hs_symbolize(p, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);
	free(id);
}
END_TEST

START_TEST(a_file_without_a_build_id_is_judged_by_its_age)
{
	struct mark marks[16];
	compile("places", "-g -O2 -Wl,--build-id=none");
	size_t n = run("places", marks);
	shell("touch -d '2001-01-01 00:00:00 UTC' '%s'", in_folder("places"));
	const uint64_t y2001 = 978307200000000000u;
	struct hs_profile *p = profile_of(in_folder("places"), "", y2001, marks, n);
	hs_symbolize(p, &no_options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);

	p = profile_of(in_folder("places"), "", y2001 - 1, marks, n);
	hs_symbolize(p, &no_options);
	assert_unnamed(p, 1, "was changed after the recording began");
	hs_profile_free(p);

	/* Somebody who should know says that it is the one. */
	const char *const exes[] = {in_folder("places"), NULL};
	struct hs_symbol_options options = {.exes = exes};
	p = profile_of(in_folder("places"), "", y2001 - 1, marks, n);
	hs_symbolize(p, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);

	/* One that had an id is not replaced by one that has none. */
	p = profile_of(in_folder("places"), "0123456789abcdef", 0, marks, n);
	hs_symbolize(p, &no_options);
	assert_unnamed(p, 1, "none now");
	hs_profile_free(p);
}
END_TEST

START_TEST(a_sysroot_has_the_file_by_path_or_by_name)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	char *id = hs_xstrdup(build_id(in_folder("places")));
	shell("cd '%s' && mkdir -p root/opt/app flat && cp places root/opt/app/tool && "
	      "mv places flat/tool",
	      folder);
	const char *const names[] = {"root", "flat"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		const char *const roots[] = {"/nonexistent", in_folder(names[i]), NULL};
		struct hs_symbol_options options = {.sysroots = roots};
		struct hs_profile *p = profile_of("/opt/app/tool", id, 0, marks, n);
		hs_symbolize(p, &options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);
		p = profile_of("/opt/app/tool", "00112233445566", 0, marks, n);
		hs_symbolize(p, &options);
		assert_unnamed(p, 1, "is not the file that was recorded");
		hs_profile_free(p);
	}
	free(id);
}
END_TEST

START_TEST(what_is_no_elf_file_gives_a_warning)
{
	const struct mark marks[1] = {{"x", 0x1234}};
	enter_folder();
	shell("cd '%s' && echo hello >text && : >empty && mkfifo pipe && mkdir dir",
	      folder);
	const char *const names[] = {"text", "empty", "pipe", "dir", "nothing"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = profile_of(in_folder(names[i]), "", 0, marks, 1);
		hs_symbolize(p, &no_options);
		assert_unnamed(p, 1, names[i]);
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(the_vdso_has_no_file_and_no_warning)
{
	const struct mark marks[1] = {{"x", 0x1234}};
	const char *const names[] = {"[vdso]", "linux-vdso.so.1"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = profile_of(names[i], "", 0, marks, 1);
		hs_symbolize(p, &no_options);
		assert_unnamed(p, 0, NULL);
		ck_assert_str_eq(hs_string(p, p->modules[1].path), "[vdso]");
		hs_profile_free(p);
	}
}
END_TEST

static void pack(const char *from, const char *to)
{
	struct hs_file file;
	ck_assert_ptr_null(hs_file_open(from, 0, &file));
	size_t n = 0, room = file.size + 4096;
	uint8_t *packed = hs_xmalloc(room);
	ck_assert_int_eq(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, file.data,
						 file.size, packed, &n, room),
			 LZMA_OK);
	FILE *f = fopen(to, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(packed, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	free(packed);
	hs_file_close(&file);
}

START_TEST(a_compressed_symbol_table_names_the_rest)
{
	struct mark marks[16];
	compile("places", "-O2 -rdynamic");
	size_t n = run("places", marks);
	/* As Fedora makes them: what is not exported, packed with xz. */
	shell("cd '%s' && objcopy -S --remove-section .gnu.debuglink --keep-symbol=local "
	      "places mini && strip places",
	      folder);
	pack(in_folder("mini"), in_folder("mini.xz"));
	shell("cd '%s' && objcopy --add-section .gnu_debugdata=mini.xz places", folder);
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	assert_functions_of_c(p, marks);
	hs_profile_free(p);
}
END_TEST

START_TEST(no_debug_server_is_asked)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	char url[80];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
	struct mark marks[16];
	size_t n = make_split("-g -O2", marks);
	struct hs_profile *p = symbolized("bare", marks, n, &no_options);
	hs_profile_free(p);
	p = profile_of("/nonexistent/x", "00112233445566778899", 0, marks, n);
	hs_symbolize(p, &no_options);
	hs_profile_free(p);
	ck_assert_int_eq(accept(fd, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}
END_TEST

HS_SUITE("debugfile", a_debug_link_is_followed,
	 a_debug_link_to_another_build_is_not_believed, debug_files_are_found_by_build_id,
	 a_file_that_is_gone_is_named_by_its_debug_file,
	 a_replaced_file_gives_one_warning_and_no_name,
	 a_file_without_a_build_id_is_judged_by_its_age,
	 a_sysroot_has_the_file_by_path_or_by_name, what_is_no_elf_file_gives_a_warning,
	 the_vdso_has_no_file_and_no_warning, a_compressed_symbol_table_names_the_rest,
	 no_debug_server_is_asked)
