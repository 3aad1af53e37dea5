/* SPDX-License-Identifier: MIT */

/*
 * Naming the frames of a profile.  Works module by module: what the recording
 * says of it finds a file (debugfile.c), whose symbols (symtab.c) and DWARF
 * (scopes.c) name all its addresses at once.  Knows the profile's tables, and
 * how names from different sources are preferred; knows no file format.
 */
#include "src/symbols.h"

#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/debugfile.h"
#include "src/hash.h"
#include "src/profile.h"
#include "src/scopes.h"
#include "src/symtab.h"

#define MAX_STRING ((size_t)64 << 10)

/* A frame to be named. */
struct job {
	uint32_t module; /* the first of those with its path and build-id */
	hs_frame frame;
	uint64_t address;
};

struct namer {
	struct hs_profile *profile;
	const struct hs_symbol_options *options;
	HS_ARRAY(struct hs_frame_info) frames;
	HS_ARRAY(const char *) strings;
	HS_ARRAY(const char *) warnings;
	struct hs_map string_ids; /* key: hash of the text */
	struct hs_map demangled;  /* key: address of the name in the file */
	struct hs_arena *scratch; /* for one module */
	size_t n_done, n_total;   /* distinct addresses */
};

/* -- Strings ------------------------------------------------------------------ */

static hs_str intern(struct namer *n, const char *s, size_t length)
{
	if (!length)
		return (hs_str){0};
	for (uint64_t key = hs_hash_bytes(HS_HASH_INIT, s, length);;
	     key = hs_hash_u64(key + 1)) {
		bool fresh;
		uint32_t *id = hs_map_put(&n->string_ids, key, &fresh);
		if (fresh) {
			*id = (uint32_t)n->strings.n;
			hs_array_push(&n->strings,
				      hs_arena_strndup(n->profile->arena, s, length));
			return (hs_str){*id};
		}
		const char *known = n->strings.at[*id];
		if (strncmp(known, s, length) == 0 && known[length] == '\0')
			return (hs_str){*id};
	}
}

/* A text out of a file: cut where it is absurdly long. */
static hs_str intern_text(struct namer *n, const char *s)
{
	return s ? intern(n, s, strnlen(s, MAX_STRING)) : (hs_str){0};
}

/* A linkage name out of a file, which is demangled once. */
static hs_str intern_name(struct namer *n, const char *name)
{
	if (!name)
		return (hs_str){0};
	bool fresh;
	uint32_t *id = hs_map_put(&n->demangled, (uint64_t)(uintptr_t)name, &fresh);
	if (!fresh)
		return (hs_str){*id};
	/* Static symbol tables write versions behind the name: memcpy@@GLIBC_2.14. */
	HS_CLEANUP(hs_freep) char *bare = hs_xstrdup(name);
	char *version = strchr(bare, '@');
	if (version && version > bare)
		*version = '\0';
	HS_CLEANUP(hs_freep) char *text = hs_demangle(bare);
	return (hs_str){*id = intern_text(n, text).i};
}

/* -- Choosing names ------------------------------------------------------------- */

static bool is_mangled(const char *name)
{
	return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R' || name[1] == 'D');
}

/*
 * The function that PLACE's code was compiled for.  DWARF's linkage name is
 * best: no suffix of a clone, no alias.  Without one, the symbol is better
 * where it has the scope and the parameters in it, and where it is the public
 * name of an internal one (`malloc` of `__libc_malloc`).
 */
static const char *choose_name(struct namer *n, const struct hs_place *place,
			       const struct hs_symbol *symbol)
{
	const struct hs_scope *outer =
		place->n_scopes ? &place->scopes[place->n_scopes - 1] : NULL;
	if (!outer || !outer->function)
		return symbol ? symbol->name : NULL;
	if (!symbol || symbol->start != place->start || is_mangled(outer->function))
		return outer->function;
	if (is_mangled(symbol->name)) /* without ".constprop.0" */
		return hs_arena_strndup(n->scratch, symbol->name,
					strcspn(symbol->name, "."));
	if (strspn(symbol->name, "_") < strspn(outer->function, "_"))
		return symbol->name;
	return outer->function;
}

static hs_str name_plt(struct namer *n, const struct hs_symtab *symtab, uint64_t address,
		       uint64_t *start_ret)
{
	const char *target = hs_symtab_find_plt(symtab, address, start_ret);
	if (!target)
		return (hs_str){0};
	const char *bare = n->strings.at[intern_name(n, target).i];
	HS_CLEANUP(hs_freep) char *text = hs_xasprintf("%s@plt", bare);
	return intern_text(n, text);
}

/* -- Frames --------------------------------------------------------------------- */

static void set_scope(struct namer *n, hs_frame frame, const struct hs_scope *scope)
{
	hs_str function = intern_name(n, scope->function);
	hs_str file = intern_text(n, scope->file);
	struct hs_frame_info *f = &n->frames.at[frame.i];
	f->function = function;
	f->file = file;
	f->line = scope->line;
}

/* Add the function that FRAME's was inlined into. */
static hs_frame add_caller(struct namer *n, hs_frame frame)
{
	hs_frame caller = {(uint32_t)n->frames.n};
	struct hs_frame_info *f = hs_array_add(&n->frames);
	*f = n->frames.at[frame.i];
	f->inlined = false;
	n->frames.at[frame.i].inlined = true;
	n->frames.at[frame.i].caller = caller;
	return caller;
}

static void name_frame(struct namer *n, hs_frame frame, const struct hs_place *place,
		       const struct hs_symtab *symtab)
{
	const struct hs_symbol *symbol = hs_symtab_find(symtab, place->address);
	uint64_t start = symbol ? symbol->start : place->start;
	hs_str function = intern_name(n, choose_name(n, place, symbol));
	if (!function.i)
		function = name_plt(n, symtab, place->address, &start);
	/* So that frames of one nameless function are known to be of one. */
	if (!start)
		start = hs_symtab_find_start(symtab, place->address);
	n->frames.at[frame.i].function_start = start;
	for (uint32_t i = 0; i < place->n_scopes; i++) {
		if (i > 0)
			frame = add_caller(n, frame);
		set_scope(n, frame, &place->scopes[i]);
	}
	n->frames.at[frame.i].function = function;
}

/* -- Files ---------------------------------------------------------------------- */

/* File descriptors are few, and debug information unpacked is large. */
#define MAX_CACHED 32

struct opened {
	char *path, *build_id; /* as recorded */
	struct hs_debugfile file;
	struct hs_symtab symtab;
};

struct hs_symbol_cache {
	struct opened *files[MAX_CACHED]; /* a ring: the oldest makes room */
	size_t n_added;
};

static void close_file(struct opened *o)
{
	if (!o)
		return;
	hs_symtab_deinit(&o->symtab);
	hs_debugfile_close(&o->file);
	free(o->path);
	free(o->build_id);
	free(o);
}

struct hs_symbol_cache *hs_symbol_cache_new(void)
{
	return hs_xcalloc(1, sizeof(struct hs_symbol_cache));
}

void hs_symbol_cache_free(struct hs_symbol_cache *cache)
{
	for (size_t i = 0; cache && i < MAX_CACHED; i++)
		close_file(cache->files[i]);
	free(cache);
}

static struct opened *find_cached(const struct hs_symbol_cache *cache,
				  const struct hs_debugfile_query *query)
{
	for (size_t i = 0; cache && i < MAX_CACHED && cache->files[i]; i++)
		if (strcmp(cache->files[i]->path, query->path) == 0 &&
		    strcmp(cache->files[i]->build_id, query->build_id) == 0)
			return cache->files[i];
	return NULL;
}

/* NULL where nothing describes the module. */
static struct opened *open_file(const struct hs_debugfile_query *query,
				const struct hs_symbol_options *options,
				char **warning_ret)
{
	struct opened *o = find_cached(options->cache, query);
	if (o)
		return o;
	struct hs_debugfile file;
	if (!hs_debugfile_open(query, options, &file, warning_ret))
		return NULL;
	o = hs_xcalloc(1, sizeof(*o));
	o->path = hs_xstrdup(query->path);
	o->build_id = hs_xstrdup(query->build_id);
	o->file = file;
	hs_symtab_init(&o->symtab, &o->file);
	return o;
}

/* Give O back: to the cache, if its build-id says that it is good for others. */
static void release_file(struct opened *o, struct hs_symbol_cache *cache,
			 const struct hs_debugfile_query *query)
{
	if (cache && find_cached(cache, query) == o)
		return;
	if (!cache || !o->build_id[0]) {
		close_file(o);
		return;
	}
	struct opened **slot = &cache->files[cache->n_added++ % MAX_CACHED];
	close_file(*slot);
	*slot = o;
}

/* -- Modules -------------------------------------------------------------------- */

static void report_progress(void *context, size_t done)
{
	struct namer *n = context;
	n->n_done += done;
	if (n->options->progress)
		n->options->progress(n->options->context, n->n_done, n->n_total);
}

/* Whether the sorted JOBS have another address from I on. */
static bool is_new_place(const struct job *jobs, size_t i)
{
	return i == 0 || jobs[i - 1].module != jobs[i].module ||
	       jobs[i - 1].address != jobs[i].address;
}

static void name_from_file(struct namer *n, const struct opened *o,
			   const struct job *jobs, size_t n_jobs)
{
	struct hs_scope_options options = {.no_inlines = n->options->no_inlines,
					   .progress = report_progress,
					   .context = n};
	struct hs_place *places = hs_arena_array(n->scratch, n_jobs, sizeof(*places));
	size_t n_places = 0;
	for (size_t i = 0; i < n_jobs; i++)
		if (is_new_place(jobs, i))
			places[n_places++].address = jobs[i].address;
	if (o->file.dwarf)
		hs_scopes_find(o->file.dwarf, &options, n->scratch, places, n_places);
	else
		report_progress(n, n_places);
	const struct hs_place *place = places;
	for (size_t i = 0; i < n_jobs; i++) {
		while (place->address != jobs[i].address)
			place++;
		name_frame(n, jobs[i].frame, place, &o->symtab);
	}
}

static int compare_jobs(const void *a, const void *b)
{
	const struct job *x = a, *y = b;
	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->frame.i < y->frame.i ? -1 : x->frame.i > y->frame.i;
}

/* Offsets in the file become addresses. */
static void place_jobs(struct namer *n, const struct opened *o, struct job *jobs,
		       size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		jobs[i].address = hs_debugfile_address(&o->file, jobs[i].address);
		n->frames.at[jobs[i].frame.i].offset =
			jobs[i].address + !n->frames.at[jobs[i].frame.i].exact;
	}
	qsort(jobs, n_jobs, sizeof(*jobs), compare_jobs);
}

static void name_module(struct namer *n, struct job *jobs, size_t n_jobs)
{
	const struct hs_profile *p = n->profile;
	const struct hs_module_info *module = &p->modules[jobs[0].module];
	struct hs_debugfile_query query = {.path = hs_string(p, module->path),
					   .build_id = hs_string(p, module->build_id),
					   .recorded_ns = p->process.start_ns,
					   .shape = module->shape};
	char *warning;
	struct opened *o = open_file(&query, n->options, &warning);
	if (o) {
		if (module->by_file_offset)
			place_jobs(n, o, jobs, n_jobs);
		n->scratch = hs_arena_new();
		name_from_file(n, o, jobs, n_jobs);
		hs_arena_free(HS_TAKE(n->scratch));
		hs_map_deinit(&n->demangled);
		release_file(o, n->options->cache, &query);
		return;
	}
	if (warning)
		hs_array_push(&n->warnings,
			      hs_arena_strndup(p->arena, warning, strlen(warning)));
	free(warning);
	size_t n_places = 0;
	for (size_t i = 0; i < n_jobs; i++)
		n_places += is_new_place(jobs, i);
	report_progress(n, n_places);
}

/* -- Profiles -------------------------------------------------------------------- */

/* Modules that came and went at different addresses are one file: read it once. */
static uint32_t *unify_modules(const struct hs_profile *p)
{
	uint32_t *first = hs_xcalloc(p->n_modules, sizeof(*first));
	struct hs_map map = {0};
	for (uint32_t i = 1; i < p->n_modules; i++) {
		bool fresh;
		const struct hs_module_info *m = &p->modules[i];
		uint32_t *slot = hs_map_put(
			&map, (uint64_t)m->path.i << 32 | m->build_id.i, &fresh);
		if (fresh)
			*slot = i;
		first[i] = *slot;
	}
	hs_map_deinit(&map);
	return first;
}

/* What is to be named, by module and address; sets *RET to it. */
static size_t list_jobs(const struct hs_profile *p, struct job **ret)
{
	HS_ARRAY(struct job) jobs = {0};
	HS_CLEANUP(hs_freep) uint32_t *first = unify_modules(p);
	for (uint32_t i = 1; i < p->n_frames; i++) {
		const struct hs_frame_info *f = &p->frames[i];
		if (!f->module.i || f->function.i || f->caller.i || !f->offset ||
		    p->modules[f->module.i].unplaced)
			continue;
		/* The call before the return address, not what follows it. */
		*hs_array_add(&jobs) = (struct job){.module = first[f->module.i],
						    .frame = {i},
						    .address = f->offset - !f->exact};
	}
	if (jobs.n)
		qsort(jobs.at, jobs.n, sizeof(*jobs.at), compare_jobs);
	*ret = jobs.at;
	return jobs.n;
}

static void copy_tables(struct namer *n)
{
	struct hs_profile *p = n->profile;
	for (uint32_t i = 0; i < p->n_frames; i++)
		hs_array_push(&n->frames, p->frames[i]);
	for (uint32_t i = 0; i < p->n_warnings; i++)
		hs_array_push(&n->warnings, p->warnings[i]);
	for (uint32_t i = 0; i < p->n_strings; i++) {
		uint64_t key =
			hs_hash_bytes(HS_HASH_INIT, p->strings[i], strlen(p->strings[i]));
		bool fresh;
		uint32_t *id = hs_map_put(&n->string_ids, key, &fresh);
		if (fresh)
			*id = i;
		hs_array_push(&n->strings, p->strings[i]);
	}
}

static void *seal(struct namer *n, const void *rows, size_t count, size_t size)
{
	void *table = hs_arena_array(n->profile->arena, count, size);
	if (count)
		memcpy(table, rows, count * size);
	return table;
}

static void seal_tables(struct namer *n)
{
	struct hs_profile *p = n->profile;
	p->frames = seal(n, n->frames.at, n->frames.n, sizeof(*n->frames.at));
	p->n_frames = (uint32_t)n->frames.n;
	p->strings = seal(n, n->strings.at, n->strings.n, sizeof(*n->strings.at));
	p->n_strings = (uint32_t)n->strings.n;
	p->warnings = seal(n, n->warnings.at, n->warnings.n, sizeof(*n->warnings.at));
	p->n_warnings = (uint32_t)n->warnings.n;
	hs_array_free(&n->frames);
	hs_array_free(&n->strings);
	hs_array_free(&n->warnings);
}

/* glibc calls it linux-vdso.so.1, as if it were a file. */
static void name_vdso(struct namer *n)
{
	struct hs_profile *p = n->profile;
	struct hs_module_info *modules = NULL;
	for (uint32_t i = 1; i < p->n_modules; i++) {
		const char *path = n->strings.at[p->modules[i].path.i];
		if (!hs_debugfile_is_virtual(path) || path[0] == '[')
			continue;
		if (!modules) {
			modules =
				hs_arena_array(p->arena, p->n_modules, sizeof(*modules));
			memcpy(modules, p->modules, p->n_modules * sizeof(*modules));
		}
		modules[i].path = intern_text(n, "[vdso]");
	}
	if (modules)
		p->modules = modules;
}

void hs_symbolize(struct hs_profile *profile, const struct hs_symbol_options *options)
{
	struct namer n = {.profile = profile, .options = options};
	HS_CLEANUP(hs_freep) struct job *jobs = NULL;
	size_t n_jobs = list_jobs(profile, &jobs);
	for (size_t i = 0; i < n_jobs; i++)
		n.n_total += is_new_place(jobs, i);
	copy_tables(&n);
	for (size_t i = 0, next; i < n_jobs; i = next) {
		for (next = i; next < n_jobs && jobs[next].module == jobs[i].module;)
			next++;
		name_module(&n, &jobs[i], next - i);
	}
	name_vdso(&n);
	seal_tables(&n);
	hs_map_deinit(&n.string_ids);
}
