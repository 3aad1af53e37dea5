/* SPDX-License-Identifier: MIT */

/*
 * heaptrack's raw recordings: call stacks of plain addresses, the modules that
 * were mapped then, and pointers.  Nothing has a name yet.
 *
 * The tracker writes a call stack once.  When a library goes and another one
 * comes to the same address, the same stack means other code; so a stack is
 * understood by the modules at the time of each use, not of its first.
 */
#include "formats/heaptrack_parts.h"

#include "src/array.h"
#include "src/hash.h"

/* heaptrack keeps 64 frames at most; what is deeper keeps its first meaning. */
#define MAX_DEPTH 128

/* A list of modules beyond this is no program's: it would only cost time. */
#define MAX_SEGMENTS        16384
#define MAX_MODULE_SEGMENTS 64

/* "t": a frame above its parent, and what that was when it was last used. */
struct node {
	uint64_t ip;
	uint32_t parent;
	uint32_t epoch; /* of `stack` */
	hs_stack stack;
};

struct segment {
	uint64_t start, end, bias;
	hs_module module;
};

struct hs_heaptrack_raw {
	HS_ARRAY(struct node) nodes;       /* item 0: none */
	HS_ARRAY(struct segment) segments; /* sorted by start */
	uint32_t epoch;                    /* how many lists of modules there were */
	struct hs_map module_ids;
};

struct hs_heaptrack_raw *hs_heaptrack_raw_new(void)
{
	struct hs_heaptrack_raw *r = hs_xcalloc(1, sizeof(*r));
	(void)hs_array_add(&r->nodes);
	return r;
}

void hs_heaptrack_raw_free(struct hs_heaptrack_raw *r)
{
	if (!r)
		return;
	hs_array_free(&r->nodes);
	hs_array_free(&r->segments);
	hs_map_deinit(&r->module_ids);
	free(r);
}

/* ---- modules ---- */

/* The same object at the same place is the same module, in each list. */
static hs_module module_with(struct hs_heaptrack *h, hs_str path, uint64_t bias,
			     struct hs_range mapped)
{
	const uint64_t fields[] = {path.i, bias, mapped.start, mapped.end};
	bool fresh;
	uint32_t *id =
		hs_map_put(&h->raw->module_ids,
			   hs_hash_bytes(HS_HASH_INIT, fields, sizeof(fields)), &fresh);
	if (fresh) {
		const struct hs_module_info info = {.path = path,
						    .bias = bias,
						    .mapped = mapped,
						    .epoch = h->raw->epoch};
		*id = hs_build_module(h->b, &info).i;
	}
	return (hs_module){*id};
}

/* What one line tells of. */
struct object {
	struct segment segments[MAX_MODULE_SEGMENTS];
	size_t n;
	struct hs_range mapped;
	uint64_t bias;
};

/* "base {vaddr memsz}..." */
static bool read_object(struct hs_span *s, struct object *ret)
{
	uint64_t address, size;
	*ret = (struct object){.mapped = {UINT64_MAX, 0}};
	if (!hs_heaptrack_number(s, &ret->bias))
		return false;
	while (s->at < s->end && ret->n < MAX_MODULE_SEGMENTS) {
		if (!hs_heaptrack_number(s, &address) || !hs_heaptrack_number(s, &size))
			return false;
		address += ret->bias;
		if (size == 0 || address + size < address)
			continue;
		ret->segments[ret->n++] = (struct segment){
			.start = address, .end = address + size, .bias = ret->bias};
		ret->mapped.start = HS_MIN(ret->mapped.start, address);
		ret->mapped.end = HS_MAX(ret->mapped.end, address + size);
	}
	return true;
}

/* The index of the first segment that starts after ADDRESS. */
static size_t segment_after(const struct hs_heaptrack_raw *r, uint64_t address)
{
	size_t low = 0, high = r->segments.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (r->segments.at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert_segment(struct hs_heaptrack_raw *r, const struct segment *segment)
{
	if (r->segments.n == MAX_SEGMENTS)
		return;
	size_t i = segment_after(r, segment->start);
	(void)hs_array_add(&r->segments);
	struct segment *at = &r->segments.at[i];
	memmove(at + 1, at, (r->segments.n - 1 - i) * sizeof(*at));
	*at = *segment;
}

static const struct segment *segment_at(const struct hs_heaptrack_raw *r, uint64_t ip)
{
	size_t i = segment_after(r, ip);
	return i && ip < r->segments.at[i - 1].end ? &r->segments.at[i - 1] : NULL;
}

/* Where the numbers at the end of S begin: before format 3, paths have no length. */
static const char *numbers_of(struct hs_span s)
{
	const char *numbers = s.end;
	for (const char *p = s.end; p > s.at; p--) {
		if (p[-1] == ' ')
			numbers = p - 1;
		else if (hs_hex_digits[(uint8_t)p[-1]] > 15)
			break;
	}
	return numbers;
}

static bool read_path(struct hs_heaptrack *h, struct hs_span *s, hs_str *path)
{
	if (h->format >= 3)
		return hs_heaptrack_text(h, s, path);
	struct hs_span text = {s->at, numbers_of(*s)};
	s->at = text.end;
	*path = hs_build_string(h->b, text.at, hs_span_size(text));
	return hs_span_size(text) > 0;
}

static bool read_module(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_raw *r = h->raw;
	if (hs_span_is(s, "-") || hs_span_is(s, "1 -")) {
		r->epoch++;
		r->segments.n = 0;
		return true;
	}
	struct object object;
	hs_str path;
	if (!read_path(h, &s, &path) || !read_object(&s, &object))
		return false;
	if (hs_str_eq(path, hs_build_cstring(h->b, "x")) && h->exe.i)
		path = h->exe;
	if (!object.n)
		return true;
	hs_module module = module_with(h, path, object.bias, object.mapped);
	for (size_t i = 0; i < object.n; i++) {
		object.segments[i].module = module;
		insert_segment(r, &object.segments[i]);
	}
	return true;
}

/* ---- stacks ---- */

/*
 * Since 1.3 an address is that of the call, one before the return address; a
 * profile has return addresses.
 */
static hs_frame frame_at(struct hs_heaptrack *h, uint64_t ip)
{
	bool is_call = h->version >= 0x10300;
	const struct segment *s = segment_at(h->raw, is_call ? ip : ip - 1);
	ip += is_call;
	return hs_build_location(h->b, s ? s->module : (hs_module){0},
				 s ? ip - s->bias : ip);
}

static hs_stack stack_of(struct hs_heaptrack *h, uint32_t number)
{
	struct hs_heaptrack_raw *r = h->raw;
	uint32_t way[MAX_DEPTH];
	size_t n = 0;
	for (uint32_t i = number; i && n < MAX_DEPTH; i = r->nodes.at[i].parent) {
		if (r->nodes.at[i].epoch == r->epoch)
			break;
		way[n++] = i;
	}
	while (n) {
		struct node *node = &r->nodes.at[way[--n]];
		node->stack = hs_build_stack(h->b, r->nodes.at[node->parent].stack,
					     frame_at(h, node->ip));
		node->epoch = r->epoch;
	}
	return r->nodes.at[number].stack;
}

static bool read_node(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_raw *r = h->raw;
	uint64_t ip = 0, parent = 0;
	bool good = hs_heaptrack_number(&s, &ip) && hs_heaptrack_number(&s, &parent);
	/* Its number is taken, whatever it is. */
	struct node *node = hs_array_add(&r->nodes);
	node->ip = ip;
	node->parent = parent < r->nodes.n - 1 ? (uint32_t)parent : 0;
	node->epoch = r->epoch - 1;
	stack_of(h, (uint32_t)(r->nodes.n - 1));
	return good;
}

static bool read_alloc(struct hs_heaptrack *h, struct hs_span s)
{
	uint64_t size, number, pointer;
	if (!hs_heaptrack_number(&s, &size) || !hs_heaptrack_number(&s, &number) ||
	    !hs_heaptrack_number(&s, &pointer))
		return false;
	number = number < h->raw->nodes.n ? number : 0;
	return hs_heaptrack_alloc(h, stack_of(h, (uint32_t)number), HS_ALLOC_MALLOC, size,
				  pointer);
}

static bool read_exe(struct hs_heaptrack *h, struct hs_span s)
{
	return hs_heaptrack_text(h, &s, &h->exe) && s.at == s.end;
}

bool hs_heaptrack_raw_line(struct hs_heaptrack *h, char letter, struct hs_span s)
{
	switch (letter) {
	case '+':
		return read_alloc(h, s);
	case '-':
		return hs_heaptrack_free(h, s);
	case 't':
		return read_node(h, s);
	case 'm':
		return read_module(h, s);
	case 'x':
		return read_exe(h, s);
	default:
		return false;
	}
}
