/* SPDX-License-Identifier: MIT */

/* Compiling, running and checking the victims places.*. */
#include "tests/lib/places.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/build.h"
#include "src/symbols.h"

char folder[4096];

void shell(const char *format, ...)
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

const char *environment(const char *name, const char *otherwise)
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

void enter_folder(void)
{
	char name[] = "test_symbols.XXXXXX", here[2048];
	ck_assert_ptr_nonnull(mkdtemp(name));
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	snprintf(folder, sizeof(folder), "%s/%s", here, name);
	atexit(remove_folder);
}

const char *in_folder(const char *name)
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

const char *source(const char *name)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/tests/victims/%s",
		 environment("top_srcdir", "."), name);
	return path;
}

void compile(const char *name, const char *flags)
{
	if (folder[0] == '\0')
		enter_folder();
	shell("%s %s -o '%s' '%s'", environment("CC", "cc"), flags, in_folder(name),
	      source("places.c"));
}

size_t run(const char *name, struct mark marks[16])
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

uint32_t line_of(const char *file, const char *mark)
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

char *build_id(const char *path)
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

const struct hs_symbol_options no_options;

struct hs_profile *profile_of(const char *path, const char *id, uint64_t start_ns,
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

struct hs_profile *symbolized(const char *name, const struct mark *marks, size_t n,
			      const struct hs_symbol_options *options)
{
	struct hs_profile *p =
		profile_of(in_folder(name), build_id(in_folder(name)), 0, marks, n);
	hs_symbolize(p, options);
	hs_profile_check(p);
	return p;
}

size_t find_mark(const struct mark *marks, const char *mark)
{
	size_t i = 0;
	while (strcmp(marks[i].name, mark) != 0)
		i++;
	return i;
}

const struct hs_frame_info *frame_of(const struct hs_profile *p, const struct mark *marks,
				     const char *mark)
{
	return &p->frames[find_mark(marks, mark) + 1];
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

void assert_chain(const struct hs_profile *p, const struct hs_frame_info *f,
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

void assert_all_of_c(const struct hs_profile *p, const struct mark *marks)
{
	CHAIN(p, marks, "plain", "places.c", {"plain", "plain"});
	CHAIN(p, marks, "inlined", "places.c", {"innermost", "innermost"},
	      {"middle", "middle"}, {"outermost", "outermost"});
	CHAIN(p, marks, "alias", "places.c", {"public_name", "alias"});
	CHAIN(p, marks, "local", "places.c", {"local", "local"});
	if (strcmp(marks[0].name, "nested") == 0)
		CHAIN(p, marks, "nested", "places.c", {"nested", "nested"});
	ck_assert_uint_eq(p->n_warnings, 0);
}

void assert_functions_of_c(const struct hs_profile *p, const struct mark *marks)
{
	CHAIN(p, marks, "plain", "places.c", {"plain", NULL});
	CHAIN(p, marks, "inlined", "places.c", {"outermost", NULL});
	CHAIN(p, marks, "alias", "places.c", {"public_name", NULL});
	CHAIN(p, marks, "local", "places.c", {"local", NULL});
	ck_assert_uint_eq(p->n_warnings, 0);
}

void assert_unnamed(const struct hs_profile *p, size_t n_warnings, const char *part)
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
