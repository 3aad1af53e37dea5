/* SPDX-License-Identifier: MIT */

/*
 * speedscope's files: JSON with a table of frames and any number of profiles.  The
 * first sampled one whose weights are bytes is read.  It does not say which bytes:
 * they are taken for those at the highest point, and the report says so.
 */
#include "formats/format.h"

#include "config.h"
#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/findings.h"
#include "src/interner.h"
#include "src/jsonread.h"
#include "src/out.h"
#include "src/report.h"
#include "src/stacktree.h"

#define MAX_DEPTH 4096

struct stack {
	size_t first, n; /* of `indices`; outermost first */
};

/* One profile, as far as it is of interest. */
struct profile {
	HS_ARRAY(struct stack) stacks;
	HS_ARRAY(uint32_t) indices;
	HS_ARRAY(uint64_t) weights;
	bool is_sampled, in_bytes;
};

struct reading {
	struct hs_builder *b;
	struct hs_json json;
	HS_ARRAY(hs_frame) frames;
	struct profile chosen;
	uint64_t n_profiles, n_unknown;
	bool has_chosen, uneven;
};

static void free_profile(struct profile *p)
{
	hs_array_free(&p->stacks);
	hs_array_free(&p->indices);
	hs_array_free(&p->weights);
}

/* ---- frames ---- */

static void read_frame(struct reading *r)
{
	struct hs_frame_info frame = {0};
	struct hs_span key, text;
	uint64_t line;
	hs_json_open(&r->json, '{');
	while (hs_json_key(&r->json, &key)) {
		bool is_name = hs_span_is(key, "name"), is_file = hs_span_is(key, "file");
		if ((is_name || is_file) && hs_json_next(&r->json) == '"') {
			if (!hs_json_string(&r->json, &text))
				return;
			*(is_name ? &frame.function : &frame.file) =
				hs_build_string(r->b, text.at, hs_span_size(text));
		} else if (hs_span_is(key, "line") && hs_json_next(&r->json) == '0') {
			hs_json_number(&r->json, &line);
			frame.line = (uint32_t)HS_MIN(line, UINT32_MAX);
		} else {
			hs_json_skip(&r->json);
		}
	}
	if (!r->json.failed)
		hs_array_push(&r->frames, hs_build_named_frame(r->b, &frame));
}

static void read_shared(struct reading *r)
{
	struct hs_span key;
	hs_json_open(&r->json, '{');
	while (hs_json_key(&r->json, &key)) {
		if (!hs_span_is(key, "frames")) {
			hs_json_skip(&r->json);
			continue;
		}
		hs_json_open(&r->json, '[');
		while (hs_json_item(&r->json))
			read_frame(r);
	}
}

/* ---- profiles ---- */

static void read_samples(struct reading *r, struct profile *p)
{
	uint64_t index;
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json)) {
		struct stack s = {.first = p->indices.n};
		hs_json_open(&r->json, '[');
		while (hs_json_item(&r->json)) {
			if (!hs_json_number(&r->json, &index))
				return;
			if (p->indices.n - s.first < MAX_DEPTH)
				hs_array_push(&p->indices,
					      (uint32_t)HS_MIN(index, UINT32_MAX));
		}
		s.n = p->indices.n - s.first;
		if (!r->json.failed)
			hs_array_push(&p->stacks, s);
	}
}

static void read_weights(struct reading *r, struct profile *p)
{
	uint64_t weight;
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json))
		if (hs_json_number(&r->json, &weight))
			hs_array_push(&p->weights, weight);
}

static bool read_is(struct reading *r, const char *word)
{
	struct hs_span text;
	if (hs_json_next(&r->json) == '"')
		return hs_json_string(&r->json, &text) && hs_span_is(text, word);
	hs_json_skip(&r->json);
	return false;
}

static void read_profile(struct reading *r)
{
	struct profile p = {0};
	struct hs_span key;
	hs_json_open(&r->json, '{');
	while (hs_json_key(&r->json, &key)) {
		if (hs_span_is(key, "type"))
			p.is_sampled = read_is(r, "sampled");
		else if (hs_span_is(key, "unit"))
			p.in_bytes = read_is(r, "bytes");
		else if (hs_span_is(key, "samples"))
			read_samples(r, &p);
		else if (hs_span_is(key, "weights"))
			read_weights(r, &p);
		else
			hs_json_skip(&r->json);
	}
	r->n_profiles++;
	if (!r->has_chosen && p.is_sampled && p.in_bytes) {
		r->has_chosen = true;
		r->chosen = p;
	} else {
		free_profile(&p);
	}
}

static void read_profiles(struct reading *r)
{
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json))
		read_profile(r);
}

/* ---- into the builder ---- */

static void add_stacks(struct reading *r)
{
	const struct profile *p = &r->chosen;
	size_t n = HS_MIN(p->stacks.n, p->weights.n);
	r->uneven = p->stacks.n != p->weights.n;
	for (size_t i = 0; i < n; i++) {
		struct hs_site site = {.peak_bytes = p->weights.at[i]};
		for (size_t k = 0; k < p->stacks.at[i].n; k++) {
			uint32_t index = p->indices.at[p->stacks.at[i].first + k];
			if (index < r->frames.n)
				site.stack = hs_build_stack(r->b, site.stack,
							    r->frames.at[index]);
			else
				r->n_unknown++;
		}
		if (site.peak_bytes)
			hs_build_site(r->b, &site);
	}
}

static void tell(struct reading *r)
{
	struct hs_builder *b = r->b;
	hs_build_has(b, HS_HAS_PEAK | HS_BYTES_ALONE);
	hs_build_process(b)->source = hs_build_cstring(b, "speedscope");
	hs_build_process(b)->complete = !r->json.failed && !r->uneven && !r->n_unknown;
	if (!hs_build_process(b)->complete)
		hs_build_warn(b, "The file is damaged or ends too early.");
	hs_build_warn(b, "The profile does not say which bytes it counts; they are shown "
			 "as bytes at the peak.");
	if (r->n_profiles > 1)
		hs_build_warn(b,
			      "The file has %llu profiles; the first that counts bytes "
			      "was read.",
			      (unsigned long long)r->n_profiles);
}

static struct hs_error *speedscope_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b, .json = hs_json(in)};
	struct hs_error *err = NULL;
	struct hs_span key;
	hs_json_open(&r.json, '{');
	while (hs_json_key(&r.json, &key)) {
		if (hs_span_is(key, "shared"))
			read_shared(&r);
		else if (hs_span_is(key, "profiles"))
			read_profiles(&r);
		else
			hs_json_skip(&r.json);
	}
	if (r.has_chosen) {
		add_stacks(&r);
		tell(&r);
	} else {
		err = hs_error("%s: no sampled profile in it counts bytes%s",
			       in->name ? in->name : "speedscope",
			       r.json.failed ? ", as far as it could be read" : "");
	}
	hs_json_deinit(&r.json);
	hs_array_free(&r.frames);
	free_profile(&r.chosen);
	return err;
}

static enum hs_match speedscope_probe(const uint8_t *data, size_t size)
{
	static const char schema[] = "speedscope.app/file-format-schema.json";
	if (!size || (data[0] != '{' && data[0] != ' ' && data[0] != '\n'))
		return HS_MATCH_NO;
	return memmem(data, size, schema, sizeof(schema) - 1) ? HS_MATCH_MAGIC
							      : HS_MATCH_NO;
}

/* ---- writing ---- */

struct writing {
	const struct hs_report *report;
	struct hs_out *out;
	struct hs_interner *frames; /* as JSON; a line would part a function's calls */
	uint32_t **of_frame;        /* for each target, by frame */
	uint32_t no_stack;
};

static uint32_t intern_frame(struct writing *w, const char *name, const char *file)
{
	struct hs_out text;
	hs_out_init(&text, -1);
	hs_puts(&text, "{\"name\": ");
	hs_put_json_string(&text, name);
	if (*file) {
		hs_puts(&text, ", \"file\": ");
		hs_put_json_string(&text, file);
	}
	hs_putc(&text, '}');
	char *json = hs_out_take(&text, NULL);
	uint32_t id = hs_interner_put(w->frames, json, NULL);
	free(json);
	return id;
}

/* Every frame of a profile is in the table: what is not used costs a line. */
static uint32_t *intern_frames(struct writing *w, const struct hs_profile *p)
{
	uint32_t *ids = hs_xcalloc(HS_MAX(p->n_frames, 1u), sizeof(*ids));
	char *scratch = NULL;
	for (uint32_t i = 1; i < p->n_frames; i++)
		ids[i] = intern_frame(w, hs_frame_label(p, (hs_frame){i}, &scratch),
				      hs_string(p, p->frames[i].file));
	free(scratch);
	return ids;
}

static void put_samples(struct writing *w, size_t target)
{
	const struct hs_profile *p = w->report->targets[target].profile;
	HS_ARRAY(hs_frame) frames = {0};
	const char *separator = "";
	for (uint32_t i = 0; i < p->n_sites; i++) {
		if (!hs_measure_value(&p->sites[i], w->report->measure))
			continue;
		size_t n = hs_stack_frames(p, p->sites[i].stack, NULL, 0);
		frames.n = 0;
		while (frames.n < n)
			(void)hs_array_add(&frames);
		hs_stack_frames(p, p->sites[i].stack, frames.at, n);
		hs_printf(w->out, "%s[", separator);
		separator = ",\n  ";
		if (!n)
			hs_printf(w->out, "%u", w->no_stack);
		while (n-- > 0)
			hs_printf(w->out, "%u%s", w->of_frame[target][frames.at[n].i],
				  n ? "," : "");
		hs_putc(w->out, ']');
	}
	hs_array_free(&frames);
}

/* Returns their sum. */
static uint64_t put_weights(struct writing *w, const struct hs_profile *p)
{
	const char *separator = "";
	uint64_t sum = 0;
	for (uint32_t i = 0; i < p->n_sites; i++) {
		uint64_t value = hs_measure_value(&p->sites[i], w->report->measure);
		if (!value)
			continue;
		hs_printf(w->out, "%s%llu", separator, (unsigned long long)value);
		separator = ",";
		sum += value;
	}
	return sum;
}

static void put_profile(struct writing *w, size_t target)
{
	const struct hs_profile *p = w->report->targets[target].profile;
	bool counts = hs_measure_counts(w->report->measure);
	char *name = hs_xasprintf("%s: %s", hs_string(p, p->process.id),
				  hs_measure_phrase(w->report->measure));
	hs_puts(w->out, "{\"type\": \"sampled\", \"name\": ");
	hs_put_json_string(w->out, name);
	hs_printf(w->out, ", \"unit\": \"%s\", \"samples\": [\n  ",
		  counts ? "none" : "bytes");
	free(name);
	put_samples(w, target);
	hs_puts(w->out, "],\n  \"weights\": [");
	uint64_t sum = put_weights(w, p);
	hs_printf(w->out, "],\n  \"startValue\": 0, \"endValue\": %llu}",
		  (unsigned long long)sum);
}

static void speedscope_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {.report = report, .out = out, .frames = hs_interner_new()};
	w.of_frame = hs_xcalloc(HS_MAX(report->n_targets, (size_t)1), sizeof(uint32_t *));
	w.no_stack = intern_frame(&w, HS_NO_STACK, "");
	for (size_t i = 0; i < report->n_targets; i++)
		w.of_frame[i] = intern_frames(&w, report->targets[i].profile);
	hs_puts(out, "{\"$schema\": "
		     "\"https://www.speedscope.app/file-format-schema.json\",\n"
		     "\"exporter\": \"heapsnap " PACKAGE_VERSION "\", \"name\": ");
	hs_put_json_string(out, report->title);
	hs_puts(out, ", \"activeProfileIndex\": 0,\n\"shared\": {\"frames\": [");
	uint32_t n;
	const char *const *frames = hs_interner_all(w.frames, &n);
	for (uint32_t i = 0; i < n; i++)
		hs_printf(out, "%s\n %s", i ? "," : "", frames[i]);
	hs_puts(out, "]},\n\"profiles\": [");
	for (size_t i = 0; i < report->n_targets; i++) {
		hs_puts(out, i ? ",\n " : "\n ");
		put_profile(&w, i);
		free(w.of_frame[i]);
	}
	hs_puts(out, "]}\n");
	free(w.of_frame);
	hs_interner_free(w.frames);
}

static struct hs_error *speedscope_check(const struct hs_report *report)
{
	return hs_report_knows(report, report->measure);
}

const struct hs_format hs_format_speedscope = {
	.name = "speedscope",
	.summary = "a file of speedscope that counts bytes",
	.suffixes = (const char *const[]){".speedscope.json", NULL},
	.probe = speedscope_probe,
	.read = speedscope_read,
	.streams = true,
	.check = speedscope_check,
	.figures_alone = true,
	.by_measure = true,
	.write = speedscope_write,
};
