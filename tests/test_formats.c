/* SPDX-License-Identifier: MIT */

/*
 * Every sample in tests/files/FORMAT gets the verdict which its name promises:
 * good-* is recognised and read, bad-* is not a file of any format or gives an
 * error, unsupported-* is recognised and refused with a reason.
 */
#include "formats/format.h"

#include <dirent.h>
#include <string.h>

#include "src/build.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/image.h"
#include "tests/lib/suite.h"

static bool begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static struct hs_error *open_image(struct hs_file *file, const struct hs_format *format)
{
	struct hs_image *image = NULL;
	struct hs_error *err = format->image(file, &image);
	hs_image_free(image);
	hs_file_close(file);
	return err;
}

/* Guess and read PATH as the program does.  NULL: it is a profile. */
static struct hs_error *read_file(const char *path, const struct hs_format **format)
{
	struct hs_file file;
	enum hs_match match;
	struct hs_error *err = hs_file_open(path, 0, &file);
	*format = NULL;
	if (err)
		return err;
	*format = hs_format_guess(file.data, file.size, path, &match);
	if (*format && (*format)->image)
		return open_image(&file, *format);
	if (!*format || !(*format)->read) {
		hs_file_close(&file);
		return hs_error("no format fits");
	}
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(file.data, file.size, path);
	in.truncated = file.truncated;
	err = (*format)->read(&in, b);
	hs_profile_free(hs_build_seal(b)); /* checks every invariant */
	hs_file_close(&file);
	return err;
}

/* Returns whether NAME is a good sample. */
static bool try_sample(const struct hs_format *format, const char *folder,
		       const char *name)
{
	const struct hs_format *guessed;
	char *path HS_CLEANUP(hs_freep) = hs_xasprintf("%s/%s", folder, name);
	bool good = begins(name, "good-");
	if (!good && !begins(name, "bad-") && !begins(name, "unsupported-"))
		return false;
	struct hs_error *err = read_file(path, &guessed);
	const char *said = err ? hs_error_message(err) : "read";
	if (good)
		ck_assert_msg(!err, "%s: %s", path, said);
	else
		ck_assert_msg(err, "%s: %s", path, said);
	if (!begins(name, "bad-"))
		ck_assert_msg(guessed == format, "%s: taken for %s", path,
			      guessed ? guessed->name : "nothing");
	hs_error_free(err);
	return good;
}

static size_t try_folder(const struct hs_format *format)
{
	const char *top = getenv("top_srcdir");
	char *folder HS_CLEANUP(hs_freep) =
		hs_xasprintf("%s/tests/files/%s", top ? top : ".", format->name);
	size_t n_good = 0;
	DIR *dir = opendir(folder);
	ck_assert_msg(dir, "%s: samples are missing", folder);
	for (struct dirent *entry; (entry = readdir(dir));)
		n_good += try_sample(format, folder, entry->d_name);
	closedir(dir);
	return n_good;
}

START_TEST(every_sample_gets_the_verdict_that_its_name_promises)
{
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if ((*f)->read || (*f)->image)
			ck_assert_msg(try_folder(*f) > 0, "%s: no good sample",
				      (*f)->name);
}
END_TEST

START_TEST(every_format_is_found_by_its_name)
{
	for (const struct hs_format *const *f = hs_formats; *f; f++) {
		ck_assert_ptr_eq(hs_format_by_name((*f)->name), *f);
		ck_assert_str_ne((*f)->summary, "");
		ck_assert((*f)->read || (*f)->image || (*f)->write);
		ck_assert((*f)->probe || !((*f)->read || (*f)->image));
	}
	ck_assert_ptr_null(hs_format_by_name("no such format"));
}
END_TEST

START_TEST(nothing_is_guessed_from_nothing)
{
	enum hs_match match;
	ck_assert_ptr_null(hs_format_guess(NULL, 0, "x.hsnap", &match));
	ck_assert_int_eq(match, HS_MATCH_NO);
}
END_TEST

HS_SUITE("formats", every_sample_gets_the_verdict_that_its_name_promises,
	 every_format_is_found_by_its_name, nothing_is_guessed_from_nothing)
