/* SPDX-License-Identifier: MIT */

/* Profiles for tests: names and figures go to the builder as they are told. */
#include "tests/lib/profbuild.h"

#include <string.h>

#include "src/array.h"
#include "src/build.h"

struct prof {
	struct hs_builder *builder;
	HS_ARRAY(const char *) module_names; /* the caller's strings; 0 is none */
	HS_ARRAY(hs_module) modules;
};

struct prof *prof_new(const char *name, uint32_t pid)
{
	struct prof *b = hs_xcalloc(1, sizeof(*b));
	b->builder = hs_build_new();
	struct hs_process_info *info = hs_build_process(b->builder);
	char *id HS_CLEANUP(hs_freep) = hs_xasprintf("%s.%u", name, pid);
	info->name = hs_build_cstring(b->builder, name);
	info->id = hs_build_cstring(b->builder, id);
	info->source = hs_build_cstring(b->builder, "heapsnap");
	info->pid = pid;
	info->complete = true;
	info->end = HS_END_EXIT;
	hs_build_has(b->builder, HS_HAS_PEAK | HS_HAS_LIVE | HS_HAS_TOTALS |
					 HS_HAS_TEMPORARIES | HS_HAS_PID);
	return b;
}

struct hs_process_info *prof_process(struct prof *b)
{
	return hs_build_process(b->builder);
}

static hs_module module_called(struct prof *b, const char *name)
{
	for (size_t i = 0; i < b->module_names.n; i++)
		if (!strcmp(b->module_names.at[i], name))
			return b->modules.at[i];
	const struct hs_module_info info = {.path = hs_build_cstring(b->builder, name)};
	hs_array_push(&b->module_names, name);
	hs_array_push(&b->modules, hs_build_module(b->builder, &info));
	return b->modules.at[b->modules.n - 1];
}

static struct hs_frame_info frame_in(struct prof *b, const char *function,
				     const char *file, uint32_t line, const char *module)
{
	return (struct hs_frame_info){
		.module = module_called(b, module),
		.function = hs_build_cstring(b->builder, function),
		.file = hs_build_cstring(b->builder, file),
		.line = line,
	};
}

hs_stack prof_call(struct prof *b, hs_stack caller, const char *function,
		   const char *file, uint32_t line, const char *module)
{
	struct hs_frame_info frame = frame_in(b, function, file, line, module);
	return hs_build_stack(b->builder, caller,
			      hs_build_named_frame(b->builder, &frame));
}

hs_stack prof_call_inlined(struct prof *b, hs_stack caller, const char *function,
			   const char *inner, const char *file, uint32_t line,
			   const char *module)
{
	struct hs_frame_info outer = frame_in(b, function, file, line, module);
	struct hs_frame_info frame = frame_in(b, inner, file, line, module);
	frame.inlined = true;
	frame.caller = hs_build_named_frame(b->builder, &outer);
	return hs_build_stack(b->builder, caller,
			      hs_build_named_frame(b->builder, &frame));
}

hs_stack prof_call_unnamed(struct prof *b, hs_stack caller, const char *module,
			   uint64_t offset)
{
	struct hs_frame_info frame = {.module = module_called(b, module),
				      .offset = offset};
	return hs_build_stack(b->builder, caller,
			      hs_build_named_frame(b->builder, &frame));
}

void prof_site(struct prof *b, hs_stack stack, struct hs_site site)
{
	site.stack = stack;
	hs_build_site(b->builder, &site);
}

void prof_snapshot(struct prof *b, struct hs_snapshot snapshot)
{
	hs_build_has(b->builder, HS_HAS_TIME | HS_HAS_SNAPSHOTS |
					 (snapshot.rss_bytes ? HS_HAS_RSS : 0));
	hs_build_snapshot(b->builder, &snapshot, true);
}

void prof_thread(struct prof *b, uint32_t tid, hs_stack stack)
{
	hs_build_has(b->builder, HS_HAS_STACKS | HS_HAS_THREADS);
	hs_build_thread_stack(b->builder, hs_build_thread(b->builder, tid, (hs_str){0}),
			      stack);
}

void prof_mark(struct prof *b, uint64_t time_ns)
{
	hs_build_mark(b->builder, time_ns, true);
}

void prof_more(struct prof *b, hs_stack stack, int64_t blocks, int64_t bytes)
{
	const struct hs_change change = {.stack = stack,
					 .blocks = blocks,
					 .bytes = bytes,
					 .allocs = blocks > 0 ? (uint64_t)blocks : 0};
	hs_build_change(b->builder, &change);
}

void prof_peak_time(struct prof *b, uint64_t time_ns)
{
	const struct hs_totals totals = {.peak_ns = time_ns};
	hs_build_totals(b->builder, &totals);
}

void prof_warn(struct prof *b, const char *sentence)
{
	hs_build_warn(b->builder, "%s", sentence);
}

struct hs_profile *prof_seal(struct prof *b)
{
	struct hs_profile *profile = hs_build_seal(b->builder);
	hs_array_free(&b->module_names);
	hs_array_free(&b->modules);
	free(b);
	return profile;
}
