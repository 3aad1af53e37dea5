/* SPDX-License-Identifier: MIT */

/*
 * pprof's profile.proto, packed or not: sums for each stack in several sample
 * types.  Of these, the ones that count a heap's bytes and objects are read; a
 * profile of anything else is refused.  Everything refers to tables by ids, and
 * the strings may come last, so that all of it is kept until the end.
 */
#include "formats/format.h"
#include "formats/pprof_write.h"

#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/hash.h"
#include "src/names.h"

#define MAX_DEPTH  4096
#define MAX_INLINE 256

/* A field of a message: a number, or bytes. */
struct field {
	uint32_t id, wire;
	uint64_t number;
	struct hs_cursor bytes;
};

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct type {
	uint64_t name, unit; /* strings */
};

struct mapping {
	uint64_t id, start, limit, offset, path, build_id;
	hs_module module;
};

struct function {
	uint64_t id, name, system_name, file;
};

struct line {
	uint64_t function, line;
};

struct location {
	uint64_t id, mapping, address;
	size_t first, n; /* of `lines`; innermost first */
	hs_frame frame;
};

struct sample {
	size_t first, n;             /* of `stacks`; innermost first */
	size_t first_value, n_value; /* of `values` */
};

/* What a sample type counts. */
enum counts { ALLOCS, ALLOC_BYTES, LIVE, LIVE_BYTES, COUNTS };

struct reading {
	struct hs_builder *b;
	HS_ARRAY(struct type) types;
	HS_ARRAY(struct mapping) mappings;
	HS_ARRAY(struct function) functions;
	HS_ARRAY(struct location) locations;
	HS_ARRAY(struct sample) samples;
	HS_ARRAY(struct line) lines;
	HS_ARRAY(uint64_t) stacks, values;
	HS_ARRAY(hs_str) strings;
	struct hs_map mapping_of, function_of, location_of; /* id -> index */
	int column[COUNTS];                                 /* -1: not there */
	uint64_t time_ns, duration_ns, unknown_locations;
	bool damaged;
};

/* ---- protocol buffers ---- */

/* The next field; false at the end or where it is damaged, which CURSOR says. */
static bool next_field(struct hs_cursor *in, struct field *f)
{
	if (hs_cur_failed(in) || !hs_cur_want(in, 1))
		return false;
	uint64_t key = hs_cur_uleb(in);
	f->wire = key & 7;
	f->id = (uint32_t)HS_MIN(key >> 3, UINT32_MAX);
	if (f->wire == VARINT)
		f->number = hs_cur_uleb(in);
	else if (f->wire == BYTES)
		f->bytes = hs_cur_sub(in, hs_cur_uleb(in));
	else if (f->wire == FIXED64)
		f->number = hs_cur_u64(in);
	else if (f->wire == FIXED32)
		f->number = hs_cur_u32(in);
	else
		hs_cur_fail(in);
	return !hs_cur_failed(in);
}

/* Numbers are packed into one field, or come one by one. */
#define ADD_NUMBERS(array, field)                                    \
	do {                                                         \
		struct hs_cursor *in_ = &(field)->bytes;             \
		if ((field)->wire == VARINT)                         \
			hs_array_push(array, (field)->number);       \
		while ((field)->wire == BYTES && hs_cur_left(in_) && \
		       !hs_cur_failed(in_))                          \
			hs_array_push(array, hs_cur_uleb(in_));      \
	} while (0)

/* Numbers of a message without anything else: number I goes to TARGETS[I]. */
static bool read_numbers(struct hs_cursor in, uint64_t *const *targets, size_t n)
{
	struct field f;
	while (next_field(&in, &f))
		if (f.wire == VARINT && f.id < n && targets[f.id])
			*targets[f.id] = f.number;
	return !hs_cur_failed(&in);
}

/* ---- messages ---- */

static bool read_type(struct reading *r, struct hs_cursor in)
{
	struct type *t = hs_array_add(&r->types);
	uint64_t *const targets[] = {NULL, &t->name, &t->unit};
	return read_numbers(in, targets, HS_COUNT(targets));
}

static bool read_mapping(struct reading *r, struct hs_cursor in)
{
	struct mapping *m = hs_array_add(&r->mappings);
	uint64_t *const targets[] = {NULL,       &m->id,   &m->start,   &m->limit,
				     &m->offset, &m->path, &m->build_id};
	bool good = read_numbers(in, targets, HS_COUNT(targets));
	*hs_map_put(&r->mapping_of, m->id, NULL) = (uint32_t)(r->mappings.n - 1);
	return good;
}

static bool read_function(struct reading *r, struct hs_cursor in)
{
	struct function *f = hs_array_add(&r->functions);
	uint64_t *const targets[] = {NULL, &f->id, &f->name, &f->system_name, &f->file};
	bool good = read_numbers(in, targets, HS_COUNT(targets));
	*hs_map_put(&r->function_of, f->id, NULL) = (uint32_t)(r->functions.n - 1);
	return good;
}

static bool read_line(struct reading *r, struct hs_cursor in)
{
	struct line *l = hs_array_add(&r->lines);
	uint64_t *const targets[] = {NULL, &l->function, &l->line};
	return read_numbers(in, targets, HS_COUNT(targets));
}

static bool read_location(struct reading *r, struct hs_cursor in)
{
	struct location l = {.first = r->lines.n};
	uint64_t *const targets[] = {NULL, &l.id, &l.mapping, &l.address};
	struct field f;
	bool good = true;
	while (next_field(&in, &f)) {
		if (f.id < HS_COUNT(targets) && targets[f.id] && f.wire == VARINT)
			*targets[f.id] = f.number;
		else if (f.id == 4 && f.wire == BYTES)
			good &= read_line(r, f.bytes);
	}
	l.n = r->lines.n - l.first;
	hs_array_push(&r->locations, l);
	*hs_map_put(&r->location_of, l.id, NULL) = (uint32_t)(r->locations.n - 1);
	return good && !hs_cur_failed(&in);
}

static bool read_sample(struct reading *r, struct hs_cursor in)
{
	struct sample s = {.first = r->stacks.n, .first_value = r->values.n};
	struct field f;
	while (next_field(&in, &f)) {
		if (f.id == 1)
			ADD_NUMBERS(&r->stacks, &f);
		else if (f.id == 2)
			ADD_NUMBERS(&r->values, &f);
	}
	s.n = r->stacks.n - s.first;
	s.n_value = r->values.n - s.first_value;
	hs_array_push(&r->samples, s);
	return !hs_cur_failed(&in);
}

static bool read_string(struct reading *r, struct hs_cursor in)
{
	hs_array_push(&r->strings,
		      hs_build_string(r->b, (const char *)in.pos, hs_cur_left(&in)));
	return true;
}

static bool read_message(struct reading *r, const struct field *f)
{
	static bool (*const readers[])(struct reading *, struct hs_cursor) = {
		NULL,          read_type,     read_sample, read_mapping,
		read_location, read_function, read_string};
	if (f->wire == BYTES && f->id < HS_COUNT(readers) && readers[f->id])
		return readers[f->id](r, f->bytes);
	if (f->wire == VARINT && f->id == 9)
		r->time_ns = f->number;
	if (f->wire == VARINT && f->id == 10)
		r->duration_ns = f->number;
	return true;
}

/* ---- what it means ---- */

static hs_str string_at(const struct reading *r, uint64_t index)
{
	return index < r->strings.n ? r->strings.at[index] : (hs_str){0};
}

static bool is_type(const struct reading *r, size_t i, const char *name)
{
	return !strcmp(hs_build_text(r->b, string_at(r, r->types.at[i].name)), name);
}

/* Go's and the C++ profilers' names for the same thing; the first that is there. */
static int column_of(const struct reading *r, const char *const *names)
{
	for (; *names; names++)
		for (size_t i = 0; i < r->types.n; i++)
			if (is_type(r, i, *names))
				return (int)i;
	return -1;
}

static bool choose_columns(struct reading *r)
{
	static const char *const names[COUNTS][4] = {
		[ALLOCS] = {"alloc_objects", "allocations", NULL},
		[ALLOC_BYTES] = {"alloc_space", "alloc_bytes", NULL},
		[LIVE] = {"inuse_objects", "objects", NULL},
		[LIVE_BYTES] = {"inuse_space", "inuse_bytes", "space", NULL},
	};
	for (int i = 0; i < COUNTS; i++)
		r->column[i] = column_of(r, names[i]);
	if (r->column[LIVE_BYTES] >= 0 || r->column[ALLOC_BYTES] >= 0)
		return true;
	for (size_t i = 0; i < r->types.n; i++)
		if (!strcmp(hs_build_text(r->b, string_at(r, r->types.at[i].unit)),
			    "bytes"))
			r->column[LIVE_BYTES] = (int)i;
	return r->column[LIVE_BYTES] >= 0;
}

/* Go has ids of its own, which are not those of the ELF file. */
static hs_str build_id_at(const struct reading *r, uint64_t index)
{
	const char *text = hs_build_text(r->b, string_at(r, index));
	bool hex = strspn(text, "0123456789abcdef") == strlen(text);
	return hex ? string_at(r, index) : (hs_str){0};
}

static hs_module module_of(struct reading *r, struct mapping *m)
{
	const struct hs_module_info info = {
		.path = string_at(r, m->path),
		.build_id = build_id_at(r, m->build_id),
		.mapped = {m->start, HS_MAX(m->start, m->limit)},
		.bias = m->start - m->offset,
		.by_file_offset = true,
	};
	if (!m->module.i)
		m->module = hs_build_module(r->b, &info);
	return m->module;
}

static struct mapping *mapping_at(struct reading *r, uint64_t id)
{
	const uint32_t *index = id ? hs_map_get(&r->mapping_of, id) : NULL;
	return index ? &r->mappings.at[*index] : NULL;
}

/* The frames of a location, from what is inlined outward to the function itself. */
static hs_frame build_frames(struct reading *r, const struct location *l)
{
	struct mapping *m = mapping_at(r, l->mapping);
	struct hs_frame_info info = {.offset = l->address};
	hs_frame frame = {0};
	/* Go and we have a mapping without a name for what is in none. */
	bool named = m && (string_at(r, m->path).i || string_at(r, m->build_id).i);
	if (named && l->address >= m->start && l->address) {
		info.module = module_of(r, m);
		/* By convention not where a call returns to, but within the call. */
		info.offset = l->address - m->start + m->offset + 1;
	}
	size_t n = HS_MIN(l->n, (size_t)MAX_INLINE);
	if (n == 0)
		return hs_build_named_frame(r->b, &info);
	for (size_t i = n; i-- > 0;) {
		const struct line *line = &r->lines.at[l->first + i];
		const uint32_t *f = hs_map_get(&r->function_of, line->function);
		const struct function none = {0};
		const struct function *function = f ? &r->functions.at[*f] : &none;
		info.function = string_at(r, function->name);
		if (!info.function.i)
			info.function = string_at(r, function->system_name);
		info.file = string_at(r, function->file);
		info.line = (uint32_t)HS_MIN(line->line, UINT32_MAX);
		info.caller = frame;
		info.inlined = i + 1 < n;
		frame = hs_build_named_frame(r->b, &info);
	}
	return frame;
}

static hs_frame frame_at(struct reading *r, uint64_t id)
{
	const uint32_t *index = hs_map_get(&r->location_of, id);
	if (!index) {
		r->unknown_locations++;
		return (hs_frame){0};
	}
	struct location *l = &r->locations.at[*index];
	if (!l->frame.i)
		l->frame = build_frames(r, l);
	return l->frame;
}

/* Negative values come from differences; a heap has none. */
static uint64_t value_of(const struct reading *r, const struct sample *s,
			 enum counts what)
{
	int column = r->column[what];
	if (column < 0 || (size_t)column >= s->n_value)
		return 0;
	uint64_t value = r->values.at[s->first_value + (size_t)column];
	return value > INT64_MAX ? 0 : value;
}

static void add_sample(struct reading *r, const struct sample *s)
{
	struct hs_site site = {
		.allocs = value_of(r, s, ALLOCS),
		.bytes = value_of(r, s, ALLOC_BYTES),
		.live_blocks = value_of(r, s, LIVE),
		.live_bytes = value_of(r, s, LIVE_BYTES),
	};
	if (r->column[LIVE] >= 0 && site.allocs > site.live_blocks)
		site.frees = site.allocs - site.live_blocks;
	size_t n = HS_MIN(s->n, (size_t)MAX_DEPTH);
	for (size_t i = n; i-- > 0;) {
		hs_frame frame = frame_at(r, r->stacks.at[s->first + i]);
		if (frame.i)
			site.stack = hs_build_stack(r->b, site.stack, frame);
	}
	hs_build_site(r->b, &site);
}

static void tell(struct reading *r)
{
	struct hs_builder *b = r->b;
	struct hs_process_info *p = hs_build_process(b);
	bool live = r->column[LIVE_BYTES] >= 0, total = r->column[ALLOC_BYTES] >= 0;
	bool counted =
		(!live || r->column[LIVE] >= 0) && (!total || r->column[ALLOCS] >= 0);
	hs_build_has(b, (live ? HS_HAS_LIVE : 0) | (total ? HS_HAS_TOTALS : 0) |
				(counted ? 0 : HS_BYTES_ALONE));
	p->source = hs_build_cstring(b, "pprof");
	if (r->mappings.n) { /* the first is the program itself */
		p->exe = string_at(r, r->mappings.at[0].path);
		p->build_id = build_id_at(r, r->mappings.at[0].build_id);
		p->name = hs_build_cstring(b, hs_base_name(hs_build_text(b, p->exe)));
	}
	p->end_ns = r->time_ns <= INT64_MAX ? r->time_ns : 0;
	p->start_ns = p->end_ns - HS_MIN(p->end_ns, r->duration_ns);
	p->complete = !r->damaged && !r->unknown_locations;
	if (r->damaged)
		hs_build_warn(b, "The profile is damaged or ends too early.");
	if (r->unknown_locations)
		hs_build_warn(b, "Some stacks name places that the file does not have.");
}

static void read_all(struct reading *r, struct hs_cursor *in)
{
	struct field f;
	while (next_field(in, &f))
		r->damaged |= !read_message(r, &f);
	r->damaged |= hs_cur_failed(in);
}

static struct hs_error *pprof_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.b = b};
	struct hs_error *err = NULL;
	read_all(&r, in);
	if (choose_columns(&r)) {
		for (size_t i = 0; i < r.samples.n; i++)
			add_sample(&r, &r.samples.at[i]);
		tell(&r);
	} else {
		err = hs_error(r.damaged ? "%s: the profile ends before it tells what it "
					   "counts"
					 : "%s: no profile of a heap: none of its sample "
					   "types counts bytes",
			       in->name ? in->name : "pprof");
	}
	hs_array_free(&r.types);
	hs_array_free(&r.mappings);
	hs_array_free(&r.functions);
	hs_array_free(&r.locations);
	hs_array_free(&r.samples);
	hs_array_free(&r.lines);
	hs_array_free(&r.stacks);
	hs_array_free(&r.values);
	hs_array_free(&r.strings);
	hs_map_deinit(&r.mapping_of);
	hs_map_deinit(&r.function_of);
	hs_map_deinit(&r.location_of);
	return err;
}

/* ---- the format ---- */

/* A sample type, and nothing but: one or two small numbers. */
static bool is_value_type(struct hs_cursor in)
{
	struct field f;
	size_t n = 0;
	while (next_field(&in, &f)) {
		if (f.wire != VARINT || f.id < 1 || f.id > 2)
			return false;
		n++;
	}
	return !hs_cur_failed(&in) && n <= 2;
}

/* There is no magic number, but few bytes are the beginning of such a message. */
static enum hs_match pprof_probe(const uint8_t *data, size_t size)
{
	struct hs_cursor in = hs_cursor(data, size, NULL);
	struct field f;
	size_t n = 0, types = 0;
	while (next_field(&in, &f)) {
		bool is_message = f.id >= 1 && f.id <= 6;
		bool is_known = is_message || (f.id >= 7 && f.id <= 15);
		if (!is_known || (is_message && f.wire != BYTES) ||
		    (!is_message && f.wire != VARINT && f.wire != BYTES))
			return HS_MATCH_NO;
		if (f.id == 1 && !is_value_type(f.bytes))
			return HS_MATCH_NO;
		types += f.id == 1;
		n++;
	}
	return types && n > 2 ? HS_MATCH_LIKELY : HS_MATCH_NO;
}

const struct hs_format hs_format_pprof = {
	.name = "pprof",
	.summary = "pprof's profile.proto, gzip or not",
	.suffixes = (const char *const[]){".pprof", ".pb", NULL},
	.probe = pprof_probe,
	.read = pprof_read,
	.streams = true,
	.check = hs_pprof_check,
	.figures_alone = true,
	.by_measure = true,
	.write = hs_pprof_write,
};
