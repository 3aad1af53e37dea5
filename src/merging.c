/* SPDX-License-Identifier: MIT */

/* Adding up profiles. */
#include "src/merging.h"

#include <string.h>

#include "src/build.h"
#include "src/interner.h"

#define MAX_INLINES 256

struct hs_merging {
	struct hs_builder *b;
	struct hs_interner *modules; /* build-id and path; number + 1 is the module */
	uint64_t n;
	uint32_t has; /* what all of them tell */
	bool complete, same_exe;
	uint64_t start_ns, end_ns, lost_events;
};

/* Where the ids of one profile lead to; none (0) while not asked for. */
struct places {
	struct hs_merging *m;
	const struct hs_profile *p;
	hs_module *modules;
	hs_frame *frames;
	hs_stack *stacks;
};

struct hs_merging *hs_merging_new(void)
{
	struct hs_merging *m = hs_xcalloc(1, sizeof(*m));
	m->b = hs_build_new();
	m->modules = hs_interner_new();
	m->has = HS_HAS_LIVE | HS_HAS_TOTALS | HS_HAS_TEMPORARIES;
	m->complete = m->same_exe = true;
	return m;
}

void hs_merging_free(struct hs_merging *m)
{
	if (!m)
		return;
	hs_build_free(m->b);
	hs_interner_free(m->modules);
	free(m);
}

static hs_str copy(struct places *at, hs_str s)
{
	return hs_build_cstring(at->m->b, hs_string(at->p, s));
}

static hs_module module_of(struct places *at, hs_module module)
{
	if (!module.i || at->modules[module.i].i)
		return at->modules[module.i];
	struct hs_module_info info = at->p->modules[module.i];
	char *key = hs_xasprintf("%s\n%s\n%d%d", hs_string(at->p, info.build_id),
				 hs_string(at->p, info.path), info.unplaced,
				 info.by_file_offset);
	bool fresh;
	uint32_t id = hs_interner_put(at->m->modules, key, &fresh);
	free(key);
	if (fresh) {
		info.path = copy(at, info.path);
		info.build_id = copy(at, info.build_id);
		hs_build_module(at->m->b, &info);
	}
	at->modules[module.i] = (hs_module){id + 1};
	return at->modules[module.i];
}

/* From the function outward to what is inlined into it: callers come first. */
static hs_frame frame_of(struct places *at, hs_frame frame)
{
	hs_frame chain[MAX_INLINES] = {0}, caller = {0};
	size_t n = 0;
	for (; frame.i && n < MAX_INLINES; frame = at->p->frames[frame.i].caller) {
		if (at->frames[frame.i].i) {
			caller = at->frames[frame.i];
			break;
		}
		chain[n++] = frame;
	}
	while (n-- > 0) {
		struct hs_frame_info info = at->p->frames[chain[n].i];
		info.module = module_of(at, info.module);
		info.function = copy(at, info.function);
		info.file = copy(at, info.file);
		info.caller = caller;
		info.python = (hs_stack){0};
		caller = at->frames[chain[n].i] = hs_build_named_frame(at->m->b, &info);
	}
	return caller;
}

/* Parents have smaller ids: all stacks in one pass, those of sites and below. */
static void add_stacks(struct places *at)
{
	for (uint32_t i = 1; i < at->p->n_stacks; i++) {
		const struct hs_stack_info *s = &at->p->stacks[i];
		if (!at->stacks[i].i) /* no site is there, or below */
			continue;
		at->stacks[i] = hs_build_stack(at->m->b, at->stacks[s->parent.i],
					       frame_of(at, s->frame));
	}
}

static void mark_stacks(struct places *at)
{
	for (uint32_t i = 0; i < at->p->n_sites; i++)
		at->stacks[at->p->sites[i].stack.i].i = 1;
	for (uint32_t i = at->p->n_stacks; i-- > 1;)
		if (at->stacks[i].i)
			at->stacks[at->p->stacks[i].parent.i].i = 1;
	at->stacks[0].i = 0;
}

static void add_sites(struct places *at)
{
	for (uint32_t i = 0; i < at->p->n_sites; i++) {
		const struct hs_site *s = &at->p->sites[i];
		const struct hs_site site = {
			.stack = at->stacks[s->stack.i],
			.kind = s->kind,
			.allocs = s->allocs,
			.frees = s->frees,
			.bytes = s->bytes,
			.live_blocks = s->live_blocks,
			.live_bytes = s->live_bytes,
			.temporaries = s->temporaries,
		};
		hs_build_site(at->m->b, &site);
	}
}

static void add_identity(struct places *at)
{
	const struct hs_process_info *from = &at->p->process;
	struct hs_process_info *to = hs_build_process(at->m->b);
	struct hs_merging *m = at->m;
	hs_str exe = copy(at, from->exe), name = copy(at, from->name);
	m->same_exe &= !m->n || hs_str_eq(to->exe, exe);
	to->exe = m->same_exe ? exe : (hs_str){0};
	to->name = m->same_exe ? name : hs_build_cstring(m->b, "merged");
	to->build_id = m->same_exe ? copy(at, from->build_id) : (hs_str){0};
	m->complete &= from->complete;
	m->lost_events += from->lost_events;
	if (from->start_ns && !from->clock.i) {
		m->start_ns = m->start_ns ? HS_MIN(m->start_ns, from->start_ns)
					  : from->start_ns;
		m->end_ns = HS_MAX(m->end_ns, from->end_ns);
	}
}

void hs_merging_add(struct hs_merging *m, const struct hs_profile *p)
{
	struct places at = {.m = m, .p = p};
	at.modules = hs_xcalloc(HS_MAX(p->n_modules, 1u), sizeof(*at.modules));
	at.frames = hs_xcalloc(HS_MAX(p->n_frames, 1u), sizeof(*at.frames));
	at.stacks = hs_xcalloc(HS_MAX(p->n_stacks, 1u), sizeof(*at.stacks));
	m->has &= p->has | HS_BYTES_ALONE;
	m->has |= p->has & HS_BYTES_ALONE;
	add_identity(&at);
	mark_stacks(&at);
	add_stacks(&at);
	add_sites(&at);
	m->n++;
	free(at.modules);
	free(at.frames);
	free(at.stacks);
}

struct hs_profile *hs_merging_seal(struct hs_merging *m)
{
	struct hs_process_info *process = hs_build_process(m->b);
	process->source = hs_build_cstring(m->b, "merge");
	process->complete = m->complete;
	process->lost_events = m->lost_events;
	process->start_ns = m->start_ns;
	process->end_ns = m->end_ns;
	hs_build_has(m->b, m->has);
	struct hs_profile *p = hs_build_seal(HS_TAKE(m->b));
	hs_merging_free(m);
	return p;
}
