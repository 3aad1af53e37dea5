/* SPDX-License-Identifier: MIT */

/* Frames as valgrind's tools, and those that write like them, put them. */
#include "src/vgframe.h"

#include "src/build.h"
#include "src/names.h"

#define MAX_REMARK 200

static hs_module module_at(struct hs_vgframes *v, struct hs_span path)
{
	const struct hs_module_info info = {
		.path = hs_build_string(v->b, path.at, hs_span_size(path)),
		.unplaced = true};
	bool fresh;
	uint32_t *id = hs_map_put(&v->modules, info.path.i, &fresh);
	if (fresh)
		*id = hs_build_module(v->b, &info).i;
	return (hs_module){*id};
}

/* Split ":NUMBER" off the end of S. */
static bool split_number(struct hs_span *s, uint64_t *ret)
{
	const char *colon = memrchr(s->at, ':', hs_span_size(*s));
	struct hs_span digits = {colon ? colon + 1 : s->end, s->end};
	if (!colon || !hs_scan_decimal(&digits, ret) || digits.at != digits.end)
		return false;
	s->end = colon;
	return true;
}

/* "file.c:12", "file.rs:12:5", "in /usr/lib/libx.so", or "?:0" for none. */
static void read_place(struct hs_vgframes *v, struct hs_span place,
		       struct hs_frame_info *ret)
{
	uint64_t line, column;
	if (hs_scan_prefix(&place, "in ")) {
		ret->module = module_at(v, place);
		return;
	}
	if (hs_span_is(place, "?:0") || !split_number(&place, &line))
		return;
	if (split_number(&place, &column)) /* which came last */
		line = column;
	ret->file = hs_build_string(v->b, place.at, hs_span_size(place));
	ret->line = (uint32_t)HS_MIN(line, UINT32_MAX);
}

static hs_frame remark(struct hs_vgframes *v, struct hs_span s)
{
	struct hs_frame_info frame = {0};
	bool bracketed = hs_span_begins(s, "[");
	char *text = hs_xasprintf(bracketed ? "%.*s" : "[%.*s]",
				  (int)HS_MIN(hs_span_size(s), MAX_REMARK), s.at);
	frame.function = hs_build_cstring(v->b, text);
	free(text);
	return hs_build_named_frame(v->b, &frame);
}

hs_frame hs_vgframe(struct hs_vgframes *v, struct hs_span text)
{
	struct hs_frame_info frame = {0};
	struct hs_span s = text;
	if (!hs_scan_prefix(&s, "0x") || !hs_scan_hex(&s, &frame.offset) ||
	    !hs_scan_prefix(&s, ": "))
		return remark(v, text);
	const char *bracket = NULL;
	if (hs_span_size(s) && s.end[-1] == ')')
		bracket = memrchr(s.at, '(', hs_span_size(s));
	struct hs_span name = {s.at, bracket ? bracket : s.end};
	name = hs_span_trim(name);
	if (bracket)
		read_place(v, (struct hs_span){bracket + 1, s.end - 1}, &frame);
	if (!hs_span_is(name, "???"))
		frame.function = hs_build_string(v->b, name.at, hs_span_size(name));
	return hs_build_named_frame(v->b, &frame);
}

void hs_vgframe_command(struct hs_builder *b, struct hs_span command)
{
	struct hs_process_info *p = hs_build_process(b);
	while (command.at < command.end) {
		struct hs_span word = hs_scan_until(&command, ' ');
		hs_str argument = hs_build_string(b, word.at, hs_span_size(word));
		if (!p->name.i)
			p->name = hs_build_cstring(
				b, hs_base_name(hs_build_text(b, argument)));
		hs_build_argument(b, argument);
	}
}
