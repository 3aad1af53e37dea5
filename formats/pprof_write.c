/* SPDX-License-Identifier: MIT */

/*
 * Writing pprof's profile.proto, packed.  Its messages hold numbers and refer to
 * each other by ids, so that an encoder is a page: no library is worth it.
 *
 *      Profile   1 sample_type, 2 sample, 3 mapping, 4 location, 5 function,
 *                6 string_table, 9 time_nanos, 10 duration_nanos, 11 period_type,
 *                12 period, 13 comment, 14 default_sample_type
 *      ValueType 1 type, 2 unit
 *      Sample    1 location_id (packed, innermost first), 2 value (packed), 3 label
 *      Label     1 key, 2 str, 3 num
 *      Mapping   1 id, 2 memory_start, 3 memory_limit, 4 file_offset, 5 filename,
 *                6 build_id, 7 has_functions, 8 has_filenames, 9 has_line_numbers,
 *                10 has_inline_frames
 *      Location  1 id, 2 mapping_id, 3 address, 4 line
 *      Line      1 function_id, 2 line
 *      Function  1 id, 2 name, 3 system_name, 4 filename
 *
 * Samples are written as they are met; what they refer to comes behind them.
 */
#include "formats/pprof_write.h"

#include <string.h>

#include "config.h"
#include "src/array.h"
#include "src/findings.h"
#include "src/gzip.h"
#include "src/hash.h"
#include "src/interner.h"
#include "src/out.h"
#include "src/report.h"

#define MAX_INLINES 256
#define FLUSH_SIZE  ((size_t)64 << 10)

enum { VARINT = 0, BYTES = 2 };

/* What is in use was at the end; or, where only that is known, at the peak. */
enum column { ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE, COLUMNS };

struct mapping {
	uint64_t start, limit;
	uint32_t path, build_id; /* strings */
	bool unnamed;            /* has a location without a function */
};

struct writing {
	const struct hs_report *report;
	struct hs_gzip *gzip;
	struct hs_out top, message, inner; /* in memory */
	struct hs_interner *strings;
	struct hs_interner *locations; /* by what their messages say, without the id */
	struct hs_interner *functions; /* likewise */
	HS_ARRAY(struct mapping) mappings;
	struct hs_interner *mapping_keys;
	bool has[COLUMNS];
	bool at_peak;
};

/* ---- protocol buffers ---- */

static void put_number(struct hs_out *out, unsigned field, uint64_t value)
{
	if (!value)
		return;
	hs_put_uleb(out, field << 3 | VARINT);
	hs_put_uleb(out, value);
}

static void put_bytes(struct hs_out *out, unsigned field, const void *data, size_t size)
{
	hs_put_uleb(out, field << 3 | BYTES);
	hs_put_uleb(out, size);
	hs_put(out, data, size);
}

/* What INNER has becomes a field of OUT. */
static void put_message(struct hs_out *out, unsigned field, struct hs_out *inner)
{
	put_bytes(out, field, inner->buf, inner->n);
	inner->n = 0;
}

/* A field of the profile is whole. */
static void put_field(struct writing *w, unsigned field, struct hs_out *message)
{
	put_message(&w->top, field, message);
	if (w->top.n > FLUSH_SIZE) {
		hs_gzip_put(w->gzip, w->top.buf, w->top.n);
		w->top.n = 0;
	}
}

/* Strings of a protocol buffer are UTF-8, or the whole of it is refused. */
static uint32_t string(struct writing *w, const char *s)
{
	struct hs_out text;
	hs_out_init(&text, -1);
	hs_put_utf8(&text, s);
	char *clean = hs_out_take(&text, NULL);
	uint32_t id = hs_interner_put(w->strings, clean, NULL);
	free(clean);
	return id;
}

/* ---- mappings ---- */

/* Of a module, or, for 0, the one of what is in none: it has neither name nor place. */
static uint32_t mapping_id(struct writing *w, const struct hs_profile *p,
			   hs_module module)
{
	const struct hs_module_info *m = &p->modules[module.i];
	const char *path = hs_string(p, m->path), *build_id = hs_string(p, m->build_id);
	/* The same file elsewhere in another process is the same mapping. */
	char *key = hs_xasprintf("%s\n%s\n%u", build_id, path, m->epoch);
	bool fresh;
	uint32_t id = hs_interner_put(w->mapping_keys, key, &fresh);
	free(key);
	if (fresh)
		hs_array_push(&w->mappings,
			      ((struct mapping){.start = m->mapped.start,
						.limit = m->mapped.end,
						.path = string(w, path),
						.build_id = string(w, build_id)}));
	return id + 1;
}

/* The program itself comes first. */
static void begin_mappings(struct writing *w)
{
	for (size_t t = 0; t < w->report->n_targets; t++) {
		const struct hs_profile *p = w->report->targets[t].profile;
		const char *exe = hs_string(p, p->process.exe);
		for (uint32_t i = 1; *exe && i < p->n_modules; i++)
			if (!strcmp(hs_string(p, p->modules[i].path), exe)) {
				mapping_id(w, p, (hs_module){i});
				return;
			}
	}
}

static void put_mappings(struct writing *w)
{
	for (size_t i = 0; i < w->mappings.n; i++) {
		const struct mapping *m = &w->mappings.at[i];
		struct hs_out *out = &w->message;
		put_number(out, 1, i + 1);
		put_number(out, 2, m->start);
		put_number(out, 3, m->limit);
		put_number(out, 5, m->path);
		put_number(out, 6, m->build_id);
		for (unsigned flag = 7; flag <= 10; flag++)
			put_number(out, flag, !m->unnamed);
		put_field(w, 3, out);
	}
}

/* ---- locations ---- */

/* Numbers as text: a key of interner.h may not hold a NUL. */
static uint32_t function_id(struct writing *w, uint32_t name, uint32_t file)
{
	char *key = hs_xasprintf("%u %u", name, file);
	uint32_t id = hs_interner_put(w->functions, key, NULL);
	free(key);
	return id + 1;
}

static uint32_t location_id(struct writing *w, const struct hs_profile *p, hs_frame frame)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	const struct hs_module_info *m = &p->modules[f->module.i];
	uint32_t mapping = mapping_id(w, p, f->module);
	struct mapping *to = &w->mappings.at[mapping - 1];
	uint64_t address = f->offset - (f->offset && !f->exact && f->module.i);
	if (f->module.i && !m->unplaced)
		address += m->bias - m->mapped.start + to->start;
	struct hs_out key;
	hs_out_init(&key, -1);
	hs_printf(&key, "%u %llu", mapping, (unsigned long long)address);
	unsigned n = 0;
	for (hs_frame g = frame; g.i && n < MAX_INLINES; g = p->frames[g.i].caller, n++) {
		const struct hs_frame_info *info = &p->frames[g.i];
		const char *name = hs_string(p, info->function);
		if (!*name) {
			to->unnamed |= f->module.i != 0;
			break;
		}
		hs_printf(&key, " %u %u",
			  function_id(w, string(w, name),
				      string(w, hs_string(p, info->file))),
			  info->line);
	}
	char *text = hs_out_take(&key, NULL);
	uint32_t id = hs_interner_put(w->locations, text, NULL);
	free(text);
	return id + 1;
}

static void put_locations(struct writing *w)
{
	uint32_t n;
	const char *const *keys = hs_interner_all(w->locations, &n);
	for (uint32_t i = 0; i < n; i++) {
		char *p;
		struct hs_out *out = &w->message;
		put_number(out, 1, i + 1);
		put_number(out, 2, strtoull(keys[i], &p, 10));
		put_number(out, 3, strtoull(p, &p, 10));
		while (*p) {
			put_number(&w->inner, 1, strtoull(p, &p, 10));
			put_number(&w->inner, 2, strtoull(p, &p, 10));
			put_message(out, 4, &w->inner);
		}
		put_field(w, 4, out);
	}
}

static void put_functions(struct writing *w)
{
	uint32_t n;
	const char *const *keys = hs_interner_all(w->functions, &n);
	for (uint32_t i = 0; i < n; i++) {
		char *p;
		uint64_t name = strtoull(keys[i], &p, 10);
		put_number(&w->message, 1, i + 1);
		put_number(&w->message, 2, name);
		put_number(&w->message, 3, name);
		put_number(&w->message, 4, strtoull(p, &p, 10));
		put_field(w, 5, &w->message);
	}
}

/* ---- samples ---- */

/* A sum that fits into a signed number, as values are. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > INT64_MAX - *sum ? INT64_MAX : *sum + value;
}

static void add_site(const struct writing *w, const struct hs_site *s,
		     uint64_t values[COLUMNS])
{
	add(&values[ALLOC_OBJECTS], s->allocs);
	add(&values[ALLOC_SPACE], s->bytes);
	add(&values[INUSE_OBJECTS], w->at_peak ? s->peak_blocks : s->live_blocks);
	add(&values[INUSE_SPACE], w->at_peak ? s->peak_bytes : s->live_bytes);
}

static void put_labels(struct writing *w, const struct hs_profile *p)
{
	if (w->report->n_targets == 1)
		return;
	put_number(&w->inner, 1, string(w, "process"));
	put_number(&w->inner, 2, string(w, hs_string(p, p->process.id)));
	put_message(&w->message, 3, &w->inner);
	if (!(p->has & HS_HAS_PID))
		return;
	put_number(&w->inner, 1, string(w, "pid"));
	put_number(&w->inner, 3, p->process.pid);
	put_message(&w->message, 3, &w->inner);
}

static void put_sample(struct writing *w, const struct hs_profile *p, uint32_t *locations,
		       hs_stack stack, const uint64_t values[COLUMNS])
{
	for (hs_stack s = stack; s.i; s = p->stacks[s.i].parent) {
		hs_frame frame = p->stacks[s.i].frame;
		if (!locations[frame.i])
			locations[frame.i] = location_id(w, p, frame);
		hs_put_uleb(&w->inner, locations[frame.i]);
	}
	put_message(&w->message, 1, &w->inner);
	for (int c = 0; c < COLUMNS; c++)
		if (w->has[c])
			hs_put_uleb(&w->inner, values[c]);
	put_message(&w->message, 2, &w->inner);
	put_labels(w, p);
	put_field(w, 2, &w->message);
}

/* Sites are sorted by stack: those of one make one sample. */
static void put_samples(struct writing *w, const struct hs_profile *p)
{
	uint32_t *locations = hs_xcalloc(HS_MAX(p->n_frames, 1u), sizeof(*locations));
	for (uint32_t i = 0; i < p->n_sites;) {
		uint64_t values[COLUMNS] = {0};
		hs_stack stack = p->sites[i].stack;
		bool any = false;
		for (; i < p->n_sites && hs_stack_eq(p->sites[i].stack, stack); i++)
			add_site(w, &p->sites[i], values);
		for (int c = 0; c < COLUMNS; c++)
			any |= w->has[c] && values[c];
		if (any)
			put_sample(w, p, locations, stack, values);
	}
	free(locations);
}

/* ---- the profile ---- */

static void choose_columns(struct writing *w)
{
	for (size_t i = 0; i < w->report->n_targets; i++) {
		const struct hs_profile *p = w->report->targets[i].profile;
		w->has[ALLOC_OBJECTS] |= hs_has_counts(p, HS_HAS_TOTALS);
		w->has[ALLOC_SPACE] |= (p->has & HS_HAS_TOTALS) != 0;
		w->has[INUSE_OBJECTS] |= hs_has_counts(p, HS_HAS_LIVE);
		w->has[INUSE_SPACE] |= (p->has & HS_HAS_LIVE) != 0;
	}
	w->at_peak = !w->has[ALLOC_SPACE] && !w->has[INUSE_SPACE];
	for (size_t i = 0; w->at_peak && i < w->report->n_targets; i++) {
		const struct hs_profile *p = w->report->targets[i].profile;
		w->has[INUSE_OBJECTS] |= hs_has_counts(p, HS_HAS_PEAK);
		w->has[INUSE_SPACE] |= (p->has & HS_HAS_PEAK) != 0;
	}
}

static const char *const column_names[COLUMNS] = {
	[ALLOC_OBJECTS] = "alloc_objects",
	[ALLOC_SPACE] = "alloc_space",
	[INUSE_OBJECTS] = "inuse_objects",
	[INUSE_SPACE] = "inuse_space",
};

static void put_type(struct writing *w, unsigned field, const char *type,
		     const char *unit)
{
	put_number(&w->message, 1, string(w, type));
	put_number(&w->message, 2, string(w, unit));
	put_field(w, field, &w->message);
}

static void put_types(struct writing *w)
{
	for (int c = 0; c < COLUMNS; c++)
		if (w->has[c])
			put_type(w, 1, column_names[c],
				 c == ALLOC_OBJECTS || c == INUSE_OBJECTS ? "count"
									  : "bytes");
	put_type(w, 11, "space", "bytes");
}

/* The moment of the last of the recordings, if dates are known. */
static void put_time(struct writing *w)
{
	uint64_t start = UINT64_MAX, end = 0;
	for (size_t i = 0; i < w->report->n_targets; i++) {
		const struct hs_process_info *p = &w->report->targets[i].profile->process;
		if (!p->start_ns || p->clock.i || p->end_ns < p->start_ns)
			continue;
		start = HS_MIN(start, p->start_ns);
		end = HS_MAX(end, p->end_ns);
	}
	put_number(&w->top, 9, end);
	if (end)
		put_number(&w->top, 10, end - start);
}

static void put_rest(struct writing *w)
{
	static const enum column defaults[HS_MEASURES] = {
		[HS_MEASURE_PEAK] = INUSE_SPACE,
		[HS_MEASURE_LEAKED] = INUSE_SPACE,
		[HS_MEASURE_ALLOCATED] = ALLOC_SPACE,
		[HS_MEASURE_ALLOCATIONS] = ALLOC_OBJECTS,
		[HS_MEASURE_TEMPORARY] = ALLOC_OBJECTS,
	};
	enum column chosen = defaults[w->report->measure];
	if (!w->has[chosen])
		chosen = w->has[INUSE_SPACE] ? INUSE_SPACE : ALLOC_SPACE;
	put_time(w);
	uint64_t period = 1; /* every byte was looked at */
	for (size_t i = 0; i < w->report->n_targets; i++)
		period = HS_MAX(period, w->report->targets[i].profile->sample_mean);
	put_number(&w->top, 12, period);
	if (w->at_peak)
		put_number(&w->top, 13,
			   string(w, "in use: at the highest point; what the recording "
				     "held at its end is not known"));
	put_number(&w->top, 14, string(w, column_names[chosen]));
}

static void put_strings(struct writing *w)
{
	uint32_t n;
	const char *const *strings = hs_interner_all(w->strings, &n);
	for (uint32_t i = 0; i < n; i++) {
		hs_puts(&w->message, strings[i]);
		put_field(w, 6, &w->message);
	}
}

void hs_pprof_write(const struct hs_report *report, struct hs_out *out)
{
	struct writing w = {
		.report = report,
		.gzip = hs_gzip_new(out),
		.strings = hs_interner_new(),
		.locations = hs_interner_new(),
		.functions = hs_interner_new(),
		.mapping_keys = hs_interner_new(),
	};
	struct hs_out *const buffers[] = {&w.top, &w.message, &w.inner};
	for (size_t i = 0; i < HS_COUNT(buffers); i++)
		hs_out_init(buffers[i], -1);
	string(&w, ""); /* number 0 */
	choose_columns(&w);
	put_types(&w);
	begin_mappings(&w);
	for (size_t i = 0; i < report->n_targets; i++)
		put_samples(&w, report->targets[i].profile);
	put_mappings(&w);
	put_locations(&w);
	put_functions(&w);
	put_rest(&w);
	put_strings(&w);
	hs_gzip_put(w.gzip, w.top.buf, w.top.n);
	hs_gzip_finish(w.gzip);
	for (size_t i = 0; i < HS_COUNT(buffers); i++)
		free(hs_out_take(buffers[i], NULL));
	hs_interner_free(w.strings);
	hs_interner_free(w.locations);
	hs_interner_free(w.functions);
	hs_interner_free(w.mapping_keys);
	hs_array_free(&w.mappings);
}

struct hs_error *hs_pprof_check(const struct hs_report *report)
{
	struct writing w = {.report = report};
	choose_columns(&w);
	return w.has[INUSE_SPACE] || w.has[ALLOC_SPACE]
		       ? NULL
		       : hs_report_knows(report, HS_MEASURE_PEAK);
}
