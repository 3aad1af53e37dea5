/* SPDX-License-Identifier: MIT */

/*
 * Naming frames.  The victims (tests/victims/places.*) print the addresses
 * that their own calls return to; their sources say in comments which line
 * and function each is in.  They are compiled here, in the ways in which
 * programs reach users: with and without debug information, and stripped.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/build.h"
#include "src/file.h"
#include "src/symbols.h"
#include "tests/lib/places.h"
#include "tests/lib/suite.h"

/* -- Debug information in the file ----------------------------------------------- */

START_TEST(functions_lines_and_inlined_calls_are_named)
{
	static const char *const flags[] = {
		"-g -O2 -pie -fPIE",
		"-g -O2 -no-pie -fno-pie",
		"-g -O0",
		"-gdwarf-4 -O2",
		"-gdwarf-5 -O2 -gz=zlib",
		"-g -O2 -fdebug-types-section",
		"-g -O2 -ffunction-sections -Wl,--gc-sections",
		"-g -O2 -flto",
	};
	for (size_t i = 0; i < HS_COUNT(flags); i++) {
		struct mark marks[16];
		compile("places", flags[i]);
		size_t n = run("places", marks);
		struct hs_profile *p = symbolized("places", marks, n, &no_options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);
	}
}
END_TEST

START_TEST(split_dwarf_is_read_from_the_dwo_file)
{
	struct mark marks[16];
	enter_folder();
	shell("cd '%s' && %s -g -O2 -gsplit-dwarf -c -o places.o '%s' && %s -o places "
	      "places.o",
	      folder, environment("CC", "cc"), source("places.c"),
	      environment("CC", "cc"));
	size_t n = run("places", marks);
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);
}
END_TEST

START_TEST(cxx_names_have_their_scopes)
{
	struct mark marks[16];
	enter_folder();
	if (system("c++ --version >/dev/null 2>&1") != 0)
		return;
	shell("c++ -g -O2 -o '%s' '%s'", in_folder("places"), source("places.cc"));
	size_t n = run("places", marks);
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	CHAIN(p, marks, "hidden", "places.cc",
	      {"(anonymous namespace)::hidden", "hidden"},
	      {"box::Box<int>::fill(int)", "fill"});
	CHAIN(p, marks, "unseen", "places.cc",
	      {"(anonymous namespace)::unseen(int)", "unseen"});
	CHAIN(p, marks, "constructor", "places.cc",
	      {"box::Box<int>::Box(int)", "constructor"});
	CHAIN(p, marks, "mixed", "places.cc",
	      {"void box::Box<int>::mix<char>(char)", "mixed"},
	      {"mixer(box::Box<int>&)", "mixer"});
	const struct hs_frame_info *f = frame_of(p, marks, "lambda");
	ck_assert_uint_eq(f->line, line_of("places.cc", "lambda"));
	ck_assert_ptr_nonnull(strstr(hs_string(p, f->function), "operator()"));
	ck_assert_ptr_nonnull(strstr(hs_string(p, f->function), "main"));
	ck_assert_uint_eq(p->n_warnings, 0);
	hs_profile_free(p);
}
END_TEST

START_TEST(without_inlines_each_frame_is_its_function)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	struct hs_symbol_options options = {.no_inlines = true};
	struct hs_profile *p = symbolized("places", marks, n, &options);
	ck_assert_uint_eq(p->n_frames, n + 1);
	CHAIN(p, marks, "inlined", "places.c", {"outermost", "innermost"});
	CHAIN(p, marks, "plain", "places.c", {"plain", "plain"});
	hs_profile_free(p);
}
END_TEST

/* -- Symbol tables ------------------------------------------------------------------ */

START_TEST(a_symbol_table_names_functions)
{
	struct mark marks[16];
	compile("places", "-O2");
	size_t n = run("places", marks);
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	assert_functions_of_c(p, marks);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_stripped_file_names_what_it_exports)
{
	struct mark marks[16];
	compile("places", "-O2 -rdynamic");
	size_t n = run("places", marks);
	struct hs_profile *full = symbolized("places", marks, n, &no_options);
	shell("strip '%s'", in_folder("places"));
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	CHAIN(p, marks, "plain", "places.c", {"plain", NULL});
	CHAIN(p, marks, "inlined", "places.c", {"outermost", NULL});
	CHAIN(p, marks, "alias", "places.c", {"public_name", NULL});
	CHAIN(p, marks, "local", "places.c", {"", NULL});
	/* Though it has no name, it is known where it starts. */
	for (uint32_t i = 1; i <= n; i++) {
		ck_assert_uint_ne(p->frames[i].function_start, 0);
		ck_assert_uint_eq(p->frames[i].function_start,
				  full->frames[i].function_start);
	}
	hs_profile_free(full);
	hs_profile_free(p);
}
END_TEST

/* Every tenth function that libc exports has the name that nm says. */
START_TEST(exported_names_of_libc_are_those_that_nm_prints)
{
	static struct mark marks[4096];
	char line[1024], name[512], path[1024] = "";
	FILE *pipe = popen("ldconfig -p 2>/dev/null || /sbin/ldconfig -p", "r");
	while (fgets(line, sizeof(line), pipe))
		if (!path[0] && strstr(line, "libc.so.6 (libc6,x86-64)"))
			sscanf(strstr(line, "=> ") + 3, "%1023s", path);
	pclose(pipe);
	if (!path[0])
		return;
	char *command = hs_xasprintf("nm -D --defined-only '%s'", path);
	pipe = popen(command, "r");
	size_t n = 0, all = 0;
	struct mark m;
	char type;
	while (n < HS_COUNT(marks) && fgets(line, sizeof(line), pipe)) {
		if (sscanf(line, "%lx %c %511s", &m.address, &type, name) != 3 ||
		    !strchr("TW", type) || all++ % 10)
			continue;
		name[strcspn(name, "@")] = '\0';
		snprintf(m.name, sizeof(m.name), "%.60s", name);
		m.address++;
		/* Aliases make one frame. */
		bool seen = false;
		for (size_t i = 0; i < n && !seen; i++)
			seen = marks[i].address == m.address;
		if (!seen)
			marks[n++] = m;
	}
	pclose(pipe);
	ck_assert_uint_gt(n, 100);
	struct hs_symbol_options options = {.no_inlines = true};
	struct hs_profile *p = profile_of(path, build_id(path), 0, marks, n);
	hs_symbolize(p, &options);
	/* The name must be one that nm has at that address. */
	for (size_t i = 0; i < n; i++) {
		const char *ours = hs_string(p, p->frames[i + 1].function);
		bool found = strcmp(ours, marks[i].name) == 0;
		pipe = found ? NULL : popen(command, "r");
		while (!found && fgets(line, sizeof(line), pipe)) {
			if (sscanf(line, "%lx %c %511s", &m.address, &type, name) != 3)
				continue;
			name[strcspn(name, "@")] = '\0';
			found = m.address + 1 == marks[i].address &&
				strcmp(name, ours) == 0;
		}
		if (pipe)
			pclose(pipe);
		ck_assert_msg(found, "%lx is %s, not %s", marks[i].address - 1,
			      marks[i].name, ours);
		ck_assert_uint_eq(p->frames[i + 1].function_start, marks[i].address - 1);
	}
	free(command);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_slot_of_the_plt_is_named_after_its_function)
{
	/* With and without IBT, lazily and at once: four shapes of a slot. */
	static const char *const flags[] = {
		"-Wl,-z,lazy -fcf-protection=none", "-Wl,-z,lazy -fcf-protection=full",
		"-Wl,-z,now -fcf-protection=none", "-Wl,-z,now -fcf-protection=full"};
	for (size_t i = 0; i < HS_COUNT(flags); i++) {
		struct mark slots[16] = {0};
		char line[1024], name[256];
		compile("places", flags[i]);
		shell("strip '%s'", in_folder("places"));
		snprintf(line, sizeof(line), "objdump -d '%s'", in_folder("places"));
		FILE *pipe = popen(line, "r");
		uint64_t address;
		size_t n = 0;
		/* objdump makes up such symbols itself: 0000000000001030 <printf@plt>: */
		while (fgets(line, sizeof(line), pipe)) {
			if (sscanf(line, "%lx <%255[^>]>:", &address, name) != 2 ||
			    !strstr(name, "@plt") || strchr(name, '-') || n == 16)
				continue;
			slots[n].address = address + 5;
			snprintf(slots[n++].name, sizeof(slots[0].name), "%.60s", name);
		}
		pclose(pipe);
		ck_assert_uint_ge(n, 2);
		struct hs_profile *p = symbolized("places", slots, n, &no_options);
		for (size_t k = 0; k < n; k++) {
			ck_assert_str_eq(hs_string(p, p->frames[k + 1].function),
					 slots[k].name);
			ck_assert_uint_eq(p->frames[k + 1].function_start,
					  slots[k].address - 5);
		}
		hs_profile_free(p);
	}
}
END_TEST

/* -- Tables ----------------------------------------------------------------------------
 */

START_TEST(frames_that_have_a_name_keep_it)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	run("places", marks);
	uint64_t address = marks[find_mark(marks, "plain")].address;
	struct hs_builder *b = hs_build_new();
	struct hs_module_info info = {.path = hs_build_cstring(b, in_folder("places"))};
	hs_module module = hs_build_module(b, &info);
	struct hs_frame_info named = {.module = module,
				      .offset = address,
				      .function = hs_build_cstring(b, "kept")};
	hs_frame kept = hs_build_named_frame(b, &named);
	hs_frame location = hs_build_location(b, module, address);
	hs_frame nowhere = hs_build_location(b, (hs_module){0}, 0x1234);
	struct hs_profile *p = hs_build_seal(b);
	hs_symbolize(p, &no_options);
	ck_assert_str_eq(hs_string(p, p->frames[kept.i].function), "kept");
	ck_assert_str_eq(hs_string(p, p->frames[location.i].function), "plain");
	ck_assert_str_eq(hs_string(p, p->frames[nowhere.i].function), "");
	hs_profile_free(p);
}
END_TEST

static void count_progress(void *context, size_t done, size_t total)
{
	size_t *last = context;
	ck_assert_uint_ge(done, last[0]);
	ck_assert_uint_le(done, total);
	last[0] = done;
	last[1] = total;
}

START_TEST(the_same_input_gives_the_same_tables)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks), progress[2] = {0};
	struct hs_symbol_options options = {.progress = count_progress,
					    .context = progress};
	struct hs_profile *a = symbolized("places", marks, n, &options);
	ck_assert_uint_eq(progress[0], n);
	ck_assert_uint_eq(progress[1], n);
	struct hs_profile *b = symbolized("places", marks, n, &no_options);
	ck_assert_uint_eq(a->n_frames, b->n_frames);
	ck_assert_uint_eq(a->n_strings, b->n_strings);
	for (uint32_t i = 0; i < a->n_strings; i++) {
		ck_assert_str_eq(a->strings[i], b->strings[i]);
		for (uint32_t k = 0; k < i; k++) /* each once */
			ck_assert_str_ne(a->strings[i], a->strings[k]);
	}
	for (uint32_t i = 0; i < a->n_frames; i++) {
		ck_assert_uint_eq(a->frames[i].function.i, b->frames[i].function.i);
		ck_assert_uint_eq(a->frames[i].caller.i, b->frames[i].caller.i);
		ck_assert_uint_eq(a->frames[i].line, b->frames[i].line);
	}
	hs_profile_free(a);
	hs_profile_free(b);
}
END_TEST

START_TEST(a_cache_changes_nothing_but_the_work)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	char *id = hs_xstrdup(build_id(in_folder("places")));
	struct hs_symbol_options options = {.cache = hs_symbol_cache_new()};
	struct hs_profile *p = symbolized("places", marks, n, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);

	/* It is still open: what happens to the file has no effect any more. */
	shell("rm '%s'", in_folder("places"));
	p = profile_of(in_folder("places"), id, 0, marks, n);
	hs_symbolize(p, &options);
	assert_all_of_c(p, marks);
	hs_profile_free(p);

	/* Another build of it is another file. */
	p = profile_of(in_folder("places"), "00112233445566", 0, marks, n);
	hs_symbolize(p, &options);
	assert_unnamed(p, 1, "is not here");
	hs_profile_free(p);

	/* More than it holds: the oldest make room. */
	compile("places", "-g -O2");
	for (int i = 0; i < 80; i++) {
		char name[32];
		snprintf(name, sizeof(name), "copy%d", i);
		char *path = hs_xasprintf("%s/%s", folder, name);
		shell("ln '%s' '%s'", in_folder("places"), path);
		p = profile_of(path, id, 0, marks, n);
		hs_symbolize(p, &options);
		assert_all_of_c(p, marks);
		hs_profile_free(p);
		free(path);
	}
	hs_symbol_cache_free(options.cache);
	free(id);
}
END_TEST

/* -- Hostile files ---------------------------------------------------------------------
 */

static void write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static void symbolize_bytes(const uint8_t *data, size_t size, const struct mark *marks,
			    size_t n)
{
	write_file(in_folder("hurt"), data, size);
	struct hs_profile *p = profile_of(in_folder("hurt"), "", 0, marks, n);
	hs_symbolize(p, &no_options);
	hs_profile_check(p);
	for (uint32_t i = 1; i <= n; i++) {
		unsigned depth = 0;
		for (uint32_t f = i; f; f = p->frames[f].caller.i)
			depth++;
		ck_assert_uint_le(depth, 64);
	}
	for (uint32_t i = 0; i < p->n_strings; i++)
		ck_assert_uint_le(strlen(p->strings[i]), 65536);
	hs_profile_free(p);
}

START_TEST(damaged_files_neither_crash_nor_hang)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	struct hs_file file;
	ck_assert_ptr_null(hs_file_open(in_folder("places"), 0, &file));
	uint8_t *copy = hs_xmalloc(file.size);
	for (size_t cut = 0; cut < file.size; cut += 1 + file.size / 200)
		symbolize_bytes(file.data, cut, marks, n);
	uint64_t random = 1;
	for (size_t round = 0; round < 600; round++) {
		memcpy(copy, file.data, file.size);
		for (size_t i = 0; i < 1 + round % 40; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			size_t at = (size_t)(random >> 16) % file.size;
			copy[at] = (uint8_t)(random >> 8);
		}
		symbolize_bytes(copy, file.size, marks, n);
	}
	/* Every byte of the headers. */
	for (size_t at = 4; at < 64; at++) {
		memcpy(copy, file.data, file.size);
		copy[at] = 0xff;
		symbolize_bytes(copy, file.size, marks, n);
	}
	free(copy);
	hs_file_close(&file);
}
END_TEST

HS_SUITE("symbols", functions_lines_and_inlined_calls_are_named,
	 split_dwarf_is_read_from_the_dwo_file, cxx_names_have_their_scopes,
	 without_inlines_each_frame_is_its_function, a_symbol_table_names_functions,
	 a_stripped_file_names_what_it_exports,
	 exported_names_of_libc_are_those_that_nm_prints,
	 a_slot_of_the_plt_is_named_after_its_function, frames_that_have_a_name_keep_it,
	 the_same_input_gives_the_same_tables, a_cache_changes_nothing_but_the_work,
	 damaged_files_neither_crash_nor_hang)
