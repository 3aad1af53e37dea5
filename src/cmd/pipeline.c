/* SPDX-License-Identifier: MIT */

/* The pipeline: find, read, name, analyze, write. */
#include "src/cmd/pipeline.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/analyzer.h"
#include "formats/format.h"
#include "src/array.h"
#include "src/build.h"
#include "src/cmd/output.h"
#include "src/cmd/progress.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/log.h"
#include "src/names.h"
#include "src/symbols.h"

#define CAPTURE_SUFFIX ".hsnap"

struct input {
	char *path;
	char *id; /* of the process; unique in this pipeline */
	dev_t dev;
	ino_t ino;
	struct hs_profile *profile;
};

struct hs_pipeline {
	struct hs_pipeline_options options;
	HS_ARRAY(struct input) inputs; /* those that could be read */
	HS_ARRAY(struct hs_error *) errors;
	HS_ARRAY(struct hs_target) targets;
	struct hs_findings *findings;
	struct hs_report report;
	char *title;
};

static bool has_capture_suffix(const char *name)
{
	size_t n = strlen(name), m = strlen(CAPTURE_SUFFIX);
	return n > m && !strcmp(name + n - m, CAPTURE_SUFFIX);
}

/* "dir/myserver.4242.hsnap" -> "myserver.4242"; malloc'ed. */
static char *stem_of(const char *path)
{
	const char *name = hs_base_name(path);
	size_t n = strlen(name) - (has_capture_suffix(name) ? strlen(CAPTURE_SUFFIX) : 0);
	return hs_xasprintf("%.*s", (int)n, name);
}

static bool id_is_taken(const struct hs_pipeline *p, const char *id)
{
	for (size_t i = 0; i < p->inputs.n; i++)
		if (!strcmp(p->inputs.at[i].id, id))
			return true;
	return false;
}

/* Captures of the same name in two directories are told apart by a number. */
static char *unique_id(const struct hs_pipeline *p, const char *path)
{
	char *stem = stem_of(path);
	char *id = hs_xstrdup(stem);
	for (unsigned k = 2; id_is_taken(p, id); k++) {
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
		if ((*f)->read)
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

/* Read FILE as FORMAT. */
static struct hs_error *read_profile(const struct hs_file *file, const char *path,
				     const char *id, const struct hs_format *format,
				     struct hs_profile **ret)
{
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(file->data, file->size, path);
	in.truncated = file->truncated;
	struct hs_error *err = format->read(&in, b);
	if (err) {
		hs_build_free(b);
		return err;
	}
	if (file->truncated) {
		hs_build_process(b)->complete = false;
		hs_build_warn(b,
			      "the compressed file ends early; read as far as it goes");
	}
	set_identity(b, id, format);
	*ret = hs_build_seal(b);
	return NULL;
}

/* What a directory holds besides captures is passed over in silence. */
enum origin { NAMED, FOUND };

static struct hs_error *read_file(struct hs_pipeline *p, const char *path,
				  enum origin origin, struct input *input)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	bool silent = origin == FOUND && !has_capture_suffix(path);
	if (err)
		return silent ? (hs_error_free(err), NULL) : err;
	enum hs_match match;
	const struct hs_format *format =
		hs_format_guess(file.data, file.size, hs_base_name(path), &match);
	if (silent && (!format || match < HS_MATCH_LIKELY))
		format = NULL;
	else if (!file.size)
		err = hs_error("%s is empty: nothing was recorded, or the disk was full; "
			       "record again",
			       path);
	else if (!format || !format->read)
		err = not_known(path);
	if (!err && format && format->read) {
		input->id = unique_id(p, path);
		hs_progress_task("reading %s", input->id);
		err = read_profile(&file, path, input->id, format, &input->profile);
		if (err)
			free(HS_TAKE(input->id));
	}
	hs_file_close(&file);
	return err;
}

static bool is_read_already(const struct hs_pipeline *p, const struct stat *st)
{
	for (size_t i = 0; i < p->inputs.n; i++)
		if (p->inputs.at[i].dev == st->st_dev &&
		    p->inputs.at[i].ino == st->st_ino)
			return true;
	return false;
}

static void add_file(struct hs_pipeline *p, const char *path, const struct stat *st,
		     enum origin origin)
{
	if (is_read_already(p, st))
		return;
	struct input input = {.dev = st->st_dev, .ino = st->st_ino};
	struct hs_error *err = read_file(p, path, origin, &input);
	if (err)
		hs_array_push(&p->errors, err);
	if (!input.profile)
		return;
	input.path = hs_xstrdup(path);
	hs_array_push(&p->inputs, input);
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

static void add_dir(struct hs_pipeline *p, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_visible, compare_names);
	if (n < 0) {
		hs_array_push(&p->errors, hs_error("cannot read the directory %s: %s",
						   dir, strerror(errno)));
		return;
	}
	size_t before = p->inputs.n + p->errors.n;
	for (int i = 0; i < n; i++) {
		char *path = hs_path_join(dir, entries[i]->d_name);
		struct stat st;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			add_file(p, path, &st, FOUND);
		free(path);
		free(entries[i]);
	}
	free(entries);
	if (p->inputs.n + p->errors.n == before)
		hs_array_push(
			&p->errors,
			hs_error("%s holds no capture; 'heapsnap run -o %s -- PROGRAM' "
				 "records one",
				 dir, dir));
}

static void add_path(struct hs_pipeline *p, const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		hs_array_push(
			&p->errors,
			hs_error("cannot read %s: %s; name a capture, or a directory "
				 "that 'heapsnap run -o' wrote",
				 path, strerror(errno)));
	else if (S_ISDIR(st.st_mode))
		add_dir(p, path);
	else
		add_file(p, path, &st, NAMED);
}

/* Tell what was left out; an error where nothing is left. */
static struct hs_error *settle_errors(struct hs_pipeline *p)
{
	struct hs_error *ret = NULL;
	if (!p->inputs.n && p->errors.n == 1)
		return HS_TAKE(p->errors.at[0]);
	for (size_t i = 0; i < p->errors.n; i++) {
		const char *message = hs_error_message(p->errors.at[i]);
		if (p->inputs.n)
			hs_log_warning("left out: %s", message);
		else
			hs_log_error("%s", message);
	}
	if (!p->inputs.n)
		ret = hs_error("nothing could be read");
	return ret;
}

static void warn_of_loss(const struct input *input)
{
	const struct hs_profile *p = input->profile;
	if (p->process.complete)
		return;
	hs_log_warning("%s is incomplete; read as far as it goes%s%s", input->path,
		       p->n_warnings ? ": " : "", p->n_warnings ? p->warnings[0] : "");
}

static void name_frames(struct hs_pipeline *p)
{
	const struct hs_symbol_options options = {
		.exes = p->options.exes,
		.sysroots = p->options.sysroots,
		.debug_dirs = p->options.debug_dirs,
		.cache = hs_symbol_cache_new(),
		.progress = hs_progress,
	};
	for (size_t i = 0; i < p->inputs.n; i++) {
		hs_progress_task("naming frames of %s", p->inputs.at[i].id);
		hs_symbolize(p->inputs.at[i].profile, &options);
	}
	hs_symbol_cache_free(options.cache);
}

static struct hs_findings *analyze(const struct hs_target *targets, size_t n)
{
	struct hs_findings *findings = hs_findings_new();
	for (size_t i = 0; i < n; i++)
		for (const struct hs_analyzer *const *a = hs_analyzers; *a; a++)
			if (((*a)->needs & targets[i].has) == (*a)->needs)
				(*a)->run(&targets[i], findings);
	hs_findings_sort(findings);
	return findings;
}

static char *title_of(const struct hs_pipeline *p, const char *const *paths)
{
	if (p->inputs.n == 1)
		return hs_xstrdup(p->inputs.at[0].id);
	if (paths[1])
		return hs_xasprintf("%zu processes", p->inputs.n);
	/* "out/" has an empty last part, "." says nothing. */
	char *real = realpath(paths[0], NULL);
	char *title = hs_xstrdup(hs_base_name(real ? real : paths[0]));
	free(real);
	return title;
}

struct hs_error *hs_pipeline_open(const char *const *paths,
				  const struct hs_pipeline_options *options,
				  struct hs_pipeline **ret)
{
	struct hs_pipeline *p = hs_xcalloc(1, sizeof(*p));
	p->options = *options;
	for (const char *const *path = paths; *path; path++)
		add_path(p, *path);
	struct hs_error *err = settle_errors(p);
	if (err) {
		hs_pipeline_free(p);
		return err;
	}
	name_frames(p);
	for (size_t i = 0; i < p->inputs.n; i++) {
		const struct hs_profile *profile = p->inputs.at[i].profile;
		warn_of_loss(&p->inputs.at[i]);
		hs_array_push(&p->targets, ((struct hs_target){.profile = profile,
							       .has = profile->has}));
	}
	hs_progress_task("analyzing");
	p->findings = analyze(p->targets.at, p->targets.n);
	p->title = title_of(p, paths);
	p->report = (struct hs_report){
		.targets = p->targets.at,
		.n_targets = p->targets.n,
		.findings = p->findings,
		.title = p->title,
		.top = options->top,
		.details = options->details,
	};
	hs_progress_clear();
	*ret = p;
	return NULL;
}

void hs_pipeline_free(struct hs_pipeline *p)
{
	if (!p)
		return;
	hs_findings_free(p->findings); /* points into the profiles */
	for (size_t i = 0; i < p->inputs.n; i++) {
		hs_profile_free(p->inputs.at[i].profile);
		free(p->inputs.at[i].path);
		free(p->inputs.at[i].id);
	}
	for (size_t i = 0; i < p->errors.n; i++)
		hs_error_free(p->errors.at[i]);
	hs_array_free(&p->inputs);
	hs_array_free(&p->errors);
	hs_array_free(&p->targets);
	free(p->title);
	free(p);
}

const struct hs_report *hs_pipeline_report(const struct hs_pipeline *p)
{
	return &p->report;
}

static struct hs_error *write_report(const struct hs_report *report,
				     const char *format_name, const char *path)
{
	const struct hs_format *format = hs_format_by_name(format_name);
	if (!format || !format->write)
		return hs_error(
			"cannot write %s: this heapsnap was built without the format %s",
			path, format_name);
	struct hs_output output;
	hs_progress_task("writing %s", hs_base_name(path));
	struct hs_error *err = hs_output_open(path, &output);
	if (err)
		return err;
	format->write(report, &output.out);
	hs_progress_clear();
	return hs_output_close(&output);
}

struct hs_error *hs_pipeline_write(const struct hs_pipeline *p, const char *format,
				   const char *path, bool color)
{
	struct hs_report report = p->report;
	report.color = color;
	return write_report(&report, format, path);
}

/* Two files; the second is tried even where the first failed. */
static struct hs_error *write_pair(const struct hs_report *report, const char *html,
				   const char *text)
{
	struct hs_error *err = write_report(report, "html", html);
	struct hs_error *more = write_report(report, "text", text);
	if (!err)
		return more;
	hs_error_free(more);
	return err;
}

struct hs_error *hs_pipeline_write_dir(const struct hs_pipeline *p, const char *dir)
{
	char *html = hs_path_join(dir, "report.html");
	char *text = hs_path_join(dir, "summary.txt");
	struct hs_error *err = write_pair(&p->report, html, text);
	free(html);
	free(text);
	return err;
}

static struct hs_error *write_beside(const struct hs_pipeline *p, size_t i)
{
	struct hs_report report = p->report;
	report.targets = &p->targets.at[i];
	report.n_targets = 1;
	report.title = p->inputs.at[i].id;
	struct hs_findings *findings = NULL;
	if (p->targets.n > 1)
		report.findings = findings = analyze(report.targets, 1);
	char *dir = hs_path_dir(p->inputs.at[i].path);
	char *stem = stem_of(p->inputs.at[i].path);
	char *base = hs_path_join(dir, stem);
	char *html = hs_xasprintf("%s.html", base);
	char *text = hs_xasprintf("%s.txt", base);
	struct hs_error *err = write_pair(&report, html, text);
	free(dir);
	free(stem);
	free(base);
	free(html);
	free(text);
	hs_findings_free(findings);
	return err;
}

struct hs_error *hs_pipeline_write_each(const struct hs_pipeline *p)
{
	struct hs_error *first = NULL;
	for (size_t i = 0; i < p->inputs.n; i++) {
		struct hs_error *err = write_beside(p, i);
		if (first)
			hs_error_free(err);
		else
			first = err;
	}
	return first;
}

char *hs_pipeline_summary(const struct hs_pipeline *p, bool color)
{
	struct hs_report report = p->report;
	report.color = color;
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_format_by_name("text")->write(&report, &out);
	return hs_out_take(&out, NULL);
}
