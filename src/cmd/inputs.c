/* SPDX-License-Identifier: MIT */

/* Finding captures and profiles, and reading them. */
#include "src/cmd/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/format.h"
#include "src/build.h"
#include "src/cmd/images.h"
#include "src/cmd/options.h"
#include "src/cmd/output.h"
#include "src/cmd/progress.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/image.h"
#include "src/imagefiles.h"
#include "src/live.h"
#include "src/log.h"
#include "src/names.h"
#include "src/out.h"
#include "src/source.h"
#include "src/spool.h"

#define CAPTURE_SUFFIX ".hsnap"

/* Length of ".hsnap", ".hsnap.gz" ... at the end of PATH; 0 if there is none. */
static size_t capture_suffix(const char *path)
{
	static const char *const packings[] = {"", ".gz", ".zst", ".lz4", ".xz"};
	size_t n = strlen(path);
	for (size_t i = 0; i < HS_COUNT(packings); i++) {
		size_t m = strlen(CAPTURE_SUFFIX) + strlen(packings[i]);
		const char *end = n > m ? path + n - m : "";
		if (!strncmp(end, CAPTURE_SUFFIX, strlen(CAPTURE_SUFFIX)) &&
		    !strcmp(end + strlen(CAPTURE_SUFFIX), packings[i]))
			return m;
	}
	return 0;
}

char *hs_capture_stem(const char *path)
{
	return hs_xasprintf("%.*s", (int)(strlen(path) - capture_suffix(path)), path);
}

static bool id_is_taken(const struct hs_inputs *in, const char *id)
{
	for (size_t i = 0; i < in->list.n; i++)
		if (!strcmp(in->list.at[i].id, id))
			return true;
	return false;
}

/* Captures of the same name in two directories are told apart by a number. */
static char *unique_id(const struct hs_inputs *in, const char *path)
{
	char *stem = hs_capture_stem(hs_base_name(path));
	char *id = hs_xstrdup(stem);
	for (unsigned k = 2; id_is_taken(in, id); k++) {
		free(id);
		id = hs_xasprintf("%s~%u", stem, k);
	}
	free(stem);
	return id;
}

static struct hs_error *not_known(const char *path)
{
	struct hs_out names;
	hs_out_init(&names, -1);
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if ((*f)->read || (*f)->image)
			hs_printf(&names, "%s%s", names.n ? ", " : "", (*f)->name);
	char *list = hs_out_take(&names, NULL);
	struct hs_error *err =
		hs_error("%s is not a capture or profile heapsnap knows; known "
			 "formats: %s",
			 path, list);
	free(list);
	return err;
}

static void set_identity(struct hs_builder *b, const char *id,
			 const struct hs_format *format)
{
	struct hs_process_info *process = hs_build_process(b);
	process->id = hs_build_cstring(b, id);
	if (!process->name.i)
		process->name = process->id;
	if (!process->source.i)
		process->source = hs_build_cstring(b, format->name);
}

static struct hs_error *read_profile(struct hs_cursor *bytes, const char *id,
				     const struct hs_format *format,
				     const struct hs_source *source,
				     struct hs_profile **ret)
{
	struct hs_builder *b = hs_build_new();
	struct hs_error *err = format->read(bytes, b);
	if (err) {
		hs_build_free(b);
		return err;
	}
	if (bytes->truncated || hs_source_truncated(source)) {
		hs_build_process(b)->complete = false;
		hs_build_warn(b,
			      "the compressed file ends early; read as far as it goes");
	}
	set_identity(b, id, format);
	*ret = hs_build_seal(b);
	return NULL;
}

static struct hs_error *read_mapped(const char *path, const char *id,
				    const struct hs_format *format,
				    const struct hs_source *source, bool as_is,
				    bool *changed, struct hs_profile **ret)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	if (err)
		return err;
	struct hs_cursor bytes = hs_cursor(file.data, file.size, path);
	bytes.truncated = file.truncated;
	bytes.as_is = as_is;
	err = read_profile(&bytes, id, format, source, ret);
	*changed = bytes.changed;
	hs_file_close(&file);
	return err;
}

/* A recorder works longer on a checkpoint than we on reading it. */
#define MOST_TRIES 16

/* Formats that jump to and fro need all of the file at once. */
static struct hs_error *read_whole(const char *path, const char *id,
				   const struct hs_format *format,
				   const struct hs_source *source,
				   struct hs_profile **ret)
{
	for (int i = 0;; i++) {
		bool changed = false;
		struct hs_error *err = read_mapped(path, id, format, source,
						   i == MOST_TRIES, &changed, ret);
		if (!changed)
			return err;
		hs_error_free(err);
	}
}

/* tmpfs, which /tmp often is, has no more room than the memory. */
static const char *spool_folder(void)
{
	const char *folder = getenv("TMPDIR");
	return folder && *folder ? folder : "/var/tmp";
}

static struct hs_error *read_image(const struct hs_inputs *in, const char *path,
				   struct hs_source *source,
				   const struct hs_format *format, struct hs_input *input)
{
	struct hs_file file;
	struct hs_error *err = hs_source_packed(source)
				       ? hs_spool(source, spool_folder(), &file)
				       : hs_file_open(path, 0, &file);
	if (err)
		return err;
	err = format->image(&file, &input->image);
	hs_file_close(&file); /* which the image has, if there is one */
	if (err)
		return hs_error_in(err, "%s", path);
	input->files = hs_imagefiles_new(input->image, in->symbols);
	input->profile =
		hs_image_profile(input->image, input->files, input->id, format->name);
	return NULL;
}

static struct hs_error *read_source(struct hs_inputs *in, const char *path,
				    struct hs_source *source, struct hs_input *input)
{
	enum hs_match match;
	struct hs_cursor *bytes = hs_source_cursor(source);
	const struct hs_format *format = hs_format_guess(bytes->pos, hs_cur_left(bytes),
							 hs_base_name(path), &match);
	if (!hs_cur_left(bytes))
		return hs_error(
			"%s is empty: nothing was recorded, or the disk was full; "
			"record again",
			path);
	if (!format || (!format->read && !format->image))
		return not_known(path);
	input->id = unique_id(in, path);
	hs_progress_task("reading %s", input->id);
	struct hs_error *err =
		format->image ? read_image(in, path, source, format, input)
		: format->streams
			? read_profile(bytes, input->id, format, source, &input->profile)
			: read_whole(path, input->id, format, source, &input->profile);
	if (err)
		free(HS_TAKE(input->id));
	return err;
}

static struct hs_error *read_file(struct hs_inputs *in, const char *path,
				  struct hs_input *input)
{
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	if (err)
		return err;
	err = read_source(in, path, source, input);
	hs_source_close(source);
	return err;
}

static bool is_read_already(const struct hs_inputs *in, const struct stat *st)
{
	for (size_t i = 0; i < in->list.n; i++)
		if (in->list.at[i].dev == st->st_dev && in->list.at[i].ino == st->st_ino)
			return true;
	return false;
}

static void add_file(struct hs_inputs *in, const char *path, const struct stat *st)
{
	if (is_read_already(in, st))
		return;
	struct hs_input input = {.dev = st->st_dev, .ino = st->st_ino};
	struct hs_error *err = read_file(in, path, &input);
	if (err)
		hs_array_push(&in->errors, err);
	if (!input.profile)
		return;
	input.path = hs_xstrdup(path);
	hs_array_push(&in->list, input);
}

/* Temporary files of the recorder and of this program begin with a dot. */
static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The order of bytes: alphasort() asks the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/*
 * Is PATH, found in a directory, an input?  By its name, or by its first bytes.
 * What else lies there is passed over in silence.
 */
static bool is_wanted(const char *path)
{
	enum hs_match match = HS_MATCH_NO;
	if (capture_suffix(path))
		return true;
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	if (!err) {
		const struct hs_cursor *bytes = hs_source_cursor(source);
		hs_format_guess(bytes->pos, hs_cur_left(bytes), hs_base_name(path),
				&match);
		hs_source_close(source);
	}
	hs_error_free(err);
	return match >= HS_MATCH_LIKELY;
}

static void add_dir(struct hs_inputs *in, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_visible, compare_names);
	if (n < 0) {
		hs_array_push(&in->errors, hs_error("cannot read the directory %s: %s",
						    dir, strerror(errno)));
		return;
	}
	size_t before = in->list.n + in->errors.n;
	for (int i = 0; i < n; i++) {
		char *path = hs_path_join(dir, entries[i]->d_name);
		struct stat st;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && is_wanted(path))
			add_file(in, path, &st);
		free(path);
		free(entries[i]);
	}
	free(entries);
	if (in->list.n + in->errors.n == before)
		hs_array_push(
			&in->errors,
			hs_error("%s holds no capture; 'heapsnap run -o %s -- PROGRAM' "
				 "records one",
				 dir, dir));
}

static void add_process(struct hs_inputs *in, pid_t pid, const char *path)
{
	struct hs_input input = {0};
	hs_progress_task("reading process %d", pid);
	struct hs_error *err = hs_live_open(pid, &input.image);
	if (err) {
		hs_array_push(&in->errors, err);
		return;
	}
	char *name = hs_xasprintf("%s.%d", input.image->name, pid);
	input.id = unique_id(in, name);
	free(name);
	input.path = hs_xstrdup(path);
	input.symbols = hs_live_options_new(in->symbols, pid);
	input.files = hs_imagefiles_new(input.image, input.symbols);
	input.profile = hs_image_profile(input.image, input.files, input.id, "process");
	hs_array_push(&in->list, input);
}

void hs_inputs_add(struct hs_inputs *in, const char *path)
{
	struct stat st;
	int missing = stat(path, &st) ? errno : 0;
	if (missing && hs_parse_pid(path))
		add_process(in, hs_parse_pid(path), path);
	else if (missing)
		hs_array_push(
			&in->errors,
			hs_error("cannot read %s: %s; name a capture, or a directory "
				 "that 'heapsnap run -o' wrote",
				 path, strerror(missing)));
	else if (S_ISDIR(st.st_mode))
		add_dir(in, path);
	else
		add_file(in, path, &st);
}

struct hs_error *hs_inputs_settle(struct hs_inputs *in)
{
	struct hs_error *ret = NULL;
	if (!in->list.n && in->errors.n == 1)
		return HS_TAKE(in->errors.at[0]);
	for (size_t i = 0; i < in->errors.n; i++) {
		const char *message = hs_error_message(in->errors.at[i]);
		if (in->list.n)
			hs_log_warning("left out: %s", message);
		else
			hs_log_error("%s", message);
	}
	if (!in->list.n)
		ret = hs_error("nothing could be read");
	return ret;
}

void hs_inputs_deinit(struct hs_inputs *in)
{
	for (size_t i = 0; i < in->list.n; i++) {
		hs_profile_free(in->list.at[i].profile);
		hs_image_free(in->list.at[i].image);
		hs_imagefiles_free(in->list.at[i].files); /* IMAGE's memory lies there */
		hs_live_options_free(in->list.at[i].symbols);
		free(in->list.at[i].path);
		free(in->list.at[i].id);
	}
	for (size_t i = 0; i < in->errors.n; i++)
		hs_error_free(in->errors.at[i]);
	hs_array_free(&in->list);
	hs_array_free(&in->errors);
}
