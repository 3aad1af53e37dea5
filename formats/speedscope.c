/* SPDX-License-Identifier: MIT */

/*
 * speedscope's files: JSON with a table of frames and any number of profiles.  The
 * first sampled one whose weights are bytes is read.  It does not say which bytes:
 * they are taken for those at the highest point, and the report says so.
 */
#include "formats/format.h"

#include "src/build.h"
#include "src/cursor.h"
#include "src/jsonread.h"

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

const struct hs_format hs_format_speedscope = {
	.name = "speedscope",
	.summary = "a file of speedscope that counts bytes",
	.suffixes = (const char *const[]){".speedscope.json", NULL},
	.probe = speedscope_probe,
	.read = speedscope_read,
	.streams = true,
};
