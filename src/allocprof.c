/* SPDX-License-Identifier: MIT */

/* Heap profiles of allocators; see allocprof.h. */
#include "src/allocprof.h"

#include "src/array.h"
#include "src/build.h"
#include "src/hash.h"
#include "src/names.h"

#define MAX_DEPTH 1024

struct range {
	uint64_t start, end, offset;
	hs_module module;
	hs_str path;
};

struct entry {
	size_t first, n; /* of `addresses` */
	struct hs_allocprof_sums sums;
};

struct hs_allocprof {
	struct hs_builder *b;
	HS_ARRAY(struct range) ranges; /* sorted once all are there */
	HS_ARRAY(struct entry) entries;
	HS_ARRAY(uint64_t) addresses;
	struct hs_map modules; /* path -> module */
};

struct hs_allocprof *hs_allocprof_new(struct hs_builder *b)
{
	struct hs_allocprof *p = hs_xcalloc(1, sizeof(*p));
	p->b = b;
	return p;
}

void hs_allocprof_free(struct hs_allocprof *p)
{
	hs_array_free(&p->ranges);
	hs_array_free(&p->entries);
	hs_array_free(&p->addresses);
	hs_map_deinit(&p->modules);
	free(p);
}

/* ---- lines ---- */

static bool scan_pair(struct hs_span *s, uint64_t *blocks, uint64_t *bytes)
{
	hs_scan_spaces(s);
	if (!hs_scan_decimal(s, blocks) || !hs_scan_prefix(s, ":"))
		return false;
	hs_scan_spaces(s);
	return hs_scan_decimal(s, bytes);
}

bool hs_allocprof_sums(struct hs_span *s, struct hs_allocprof_sums *ret)
{
	if (!scan_pair(s, &ret->live_blocks, &ret->live_bytes))
		return false;
	hs_scan_spaces(s);
	if (!hs_scan_prefix(s, "[") || !scan_pair(s, &ret->allocs, &ret->bytes))
		return false;
	hs_scan_spaces(s);
	return hs_scan_prefix(s, "]");
}

bool hs_allocprof_stack(struct hs_allocprof *p, struct hs_span s)
{
	struct entry *e = hs_array_add(&p->entries);
	uint64_t address;
	e->first = p->addresses.n;
	hs_scan_spaces(&s);
	while (s.at < s.end && e->n < MAX_DEPTH) {
		if (!hs_scan_prefix(&s, "0x") || !hs_scan_hex(&s, &address))
			return false;
		hs_array_push(&p->addresses, address);
		e->n++;
		hs_scan_spaces(&s);
	}
	return true;
}

static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

static void add_sums(struct hs_allocprof_sums *to, const struct hs_allocprof_sums *from)
{
	add(&to->live_blocks, from->live_blocks);
	add(&to->live_bytes, from->live_bytes);
	add(&to->allocs, from->allocs);
	add(&to->bytes, from->bytes);
}

void hs_allocprof_add(struct hs_allocprof *p, const struct hs_allocprof_sums *sums)
{
	if (p->entries.n)
		add_sums(&p->entries.at[p->entries.n - 1].sums, sums);
}

struct hs_allocprof_sums hs_allocprof_total(const struct hs_allocprof *p)
{
	struct hs_allocprof_sums total = {0};
	for (size_t i = 0; i < p->entries.n; i++)
		add_sums(&total, &p->entries.at[i].sums);
	return total;
}

/* ---- modules ---- */

static hs_module module_at(struct hs_allocprof *p, hs_str path)
{
	const struct hs_module_info info = {.path = path, .by_file_offset = true};
	bool fresh;
	uint32_t *id = hs_map_put(&p->modules, path.i, &fresh);
	if (fresh)
		*id = hs_build_module(p->b, &info).i;
	return (hs_module){*id};
}

/* "55d112e9a000-55d112e9b000 r-xp 00001000 fe:00 11108403   /tmp/a file" */
bool hs_allocprof_map(struct hs_allocprof *p, struct hs_span s)
{
	struct range r;
	if (!hs_scan_hex(&s, &r.start) || !hs_scan_prefix(&s, "-") ||
	    !hs_scan_hex(&s, &r.end) || !hs_scan_prefix(&s, " ") || r.end < r.start)
		return false;
	bool code = memchr(s.at, 'x', HS_MIN(hs_span_size(s), (size_t)4)) != NULL;
	hs_scan_until(&s, ' ');
	if (!hs_scan_hex(&s, &r.offset))
		return false;
	hs_scan_spaces(&s);
	hs_scan_until(&s, ' '); /* device */
	hs_scan_until(&s, ' '); /* inode */
	s = hs_span_trim(s);
	if (!code || !hs_span_size(s))
		return true;
	r.path = hs_build_string(p->b, s.at, hs_span_size(s));
	r.module = module_at(p, r.path);
	hs_array_push(&p->ranges, r);
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

/* Addresses are those behind the calls. */
static const struct range *range_of(const struct hs_allocprof *p, uint64_t address)
{
	size_t low = 0, high = p->ranges.n;
	address -= address != 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (p->ranges.at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < p->ranges.at[low - 1].end ? &p->ranges.at[low - 1] : NULL;
}

/* The first mapping of code is the program's: the kernel maps it lowest. */
static void tell_program(struct hs_allocprof *p)
{
	struct hs_process_info *process = hs_build_process(p->b);
	if (!p->ranges.n || process->exe.i)
		return;
	process->exe = p->ranges.at[0].path;
	process->name =
		hs_build_cstring(p->b, hs_base_name(hs_build_text(p->b, process->exe)));
}

/* ---- samples ---- */

/* e to the power of -x, for x >= 0: by halving x until the series is short. */
static double exp_of_minus(double x)
{
	if (x > 700)
		return 0;
	int halved = 0;
	for (; x > 0.01; halved++)
		x /= 2;
	double e = 1 - x + x * x / 2 - x * x * x / 6 + x * x * x * x / 24;
	while (halved-- > 0)
		e *= e;
	return e;
}

/* By what samples of MEAN bytes are to be multiplied, as pprof and jeprof do. */
static double weight(enum hs_sampling sampling, double mean, double period)
{
	if (sampling == HS_EVERYTHING || !(mean > 0) || !(period > 1))
		return 1;
	if (sampling == HS_BY_PERIOD)
		return mean < period ? period / mean : 1;
	double seen = 1 - exp_of_minus(mean / period);
	return seen > 1e-12 ? 1 / seen : 1e12;
}

static uint64_t scaled(uint64_t n, double weight)
{
	double value = (double)n * weight + 0.5;
	return value >= 9e18 ? (uint64_t)9e18 : (uint64_t)value;
}

static void scale_pair(uint64_t *blocks, uint64_t *bytes, enum hs_sampling sampling,
		       uint64_t period)
{
	double mean = *blocks ? (double)*bytes / (double)*blocks : 0;
	double w = weight(sampling, mean, (double)period);
	if (w == 1)
		return;
	*blocks = scaled(*blocks, w);
	*bytes = scaled(*bytes, w);
}

/* ---- into the builder ---- */

static hs_stack build_stack(struct hs_allocprof *p, const struct entry *e)
{
	hs_stack stack = {0};
	for (size_t i = e->n; i-- > 0;) {
		uint64_t address = p->addresses.at[e->first + i];
		const struct range *r = range_of(p, address);
		hs_frame frame =
			hs_build_location(p->b, r ? r->module : (hs_module){0},
					  r ? address - r->start + r->offset : address);
		stack = hs_build_stack(p->b, stack, frame);
	}
	return stack;
}

void hs_allocprof_tell(struct hs_allocprof *p, bool whole, uint64_t bad_lines)
{
	hs_build_process(p->b)->complete = whole && !bad_lines;
	if (!whole)
		hs_build_warn(p->b,
			      "The profile ends too early: its stacks do not add up to "
			      "its totals, or its mappings are missing.");
	else if (bad_lines)
		hs_build_warn(p->b, "%llu of the profile's lines made no sense.",
			      (unsigned long long)bad_lines);
}

void hs_allocprof_build(struct hs_allocprof *p, enum hs_sampling sampling,
			uint64_t period)
{
	if (p->ranges.n)
		qsort(p->ranges.at, p->ranges.n, sizeof(*p->ranges.at), by_start);
	for (size_t i = 0; i < p->entries.n; i++) {
		struct entry *e = &p->entries.at[i];
		struct hs_allocprof_sums s = e->sums;
		scale_pair(&s.live_blocks, &s.live_bytes, sampling, period);
		scale_pair(&s.allocs, &s.bytes, sampling, period);
		const struct hs_site site = {
			.stack = build_stack(p, e),
			.live_blocks = s.live_blocks,
			.live_bytes = s.live_bytes,
			.allocs = s.allocs,
			.bytes = s.bytes,
			.frees = s.allocs > s.live_blocks ? s.allocs - s.live_blocks : 0};
		hs_build_site(p->b, &site);
	}
	hs_build_has(p->b, HS_HAS_LIVE);
	if (hs_allocprof_total(p).allocs)
		hs_build_has(p->b, HS_HAS_TOTALS);
	if (sampling != HS_EVERYTHING && period > 1)
		hs_build_warn(p->b,
			      "One block in some %llu bytes was sampled: all figures are "
			      "estimates.",
			      (unsigned long long)period);
	tell_program(p);
}
