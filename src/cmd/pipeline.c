/* SPDX-License-Identifier: MIT */

/* The pipeline: find, read, name, analyze, write. */
#include "src/cmd/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analyzer.h"
#include "formats/format.h"
#include "src/array.h"
#include "src/cmd/cores.h"
#include "src/cmd/heaps.h"
#include "src/cmd/inputs.h"
#include "src/cmd/output.h"
#include "src/cmd/progress.h"
#include "src/embedded.h"
#include "src/hash.h"
#include "src/image.h"
#include "src/inherit.h"
#include "src/log.h"
#include "src/names.h"
#include "src/pymerge.h"
#include "src/symbols.h"

struct hs_pipeline {
	struct hs_pipeline_options options;
	struct hs_symbol_options symbols;
	struct hs_inputs inputs;
	HS_ARRAY(struct hs_target) targets;
	struct hs_image_heap *heaps; /* by input */
	struct hs_suppressions *own; /* where the user gave none */
	struct hs_findings *findings;
	struct hs_report report;
	char *title, *cwd;
};

static void warn_of_loss(const struct hs_input *input)
{
	const struct hs_profile *p = input->profile;
	if (p->process.complete)
		return;
	hs_log_warning("%s is incomplete; read as far as it goes%s%s", input->path,
		       p->n_warnings ? ": " : "", p->n_warnings ? p->warnings[0] : "");
}

/* Captures know their parents by uid; reports call them by id. */
static void link_parents(struct hs_pipeline *p)
{
	struct hs_map by_uid = {0};
	size_t n = p->inputs.list.n;
	struct hs_profile **profiles HS_CLEANUP(hs_freep) =
		hs_xcalloc(n, sizeof(*profiles));
	uint32_t *parents HS_CLEANUP(hs_freep) = hs_xcalloc(n, sizeof(*parents));
	for (size_t i = n; i--;) {
		const struct hs_profile *profile = p->inputs.list.at[i].profile;
		const char *uid = hs_string(profile, profile->process.uid);
		if (*uid)
			*hs_map_put(&by_uid,
				    hs_hash_bytes(HS_HASH_INIT, uid, strlen(uid)), NULL) =
				(uint32_t)i;
	}
	for (size_t i = 0; i < n; i++) {
		struct hs_profile *child = p->inputs.list.at[i].profile;
		const char *uid = hs_string(child, child->process.parent_uid);
		uint32_t *parent = hs_map_get(
			&by_uid, hs_hash_bytes(HS_HASH_INIT, uid, strlen(uid)));
		profiles[i] = child;
		parents[i] = HS_NO_PARENT;
		if (!*uid || !parent || *parent == i)
			continue;
		parents[i] = *parent;
		child->process.parent =
			hs_profile_add_string(child, p->inputs.list.at[*parent].id);
	}
	hs_inherit(profiles, parents, n);
	hs_map_deinit(&by_uid);
}

static void name_frames(struct hs_pipeline *p)
{
	for (size_t i = 0; i < p->inputs.list.n; i++) {
		const struct hs_input *input = &p->inputs.list.at[i];
		hs_progress_task("naming frames of %s", input->id);
		hs_symbolize(input->profile,
			     input->symbols ? input->symbols : &p->symbols);
		hs_merge_python(input->profile);
	}
	hs_symbol_cache_free(HS_TAKE(p->symbols.cache));
}

/* What the programs themselves want to have hidden; one file is asked once. */
static void add_embedded(struct hs_pipeline *p, struct hs_suppressions *s)
{
	HS_ARRAY(const char *) asked = {0};
	for (size_t i = 0; i < p->inputs.list.n; i++) {
		const struct hs_input *input = &p->inputs.list.at[i];
		const char *exe = hs_string(input->profile, input->profile->process.exe);
		char *text;
		size_t k = 0;
		while (k < asked.n && strcmp(asked.at[k], exe) != 0)
			k++;
		if (k < asked.n)
			continue;
		hs_array_push(&asked, exe);
		struct hs_error *err = hs_embedded_suppressions(
			input->profile, input->symbols ? input->symbols : &p->symbols,
			&text);
		if (!err && text)
			err = hs_suppressions_parse(s, hs_base_name(exe), text,
						    strlen(text));
		if (err)
			hs_log_warning("%s", hs_error_message(err));
		hs_error_free(err);
		free(text);
	}
	hs_array_free(&asked);
}

static void suppress(struct hs_pipeline *p)
{
	struct hs_suppressions *s = p->options.suppressions;
	size_t n;
	if (!s)
		s = p->own = hs_suppressions_new();
	if (!p->options.no_embedded)
		add_embedded(p, s);
	if (hs_suppressions_get(s, &n), !n)
		return;
	struct hs_findings *ids = hs_findings_new();
	hs_suppressions_apply(s, ids, p->targets.at, p->targets.n);
	hs_findings_free(ids);
	p->report.suppressions = s;
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

/* That of a living process changes while it is looked at. */
static void read_heap(struct hs_pipeline *p, size_t i)
{
	struct hs_input *input = &p->inputs.list.at[i];
	if (!input->image || input->image->live)
		return;
	hs_progress_task("walking the heap of %s", input->id);
	hs_image_heap_read(input->image, input->profile, &p->heaps[i]);
}

static char *title_of(const struct hs_pipeline *p, const char *const *paths)
{
	if (p->inputs.list.n == 1)
		return hs_xstrdup(p->inputs.list.at[0].id);
	if (paths[1])
		return hs_xasprintf("%zu processes", p->inputs.list.n);
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
	p->symbols = (struct hs_symbol_options){
		.exes = options->exes,
		.sysroots = options->sysroots,
		.debug_dirs = options->debug_dirs,
		.debuginfod = options->debuginfod,
		.cache = hs_symbol_cache_new(),
		.progress = hs_progress,
	};
	p->inputs.symbols = &p->symbols;
	for (const char *const *path = paths; *path; path++)
		hs_inputs_add(&p->inputs, *path);
	struct hs_error *err = hs_inputs_settle(&p->inputs);
	if (err) {
		hs_pipeline_free(p);
		return err;
	}
	link_parents(p);
	hs_cores_link(&p->inputs);
	name_frames(p);
	p->heaps = hs_xcalloc(p->inputs.list.n, sizeof(*p->heaps));
	for (size_t i = 0; i < p->inputs.list.n; i++) {
		read_heap(p, i);
		const struct hs_profile *profile = p->inputs.list.at[i].profile;
		warn_of_loss(&p->inputs.list.at[i]);
		hs_array_push(&p->targets,
			      ((struct hs_target){.profile = profile,
						  .image = p->inputs.list.at[i].image,
						  .walked = p->heaps[i].walked,
						  .graph = p->heaps[i].graph,
						  .has = profile->has}));
	}
	hs_progress_task("analyzing");
	suppress(p);
	p->findings = analyze(p->targets.at, options->figures_alone ? 0 : p->targets.n);
	p->title = title_of(p, paths);
	p->cwd = getcwd(NULL, 0);
	p->report = (struct hs_report){
		.targets = p->targets.at,
		.n_targets = p->targets.n,
		.findings = p->findings,
		.suppressions = p->report.suppressions,
		.gate = options->gate,
		.source_root = p->cwd,
		.title = p->title,
		.top = options->top,
		.details = options->details,
		.measure = options->measure,
		.all = options->all,
		.privacy = options->privacy,
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
	hs_suppressions_free(p->own);
	for (size_t i = 0; p->heaps && i < p->inputs.list.n; i++)
		hs_image_heap_deinit(&p->heaps[i]);
	free(p->heaps);
	hs_inputs_deinit(&p->inputs);
	hs_symbol_cache_free(p->symbols.cache);
	hs_array_free(&p->targets);
	free(p->title);
	free(p->cwd);
	free(p);
}

const struct hs_report *hs_pipeline_report(const struct hs_pipeline *p)
{
	return &p->report;
}

static bool is_called(const struct hs_profile *p, const char *id, bool by_pid)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%u", p->process.pid);
	return by_pid ? p->has & HS_HAS_PID && !strcmp(pid, id)
		      : !strcmp(hs_string(p, p->process.id), id);
}

struct hs_error *hs_pipeline_choose(struct hs_pipeline *p, const char *id)
{
	for (int by_pid = 0; by_pid < 2; by_pid++) {
		const struct hs_target *found = NULL;
		for (size_t i = 0; i < p->targets.n; i++) {
			if (!is_called(p->targets.at[i].profile, id, by_pid))
				continue;
			if (found)
				return hs_error("several processes have the pid %s; name "
						"one by its id, such as %s",
						id,
						hs_string(found->profile,
							  found->profile->process.id));
			found = &p->targets.at[i];
		}
		if (!found)
			continue;
		p->report.targets = found;
		p->report.n_targets = 1;
		p->report.title = hs_string(found->profile, found->profile->process.id);
		hs_findings_free(HS_TAKE(p->findings));
		p->findings = analyze(found, p->options.figures_alone ? 0 : 1);
		p->report.findings = p->findings;
		return NULL;
	}
	return hs_error("there is no process %s; 'heapsnap analyze --json -' lists them",
			id);
}

typedef struct hs_error *open_function(const char *path, struct hs_output *ret);

static struct hs_error *write_report(const struct hs_report *report,
				     const char *format_name, const char *path,
				     open_function *open_output)
{
	const struct hs_format *format = hs_format_by_name(format_name);
	if (!format || !format->write)
		return hs_error(
			"cannot write %s: this heapsnap was built without the format %s",
			path, format_name);
	struct hs_output output;
	hs_progress_task("writing %s", hs_base_name(path));
	struct hs_error *err = open_output(path, &output);
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
	return write_report(&report, format, path, hs_output_open);
}

/* Two files; the second is tried even where the first failed. */
static struct hs_error *write_pair(const struct hs_report *report, const char *html,
				   const char *text)
{
	struct hs_error *err = write_report(report, "html", html, hs_output_create);
	struct hs_error *more = write_report(report, "text", text, hs_output_create);
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
	report.title = p->inputs.list.at[i].id;
	struct hs_findings *findings = NULL;
	if (p->targets.n > 1)
		report.findings = findings = analyze(report.targets, 1);
	char *base = hs_capture_stem(p->inputs.list.at[i].path);
	char *html = hs_xasprintf("%s.html", base);
	char *text = hs_xasprintf("%s.txt", base);
	struct hs_error *err = write_pair(&report, html, text);
	free(base);
	free(html);
	free(text);
	hs_findings_free(findings);
	return err;
}

struct hs_error *hs_pipeline_write_each(const struct hs_pipeline *p)
{
	struct hs_error *first = NULL;
	for (size_t i = 0; i < p->inputs.list.n; i++) {
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
