/* SPDX-License-Identifier: MIT */

/*
 * heaptrack's recordings, formats 0 to 3: text, a letter and a few numbers in
 * each line.  This file knows the lines that both dialects have (see
 * heaptrack_parts.h), tells the dialects apart by what they contain, and judges
 * whether the end is there.
 *
 * Figures are heaptrack's: "temporary" is what was freed right after it was
 * allocated, with no other allocation or free between, in the whole process.
 */
#include "formats/format.h"

#include "formats/heaptrack_parts.h"
#include "src/cursor.h"
#include "src/names.h"

#define NEWEST_FORMAT 3

struct reading {
	struct hs_heaptrack h;
	uint64_t page_size;
	uint64_t bad_lines;
	enum { UNDECIDED, RAW, INTERPRETED } dialect;
	bool versioned, attached;
	bool in_moment;   /* "c" was met, its "R" not yet */
	bool ended;       /* the last line so far is one that may be the last */
	bool half_a_line; /* the end of the last line is missing */
	hs_str command;
};

bool hs_heaptrack_text(const struct hs_heaptrack *h, struct hs_span *s, hs_str *ret)
{
	uint64_t n = hs_span_size(*s);
	if (h->format >= 3) {
		if (!hs_heaptrack_number(s, &n) || !hs_scan_prefix(s, " ") ||
		    n > hs_span_size(*s))
			return false;
	}
	*ret = hs_build_string(h->b, s->at, n);
	s->at += n;
	return true;
}

bool hs_heaptrack_alloc(struct hs_heaptrack *h, hs_stack stack, enum hs_alloc_kind kind,
			uint64_t size, uint64_t pointer)
{
	hs_build_alloc(h->b, (hs_thread){0}, kind, stack, pointer, size, h->now_ns);
	return true;
}

bool hs_heaptrack_free(struct hs_heaptrack *h, struct hs_span s)
{
	uint64_t pointer;
	if (!hs_heaptrack_number(&s, &pointer))
		return false;
	hs_build_dealloc(h->b, (hs_thread){0}, pointer, h->now_ns);
	hs_build_forget_last(h->b, (hs_thread){0});
	return true;
}

/* ---- lines of both dialects ---- */

/* The heap at the last "c", with the resident pages if they were told. */
static void end_moment(struct reading *r, uint64_t pages)
{
	struct hs_heaptrack *h = &r->h;
	bool counted = r->dialect == INTERPRETED && h->format > 0;
	struct hs_snapshot s = {.time_ns = h->now_ns};
	if (!r->in_moment)
		return;
	r->in_moment = false;
	if (counted)
		s = hs_heaptrack_interpreted_snapshot(h);
	if (__builtin_mul_overflow(pages, r->page_size, &s.rss_bytes))
		s.rss_bytes = 0;
	if (s.rss_bytes)
		hs_build_has(h->b, HS_HAS_RSS);
	hs_build_snapshot(h->b, &s, counted);
}

/* Milliseconds since the start; the clock does not go back. */
static bool read_time(struct reading *r, struct hs_span s)
{
	uint64_t ms;
	if (!hs_scan_hex(&s, &ms) || ms > UINT64_MAX / 1000000)
		return false;
	end_moment(r, 0);
	r->h.now_ns = HS_MAX(r->h.now_ns, ms * 1000000);
	r->in_moment = true;
	r->ended = r->dialect == RAW;
	return true;
}

static bool read_pages(struct reading *r, struct hs_span s)
{
	uint64_t pages;
	if (!hs_scan_hex(&s, &pages))
		return false;
	end_moment(r, pages);
	r->ended = r->dialect == RAW;
	return true;
}

/* Told once; what came before does not count. */
static bool read_attached(struct reading *r)
{
	if (r->attached)
		return false;
	r->attached = true;
	hs_heaptrack_interpreted_reset(&r->h);
	return true;
}

/* Which of the two dialects: by the first line that only one of them has. */
static void decide(struct reading *r, char letter)
{
	if (r->dialect == UNDECIDED)
		r->dialect = strchr("sia", letter) ? INTERPRETED : RAW;
}

static bool read_line(struct reading *r, char letter, struct hs_span s)
{
	r->ended = false;
	switch (letter) {
	case 'c':
		return read_time(r, s);
	case 'R':
		return read_pages(r, s);
	case 'I':
		return hs_scan_hex(&s, &r->page_size);
	case 'X':
		r->command = hs_build_string(r->h.b, s.at, hs_span_size(s));
		return true;
	case 'A':
		return read_attached(r);
	case 'S': /* which leaks heaptrack would not show */
		return true;
	default:
		end_moment(r, 0);
		decide(r, letter);
		return r->dialect == RAW
			       ? hs_heaptrack_raw_line(&r->h, letter, s)
			       : hs_heaptrack_interpreted_line(&r->h, letter, s);
	}
}

/* ---- taking the file apart ---- */

/*
 * Since format 3 strings have their length before them, so that they may hold
 * ends of lines.  The size of such a line without its own end, or 0.
 */
static size_t sized_line(const struct reading *r, struct hs_cursor *in)
{
	if (r->h.format < 3 || !hs_cur_want(in, 2) || in->pos[0] != 's')
		return 0;
	size_t header = 2 + 16 + 1;
	if (!hs_cur_want(in, header))
		header = hs_cur_left(in);
	struct hs_span s = {(const char *)in->pos + 2, (const char *)in->pos + header};
	uint64_t n;
	if (!hs_scan_hex(&s, &n) || !hs_scan_prefix(&s, " ") || n > UINT32_MAX)
		return 0;
	size_t size = (size_t)(s.at - (const char *)in->pos) + (size_t)n;
	return hs_cur_want(in, size + 1) && in->pos[size] == '\n' ? size : 0;
}

static bool next_line(struct reading *r, struct hs_cursor *in, struct hs_span *ret)
{
	bool whole = true;
	size_t size = sized_line(r, in);
	if (size) {
		ret->at = (const char *)in->pos;
		ret->end = ret->at + size;
		hs_cur_skip(in, size + 1);
		return true;
	}
	if (!hs_scan_line(in, ret, &whole))
		return false;
	r->half_a_line = !whole;
	return whole;
}

/* The interpreter writes "# strings: N" and "# ips: N" when it has read all. */
static void read_comment(struct reading *r, struct hs_span line)
{
	if (r->dialect == INTERPRETED && hs_span_begins(line, "# ips: "))
		r->ended = true;
}

/* "v 10650 3"; format 1 did not tell its number. */
static struct hs_error *read_version(struct reading *r, struct hs_span line)
{
	uint64_t format;
	hs_scan_prefix(&line, "v ");
	if (!hs_scan_hex(&line, &r->h.version))
		return hs_error(
			"damaged in its first line, which should tell the version");
	if (!hs_heaptrack_number(&line, &format))
		format = 1;
	if (format > NEWEST_FORMAT)
		return hs_error(
			"written in version %llu of heaptrack's format; known are "
			"0 to %d, so a newer heapsnap is needed",
			(unsigned long long)format, NEWEST_FORMAT);
	r->h.format = (unsigned)format;
	r->versioned = true;
	return NULL;
}

static void read_one(struct reading *r, struct hs_span line)
{
	if (hs_span_size(line) == 0)
		return;
	if (line.at[0] == '#') {
		read_comment(r, line);
		return;
	}
	bool spaced = hs_span_size(line) < 2 || line.at[1] == ' ';
	struct hs_span rest = {HS_MIN(line.at + 2, line.end), line.end};
	if (!spaced || !read_line(r, line.at[0], rest))
		r->bad_lines++;
}

static struct hs_error *read_lines(struct reading *r, struct hs_cursor *in)
{
	struct hs_span line;
	if (!next_line(r, in, &line))
		return NULL;
	if (hs_span_begins(line, "v ")) {
		struct hs_error *err = read_version(r, line);
		if (err)
			return err;
	} else {
		read_one(r, line);
	}
	while (next_line(r, in, &line)) {
		read_one(r, line);
		if (r->dialect == INTERPRETED && !r->in_moment)
			hs_heaptrack_interpreted_events(&r->h, in);
	}
	end_moment(r, 0);
	return NULL;
}

/* ---- what it says of the process ---- */

/* The executable's path, if the command line NAME begins with its name. */
static const char *exe_of(const struct reading *r, const char *command)
{
	const char *exe = hs_build_text(r->h.b, r->h.exe);
	const char *base = hs_base_name(exe);
	if (exe[0] == '/' && (!*command || strstr(command, base)))
		return exe;
	return "";
}

/*
 * Arguments are joined by single spaces, so those that have spaces come apart;
 * the program's path, which is known, does not.
 */
static void read_arguments(struct reading *r, const char *command, const char *exe)
{
	struct hs_builder *b = r->h.b;
	struct hs_span rest = {command, command + strlen(command)};
	size_t n = strlen(exe);
	if (n && !strncmp(command, exe, n) && (!command[n] || command[n] == ' ')) {
		hs_build_argument(b, r->h.exe);
		rest.at = HS_MIN(command + n + 1, rest.end);
	}
	while (rest.at < rest.end) {
		struct hs_span word = hs_scan_until(&rest, ' ');
		hs_build_argument(b, hs_build_string(b, word.at, hs_span_size(word)));
	}
}

static hs_str version_of(struct reading *r)
{
	unsigned v = (unsigned)r->h.version;
	char *text = hs_xasprintf("%u.%u.%u", v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff);
	hs_str ret = hs_build_cstring(r->h.b, text);
	free(text);
	return ret;
}

static void tell_process(struct reading *r)
{
	struct hs_builder *b = r->h.b;
	struct hs_process_info *p = hs_build_process(b);
	const char *command = hs_build_text(b, r->command);
	const char *exe = exe_of(r, command);
	p->source = hs_build_cstring(b, "heaptrack");
	if (r->versioned)
		p->version = version_of(r);
	p->exe = hs_build_cstring(b, exe);
	p->name = hs_build_cstring(b, hs_base_name(exe));
	p->end_ns = r->h.now_ns;
	if (p->end_ns)
		hs_build_has(b, HS_HAS_TIME);
	read_arguments(r, command, exe);
}

static void tell_quality(struct reading *r)
{
	struct hs_builder *b = r->h.b;
	hs_build_process(b)->complete = r->ended && !r->bad_lines && !r->half_a_line;
	if (r->half_a_line || !r->ended)
		hs_build_warn(b,
			      "The recording ends without its closing lines: what came "
			      "after is missing.");
	if (r->bad_lines)
		hs_build_warn(b,
			      "%llu line%s of the recording made no sense and %s left "
			      "out.",
			      (unsigned long long)r->bad_lines,
			      r->bad_lines == 1 ? "" : "s",
			      r->bad_lines == 1 ? "was" : "were");
	if (r->attached)
		hs_build_warn(b,
			      "heaptrack was attached to a running process: blocks that "
			      "were older are not in these figures.");
}

/* ---- the format ---- */

static struct hs_error *heaptrack_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct reading r = {.h = {.b = b}, .page_size = 4096};
	r.h.raw = hs_heaptrack_raw_new();
	r.h.interpreted = hs_heaptrack_interpreted_new();
	struct hs_error *err = read_lines(&r, in);
	if (!err) {
		hs_heaptrack_interpreted_finish(&r.h);
		hs_build_has(b, HS_HAS_TOTALS | HS_HAS_TEMPORARIES | HS_HAS_LIVE |
					HS_HAS_PEAK);
		tell_process(&r);
		tell_quality(&r);
	}
	hs_heaptrack_raw_free(r.h.raw);
	hs_heaptrack_interpreted_free(r.h.interpreted);
	return err && in->name ? hs_error_in(err, "%s", in->name) : err;
}

/*
 * Without a version line all that can be said is that each line begins with one
 * of its letters and goes on with a number.
 */
static bool is_likely_line(struct hs_span line)
{
	uint64_t number;
	if (hs_span_size(line) == 0 || line.at[0] == '#')
		return true;
	if (hs_span_size(line) < 3 || line.at[1] != ' ' ||
	    !strchr("XISmxstia+-cR", line.at[0]))
		return false;
	if (strchr("XSsmx", line.at[0]))
		return true;
	line.at += 2;
	return hs_scan_hex(&line, &number) && (line.at == line.end || *line.at == ' ');
}

static enum hs_match heaptrack_probe(const uint8_t *data, size_t size)
{
	struct hs_cursor in = hs_cursor(data, size, NULL);
	struct hs_span line;
	uint64_t number;
	bool whole;
	size_t n = 0;
	if (!hs_scan_line(&in, &line, &whole))
		return HS_MATCH_NO;
	if (hs_scan_prefix(&line, "v "))
		return hs_scan_hex(&line, &number) &&
				       (line.at == line.end || *line.at == ' ')
			       ? HS_MATCH_MAGIC
			       : HS_MATCH_NO;
	in = hs_cursor(data, size, NULL);
	while (hs_scan_line(&in, &line, &whole) && whole) {
		if (!is_likely_line(line))
			return HS_MATCH_NO;
		n += hs_span_size(line) > 2 && line.at[0] != '#';
	}
	return n > 3 ? HS_MATCH_LIKELY : HS_MATCH_NO;
}

const struct hs_format hs_format_heaptrack = {
	.name = "heaptrack",
	.summary = "a recording of heaptrack, raw or interpreted",
	.suffixes = (const char *const[]){".raw", NULL},
	.probe = heaptrack_probe,
	.read = heaptrack_read,
	.streams = true,
};
