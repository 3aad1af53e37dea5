/* SPDX-License-Identifier: MIT */

/*
 * heaptrack's interpreted recordings: strings, places in code with their inlined
 * calls, call stacks and kinds of blocks are numbered tables; events name a kind.
 * Stacks are cut outside of main, and operator new is left out, as heaptrack
 * shows them.
 */
#include "formats/heaptrack_parts.h"

#include "src/array.h"
#include "src/cursor.h"
#include "src/tally.h"

/* "i": a place in code. */
struct place {
	hs_frame frame;
	bool is_start; /* main or the like: what called it is of no interest */
	bool is_new;   /* operator new: shown as its caller */
	enum hs_alloc_kind kind;
};

/* "t": a call stack, and by which call it allocates. */
struct trace {
	hs_stack stack;
	enum hs_alloc_kind kind;
};

struct hs_heaptrack_interpreted {
	/* Item 0 of each is "none". */
	HS_ARRAY(hs_str) strings;
	HS_ARRAY(hs_module) modules; /* by string */
	HS_ARRAY(struct place) places;
	HS_ARRAY(struct trace) traces;
	hs_str starts[3], news[4]; /* names of functions that are special */
	struct hs_tally *tally;
};

struct hs_heaptrack_interpreted *hs_heaptrack_interpreted_new(void)
{
	struct hs_heaptrack_interpreted *i = hs_xcalloc(1, sizeof(*i));
	(void)hs_array_add(&i->strings);
	(void)hs_array_add(&i->modules);
	(void)hs_array_add(&i->places);
	(void)hs_array_add(&i->traces);
	i->tally = hs_tally_new();
	return i;
}

void hs_heaptrack_interpreted_free(struct hs_heaptrack_interpreted *i)
{
	if (!i)
		return;
	hs_array_free(&i->strings);
	hs_array_free(&i->modules);
	hs_array_free(&i->places);
	hs_array_free(&i->traces);
	hs_tally_free(i->tally);
	free(i);
}

static bool is_start(struct hs_heaptrack *h, hs_str function)
{
	static const char *const names[] = {"main", "__libc_start_main",
					    "__static_initialization_and_destruction_0"};
	struct hs_heaptrack_interpreted *in = h->interpreted;
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		if (!in->starts[i].i)
			in->starts[i] = hs_build_cstring(h->b, names[i]);
		if (hs_str_eq(in->starts[i], function))
			return true;
	}
	return false;
}

static bool is_new(struct hs_heaptrack *h, hs_str function, enum hs_alloc_kind *kind)
{
	static const char *const names[] = {
		"operator new(unsigned long)", "operator new(unsigned int)",
		"operator new[](unsigned long)", "operator new[](unsigned int)"};
	struct hs_heaptrack_interpreted *in = h->interpreted;
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		if (!in->news[i].i)
			in->news[i] = hs_build_cstring(h->b, names[i]);
		if (hs_str_eq(in->news[i], function)) {
			*kind = i < 2 ? HS_ALLOC_NEW : HS_ALLOC_NEW_ARRAY;
			return true;
		}
	}
	return false;
}

static bool read_string(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	hs_str text = {0};
	bool good = hs_heaptrack_text(h, &s, &text) && s.at == s.end;
	hs_array_push(&in->strings, text); /* or those that follow had wrong numbers */
	(void)hs_array_add(&in->modules);
	/* The first string is the executable's path. */
	if (in->strings.n == 2 && hs_span_size(s) == 0)
		h->exe = text;
	return good;
}

/* Number I of a table of N, which begins with "none". */
static uint64_t known(uint64_t i, size_t n)
{
	return i < n ? i : 0;
}

static hs_module module_of(struct hs_heaptrack *h, uint64_t number)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	number = known(number, in->modules.n);
	if (number && !in->modules.at[number].i) {
		const struct hs_module_info info = {.path = in->strings.at[number],
						    .unplaced = true};
		in->modules.at[number] = hs_build_module(h->b, &info);
	}
	return in->modules.at[number];
}

/* One function of a place: itself, or what it is inlined into. */
struct scope {
	hs_str function, file;
	uint32_t line;
};

#define MAX_SCOPES 64 /* inlined calls at one place; what is further out is left out */

/* "func file line" or, at the end of the line, "func" alone. */
static bool read_scope(struct hs_heaptrack *h, struct hs_span *s, struct scope *ret)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	uint64_t function, file, line;
	if (!hs_heaptrack_number(s, &function))
		return false;
	*ret = (struct scope){.function = in->strings.at[known(function, in->strings.n)]};
	if (s->at == s->end)
		return true;
	if (!hs_heaptrack_number(s, &file) || !hs_heaptrack_number(s, &line))
		return false;
	ret->file = in->strings.at[known(file, in->strings.n)];
	ret->line = (uint32_t)HS_MIN(line, UINT32_MAX);
	return true;
}

/* SCOPES of one address, innermost first, as frames; the last is a real function. */
static hs_frame build_frames(struct hs_heaptrack *h, hs_module module, uint64_t ip,
			     const struct scope *scopes, size_t n)
{
	struct hs_frame_info info = {.module = module, .offset = ip};
	hs_frame frame = {0};
	if (n == 0)
		return hs_build_named_frame(h->b, &info);
	for (size_t i = n; i-- > 0;) {
		info.function = scopes[i].function;
		info.file = scopes[i].file;
		info.line = scopes[i].line;
		info.caller = frame;
		info.inlined = i + 1 < n;
		frame = hs_build_named_frame(h->b, &info);
	}
	return frame;
}

static bool read_place(struct hs_heaptrack *h, struct hs_span s)
{
	struct scope scopes[MAX_SCOPES];
	size_t n = 0;
	uint64_t ip = 0, module = 0;
	bool good = hs_heaptrack_number(&s, &ip) && hs_heaptrack_number(&s, &module);
	while (good && s.at < s.end && n < MAX_SCOPES)
		good = read_scope(h, &s, &scopes[n++]);
	n -= !good && n;
	struct place *place = hs_array_add(&h->interpreted->places);
	for (size_t i = 0; i < n; i++)
		place->is_start |= is_start(h, scopes[i].function);
	place->is_new = n && is_new(h, scopes[0].function, &place->kind);
	place->frame = build_frames(h, module_of(h, module), ip, scopes, n);
	return good;
}

static bool read_trace(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	uint64_t ip = 0, parent = 0;
	bool good = hs_heaptrack_number(&s, &ip) && hs_heaptrack_number(&s, &parent);
	const struct place *place = &in->places.at[known(ip, in->places.n)];
	struct trace trace = {.stack = in->traces.at[known(parent, in->traces.n)].stack};
	if (place->is_new) {
		trace.kind = place->kind;
	} else if (place->frame.i) {
		if (place->is_start)
			trace.stack = (hs_stack){0};
		trace.stack = hs_build_stack(h->b, trace.stack, place->frame);
	}
	hs_array_push(&in->traces, trace);
	return good;
}

static bool read_kind(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	uint64_t size = 0, number = 0;
	bool good = hs_heaptrack_number(&s, &size) && hs_heaptrack_number(&s, &number);
	const struct trace *trace = &in->traces.at[known(number, in->traces.n)];
	hs_tally_add_kind(in->tally, trace->stack, trace->kind, size);
	return good;
}

/* Format 0: "+ size trace pointer". */
static bool read_old_alloc(struct hs_heaptrack *h, struct hs_span s)
{
	struct hs_heaptrack_interpreted *in = h->interpreted;
	uint64_t size, number, pointer;
	if (!hs_heaptrack_number(&s, &size) || !hs_heaptrack_number(&s, &number) ||
	    !hs_heaptrack_number(&s, &pointer))
		return false;
	const struct trace *trace = &in->traces.at[known(number, in->traces.n)];
	return hs_heaptrack_alloc(h, trace->stack, trace->kind, size, pointer);
}

static bool read_event(struct hs_heaptrack *h, char letter, struct hs_span s)
{
	struct hs_tally *tally = h->interpreted->tally;
	uint64_t kind;
	if (h->format == 0)
		return letter == '+' ? read_old_alloc(h, s) : hs_heaptrack_free(h, s);
	if (!hs_heaptrack_number(&s, &kind) || s.at != s.end ||
	    kind >= hs_tally_kinds(tally))
		return false;
	if (letter == '+')
		hs_tally_alloc(tally, (uint32_t)kind, h->now_ns);
	else
		hs_tally_dealloc(tally, (uint32_t)kind);
	return true;
}

bool hs_heaptrack_interpreted_line(struct hs_heaptrack *h, char letter, struct hs_span s)
{
	switch (letter) {
	case '+':
	case '-':
		return read_event(h, letter, s);
	case 's':
		return read_string(h, s);
	case 'i':
		return read_place(h, s);
	case 't':
		return read_trace(h, s);
	case 'a':
		return read_kind(h, s);
	default:
		return false;
	}
}

void hs_heaptrack_interpreted_events(struct hs_heaptrack *h, struct hs_cursor *in)
{
	struct hs_tally *tally = h->interpreted->tally;
	const uint32_t n_kinds = hs_tally_kinds(tally);
	/* "+ 12345678" and its end */
	while (h->format > 0 && hs_cur_left(in) >= 11) {
		const uint8_t *p = in->pos;
		if ((p[0] != '+' && p[0] != '-') || p[1] != ' ')
			return;
		uint32_t kind = hs_hex_digits[p[2]];
		if (kind > 15)
			return;
		uint8_t digit;
		for (p += 3; p < in->pos + 10 && (digit = hs_hex_digits[*p]) <= 15; p++)
			kind = kind << 4 | digit;
		if (*p != '\n' || kind >= n_kinds)
			return;
		if (in->pos[0] == '+')
			hs_tally_alloc(tally, kind, h->now_ns);
		else
			hs_tally_dealloc(tally, kind);
		in->pos = p + 1;
	}
}

void hs_heaptrack_interpreted_reset(struct hs_heaptrack *h)
{
	hs_tally_reset(h->interpreted->tally);
}

struct hs_snapshot hs_heaptrack_interpreted_snapshot(struct hs_heaptrack *h)
{
	return hs_tally_snapshot(h->interpreted->tally, h->now_ns);
}

void hs_heaptrack_interpreted_finish(struct hs_heaptrack *h)
{
	if (hs_tally_kinds(h->interpreted->tally))
		hs_tally_build(h->interpreted->tally, h->b);
}
