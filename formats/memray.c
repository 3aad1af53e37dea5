/* SPDX-License-Identifier: MIT */

/*
 * Captures of memray, header versions 9 to 13 (memray 1.4 to 1.20): the header,
 * whose process it was, and what is missing.  The other parts are named in
 * memray_parts.h.
 */
#include "formats/format.h"

#include <string.h>

#include "formats/memray_parts.h"
#include "src/names.h"
#include "src/out.h"

static const char magic[7] = "memray";

/* Which releases of memray wrote a version. */
static const char *releases(uint32_t version)
{
	static const char *const names[] = {"1.4 to 1.6", "1.7 to 1.10", "1.11 to 1.18",
					    "1.19", "1.20"};
	return names[version - MEMRAY_OLDEST];
}

/* -- Header --------------------------------------------------------------------- */

static void skip_list(struct memray *m)
{
	size_t n = 1;
	while (n && !hs_cur_failed(m->in))
		hs_cur_until(m->in, 0, &n);
}

static void read_fields(struct memray *m)
{
	struct memray_header *h = &m->h;
	struct hs_cursor *in = m->in;
	if (h->version >= MEMRAY_CODE)
		h->python = hs_cur_u32(in);
	h->native = hs_cur_u8(in);
	if (h->version >= MEMRAY_AGGREGATED)
		h->aggregated = hs_cur_u8(in) == 1;
	h->n_records = hs_cur_u64(in);
	hs_cur_skip(in, 8); /* number of frames */
	h->start_ms = hs_cur_u64(in);
	h->end_ms = hs_cur_u64(in);
	h->command = memray_string(m);
	h->pid = hs_cur_u32(in);
	h->main_tid = hs_cur_u64(in);
	h->skipped = hs_cur_u64(in);
	h->allocator = hs_cur_u8(in);
	if (h->version >= 11)
		h->traces_python = hs_cur_u8(in);
	if (h->version >= 12)
		hs_cur_skip(in, 1); /* are objects tracked? */
	if (h->version >= 13) {
		memray_string(m); /* library folder */
		skip_list(m);     /* site-packages */
		skip_list(m);     /* sys.path */
	}
}

static struct hs_error *read_header(struct memray *m)
{
	hs_cur_skip(m->in, sizeof(magic));
	m->h.version = hs_cur_u32(m->in);
	struct hs_error *err = hs_cur_check(m->in, "memray header");
	if (err)
		return err;
	if (m->h.version < MEMRAY_OLDEST || m->h.version > MEMRAY_NEWEST)
		return hs_error("%s: memray captures of version %u are not known; known "
				"are %d (memray 1.4) to %d (memray 1.20)",
				m->in->name, m->h.version, MEMRAY_OLDEST, MEMRAY_NEWEST);
	read_fields(m);
	/* Milliseconds that are no nanoseconds since the epoch are no times. */
	const uint64_t latest_ms = INT64_MAX / 1000000 / 2;
	if (m->h.start_ms > latest_ms || m->h.end_ms > latest_ms)
		m->h.start_ms = m->h.end_ms = 0;
	return hs_cur_check(m->in, "memray header");
}

/* -- Identity --------------------------------------------------------------------- */

/* Length of the word at S. */
static size_t word_length(const char *s)
{
	return strcspn(s, " ");
}

static const char *next_word(const char *s)
{
	s += word_length(s);
	return s + strspn(s, " ");
}

static bool is_word(const char *s, const char *word)
{
	return word_length(s) == strlen(word) && !strncmp(s, word, strlen(word));
}

/*
 * `memray run -q -o FILE prog.py ARG`: the program's own command.  Words may have
 * contained blanks; nothing tells.
 */
static const char *own_command(const char *s)
{
	const char *run = next_word(s);
	if (!is_word(run, "run") || !memmem(s, word_length(s), "memray", 6))
		return s;
	s = next_word(run);
	while (*s == '-') {
		bool valued = is_word(s, "-o") || is_word(s, "--output") ||
			      is_word(s, "--live-port");
		bool last = is_word(s, "-c") || is_word(s, "-m") || is_word(s, "--");
		s = next_word(s);
		if (last)
			break;
		if (valued)
			s = next_word(s);
	}
	return s;
}

static void add_arguments(struct memray *m, const char *command)
{
	for (const char *s = command; *s; s = next_word(s))
		hs_build_argument(m->b, hs_build_string(m->b, s, word_length(s)));
}

static hs_str name_of(struct memray *m, const char *command)
{
	char *first HS_CLEANUP(hs_freep) = hs_xasprintf(
		"%.*s", (int)HS_MIN(word_length(command), (size_t)4096), command);
	return hs_build_cstring(m->b, hs_base_name(first));
}

static hs_str system_of(struct memray *m)
{
	static const char *const allocators[] = {
		[1] = "pymalloc", [2] = "pymalloc debug", [3] = "malloc",
		[5] = "mimalloc", [6] = "mimalloc debug",
	};
	const struct memray_header *h = &m->h;
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_puts(&out, "CPython");
	if (h->python)
		hs_printf(&out, " %u.%u.%u", h->python >> 24, h->python >> 16 & 255,
			  h->python >> 8 & 255);
	if (h->allocator < HS_COUNT(allocators) && allocators[h->allocator])
		hs_printf(&out, ", %s", allocators[h->allocator]);
	if (h->traces_python)
		hs_puts(&out, " traced");
	char *text HS_CLEANUP(hs_freep) = hs_out_take(&out, NULL);
	return hs_build_cstring(m->b, text);
}

/*
 * --follow-fork writes FILE.PID for each child of FILE's process; so FILE is its
 * parent's, if it is read, too.
 */
static void set_family(struct memray *m, const char *path)
{
	struct hs_process_info *p = hs_build_process(m->b);
	char *ending HS_CLEANUP(hs_freep) = hs_xasprintf(".%u", m->h.pid);
	size_t n = strlen(path), k = strlen(ending);
	p->uid = hs_build_string(m->b, path, n);
	if (n > k && !strcmp(path + n - k, ending)) {
		p->parent_uid = hs_build_string(m->b, path, n - k);
		p->forked = true;
	}
}

static void set_identity(struct memray *m)
{
	const struct memray_header *h = &m->h;
	struct hs_process_info *p = hs_build_process(m->b);
	const char *command = own_command(hs_build_text(m->b, h->command));
	char *version HS_CLEANUP(hs_freep) =
		hs_xasprintf("%s (format %u)", releases(h->version), h->version);
	p->source = hs_build_cstring(m->b, "memray");
	p->version = hs_build_cstring(m->b, version);
	p->system = system_of(m);
	p->name = name_of(m, command);
	add_arguments(m, command);
	p->pid = h->pid;
	p->start_ns = m->now_ns = h->start_ms * 1000000;
	hs_build_has(m->b, HS_HAS_PID | (h->start_ms ? HS_HAS_TIME : 0));
	set_family(m, m->in->name ? m->in->name : "");
}

static void set_end(struct memray *m)
{
	struct hs_process_info *p = hs_build_process(m->b);
	/* The header's is the start until the end was written. */
	p->end_ns = m->ended ? HS_MAX(m->h.end_ms * 1000000, m->now_ns) : m->now_ns;
	p->complete = m->ended;
	if (m->ended)
		return;
	if (m->damaged)
		hs_build_warn(
			m->b,
			"The capture is damaged at offset %llu; read as far as that.",
			(unsigned long long)hs_cur_offset(m->in));
	else
		hs_build_warn(m->b,
			      "The capture has no end mark: the process was killed "
			      "or left without closing it (as children of a "
			      "forkserver do), or the file was cut off.  Everything "
			      "up to there was read.");
}

/* -- The format ---------------------------------------------------------------------- */

static enum hs_match memray_probe(const uint8_t *data, size_t size)
{
	return size >= sizeof(magic) && !memcmp(data, magic, sizeof(magic))
		       ? HS_MATCH_MAGIC
		       : HS_MATCH_NO;
}

static void memray_deinit(struct memray *m)
{
	memray_frames_deinit(&m->frames);
	memray_native_deinit(&m->native);
	for (size_t i = 0; i < m->threads.n; i++)
		hs_array_free(&m->threads.at[i].pushed);
	hs_array_free(&m->threads);
	hs_map_deinit(&m->thread_of);
	hs_fold_free(m->fold);
	hs_mappings_free(m->mappings);
	hs_array_free(&m->pairs);
	hs_map_deinit(&m->pair_of);
	hs_array_free(&m->temporaries);
}

static struct hs_error *memray_read(struct hs_cursor *in, struct hs_builder *b)
{
	struct memray m = {.b = b, .in = in};
	hs_cur_unpad(in);
	struct hs_error *err = read_header(&m);
	if (err)
		return err;
	set_identity(&m);
	memray_switch(&m, 0);
	if (m.h.aggregated)
		memray_read_aggregate(&m);
	else
		memray_read_stream(&m);
	set_end(&m);
	memray_deinit(&m);
	return NULL;
}

const struct hs_format hs_format_memray = {
	.name = "memray",
	.summary = "captures of memray 1.4 to 1.20",
	.suffixes = (const char *const[]){".bin", NULL},
	.probe = memray_probe,
	.read = memray_read,
	.streams = true,
};
