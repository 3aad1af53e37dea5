/* SPDX-License-Identifier: MIT */

/*
 * From addresses to DWARF's functions and lines, many at once: each unit that
 * has an address of ours is walked a single time, with all its addresses at
 * hand.  (libdw's own search walks the unit for each address.)
 *
 * The data is not trusted: depth, repetitions and the number of entries looked
 * at are bounded by the size of the unit, and an error costs one unit.
 */
#include "src/scopes.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "src/arena.h"
#include "src/array.h"
#include "src/hash.h"
#include "src/out.h"
#include "src/symbols.h"

#define MAX_DEPTH    256  /* of entries; compilers nest some dozens */
#define MAX_PATH     2048 /* characters of a qualified name's scope */
#define MAX_LINKS    16   /* abstract_origin, specification */
#define MAX_OVERLAPS 64   /* units tried for one address */

struct unit {
	Dwarf_Die line_die; /* has the line table */
	Dwarf_Die root;     /* has the functions: the same, or that of the .dwo file */
};

struct unit_range {
	uint64_t start, end;
	uint64_t reach; /* where the ranges up to this one end at the latest */
	uint32_t unit;
};

/* A function of a unit, or a call of one that was inlined. */
struct node {
	Dwarf_Die die;
	uint32_t parent; /* what it was inlined into; 0: nothing */
	uint32_t depth;
	uint32_t name;
};

/* The name of a function; all calls of an inlined one share it. */
struct name {
	Dwarf_Die declared; /* where the function was declared first */
	const char *text;
	bool linked, wanted; /* is a linkage name; is to be qualified */
};

/* Which unit and node an address belongs to. */
struct found {
	struct hs_place *place;
	uint32_t unit, node;
};

struct finder {
	const struct hs_scope_options *options;
	struct hs_arena *arena;
	HS_ARRAY(struct unit) units;
	HS_ARRAY(struct unit_range) ranges;
	HS_ARRAY(struct node) nodes; /* [0] is none */
	HS_ARRAY(struct name) names; /* [0] is none */
	struct hs_map name_by_die;   /* key: address of the declaring entry */
	struct found *found;         /* sorted by unit and address */
	size_t n_found;
};

/* -- Units -------------------------------------------------------------------- */

static void add_unit_ranges(struct finder *f, uint32_t unit)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	while ((at = dwarf_ranges(&f->units.at[unit].line_die, at, &base, &start, &end)) >
	       0)
		if (start < end)
			*hs_array_add(&f->ranges) = (struct unit_range){
				.start = start, .end = end, .unit = unit};
}

static bool is_cxx(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x2b: /* C++17 and C++20, which dwarf.h of elfutils 0.188 lacks */
	case 0x2c:
		return true;
	default:
		return false;
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct unit_range *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void list_units(struct finder *f, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die die, split;
	while (dwarf_get_units(dwarf, unit, &unit, &version, &type, &die, &split) == 0) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		bool is_split = type == DW_UT_skeleton && split.addr;
		*hs_array_add(&f->units) =
			(struct unit){.line_die = die, .root = is_split ? split : die};
		add_unit_ranges(f, (uint32_t)f->units.n - 1);
	}
	if (f->ranges.n)
		qsort(f->ranges.at, f->ranges.n, sizeof(*f->ranges.at), compare_ranges);
	uint64_t reach = 0;
	for (size_t i = 0; i < f->ranges.n; i++)
		f->ranges.at[i].reach = reach = HS_MAX(reach, f->ranges.at[i].end);
}

/* The unit of the innermost range that holds ADDRESS. */
static bool find_unit(const struct finder *f, uint64_t address, uint32_t *ret)
{
	size_t low = 0, high = f->ranges.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (f->ranges.at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t steps = 0; low > 0 && steps < MAX_OVERLAPS; steps++) {
		const struct unit_range *r = &f->ranges.at[--low];
		if (address < r->end) {
			*ret = r->unit;
			return true;
		}
		if (r->reach <= address)
			break;
	}
	return false;
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return x->place->address < y->place->address ? -1 : 1;
}

static void assign_units(struct finder *f, struct hs_place *places, size_t n)
{
	f->found = hs_xcalloc(n, sizeof(*f->found));
	for (size_t i = 0; i < n; i++) {
		struct found *found = &f->found[f->n_found];
		found->place = &places[i];
		if (find_unit(f, places[i].address, &found->unit))
			f->n_found++;
	}
	qsort(f->found, f->n_found, sizeof(*f->found), compare_found);
	if (f->options->progress)
		f->options->progress(f->options->context, n - f->n_found);
}

/* -- Functions of a unit ------------------------------------------------------- */

struct walk {
	struct finder *finder;
	struct found *found; /* the unit's */
	size_t n;
	uint64_t budget; /* entries and addresses still to be looked at */
	bool all_nested; /* also look into functions that have none of our addresses */
};

static size_t first_at_or_after(const struct walk *w, uint64_t address)
{
	size_t low = 0, high = w->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (w->found[middle].place->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Make NODE the innermost for those addresses in [START, END) which PARENT has. */
static bool claim_range(struct walk *w, uint64_t start, uint64_t end, uint32_t parent,
			uint32_t node)
{
	bool any = false;
	for (size_t i = first_at_or_after(w, start); i < w->n && w->budget; i++) {
		struct found *found = &w->found[i];
		if (found->place->address >= end)
			break;
		w->budget--;
		if (found->node != parent)
			continue;
		found->node = node;
		any = true;
	}
	return any;
}

/* Whether DIE's code has an address of ours; NODE != PARENT takes them over. */
static bool claim(struct walk *w, Dwarf_Die *die, uint32_t parent, uint32_t node)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	bool any = false;
	while (w->budget && (at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		w->budget--;
		any |= claim_range(w, start, end, parent, node);
	}
	return any;
}

static bool has_code(Dwarf_Die *die)
{
	return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
}

/* The node for DIE inside PARENT; 0 if none of our addresses is in it. */
static uint32_t enter_function(struct walk *w, Dwarf_Die *die, uint32_t parent)
{
	struct finder *f = w->finder;
	uint32_t node = (uint32_t)f->nodes.n, depth = f->nodes.at[parent].depth + 1;
	if (depth > HS_MAX_SCOPES || !has_code(die) || !claim(w, die, parent, node))
		return 0;
	*hs_array_add(&f->nodes) =
		(struct node){.die = *die, .parent = parent, .depth = depth};
	return node;
}

static void visit_children(struct walk *w, Dwarf_Die *parent, uint32_t node,
			   unsigned depth);

static void visit(struct walk *w, Dwarf_Die *die, uint32_t node, unsigned depth)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine: {
		uint32_t inner = enter_function(w, die, node);
		if (inner || w->all_nested)
			visit_children(w, die, inner ? inner : node, depth);
		break;
	}
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		if (w->all_nested || !has_code(die) || claim(w, die, node, node))
			visit_children(w, die, node, depth);
		break;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
		visit_children(w, die, node, depth);
		break;
	default:
		break;
	}
}

static void visit_children(struct walk *w, Dwarf_Die *parent, uint32_t node,
			   unsigned depth)
{
	Dwarf_Die die;
	if (depth >= MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	for (const void *last = NULL; w->budget && die.addr > last; w->budget--) {
		last = die.addr; /* a sibling that lies before would be a loop */
		visit(w, &die, node, depth + 1);
		if (dwarf_siblingof(&die, &die) != 0)
			break;
	}
}

static uint64_t unit_size(Dwarf_Die *root)
{
	Dwarf_Off start = dwarf_dieoffset(root) - dwarf_cuoffset(root), end;
	size_t header;
	if (dwarf_nextcu(dwarf_cu_getdwarf(root->cu), start, &end, &header, NULL, NULL,
			 NULL) != 0 ||
	    end <= start)
		return 0;
	return end - start;
}

static void walk_unit(struct finder *f, struct unit *unit, struct found *found, size_t n)
{
	struct walk w = {.finder = f, .found = found, .n = n};
	/* More than a sound unit needs: an entry takes a byte at least. */
	uint64_t budget = unit_size(&unit->root) + (uint64_t)n * 4 * HS_MAX_SCOPES;
	w.budget = budget;
	visit_children(&w, &unit->root, 0, 0);
	/* GNU C's nested functions lie outside of the functions they are in. */
	for (size_t i = 0; i < n && !w.all_nested; i++)
		w.all_nested = !found[i].node;
	w.budget = budget;
	if (w.all_nested)
		visit_children(&w, &unit->root, 0, 0);
}

/* -- Names ---------------------------------------------------------------------- */

/* Follow an inlined call or a definition to where its function was declared. */
static Dwarf_Die declaration(const Dwarf_Die *from)
{
	Dwarf_Die die = *from, next;
	Dwarf_Attribute attr;
	for (int i = 0; i < MAX_LINKS; i++) {
		if (!dwarf_attr(&die, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(&die, DW_AT_specification, &attr))
			break;
		if (!dwarf_formref_die(&attr, &next))
			break;
		die = next;
	}
	return die;
}

/* Where an entry lies in memory: unique over all files involved. */
static uint64_t die_key(const Dwarf_Die *die)
{
	return (uint64_t)(uintptr_t)die->addr;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *name = NULL;
	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		name = dwarf_formstring(&attr);
	return name && name[0] ? name : NULL;
}

static uint32_t find_name(struct finder *f, struct node *node, bool is_cxx_unit)
{
	Dwarf_Die die = declaration(&node->die);
	bool fresh;
	uint32_t *slot = hs_map_put(&f->name_by_die, die_key(&die), &fresh);
	if (!fresh)
		return *slot;
	uint32_t i = *slot = (uint32_t)f->names.n;
	struct name *name = hs_array_add(&f->names);
	name->declared = die;
	name->text = linkage_name(&node->die);
	name->linked = name->text != NULL;
	if (!name->linked)
		name->text = dwarf_diename(&node->die);
	name->wanted = name->text && !name->linked && is_cxx_unit;
	return i;
}

/*
 * The scopes around an entry, innermost first; written as C++ does, `ns::Class::`.
 * GCC gives no linkage name to what is not visible outside of its file, so this
 * is what tells one inlined `(anonymous namespace)::helper` from another.
 */
struct around {
	const struct around *outer;
	Dwarf_Die *die;
};

static bool is_scope(Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	default:
		return false;
	}
}

static void put_scopes(struct hs_out *out, const struct around *around)
{
	if (!around || out->n > MAX_PATH)
		return;
	int tag = dwarf_tag(around->die);
	const char *linked = tag == DW_TAG_subprogram ? linkage_name(around->die) : NULL;
	if (linked) { /* says its own scopes */
		HS_CLEANUP(hs_freep) char *text = hs_demangle(linked);
		hs_printf(out, "%.*s::", MAX_PATH, text);
		return;
	}
	put_scopes(out, around->outer);
	if (tag == DW_TAG_lexical_block)
		return;
	const char *name = dwarf_diename(around->die);
	if (!name)
		name = tag == DW_TAG_namespace ? "(anonymous namespace)" : "{unnamed}";
	hs_printf(out, "%.*s::", MAX_PATH, name);
}

static void qualify(struct finder *f, struct name *name, const struct around *around)
{
	struct hs_out out;
	size_t n;
	hs_out_init(&out, -1);
	put_scopes(&out, around);
	hs_printf(&out, "%.*s", MAX_PATH, name->text);
	HS_CLEANUP(hs_freep) char *text = hs_out_take(&out, &n);
	name->text = hs_arena_strndup(f->arena, text, n);
	name->wanted = false;
}

static void qualify_children(struct finder *f, Dwarf_Die *parent, unsigned depth,
			     const struct around *outer, uint64_t *budget)
{
	Dwarf_Die die;
	if (depth >= MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	for (const void *last = NULL; *budget && die.addr > last; --*budget) {
		last = die.addr;
		const uint32_t *i = hs_map_get(&f->name_by_die, die_key(&die));
		if (i && f->names.at[*i].wanted)
			qualify(f, &f->names.at[*i], outer);
		if (is_scope(&die)) {
			struct around around = {outer, &die};
			qualify_children(f, &die, depth + 1, &around, budget);
		}
		if (dwarf_siblingof(&die, &die) != 0)
			break;
	}
}

/* Put the scopes in front of names that lack them; each unit is walked once. */
static void qualify_names(struct finder *f)
{
	for (size_t i = 1; i < f->names.n; i++) {
		Dwarf_Die root;
		if (!f->names.at[i].wanted ||
		    !dwarf_diecu(&f->names.at[i].declared, &root, NULL, NULL))
			continue;
		uint64_t budget = unit_size(&root);
		qualify_children(f, &root, 0, NULL, &budget);
		f->names.at[i].wanted = false;
	}
}

/* -- Lines ------------------------------------------------------------------------ */

static void fill_line(Dwarf_Die *line_die, uint64_t address, struct hs_scope *scope)
{
	int line;
	Dwarf_Line *row = dwarf_getsrc_die(line_die, address);
	if (!row)
		return;
	scope->file = dwarf_linesrc(row, NULL, NULL);
	if (dwarf_lineno(row, &line) == 0 && line > 0)
		scope->line = (uint32_t)line;
}

/* Where DIE's function was called in the one that it was inlined into. */
static void fill_call(Dwarf_Die *root, Dwarf_Die *die, struct hs_scope *scope)
{
	Dwarf_Attribute attr;
	Dwarf_Word file, line;
	Dwarf_Files *files;
	size_t n;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &file) == 0 &&
	    dwarf_getsrcfiles(root, &files, &n) == 0 && file < n)
		scope->file = dwarf_filesrc(files, file, NULL, NULL);
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &line) == 0 &&
	    line <= UINT32_MAX)
		scope->line = (uint32_t)line;
}

static void fill_place(struct finder *f, const struct found *found)
{
	struct unit *unit = &f->units.at[found->unit];
	struct hs_place *place = found->place;
	uint32_t n = HS_MAX(f->nodes.at[found->node].depth, 1);
	place->scopes = hs_arena_array(f->arena, n, sizeof(*place->scopes));
	fill_line(&unit->line_die, place->address, &place->scopes[0]);
	place->n_scopes = found->node || place->scopes[0].file ? n : 0;
	struct node *node = &f->nodes.at[found->node];
	for (uint32_t i = 1; i < n; i++, node = &f->nodes.at[node->parent])
		fill_call(&unit->root, &node->die, &place->scopes[i]);
	if (!found->node || dwarf_entrypc(&node->die, &place->start) != 0)
		place->start = 0;
}

static void fill_functions(struct finder *f, const struct found *found)
{
	uint32_t node = found->node;
	for (uint32_t i = 0; node; i++, node = f->nodes.at[node].parent) {
		const struct name *name = &f->names.at[f->nodes.at[node].name];
		found->place->scopes[i].function = name->text;
		found->place->scopes[i].linked = name->linked;
	}
}

/* -- All of it ---------------------------------------------------------------------- */

/* The N places of one unit. */
static void find_in_unit(struct finder *f, struct found *found, size_t n)
{
	struct unit *unit = &f->units.at[found[0].unit];
	size_t first_node = f->nodes.n;
	bool cxx = is_cxx(&unit->root);
	if (!f->options->no_inlines)
		walk_unit(f, unit, found, n);
	for (size_t i = first_node; i < f->nodes.n; i++)
		f->nodes.at[i].name = find_name(f, &f->nodes.at[i], cxx);
	for (size_t i = 0; i < n; i++)
		fill_place(f, &found[i]);
	if (f->options->progress)
		f->options->progress(f->options->context, n);
}

void hs_scopes_find(struct Dwarf *dwarf, const struct hs_scope_options *options,
		    struct hs_arena *arena, struct hs_place *places, size_t n)
{
	struct finder f = {.options = options, .arena = arena};
	hs_array_add(&f.nodes);
	hs_array_add(&f.names);
	list_units(&f, dwarf);
	assign_units(&f, places, n);
	for (size_t i = 0, next; i < f.n_found; i = next) {
		for (next = i; next < f.n_found; next++)
			if (f.found[next].unit != f.found[i].unit)
				break;
		find_in_unit(&f, &f.found[i], next - i);
	}
	qualify_names(&f);
	for (size_t i = 0; i < f.n_found; i++)
		fill_functions(&f, &f.found[i]);
	hs_array_free(&f.units);
	hs_array_free(&f.ranges);
	hs_array_free(&f.nodes);
	hs_array_free(&f.names);
	hs_map_deinit(&f.name_by_die);
	free(f.found);
}
