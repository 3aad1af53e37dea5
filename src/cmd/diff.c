/* SPDX-License-Identifier: MIT */

/* heapsnap diff: two recordings, or two moments of one, stack by stack. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/array.h"
#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/output.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/progress.h"
#include "src/cmd/symbolfiles.h"
#include "src/compare.h"
#include "src/log.h"
#include "src/out.h"
#include "src/stacktree.h"
#include "src/units.h"

#define TOP        20
#define MAX_FRAMES 4096

enum {
	OPT_BY = 1,
	OPT_TO,
	OPT_OUTPUT,
	OPT_JSON,
	OPT_TOP,
	OPT_EXE,
	OPT_SYSROOT,
	OPT_DEBUG_DIR,
	OPT_QUIET,
};

static const struct hs_option options[] = {
	{OPT_BY, "by", 0, "BY", "peak, leaked, allocated, allocations or temporary",
	 "peak leaked allocated allocations temporary"},
	{OPT_TO, "to", 't', "FORM", "text, json or folded (two columns: A and B)",
	 "text json folded"},
	{OPT_JSON, "json", 0, NULL, "JSON, for programs", NULL},
	{OPT_OUTPUT, "output", 'o', "FILE", "where to; - or nothing is stdout", NULL},
	{OPT_TOP, "top", 0, "N", "list N stacks in the text", NULL},
	{OPT_EXE, "exe", 0, "FILE", "an executable that moved since; repeatable", NULL},
	{OPT_SYSROOT, "sysroot", 0, "DIR",
	 "where the files of the system lie; repeatable", NULL},
	{OPT_DEBUG_DIR, "debug-dir", 0, "DIR", "where debug files lie; repeatable", NULL},
	{OPT_QUIET, "quiet", 'q', NULL, "no progress, no warnings", NULL},
	{0},
};

enum form { TEXT, JSON, FOLDED, FORMS };
static const char *const form_names[FORMS] = {"text", "json", "folded"};

/* One side, as it was given and as it was read. */
struct side {
	const char *given;
	char *path; /* without @TIME */
	bool has_time;
	uint64_t time_ns; /* after the start */
	struct hs_pipeline *pipeline;
};

struct request {
	struct side sides[HS_SIDES];
	size_t n_sides;
	struct hs_symbolfiles files;
	enum hs_measure by;
	enum form to;
	const char *output;
	unsigned top;
	bool has_by, quiet;
};

/* ---- the request ---- */

static void set_side(struct hs_options *o, struct request *r)
{
	if (r->n_sides == HS_SIDES) {
		hs_options_wrong(o, "two sides, A and B; '%s' is a third", o->value);
		return;
	}
	struct side *s = &r->sides[r->n_sides++];
	struct stat st;
	const char *at = strrchr(o->value, '@');
	s->given = o->value;
	if (!at || stat(o->value, &st) == 0) { /* a file may have an @ in its name */
		s->path = hs_xstrdup(o->value);
		return;
	}
	s->path = hs_xasprintf("%.*s", (int)(at - o->value), o->value);
	s->has_time = true;
	if (!hs_parse_time(at + 1, &s->time_ns))
		hs_options_wrong(o, "'%s' is no time after the start, such as 90s or 10m",
				 at + 1);
}

static void set_form(struct hs_options *o, struct request *r)
{
	for (int i = 0; i < FORMS; i++)
		if (!strcmp(o->value, form_names[i])) {
			r->to = (enum form)i;
			return;
		}
	hs_options_wrong(o, "--to is text, json or folded, not '%s'", o->value);
}

static void set_top(struct hs_options *o, struct request *r)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(o->value, &end, 10);
	if (errno || *end || o->value[0] < '0' || o->value[0] > '9' || n < 1 ||
	    n > 1000000)
		hs_options_wrong(o, "--top wants a number from 1 to 1000000, not '%s'",
				 o->value);
	r->top = (unsigned)n;
}

static void read_option(struct hs_options *o, int id, struct request *r)
{
	switch (id) {
	case HS_OPTION_OPERAND:
		set_side(o, r);
		break;
	case OPT_BY:
		r->has_by = true;
		if (!hs_measure_by_name(o->value, &r->by))
			hs_options_wrong(
				o,
				"--by is peak, leaked, allocated, allocations or "
				"temporary, not '%s'",
				o->value);
		break;
	case OPT_TO:
		set_form(o, r);
		break;
	case OPT_JSON:
		r->to = JSON;
		break;
	case OPT_OUTPUT:
		r->output = o->value;
		break;
	case OPT_TOP:
		set_top(o, r);
		break;
	case OPT_EXE:
		hs_array_push(&r->files.exes, o->value);
		break;
	case OPT_SYSROOT:
		hs_array_push(&r->files.sysroots, o->value);
		break;
	case OPT_DEBUG_DIR:
		hs_array_push(&r->files.debug_dirs, o->value);
		break;
	case OPT_QUIET:
		r->quiet = true;
		break;
	default:
		abort();
	}
}

/* ---- both sides ---- */

static struct hs_error *open_side(const struct request *r, struct side *s)
{
	const struct hs_pipeline_options o = {
		.exes = r->files.exes.at,
		.sysroots = r->files.sysroots.at,
		.debug_dirs = r->files.debug_dirs.at,
		.figures_alone = true,
	};
	return hs_pipeline_open((const char *const[]){s->path, NULL}, &o, &s->pipeline);
}

static bool both_know(const struct request *r, enum hs_measure measure)
{
	for (int i = 0; i < HS_SIDES; i++) {
		struct hs_error *err = hs_report_knows(
			hs_pipeline_report(r->sides[i].pipeline), measure);
		bool unknown = err != NULL;
		hs_error_free(err);
		if (unknown)
			return false;
	}
	return true;
}

/* What is compared, if nobody said: what is left, as that is what grows. */
static struct hs_error *choose_measure(struct request *r)
{
	bool timed = r->sides[0].has_time || r->sides[1].has_time;
	if (timed && r->has_by && r->by != HS_MEASURE_LEAKED)
		return hs_error("of a moment only what is live is known: leave --by out");
	if (!r->has_by)
		r->by = both_know(r, HS_MEASURE_LEAKED) || timed ? HS_MEASURE_LEAKED
								 : HS_MEASURE_PEAK;
	for (int i = 0; i < HS_SIDES; i++) {
		struct hs_error *err =
			hs_report_knows(hs_pipeline_report(r->sides[i].pipeline), r->by);
		if (err)
			return hs_error_in(err, "%s", r->sides[i].given);
	}
	return NULL;
}

static struct hs_error *add_side(const struct side *s, enum hs_side side,
				 struct hs_compared *what)
{
	const struct hs_report *report = hs_pipeline_report(s->pipeline);
	for (size_t i = 0; i < report->n_targets; i++) {
		const struct hs_profile *p = report->targets[i].profile;
		if (s->has_time && !(p->has & HS_HAS_LEVELS))
			return hs_error("%s: %s does not tell what was live at a moment "
					"before its end",
					s->given, hs_string(p, p->process.id));
		what[i] =
			(struct hs_compared){.profile = p,
					     .side = side,
					     .at_time = s->has_time,
					     .time_ns = p->process.start_ns + s->time_ns};
	}
	return NULL;
}

/* ---- text ---- */

static void put_amount(struct hs_out *out, uint64_t value, bool counts)
{
	if (counts)
		hs_printf(out, "%llu", (unsigned long long)value);
	else
		hs_put_size(out, value);
}

static void put_change(struct hs_out *out, uint64_t a, uint64_t b, bool counts)
{
	hs_putc(out, b >= a ? '+' : '-');
	put_amount(out, b >= a ? b - a : a - b, counts);
}

static uint64_t value_of(struct hs_amount amount, bool counts)
{
	return counts ? amount.blocks : amount.bytes;
}

static void put_side(struct hs_out *out, const struct request *r,
		     const struct hs_compare *c, int side, bool counts)
{
	const struct side *s = &r->sides[side];
	size_t n = hs_pipeline_report(s->pipeline)->n_targets;
	hs_printf(out, "  %c  ", "AB"[side]);
	put_amount(out, value_of(hs_compare_total(c, (enum hs_side)side), counts),
		   counts);
	hs_puts(out, "  ");
	hs_put_plain(out, s->given);
	hs_printf(out, " (%zu process%s)\n", n, n == 1 ? "" : "es");
}

static void put_frames(struct hs_out *out, const struct hs_compare *c,
		       const struct hs_difference *d)
{
	struct hs_compare_frame frames[12];
	size_t n = hs_compare_stack(c, d, frames, HS_COUNT(frames));
	for (size_t i = 0; i < HS_MIN(n, HS_COUNT(frames)); i++) {
		char *module =
			hs_xasprintf("%.*s", frames[i].module_length, frames[i].module);
		hs_puts(out, "      ");
		hs_put_plain(out, frames[i].function);
		hs_puts(out, *module ? "  " : "");
		hs_put_plain(out, module);
		hs_putc(out, '\n');
		free(module);
	}
	if (n > HS_COUNT(frames))
		hs_printf(out, "      ... %zu more\n", n - HS_COUNT(frames));
	if (!n)
		hs_puts(out, "      " HS_NO_STACK "\n");
}

static void put_text(struct hs_out *out, const struct request *r,
		     const struct hs_compare *c)
{
	bool counts = hs_measure_counts(r->by);
	size_t n, listed = 0, changed = 0;
	const struct hs_difference *d = hs_compare_all(c, &n);
	hs_printf(out, "Difference of %s, B minus A\n", hs_measure_phrase(r->by));
	put_side(out, r, c, HS_SIDE_A, counts);
	put_side(out, r, c, HS_SIDE_B, counts);
	hs_puts(out, "  B - A  ");
	put_change(out, value_of(hs_compare_total(c, HS_SIDE_A), counts),
		   value_of(hs_compare_total(c, HS_SIDE_B), counts), counts);
	hs_putc(out, '\n');
	for (size_t i = 0; i < n; i++) {
		uint64_t a = value_of(d[i].side[HS_SIDE_A], counts);
		uint64_t b = value_of(d[i].side[HS_SIDE_B], counts);
		changed += a != b;
		if (a == b || listed == r->top)
			continue;
		listed++;
		hs_puts(out, "\n  ");
		put_change(out, a, b, counts);
		hs_puts(out, "   A ");
		put_amount(out, a, counts);
		hs_puts(out, ", B ");
		put_amount(out, b, counts);
		hs_puts(out, !a ? " (new)\n" : !b ? " (gone)\n" : "\n");
		put_frames(out, c, &d[i]);
	}
	if (!changed)
		hs_puts(out, "\nNo stack differs.\n");
	else if (changed > listed)
		hs_printf(out, "\n%zu more stacks differ; --top N lists more\n",
			  changed - listed);
}

/* ---- JSON and folded ---- */

static void put_signed(struct hs_out *out, uint64_t a, uint64_t b)
{
	hs_printf(out, "%s%llu", b >= a ? "" : "-",
		  (unsigned long long)(b >= a ? b - a : a - b));
}

static void put_both(struct hs_out *out, struct hs_amount a, struct hs_amount b)
{
	hs_printf(out,
		  "\"a\": {\"bytes\": %llu, \"blocks\": %llu}, \"b\": {\"bytes\": %llu, "
		  "\"blocks\": %llu}, \"bytes\": ",
		  (unsigned long long)a.bytes, (unsigned long long)a.blocks,
		  (unsigned long long)b.bytes, (unsigned long long)b.blocks);
	put_signed(out, a.bytes, b.bytes);
	hs_puts(out, ", \"blocks\": ");
	put_signed(out, a.blocks, b.blocks);
}

static void put_json_stack(struct hs_out *out, const struct hs_compare *c,
			   const struct hs_difference *d, struct hs_compare_frame *frames)
{
	size_t n = HS_MIN(hs_compare_stack(c, d, frames, MAX_FRAMES), (size_t)MAX_FRAMES);
	hs_puts(out, ", \"stack\": [");
	for (size_t i = 0; i < n; i++) {
		char *module =
			hs_xasprintf("%.*s", frames[i].module_length, frames[i].module);
		hs_puts(out, i ? ", {\"function\": " : "{\"function\": ");
		hs_put_json_string(out, frames[i].function);
		if (*module) {
			hs_puts(out, ", \"module\": ");
			hs_put_json_string(out, module);
		}
		hs_puts(out, "}");
		free(module);
	}
	hs_puts(out, "]}");
}

static void put_json(struct hs_out *out, const struct request *r,
		     const struct hs_compare *c)
{
	size_t n;
	const struct hs_difference *d = hs_compare_all(c, &n);
	struct hs_compare_frame *frames = hs_xcalloc(MAX_FRAMES, sizeof(*frames));
	const char *separator = "\n  ";
	hs_printf(out,
		  "{\"schema\": \"heapsnap-diff/1\",\n \"by\": \"%s\",\n \"sides\": ",
		  hs_measure_name(r->by));
	hs_puts(out, "{\"a\": ");
	hs_put_json_string(out, r->sides[HS_SIDE_A].given);
	hs_puts(out, ", \"b\": ");
	hs_put_json_string(out, r->sides[HS_SIDE_B].given);
	hs_puts(out, "},\n \"total\": {");
	put_both(out, hs_compare_total(c, HS_SIDE_A), hs_compare_total(c, HS_SIDE_B));
	hs_puts(out, "},\n \"stacks\": [");
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(&d[i].side[0], &d[i].side[1], sizeof(d[i].side[0])))
			continue;
		hs_printf(out, "%s{", separator);
		separator = ",\n  ";
		put_both(out, d[i].side[HS_SIDE_A], d[i].side[HS_SIDE_B]);
		put_json_stack(out, c, &d[i], frames);
	}
	hs_puts(out, "]}\n");
	free(frames);
}

static void put_folded(struct hs_out *out, const struct request *r,
		       const struct hs_compare *c)
{
	bool counts = hs_measure_counts(r->by);
	size_t n;
	const struct hs_difference *d = hs_compare_all(c, &n);
	struct hs_compare_frame *frames = hs_xcalloc(MAX_FRAMES, sizeof(*frames));
	for (; n--; d++) {
		size_t depth = HS_MIN(hs_compare_stack(c, d, frames, MAX_FRAMES),
				      (size_t)MAX_FRAMES);
		if (!depth)
			hs_puts(out, HS_NO_STACK);
		for (size_t i = depth; i-- > 0;) {
			hs_put_folded_name(out, frames[i].function, i + 1 == depth);
			hs_puts(out, i ? ";" : "");
		}
		hs_printf(out, " %llu %llu\n",
			  (unsigned long long)value_of(d->side[HS_SIDE_A], counts),
			  (unsigned long long)value_of(d->side[HS_SIDE_B], counts));
	}
	free(frames);
}

/* ---- the command ---- */

static struct hs_error *write_difference(const struct request *r,
					 const struct hs_compare *c)
{
	static void (*const writers[FORMS])(struct hs_out *, const struct request *,
					    const struct hs_compare *) = {
		put_text, put_json, put_folded};
	struct hs_output output;
	struct hs_error *err = hs_output_open(r->output ? r->output : "-", &output);
	if (err)
		return err;
	hs_progress_clear();
	writers[r->to](&output.out, r, c);
	return hs_output_close(&output);
}

static struct hs_error *diff(struct request *r)
{
	struct hs_error *err = NULL;
	for (int i = 0; i < HS_SIDES && !err; i++)
		err = open_side(r, &r->sides[i]);
	if (!err)
		err = choose_measure(r);
	if (err)
		return err;
	size_t n_a = hs_pipeline_report(r->sides[0].pipeline)->n_targets;
	size_t n_b = hs_pipeline_report(r->sides[1].pipeline)->n_targets;
	struct hs_compared *what = hs_xcalloc(n_a + n_b + 1, sizeof(*what));
	err = add_side(&r->sides[0], HS_SIDE_A, what);
	if (!err)
		err = add_side(&r->sides[1], HS_SIDE_B, what + n_a);
	if (!err) {
		struct hs_compare *c = hs_compare(what, n_a + n_b, r->by);
		err = write_difference(r, c);
		hs_compare_free(c);
	}
	free(what);
	return err;
}

static int diff_run(const struct hs_command *self, int argc, char **argv)
{
	struct request r = {.top = TOP};
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
		read_option(&o, id, &r);
	if (!o.stop && r.n_sides != HS_SIDES)
		hs_options_wrong(&o, "which two? diff A B");
	hs_symbolfiles_finish(&r.files);
	if (!o.stop && r.quiet)
		hs_log_set_level(HS_LOG_ERROR);
	if (!o.stop)
		hs_progress_enable(!r.quiet);
	struct hs_error *err = o.stop ? NULL : diff(&r);
	for (int i = 0; i < HS_SIDES; i++) {
		hs_pipeline_free(r.sides[i].pipeline);
		free(r.sides[i].path);
	}
	hs_symbolfiles_deinit(&r.files);
	if (!err)
		return o.stop ? o.status : HS_OK;
	hs_log_error("cannot compare: %s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

const struct hs_command hs_command_diff = {
	.name = "diff",
	.synopsis = "[OPTION...] A B",
	.summary = "compare two recordings, or two moments of one",
	.options = options,
	.help = "A and B are captures, foreign profiles, or directories of them, of any "
		"two "
		"tools:\n"
		"stacks are matched by modules and functions. B minus A is told: what is "
		"positive\n"
		"has grown. PATH@TIME is a capture at a time after its start (90s, "
		"10m).\n"
		"By default what is live at the end is compared; the peak, where that is "
		"unknown.\n\n"
		"Examples\n"
		"  heapsnap diff before/ after/\n"
		"  heapsnap diff myserver.4242.hsnap@5m myserver.4242.hsnap@1h\n"
		"  heapsnap diff --to folded a/ b/ | flamegraph.pl > grown.svg\n",
	.run = diff_run,
};
