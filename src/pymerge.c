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

struct merger {
	const struct hs_profile *p;
	HS_ARRAY(struct hs_frame_info) frames; /* P's, and inlined ones on their own */
	HS_ARRAY(struct hs_stack_info) stacks; /* new */
	struct hs_map stack_of;                /* (parent, frame) -> index */
	struct hs_map alone;                   /* inlined frame -> its copy */
	uint32_t *same;                        /* frame -> the first that says the same */
	bool *is_loop;                /* frame -> is it the interpreter's loop? */
	uint32_t *moved;              /* old stack -> new one, 0: not asked yet */
	struct frames native, python; /* of one stack, innermost first */
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

static void copy_frames(struct merger *m)
{
	struct hs_map first_of = {0};
	const struct hs_profile *p = m->p;
	for (uint32_t i = 0; i < p->n_frames; i++) {
		struct hs_frame_info f = p->frames[i];
		m->is_loop[i] = is_loop(hs_string(p, f.function));
		unify(m, &first_of, i);
		if (f.python.i)
			f = (struct hs_frame_info){0};
		f.python_entry = false;
		hs_array_push(&m->frames, f);
	}
	hs_map_deinit(&first_of);
}

/* FRAME without the function into which it was inlined. */
static uint32_t alone(struct merger *m, uint32_t frame)
{
	if (!m->p->frames[frame].caller.i)
		return frame;
	bool fresh;
	uint32_t *copy = hs_map_put(&m->alone, frame, &fresh);
	if (fresh) {
		*copy = (uint32_t)m->frames.n;
		struct hs_frame_info f = m->p->frames[frame];
		f.caller.i = 0;
		f.inlined = false;
		hs_array_push(&m->frames, f);
	}
	return *copy;
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
		stack = extend(m, stack, m->same[m->p->stacks[i].frame.i]);
		m->moved[i] = stack;
	}
	return stack;
}

/* The merge of one stack. */
struct merging {
	uint32_t stack;   /* so far */
	size_t placed;    /* Python frames, from the outermost */
	uint32_t skipped; /* so many of them are left out, and all outside of the rest */
};

static uint32_t python_frame(const struct merger *m, size_t from_outermost)
{
	return m->python.at[m->python.n - 1 - from_outermost];
}

/* The Python frames which one call of the loop ran. */
static void place(struct merger *m, struct merging *s)
{
	for (bool first = true; s->placed < m->python.n; first = false) {
		uint32_t frame = python_frame(m, s->placed);
		if (!first && m->p->frames[frame].python_entry)
			break;
		if (s->skipped && s->placed == s->skipped)
			s->stack = 0;
		if (s->placed++ >= s->skipped)
			s->stack = extend(m, s->stack, m->same[frame]);
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
		s->stack = extend(m, s->stack, m->same[frame]);
		return;
	}
	while (n--) {
		/* A loop that has not entered its frame yet stays what it is. */
		if (m->is_loop[chain[n]] && s->placed < m->python.n)
			place(m, s);
		else
			s->stack = extend(m, s->stack, alone(m, chain[n]));
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
	for (size_t i = m->native.n; i--;)
		add_native(m, &s, m->native.at[i]);
	if (s.placed == m->python.n)
		return s.stack;
	s.stack = 0;
	for (size_t i = s.skipped; i < m->python.n; i++)
		s.stack = extend(m, s.stack, m->same[python_frame(m, i)]);
	return s.stack;
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

void hs_merge_python(struct hs_profile *p)
{
	if (!has_joins(p))
		return;
	struct merger m = {.p = p};
	m.same = hs_xcalloc(p->n_frames, sizeof(*m.same));
	m.is_loop = hs_xcalloc(p->n_frames, sizeof(*m.is_loop));
	m.moved = hs_xcalloc(p->n_stacks, sizeof(*m.moved));
	(void)hs_array_add(&m.stacks);
	copy_frames(&m);
	move_sites(p, &m);
	move_threads(p, &m);
	p->frames = seal(p, m.frames.at, m.frames.n, sizeof(*m.frames.at));
	p->n_frames = (uint32_t)m.frames.n;
	p->stacks = seal(p, m.stacks.at, m.stacks.n, sizeof(*m.stacks.at));
	p->n_stacks = (uint32_t)m.stacks.n;
	hs_array_free(&m.frames);
	hs_array_free(&m.stacks);
	hs_array_free(&m.native);
	hs_array_free(&m.python);
	hs_map_deinit(&m.stack_of);
	hs_map_deinit(&m.alone);
	free(m.same);
	free(m.is_loop);
	free(m.moved);
	hs_profile_check(p);
}
