/* SPDX-License-Identifier: MIT */

/* Findings: who is to blame, ids that survive a rebuild, a stable order. */
#include "src/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/hash.h"
#include "src/names.h"

/* An inline chain is bounded by its sealing; this bounds what is shown. */
#define MAX_INLINES 256

/* Longer cycles of mutual recursion are not folded: bounds the time. */
#define MAX_FOLD 256

/* A path from the outside to some place, with recursion folded. */
struct path {
	uint32_t outer; /* index of the path that this one extends */
	uint64_t key;   /* of the last frame */
	uint64_t hash;  /* of all frames */
};

/* What is known of one profile's frames and stacks; made once. */
struct places {
	const struct hs_profile *profile;
	uint64_t *frame_keys; /* by frame */
	uint8_t *frame_roles;
	uint32_t *stack_paths;       /* by stack; the path of its innermost place */
	HS_ARRAY(struct path) paths; /* 0: the empty path */
};

struct hs_findings {
	struct hs_arena *arena;
	HS_ARRAY(struct hs_finding) list;
	HS_ARRAY(struct places *) places;
};

struct hs_findings *hs_findings_new(void)
{
	struct hs_findings *f = hs_xcalloc(1, sizeof(*f));
	f->arena = hs_arena_new();
	return f;
}

static void places_free(struct places *p)
{
	free(p->frame_keys);
	free(p->frame_roles);
	free(p->stack_paths);
	hs_array_free(&p->paths);
	free(p);
}

void hs_findings_free(struct hs_findings *findings)
{
	if (!findings)
		return;
	for (size_t i = 0; i < findings->places.n; i++)
		places_free(findings->places.at[i]);
	hs_array_free(&findings->places);
	hs_array_free(&findings->list);
	hs_arena_free(findings->arena);
	free(findings);
}

static const char *module_name(const struct hs_profile *p, const struct hs_frame_info *f)
{
	return hs_base_name(hs_string(p, p->modules[f->module.i].path));
}

static enum hs_role role_of(const struct hs_profile *p, hs_frame frame)
{
	const struct hs_frame_info *f = &p->frames[frame.i];
	if (!f->module.i && hs_is_python_library(hs_string(p, f->file)))
		return HS_ROLE_RUNTIME;
	char *base = hs_function_base(hs_string(p, f->function));
	enum hs_role role = hs_role_of(module_name(p, f), base);
	free(base);
	return role;
}

static uint64_t hash_string(uint64_t h, const char *s)
{
	return hs_hash_bytes(h, s, strlen(s) + 1);
}

/*
 * A frame's part of the id.  Python and foreign frames have no module; there
 * the source file takes its place.
 */
static uint64_t key_of(const struct hs_profile *p, const struct hs_frame_info *f)
{
	const char *function = hs_string(p, f->function);
	if (*function) {
		const char *where = f->module.i ? module_name(p, f)
						: hs_base_name(hs_string(p, f->file));
		char *base = hs_function_base(function);
		uint64_t h = hash_string(hash_string(HS_HASH_INIT, where), base);
		free(base);
		return h;
	}
	const struct hs_module_info *m = &p->modules[f->module.i];
	const char *build_id = hs_string(p, m->build_id);
	uint64_t at = f->function_start ? f->function_start : f->offset;
	if (m->unplaced) /* addresses are others in each run */
		at = 0;
	char place[32];
	snprintf(place, sizeof(place), "+%llx", (unsigned long long)at);
	uint64_t h = hash_string(HS_HASH_INIT, *build_id ? build_id : module_name(p, f));
	return hash_string(h, place);
}

/* PATH with a frame more; or, if that frame is on it, PATH up to there. */
static uint32_t extend(struct places *p, uint32_t path, uint64_t key)
{
	uint32_t at = path;
	for (unsigned i = 0; at && i < MAX_FOLD; i++, at = p->paths.at[at].outer)
		if (p->paths.at[at].key == key)
			return at;
	uint64_t hash = hs_hash_bytes(p->paths.at[path].hash, &key, sizeof(key));
	hs_array_push(&p->paths,
		      ((struct path){.outer = path, .key = key, .hash = hash}));
	return (uint32_t)(p->paths.n - 1);
}

/* Frames of libc and the like are left out: they differ from system to system. */
static uint32_t extend_by_code(struct places *p, uint32_t path, hs_frame frame)
{
	if (p->frame_roles[frame.i] != HS_ROLE_CODE)
		return path;
	return extend(p, path, p->frame_keys[frame.i]);
}

/* The frames of one stack node, innermost first; returns how many. */
static size_t node_frames(const struct hs_profile *p, hs_stack stack, hs_frame *ret)
{
	size_t n = 0;
	for (hs_frame f = p->stacks[stack.i].frame; f.i && n < MAX_INLINES;
	     f = p->frames[f.i].caller)
		ret[n++] = f;
	return n;
}

static struct places *places_new(const struct hs_profile *profile)
{
	struct places *p = hs_xcalloc(1, sizeof(*p));
	p->profile = profile;
	p->frame_keys = hs_xcalloc(profile->n_frames, sizeof(*p->frame_keys));
	p->frame_roles = hs_xcalloc(profile->n_frames, sizeof(*p->frame_roles));
	p->stack_paths = hs_xcalloc(profile->n_stacks, sizeof(*p->stack_paths));
	for (uint32_t i = 1; i < profile->n_frames; i++) {
		p->frame_keys[i] = key_of(profile, &profile->frames[i]);
		p->frame_roles[i] = (uint8_t)role_of(profile, (hs_frame){i});
	}
	hs_array_push(&p->paths, ((struct path){.hash = HS_HASH_INIT}));
	/* A parent's id is smaller: one pass goes from main to the leaves. */
	for (uint32_t i = 1; i < profile->n_stacks; i++) {
		hs_frame chain[MAX_INLINES];
		uint32_t path = p->stack_paths[profile->stacks[i].parent.i];
		for (size_t n = node_frames(profile, (hs_stack){i}, chain); n--;)
			path = extend_by_code(p, path, chain[n]);
		p->stack_paths[i] = path;
	}
	return p;
}

static struct places *places_of(struct hs_findings *findings,
				const struct hs_profile *profile)
{
	for (size_t i = findings->places.n; i--;)
		if (findings->places.at[i]->profile == profile)
			return findings->places.at[i];
	hs_array_push(&findings->places, places_new(profile));
	return findings->places.at[findings->places.n - 1];
}

/* The path from the outside up to frame I of CHAIN, which is STACK's. */
static uint32_t path_to(struct places *p, hs_stack stack, const hs_frame *chain, size_t n,
			size_t i)
{
	uint32_t path = p->stack_paths[p->profile->stacks[stack.i].parent.i];
	while (n > i + 1)
		path = extend_by_code(p, path, chain[--n]);
	return extend(p, path, p->frame_keys[chain[i].i]);
}

/* The module of the outermost frame. */
static const char *origin(const struct hs_profile *p, hs_stack stack)
{
	while (p->stacks[stack.i].parent.i)
		stack = p->stacks[stack.i].parent;
	return module_name(p, &p->frames[p->stacks[stack.i].frame.i]);
}

struct hs_culprit hs_findings_culprit(struct hs_findings *findings,
				      const struct hs_profile *profile, hs_stack stack)
{
	struct places *p = places_of(findings, profile);
	struct hs_culprit ret = {0};
	/* All frames are library: blame the first that is not an allocator. */
	bool guessed = false;
	uint32_t path = p->stack_paths[stack.i];
	uint32_t index = 0;
	for (hs_stack s = stack; s.i && !ret.found; s = profile->stacks[s.i].parent) {
		hs_frame chain[MAX_INLINES];
		size_t n = node_frames(profile, s, chain);
		for (size_t i = 0; i < n && !ret.found; i++, index++) {
			uint8_t role = p->frame_roles[chain[i].i];
			ret.kept = ret.kept || role == HS_ROLE_KEEPER;
			ret.found = role == HS_ROLE_CODE;
			if (ret.found || (!guessed && role != HS_ROLE_ALLOCATOR)) {
				guessed = true;
				ret.index = index;
				path = path_to(p, s, chain, n, i);
			}
		}
	}
	if (!ret.found && stack.i)
		ret.kept = ret.kept || hs_is_loader(origin(profile, stack));
	ret.key = hs_hash_u64(p->paths.at[path].hash);
	return ret;
}

void hs_finding_id(uint64_t key, char ret[HS_ID_SIZE])
{
	/* Without 0, 1, l and o, which are read wrong from a screen. */
	static const char digits[] = "23456789abcdefghijkmnpqrstuvwxyz";
	_Static_assert(sizeof(digits) == 33, "base 32");
	memcpy(ret, "HS-", 3);
	for (int i = 3; i < HS_ID_SIZE - 1; i++, key >>= 5)
		ret[i] = digits[key & 31];
	ret[HS_ID_SIZE - 1] = '\0';
}

struct hs_finding *hs_findings_add(struct hs_findings *findings,
				   enum hs_finding_type type,
				   const struct hs_profile *profile, hs_stack stack)
{
	struct hs_culprit culprit = hs_findings_culprit(findings, profile, stack);
	struct hs_finding *f = hs_array_add(&findings->list);
	f->type = type;
	f->profile = profile;
	f->stack = stack;
	f->culprit = culprit.index;
	f->n_stacks = 1;
	hs_finding_id(culprit.key, f->id);
	return f;
}

void hs_finding_say(struct hs_findings *findings, struct hs_finding *f,
		    const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *s = NULL;
	if (vasprintf(&s, format, ap) < 0)
		abort();
	va_end(ap);
	size_t n = 0;
	while (f->evidence && f->evidence[n])
		n++;
	const char **list = hs_arena_array(findings->arena, n + 2, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = f->evidence[i];
	list[n] = hs_arena_strndup(findings->arena, s, strlen(s));
	f->evidence = list;
	free(s);
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_findings(const void *pa, const void *pb)
{
	const struct hs_finding *a = pa, *b = pb;
	int c = COMPARE(a->type, b->type);
	if (!c && a->type == HS_FINDING_LEAK)
		c = COMPARE(a->confidence, b->confidence);
	if (!c && a->type == HS_FINDING_HOTSPOT)
		c = COMPARE(a->by, b->by);
	bool by_count = a->type == HS_FINDING_HOTSPOT &&
			(a->by == HS_BY_ALLOCATIONS || a->by == HS_BY_TEMPORARY);
	if (!c && by_count)
		c = COMPARE(b->blocks, a->blocks);
	if (!c)
		c = COMPARE(b->bytes, a->bytes);
	if (!c)
		c = strcmp(a->id, b->id);
	if (!c)
		c = strcmp(hs_string(a->profile, a->profile->process.id),
			   hs_string(b->profile, b->profile->process.id));
	if (!c)
		c = COMPARE(a->kind, b->kind);
	return c ? c : COMPARE(a->stack.i, b->stack.i);
}

void hs_findings_sort(struct hs_findings *findings)
{
	if (findings->list.n)
		qsort(findings->list.at, findings->list.n, sizeof(findings->list.at[0]),
		      compare_findings);
}

const struct hs_finding *hs_findings_get(const struct hs_findings *findings,
					 size_t *n_ret)
{
	*n_ret = findings->list.n;
	return findings->list.at;
}

size_t hs_stack_frames(const struct hs_profile *profile, hs_stack stack, hs_frame *frames,
		       size_t room)
{
	size_t n = 0;
	for (hs_stack s = stack; s.i; s = profile->stacks[s.i].parent) {
		hs_frame chain[MAX_INLINES];
		size_t here = node_frames(profile, s, chain);
		for (size_t i = 0; i < here; i++, n++)
			if (n < room)
				frames[n] = chain[i];
	}
	return n;
}

bool hs_frame_is_library(const struct hs_profile *profile, hs_frame frame)
{
	return role_of(profile, frame) != HS_ROLE_CODE;
}

const char *hs_leak_kind_name(enum hs_leak_kind kind)
{
	static const char *const names[] = {
		[HS_LEAK_UNREACHABLE] = "unreachable",
		[HS_LEAK_INDIRECT] = "indirect",
		[HS_LEAK_GROWTH] = "growth",
		[HS_LEAK_NEVER_FREED] = "never_freed",
		[HS_LEAK_REACHABLE] = "reachable",
	};
	return names[kind];
}

const char *hs_pattern_name(enum hs_pattern pattern)
{
	static const char *const names[] = {
		[HS_PATTERN_STEADY] = "steady",
		[HS_PATTERN_LATE] = "late",
		[HS_PATTERN_BURST] = "burst",
		[HS_PATTERN_LOGARITHMIC] = "logarithmic",
		[HS_PATTERN_PLATEAU] = "plateau",
		[HS_PATTERN_SAWTOOTH] = "sawtooth",
		[HS_PATTERN_ONE_OFF] = "one_off",
		[HS_PATTERN_UNKNOWN] = "unknown",
	};
	return names[pattern];
}

const char *hs_confidence_name(enum hs_confidence confidence)
{
	static const char *const names[] = {"high", "medium", "low"};
	return names[confidence];
}

const char *hs_hotspot_by_name(enum hs_hotspot_by by)
{
	static const char *const names[] = {
		[HS_BY_PEAK] = "peak",
		[HS_BY_ALLOCATED] = "allocated",
		[HS_BY_ALLOCATIONS] = "allocations",
		[HS_BY_TEMPORARY] = "temporary",
	};
	return names[by];
}
