/* SPDX-License-Identifier: MIT */

/*
 * Merging native and Python stacks, by the rules of memray: a Python frame that
 * native code called is the loop's, and so are those after it that the loop
 * entered by itself (CPython 3.11).  Rebuilds the tables of stacks and sites,
 * since places that were two may now be one.
 */
#include "src/pymerge.h"

#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/hash.h"
#include "src/profile.h"

/* An inline chain is bounded by its sealing; this bounds what is looked at. */
#define MAX_INLINES 256

struct frames {
	uint32_t *at;
	size_t n, room;
};

/* A frame on its way to a stack: with the functions it was inlined into, or not. */
struct part {
	uint32_t frame;
	bool whole;
};

struct merger {
	const struct hs_profile *p;
	HS_ARRAY(struct hs_frame_info) frames; /* new: those that stacks have */
	HS_ARRAY(struct hs_stack_info) stacks; /* new */
	struct hs_map stack_of;                /* (parent, frame) -> index */
	struct hs_map frame_of;                /* (old frame, new caller) -> index */
	uint32_t *same;                        /* frame -> the first that says the same */
	bool *is_loop;                /* frame -> is it the interpreter's loop? */
	uint32_t *moved;              /* old stack -> new one, 0: not asked yet */
	struct frames native, python; /* of one stack, innermost first */
	HS_ARRAY(struct part) result;
	uint64_t python_alone; /* stacks for want of native names */
};

static bool is_loop(const char *function)
{
	return strstr(function, "_PyEval_EvalFrameDefault") ||
	       !strncmp(function, "_TAIL_CALL_", strlen("_TAIL_CALL_"));
}

/* -- Frames ------------------------------------------------------------------------- */

static bool is_python(const struct hs_frame_info *f)
{
	return !f->module.i && f->function.i;
}

/* Entries and others of the same line are one from here on. */
static void unify(struct merger *m, struct hs_map *first_of, uint32_t i)
{
	const struct hs_frame_info *f = &m->p->frames[i];
	const uint64_t fields[] = {f->function.i, f->file.i, f->line};
	m->same[i] = i;
	if (!is_python(f))
		return;
	for (uint64_t key = hs_hash_bytes(HS_HASH_INIT, fields, sizeof(fields));; key++) {
		bool fresh;
		uint32_t *first = hs_map_put(first_of, key, &fresh);
		if (fresh)
			*first = i;
		const struct hs_frame_info *g = &m->p->frames[*first];
		if (g->function.i == f->function.i && g->file.i == f->file.i &&
		    g->line == f->line) {
			m->same[i] = *first;
			return;
		}
	}
}

static void study_frames(struct merger *m)
{
	struct hs_map first_of = {0};
	const struct hs_profile *p = m->p;
	for (uint32_t i = 0; i < p->n_frames; i++) {
		m->is_loop[i] = is_loop(hs_string(p, p->frames[i].function));
		unify(m, &first_of, i);
	}
	hs_map_deinit(&first_of);
}

/* The new frame for FRAME, whose caller (new, too) is CALLER. */
static uint32_t new_frame(struct merger *m, uint32_t frame, uint32_t caller)
{
	bool fresh;
	uint32_t *i = hs_map_put(&m->frame_of, (uint64_t)frame << 32 | caller, &fresh);
	if (fresh) {
		struct hs_frame_info f = m->p->frames[frame];
		f.caller.i = caller;
		f.inlined = f.inlined && caller;
		f.python_entry = false;
		*i = (uint32_t)m->frames.n;
		hs_array_push(&m->frames, f);
	}
	return *i;
}

/* FRAME and what it was inlined into. */
static uint32_t whole(struct merger *m, uint32_t frame)
{
	uint32_t chain[MAX_INLINES], caller = 0;
	size_t n = 0;
	for (uint32_t f = frame; f && n < MAX_INLINES; f = m->p->frames[f].caller.i)
		chain[n++] = f;
	while (n--)
		caller = new_frame(m, m->same[chain[n]], caller);
	return caller;
}

/* -- Stacks -------------------------------------------------------------------------- */

static uint32_t extend(struct merger *m, uint32_t parent, uint32_t frame)
{
	bool fresh;
	uint32_t *i = hs_map_put(&m->stack_of, (uint64_t)parent << 32 | frame, &fresh);
	if (fresh) {
		*i = (uint32_t)m->stacks.n;
		hs_array_push(&m->stacks, ((struct hs_stack_info){{parent}, {frame}}));
	}
	return *i;
}

/* A stack that is not joined, in the new table. */
static uint32_t move(struct merger *m, hs_stack old)
{
	m->native.n = 0;
	for (; old.i && !m->moved[old.i]; old = m->p->stacks[old.i].parent)
		hs_array_push(&m->native, old.i);
	uint32_t stack = m->moved[old.i];
	while (m->native.n) {
		uint32_t i = m->native.at[--m->native.n];
		stack = extend(m, stack, whole(m, m->p->stacks[i].frame.i));
		m->moved[i] = stack;
	}
	return stack;
}

/* The merge of one stack. */
struct merging {
	size_t placed;    /* Python frames, from the outermost */
	uint32_t skipped; /* so many of them are left out, and all outside of the rest */
};

static uint32_t python_frame(const struct merger *m, size_t from_outermost)
{
	return m->python.at[m->python.n - 1 - from_outermost];
}

/* Nothing is built before it is known that there is an end to it. */
static void put(struct merger *m, uint32_t frame, bool whole)
{
	hs_array_push(&m->result, ((struct part){frame, whole}));
}

static uint32_t build(struct merger *m)
{
	uint32_t stack = 0;
	for (size_t i = 0; i < m->result.n; i++) {
		const struct part *part = &m->result.at[i];
		stack = extend(m, stack,
			       part->whole ? whole(m, part->frame)
					   : new_frame(m, part->frame, 0));
	}
	return stack;
}

/* The Python frames which one call of the loop ran. */
static void place(struct merger *m, struct merging *s)
{
	for (bool first = true; s->placed < m->python.n; first = false) {
		uint32_t frame = python_frame(m, s->placed);
		if (!first && m->p->frames[frame].python_entry)
			break;
		if (s->skipped && s->placed == s->skipped)
			m->result.n = 0;
		if (s->placed++ >= s->skipped)
			put(m, frame, true);
	}
}

/* A native frame and what was inlined into it, outermost first. */
static void add_native(struct merger *m, struct merging *s, uint32_t frame)
{
	uint32_t chain[MAX_INLINES];
	size_t n = 0;
	bool loop = false;
	for (uint32_t f = frame; f && n < MAX_INLINES; f = m->p->frames[f].caller.i) {
		loop = loop || m->is_loop[f];
		chain[n++] = f;
	}
	if (!loop) {
		put(m, frame, true);
		return;
	}
	while (n--) {
		/* A loop that has not entered its frame yet stays what it is. */
		if (m->is_loop[chain[n]] && s->placed < m->python.n)
			place(m, s);
		else
			put(m, chain[n], false);
	}
}

static void collect(const struct merger *m, hs_stack stack, struct frames *frames)
{
	frames->n = 0;
	for (; stack.i; stack = m->p->stacks[stack.i].parent)
		hs_array_push(frames, m->p->stacks[stack.i].frame.i);
}

static uint32_t merge(struct merger *m, hs_stack native, const struct hs_frame_info *join)
{
	struct merging s = {.skipped = join->line};
	collect(m, native, &m->native);
	collect(m, join->python, &m->python);
	m->result.n = 0;
	for (size_t i = m->native.n; i--;)
		add_native(m, &s, m->native.at[i]);
	if (s.placed == m->python.n)
		return build(m);
	m->python_alone++;
	m->result.n = 0;
	for (size_t i = s.skipped; i < m->python.n; i++)
		put(m, python_frame(m, i), true);
	return build(m);
}

static uint32_t new_stack(struct merger *m, hs_stack old)
{
	const struct hs_stack_info *s = &m->p->stacks[old.i];
	const struct hs_frame_info *f = &m->p->frames[s->frame.i];
	if (f->python.i && !m->moved[old.i])
		m->moved[old.i] = merge(m, s->parent, f);
	return f->python.i ? m->moved[old.i] : move(m, old);
}

/* -- Sites ----------------------------------------------------------------------------
 */

struct moved_site {
	struct hs_site site;
	uint32_t old;
};

static int by_place(const void *a, const void *b)
{
	const struct moved_site *x = a, *y = b;
	if (x->site.stack.i != y->site.stack.i)
		return x->site.stack.i < y->site.stack.i ? -1 : 1;
	if (x->site.kind != y->site.kind)
		return x->site.kind < y->site.kind ? -1 : 1;
	return x->old < y->old ? -1 : x->old > y->old;
}

/* Sums of hostile figures stay at the maximum. */
static void add(uint64_t *sum, uint64_t value)
{
	*sum = value > UINT64_MAX - *sum ? UINT64_MAX : *sum + value;
}

static void add_site(struct hs_site *sum, const struct hs_site *s)
{
	add(&sum->allocs, s->allocs);
	add(&sum->frees, s->frees);
	add(&sum->bytes, s->bytes);
	add(&sum->live_blocks, s->live_blocks);
	add(&sum->live_bytes, s->live_bytes);
	add(&sum->peak_blocks, s->peak_blocks);
	add(&sum->peak_bytes, s->peak_bytes);
	add(&sum->temporaries, s->temporaries);
	add(&sum->temporary_bytes, s->temporary_bytes);
	if (!hs_thread_eq(sum->thread, s->thread))
		sum->thread.i = 0;
}

/* Sites in the new order; NEW_INDEX gets where each old one has gone. */
static void merge_sites(struct hs_profile *p, struct moved_site *moved,
			uint32_t *new_index)
{
	struct hs_site *sites = hs_arena_array(p->arena, p->n_sites, sizeof(*sites));
	uint32_t n = 0;
	if (p->n_sites)
		qsort(moved, p->n_sites, sizeof(*moved), by_place);
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &moved[i].site;
		if (n && sites[n - 1].stack.i == s->stack.i &&
		    sites[n - 1].kind == s->kind)
			add_site(&sites[n - 1], s);
		else
			sites[n++] = *s;
		new_index[moved[i].old] = n - 1;
	}
	p->sites = sites;
	p->n_sites = n;
}

static void move_sites(struct hs_profile *p, struct merger *m)
{
	uint32_t *new_index HS_CLEANUP(hs_freep) =
		hs_xcalloc(p->n_sites, sizeof(*new_index));
	struct moved_site *moved HS_CLEANUP(hs_freep) =
		hs_xcalloc(p->n_sites, sizeof(*moved));
	for (uint32_t i = 0; i < p->n_sites; i++) {
		moved[i] = (struct moved_site){p->sites[i], i};
		moved[i].site.stack.i = new_stack(m, p->sites[i].stack);
	}
	merge_sites(p, moved, new_index);
	struct hs_live *live = hs_arena_array(p->arena, p->n_live, sizeof(*live));
	for (uint32_t i = 0; i < p->n_live; i++) {
		live[i] = p->live[i];
		live[i].site = new_index[p->live[i].site];
	}
	p->live = live;
}

static void move_threads(struct hs_profile *p, struct merger *m)
{
	struct hs_thread_info *threads =
		hs_arena_array(p->arena, p->n_threads, sizeof(*threads));
	for (uint32_t i = 0; i < p->n_threads; i++) {
		threads[i] = p->threads[i];
		threads[i].stack.i = new_stack(m, p->threads[i].stack);
	}
	p->threads = threads;
}

static void *seal(struct hs_profile *p, const void *rows, size_t n, size_t size)
{
	void *table = hs_arena_array(p->arena, n, size);
	memcpy(table, rows, n * size);
	return table;
}

static bool has_joins(const struct hs_profile *p)
{
	for (uint32_t i = 0; i < p->n_frames; i++)
		if (p->frames[i].python.i)
			return true;
	return false;
}

static void warn(struct hs_profile *p, uint64_t python_alone)
{
	static const char text[] =
		"Native frames of some stacks have no names, so that it is not known "
		"where Python's belong: those are shown with Python's alone.";
	if (!python_alone)
		return;
	const char **warnings =
		hs_arena_array(p->arena, p->n_warnings + 1, sizeof(*warnings));
	for (uint32_t i = 0; i < p->n_warnings; i++)
		warnings[i] = p->warnings[i];
	warnings[p->n_warnings++] = text;
	p->warnings = warnings;
}

void hs_merge_python(struct hs_profile *p)
{
	if (!has_joins(p))
		return;
	struct merger m = {.p = p};
	m.same = hs_xcalloc(p->n_frames, sizeof(*m.same));
	m.is_loop = hs_xcalloc(p->n_frames, sizeof(*m.is_loop));
	m.moved = hs_xcalloc(p->n_stacks, sizeof(*m.moved));
	(void)hs_array_add(&m.frames);
	(void)hs_array_add(&m.stacks);
	study_frames(&m);
	move_sites(p, &m);
	move_threads(p, &m);
	p->frames = seal(p, m.frames.at, m.frames.n, sizeof(*m.frames.at));
	p->n_frames = (uint32_t)m.frames.n;
	p->stacks = seal(p, m.stacks.at, m.stacks.n, sizeof(*m.stacks.at));
	p->n_stacks = (uint32_t)m.stacks.n;
	hs_array_free(&m.frames);
	hs_array_free(&m.stacks);
	hs_array_free(&m.native);
	hs_array_free(&m.result);
	hs_array_free(&m.python);
	hs_map_deinit(&m.stack_of);
	hs_map_deinit(&m.frame_of);
	free(m.same);
	free(m.is_loop);
	free(m.moved);
	warn(p, m.python_alone);
	hs_profile_check(p);
}
