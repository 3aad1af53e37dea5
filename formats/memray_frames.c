/* SPDX-License-Identifier: MIT */

/*
 * Python frames of memray captures: a function, a file and a line.  Since header
 * version 12 a frame is an instruction of a code object, whose line table gives
 * the line; before, the line is told.
 */
#include "formats/memray_parts.h"

#include <string.h>

#include "src/pylines.h"

void memray_frames_deinit(struct memray_frames *f)
{
	hs_array_free(&f->codes);
	hs_array_free(&f->tables);
	hs_map_deinit(&f->code_of);
	hs_map_deinit(&f->frame_of);
}

hs_str memray_string(struct memray *m)
{
	size_t n;
	const uint8_t *s = hs_cur_until(m->in, 0, &n);
	return s ? hs_build_string(m->b, (const char *)s, n) : (hs_str){0};
}

/* Keep the N bytes of a line table; returns where. */
static size_t keep_table(struct memray_frames *f, const uint8_t *bytes, size_t n)
{
	size_t at = f->tables.n;
	while (f->tables.room - at < n)
		f->tables.at =
			hs_array_grow_(f->tables.at, &f->tables.room, sizeof(uint8_t));
	if (n)
		memcpy(f->tables.at + at, bytes, n);
	f->tables.n += n;
	return at;
}

bool memray_read_code(struct memray *m)
{
	struct memray_frames *f = &m->frames;
	struct hs_cursor *in = m->in;
	uint64_t id = hs_cur_uleb(in);
	struct memray_code code = {.function = memray_string(m)};
	code.file = memray_string(m);
	f->first_line += (uint64_t)hs_cur_zigzag(in);
	code.first_line = (uint32_t)f->first_line;
	code.n_table = hs_cur_count(in, 1);
	const uint8_t *table = hs_cur_bytes(in, code.n_table);
	if (hs_cur_failed(in))
		return false;
	code.table = keep_table(f, table, code.n_table);
	*hs_map_put(&f->code_of, id, NULL) = (uint32_t)f->codes.n;
	hs_array_push(&f->codes, code);
	return true;
}

/* Entries matter only where native frames are to be told from Python's. */
hs_frame memray_line_frame(struct memray *m, hs_str function, hs_str file, int64_t line,
			   bool entry)
{
	const struct hs_frame_info info = {
		.function = function.i ? function : hs_build_cstring(m->b, "<unknown>"),
		.file = file,
		.line = line > 0 && line <= INT32_MAX ? (uint32_t)line : 0,
		.python_entry = entry && m->h.native,
	};
	return hs_build_named_frame(m->b, &info);
}

static hs_frame new_frame(struct memray *m, const struct memray_code *code,
			  int64_t offset, bool entry)
{
	const struct hs_python_lines lines = {
		.version = m->h.python,
		.first = code->first_line,
		.table = m->frames.tables.at + code->table,
		.n = code->n_table,
	};
	return memray_line_frame(m, code->function, code->file,
				 hs_python_line(&lines, offset), entry);
}

hs_frame memray_code_frame(struct memray *m, uint64_t id, int64_t offset, bool entry)
{
	struct memray_frames *f = &m->frames;
	const uint32_t *code = hs_map_get(&f->code_of, id);
	if (!code)
		return memray_line_frame(m, (hs_str){0}, (hs_str){0}, 0, entry);
	offset = offset < 0 || offset > INT32_MAX ? -1 : offset;
	bool fresh;
	uint64_t key = (uint64_t)*code << 33 | (uint64_t)(uint32_t)offset << 1 | entry;
	uint32_t *frame = hs_map_put(&f->frame_of, key, &fresh);
	if (fresh)
		*frame = new_frame(m, &f->codes.at[*code], offset, entry).i;
	return (hs_frame){*frame};
}
