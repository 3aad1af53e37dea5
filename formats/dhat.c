/* SPDX-License-Identifier: MIT */

/*
 * DHAT: valgrind's "dynamic heap analysis tool", and dhat-rs, which writes the
 * same: JSON with a row of counters for each place, at the peak and at the end,
 * and a table of frames behind them.
 */
#include "formats/format.h"

#include "src/build.h"
#include "src/cursor.h"
#include "src/jsonread.h"
#include "src/vgframe.h"

#define KNOWN_VERSION 2
#define MAX_DEPTH     1024

/* A place; its frames are `frames` of the list of all, innermost first. */
struct place {
	struct hs_site site;
	size_t first, n;
};

struct reading {
	struct hs_builder *b;
	struct hs_json json;
	HS_ARRAY(struct place) places;
	HS_ARRAY(uint32_t) indices;
	HS_ARRAY(hs_frame) frames;
	struct hs_vgframes names;
	uint64_t version, unit, end_time, peak_time, unmatched_frames;
	bool foreign_mode; /* copies, or whatever else a program counts */
	bool has_lifetimes, has_frames;
};

/* ---- places ---- */

static void read_indices(struct reading *r, struct place *p)
{
	uint64_t index;
	p->first = r->indices.n;
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json)) {
		hs_json_number(&r->json, &index);
		if (r->indices.n - p->first < MAX_DEPTH)
			hs_array_push(&r->indices, (uint32_t)HS_MIN(index, UINT32_MAX));
	}
	p->n = r->indices.n - p->first;
}

static bool read_counter(struct reading *r, struct hs_span key, struct hs_site *s)
{
	const struct {
		const char *key;
		uint64_t *counter;
	} counters[] = {
		{"tb", &s->bytes},      {"tbk", &s->allocs},
		{"gb", &s->peak_bytes}, {"gbk", &s->peak_blocks},
		{"eb", &s->live_bytes}, {"ebk", &s->live_blocks},
	};
	for (size_t i = 0; i < HS_COUNT(counters); i++)
		if (hs_span_is(key, counters[i].key))
			return hs_json_number(&r->json, counters[i].counter);
	return hs_json_skip(&r->json);
}

static void read_place(struct reading *r)
{
	struct place p = {0};
	struct hs_span key;
	hs_json_open(&r->json, '{');
	while (hs_json_key(&r->json, &key)) {
		if (hs_span_is(key, "fs"))
			read_indices(r, &p);
		else
			read_counter(r, key, &p.site);
	}
	if (r->json.failed) /* half a row */
		return;
	if (p.site.allocs > p.site.live_blocks)
		p.site.frees = p.site.allocs - p.site.live_blocks;
	hs_array_push(&r->places, p);
}

static void read_frames(struct reading *r)
{
	struct hs_span text;
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json)) {
		if (!hs_json_string(&r->json, &text))
			return;
		hs_frame frame = {0};
		if (!hs_span_is(text, "[root]"))
			frame = hs_vgframe(&r->names, text);
		hs_array_push(&r->frames, frame);
	}
	r->has_frames = !r->json.failed;
}

/* ---- the rest ---- */

static void read_mode(struct reading *r)
{
	struct hs_span mode;
	if (hs_json_string(&r->json, &mode))
		r->foreign_mode =
			!hs_span_is(mode, "heap") && !hs_span_is(mode, "rust-heap");
}

static void read_time_unit(struct reading *r)
{
	struct hs_process_info *p = hs_build_process(r->b);
	struct hs_span unit;
	if (!hs_json_string(&r->json, &unit))
		return;
	if (hs_span_is(unit, "\xc2\xb5s"))
		r->unit = 1000;
	else if (hs_span_is(unit, "instrs"))
		p->clock = hs_build_cstring(r->b, "instructions");
	else
		p->clock = hs_build_string(r->b, unit.at, hs_span_size(unit));
}

static void read_command(struct reading *r)
{
	struct hs_span command;
	if (hs_json_string(&r->json, &command))
		hs_vgframe_command(r->b, command);
}

static void read_pid(struct reading *r)
{
	uint64_t pid;
	if (!hs_json_number(&r->json, &pid) || pid > UINT32_MAX)
		return;
	hs_build_process(r->b)->pid = (uint32_t)pid;
	hs_build_has(r->b, HS_HAS_PID);
}

static void read_lifetimes(struct reading *r)
{
	r->has_lifetimes = hs_json_next(&r->json) == 't';
	hs_json_skip(&r->json);
}

static void read_places(struct reading *r)
{
	hs_json_open(&r->json, '[');
	while (hs_json_item(&r->json))
		read_place(r);
}

static void read_member(struct reading *r, struct hs_span key)
{
	if (hs_span_is(key, "dhatFileVersion"))
		hs_json_number(&r->json, &r->version);
	else if (hs_span_is(key, "mode"))
		read_mode(r);
	else if (hs_span_is(key, "bklt"))
		read_lifetimes(r);
	else if (hs_span_is(key, "tu"))
		read_time_unit(r);
	else if (hs_span_is(key, "cmd"))
		read_command(r);
	else if (hs_span_is(key, "pid"))
		read_pid(r);
	else if (hs_span_is(key, "te"))
		hs_json_number(&r->json, &r->end_time);
	else if (hs_span_is(key, "tg"))
		hs_json_number(&r->json, &r->peak_time);
	else if (hs_span_is(key, "pps"))
		read_places(r);
	else if (hs_span_is(key, "ftbl"))
		read_frames(r);
	else
		hs_json_skip(&r->json);
}

static void add_place(struct reading *r, const struct place *p)
{
	struct hs_site site = p->site;
	for (size_t i = p->n; i-- > 0;) {
		uint32_t index = r->indices.at[p->first + i];
		if (index >= r->frames.n)
			r->unmatched_frames++;
		else if (r->frames.at[index].i)
			site.stack =
				hs_build_stack(r->b, site.stack, r->frames.at[index]);
	}
	hs_build_site(r->b, &site);
}

static uint64_t in_ns(const struct reading *r, uint64_t time)
{
	uint64_t ns;
	return __builtin_mul_overflow(time, r->unit ? r->unit : 1, &ns) ? 0 : ns;
}

static void tell(struct reading *r)
{
	struct hs_builder *b = r->b;
	struct hs_process_info *p = hs_build_process(b);
	p->source = hs_build_cstring(b, "dhat");
	p->complete = !r->json.failed && !r->unmatched_frames;
	p->end_ns = in_ns(r, r->end_time);
	hs_build_has(b, HS_HAS_TOTALS);
	if (r->has_lifetimes)
		hs_build_has(b, HS_HAS_PEAK | HS_HAS_LIVE);
	if (r->unit)
		hs_build_has(b, HS_HAS_TIME);
	hs_build_totals(b, &(struct hs_totals){.peak_ns = in_ns(r, r->peak_time)});
	if (r->json.failed)
		hs_build_warn(b,
			      r->has_frames
				      ? "The file is damaged or ends too early."
				      : "The file is damaged or ends before its table of "
					"frames: what was read has no names.");
	else if (r->unmatched_frames)
		hs_build_warn(b, "Some stacks name frames that the file does not have.");
}

static struct hs_error *check(const struct reading *r, const char *name)
{
	if (r->version != KNOWN_VERSION)
		return hs_error("%s: version %llu of DHAT's format; known is %d",
				name ? name : "DHAT", (unsigned long long)r->version,
				KNOWN_VERSION);
	if (r->foreign_mode)
		return hs_error("%s: DHAT counted something else than the heap here; run "
				"it with --mode=heap",
				name ? name : "DHAT");
	return NULL;
}

static struct hs_error *dhat_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b, .names = {.b = b}, .json = hs_json(in)};
	struct hs_span key;
	hs_json_open(&r.json, '{');
	while (hs_json_key(&r.json, &key))
		read_member(&r, key);
	struct hs_error *err = check(&r, in->name);
	for (size_t i = 0; i < r.places.n && !err; i++)
		add_place(&r, &r.places.at[i]);
	if (!err)
		tell(&r);
	hs_json_deinit(&r.json);
	hs_array_free(&r.places);
	hs_array_free(&r.indices);
	hs_array_free(&r.frames);
	hs_map_deinit(&r.names.modules);
	return err;
}

static enum hs_match dhat_probe(const uint8_t *data, size_t size)
{
	static const char key[] = "\"dhatFileVersion\"";
	if (!size || (data[0] != '{' && data[0] != ' ' && data[0] != '\n'))
		return HS_MATCH_NO;
	return memmem(data, HS_MIN(size, (size_t)256), key, sizeof(key) - 1)
		       ? HS_MATCH_MAGIC
		       : HS_MATCH_NO;
}

const struct hs_format hs_format_dhat = {
	.name = "dhat",
	.summary = "output of valgrind's DHAT, and of dhat-rs",
	.suffixes = (const char *const[]){".dhat", "dhat-heap.json", NULL},
	.probe = dhat_probe,
	.read = dhat_read,
	.streams = true,
};
