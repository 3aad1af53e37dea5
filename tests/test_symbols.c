/* SPDX-License-Identifier: MIT */

/*
 * Naming frames.  The victims (tests/victims/places.*) print the addresses
 * that their own calls return to; their sources say in comments which line
 * and function each is in.  They are compiled here, in the ways in which
 * programs reach users: with and without debug information, stripped, split.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/array.h"
#include "src/build.h"
#include "src/file.h"
#include "src/symbols.h"
#include "tests/lib/suite.h"

/* -- Victims ---------------------------------------------------------------- */

static char folder[4096]; /* of this test */

static HS_PRINTF(1, 2) void shell(const char *format, ...)
{
	va_list ap;
	char *command;
	va_start(ap, format);
	ck_assert_int_ge(vasprintf(&command, format, ap), 0);
	va_end(ap);
	int status = system(command);
	ck_assert_msg(status == 0, "%s", command);
	free(command);
}

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value && *value ? value : otherwise;
}

static void remove_folder(void)
{
	if (folder[0])
		shell("rm -rf '%s'", folder);
	folder[0] = '\0';
}

/* An own folder for each test, for all of them compile something. */
static void enter_folder(void)
{
	char name[] = "test_symbols.XXXXXX", here[2048];
	ck_assert_ptr_nonnull(mkdtemp(name));
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	snprintf(folder, sizeof(folder), "%s/%s", here, name);
	atexit(remove_folder);
}

/* A file in the test's folder; the same pointer for the same name. */
static const char *in_folder(const char *name)
{
	static char *paths[32];
	char *path = hs_xasprintf("%s/%s", folder, name);
	size_t i = 0;
	while (paths[i] && strcmp(paths[i], path) != 0)
		ck_assert_uint_lt(++i, HS_COUNT(paths));
	if (paths[i])
		free(path);
	else
		paths[i] = path;
	return paths[i];
}

static const char *source(const char *name)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/tests/victims/%s",
		 environment("top_srcdir", "."), name);
	return path;
}

static void compile(const char *name, const char *flags)
{
	if (folder[0] == '\0')
		enter_folder();
	shell("%s %s -o '%s' '%s'", environment("CC", "cc"), flags, in_folder(name),
	      source("places.c"));
}

struct mark {
	char name[64];
	uint64_t address;
};

/* What the victim says of itself. */
static size_t run(const char *name, struct mark marks[16])
{
	FILE *pipe = popen(in_folder(name), "r");
	ck_assert_ptr_nonnull(pipe);
	size_t n = 0;
	while (n < 16 && fscanf(pipe, "%63s %lx", marks[n].name, &marks[n].address) == 2)
		n++;
	ck_assert_int_eq(pclose(pipe), 0);
	ck_assert_uint_ge(n, 4);
	return n;
}

/* The number of the line with "@MARK" and nothing else behind it but " *" "/". */
static uint32_t line_of(const char *file, const char *mark)
{
	char line[1024], wanted[80];
	uint32_t number = 0, found = 0;
	FILE *f = fopen(source(file), "r");
	ck_assert_ptr_nonnull(f);
	snprintf(wanted, sizeof(wanted), "@%s", mark);
	while (fgets(line, sizeof(line), f)) {
		number++;
		const char *at = strstr(line, wanted);
		if (at && strchr(" \n", at[strlen(wanted)]))
			found = number;
	}
	fclose(f);
	ck_assert_msg(found, "%s has no @%s", file, mark);
	return found;
}

/* By readelf, not by our own code. */
static char *build_id(const char *path)
{
	static char id[256];
	char command[8192];
	id[0] = '\0';
	snprintf(command, sizeof(command), "readelf -n '%s' 2>/dev/null", path);
	FILE *pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	while (fgets(command, sizeof(command), pipe))
		sscanf(command, " Build ID: %255s", id);
	pclose(pipe);
	return id;
}

/* -- Profiles ------------------------------------------------------------------ */

static const struct hs_symbol_options no_options;

/* One module at PATH with the return addresses MARKS; frame i + 1 is marks[i]. */
static struct hs_profile *profile_of(const char *path, const char *id, uint64_t start_ns,
				     const struct mark *marks, size_t n)
{
	struct hs_builder *b = hs_build_new();
	struct hs_module_info info = {.path = hs_build_cstring(b, path),
				      .build_id = hs_build_cstring(b, id)};
	hs_build_process(b)->start_ns = start_ns;
	hs_module module = hs_build_module(b, &info);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(hs_build_location(b, module, marks[i].address).i,
				  i + 1);
	return hs_build_seal(b);
}

/* What the victim NAME's marks are called under OPTIONS. */
static struct hs_profile *symbolized(const char *name, const struct mark *marks, size_t n,
				     const struct hs_symbol_options *options)
{
	struct hs_profile *p =
		profile_of(in_folder(name), build_id(in_folder(name)), 0, marks, n);
	hs_symbolize(p, options);
	hs_profile_check(p);
	return p;
}

static const struct hs_frame_info *frame_of(const struct hs_profile *p,
					    const struct mark *marks, const char *mark)
{
	size_t i = 0;
	while (strcmp(marks[i].name, mark) != 0)
		i++;
	return &p->frames[i + 1];
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* One function that is expected, and the mark of its line in the source. */
struct expected {
	const char *function, *mark;
};

static void assert_chain(const struct hs_profile *p, const struct hs_frame_info *f,
			 const char *file, const struct expected *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct expected *e = &expected[i];
		ck_assert_str_eq(hs_string(p, f->function), e->function);
		if (e->mark) {
			ck_assert_str_eq(base_name(hs_string(p, f->file)), file);
			ck_assert_uint_eq(f->line, line_of(file, e->mark));
		} else {
			ck_assert_str_eq(hs_string(p, f->file), "");
			ck_assert_uint_eq(f->line, 0);
		}
		ck_assert(f->inlined == (i + 1 < n));
		ck_assert((f->caller.i != 0) == (i + 1 < n));
		f = &p->frames[f->caller.i];
	}
}

#define CHAIN(p, marks, mark, file, ...)                              \
	assert_chain(p, frame_of(p, marks, mark), file,               \
		     (const struct expected[]){__VA_ARGS__},          \
		     sizeof((const struct expected[]){__VA_ARGS__}) / \
			     sizeof(struct expected))

/* All that DWARF tells of places.c. */
static void assert_all_of_c(const struct hs_profile *p, const struct mark *marks)
{
	CHAIN(p, marks, "plain", "places.c", {"plain", "plain"});
	CHAIN(p, marks, "inlined", "places.c", {"innermost", "innermost"},
	      {"middle", "middle"}, {"outermost", "outermost"});
	CHAIN(p, marks, "alias", "places.c", {"public_name", "alias"});
	CHAIN(p, marks, "local", "places.c", {"local", "local"});
	ck_assert_uint_eq(p->n_warnings, 0);
}

/* What a symbol table tells of it. */
static void assert_functions_of_c(const struct hs_profile *p, const struct mark *marks)
{
	CHAIN(p, marks, "plain", "places.c", {"plain", NULL});
	CHAIN(p, marks, "inlined", "places.c", {"outermost", NULL});
	CHAIN(p, marks, "alias", "places.c", {"public_name", NULL});
	CHAIN(p, marks, "local", "places.c", {"local", NULL});
	ck_assert_uint_eq(p->n_warnings, 0);
}

static void assert_unnamed(const struct hs_profile *p, size_t n_warnings,
			   const char *part)
{
	for (uint32_t i = 1; i < p->n_frames; i++) {
		ck_assert_str_eq(hs_string(p, p->frames[i].function), "");
		ck_assert_str_eq(hs_string(p, p->frames[i].file), "");
		ck_assert_uint_eq(p->frames[i].caller.i, 0);
	}
	ck_assert_uint_eq(p->n_warnings, n_warnings);
	if (n_warnings)
		ck_assert_msg(strstr(p->warnings[0], part), "%s", p->warnings[0]);
}

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

START_TEST(a_compressed_symbol_table_names_the_rest)
{
	struct mark marks[16];
	compile("places", "-O2 -rdynamic");
	size_t n = run("places", marks);
	/* As Fedora makes them: what is not exported, packed with xz. */
	shell("cd '%s' && objcopy -S --remove-section .gnu.debuglink --keep-symbol=local "
	      "places mini && xz mini && strip places && "
	      "objcopy --add-section .gnu_debugdata=mini.xz places",
	      folder);
	struct hs_profile *p = symbolized("places", marks, n, &no_options);
	assert_functions_of_c(p, marks);
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

/* -- Tables ----------------------------------------------------------------------------
 */

START_TEST(frames_that_have_a_name_keep_it)
{
	struct mark marks[16];
	compile("places", "-g -O2");
	size_t n = run("places", marks);
	struct hs_builder *b = hs_build_new();
	struct hs_module_info info = {.path = hs_build_cstring(b, in_folder("places"))};
	hs_module module = hs_build_module(b, &info);
	struct hs_frame_info named = {.module = module,
				      .offset = marks[0].address,
				      .function = hs_build_cstring(b, "kept")};
	hs_frame kept = hs_build_named_frame(b, &named);
	hs_frame location = hs_build_location(b, module, marks[0].address);
	hs_frame nowhere = hs_build_location(b, (hs_module){0}, 0x1234);
	struct hs_profile *p = hs_build_seal(b);
	hs_symbolize(p, &no_options);
	ck_assert_str_eq(hs_string(p, p->frames[kept.i].function), "kept");
	ck_assert_str_eq(hs_string(p, p->frames[location.i].function), "plain");
	ck_assert_str_eq(hs_string(p, p->frames[nowhere.i].function), "");
	ck_assert_uint_gt(n, 0);
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
	 a_stripped_file_names_what_it_exports, a_compressed_symbol_table_names_the_rest,
	 exported_names_of_libc_are_those_that_nm_prints,
	 a_slot_of_the_plt_is_named_after_its_function, a_debug_link_is_followed,
	 a_debug_link_to_another_build_is_not_believed, debug_files_are_found_by_build_id,
	 a_file_that_is_gone_is_named_by_its_debug_file,
	 a_replaced_file_gives_one_warning_and_no_name,
	 a_file_without_a_build_id_is_judged_by_its_age,
	 a_sysroot_has_the_file_by_path_or_by_name, what_is_no_elf_file_gives_a_warning,
	 the_vdso_has_no_file_and_no_warning, frames_that_have_a_name_keep_it,
	 the_same_input_gives_the_same_tables, no_debug_server_is_asked,
	 damaged_files_neither_crash_nor_hang)
