/* SPDX-License-Identifier: MIT */

/* The call tree: what is merged, in which order, and what folding leaves. */
#include "src/calltree.h"

#include <string.h>

#include "tests/lib/invented.h"
#include "tests/lib/profbuild.h"
#include "tests/lib/suite.h"

struct made {
	struct hs_profile *profile;
	struct hs_functions *functions;
	struct hs_calltree *tree;
};

static struct made make(struct hs_profile *profile)
{
	struct made m = {.profile = profile, .functions = hs_functions_new()};
	m.tree = hs_calltree_build(m.functions, profile);
	return m;
}

static void unmake(struct made *m)
{
	hs_calltree_free(m->tree);
	hs_functions_free(m->functions);
	hs_profile_free(m->profile);
}

static const struct hs_function *function_of(const struct made *m, uint32_t node)
{
	uint32_t n;
	return &hs_functions_get(m->functions, &n)[m->tree->nodes[node].function];
}

/* "main alpha beta ..." in the order of the nodes, without the root. */
static char *names(const struct made *m)
{
	char *text = hs_xstrdup("");
	for (uint32_t i = 1; i < m->tree->n; i++) {
		char *longer = hs_xasprintf("%s%s%s", text, *text ? " " : "",
					    function_of(m, i)->name);
		free(text);
		text = longer;
	}
	return text;
}

static struct hs_figures sums(const struct hs_calltree *t)
{
	struct hs_figures sum = {{0}};
	for (uint32_t i = 0; i < t->n; i++)
		for (unsigned f = 0; f < HS_FIGURES; f++)
			sum.v[f] += t->figures[t->nodes[i].figures].v[f];
	return sum;
}

static void check_sums(const struct hs_calltree *t, const struct hs_totals *totals)
{
	struct hs_figures sum = sums(t);
	ck_assert_uint_eq(sum.v[HS_FIGURE_PEAK_BYTES], totals->peak_bytes);
	ck_assert_uint_eq(sum.v[HS_FIGURE_PEAK_BLOCKS], totals->peak_blocks);
	ck_assert_uint_eq(sum.v[HS_FIGURE_LIVE_BYTES], totals->live_bytes);
	ck_assert_uint_eq(sum.v[HS_FIGURE_LIVE_BLOCKS], totals->live_blocks);
	ck_assert_uint_eq(sum.v[HS_FIGURE_BYTES], totals->bytes);
	ck_assert_uint_eq(sum.v[HS_FIGURE_ALLOCATIONS], totals->allocs);
	ck_assert_uint_eq(sum.v[HS_FIGURE_TEMPORARIES], totals->temporaries);
}

/* In preorder, a node's parent is the node before or one of its ancestors. */
static void check_preorder(const struct hs_calltree *t)
{
	for (uint32_t i = 1; i < t->n; i++) {
		uint32_t at = i - 1;
		while (at != t->nodes[i].parent) {
			ck_assert_uint_ne(at, 0);
			at = t->nodes[at].parent;
		}
	}
}

START_TEST(nodes_are_in_preorder_and_siblings_by_name)
{
	struct made m = make(invented_known());
	char *text = names(&m);
	ck_assert_str_eq(text, "main alpha beta alpha gamma beta");
	check_preorder(m.tree);
	check_sums(m.tree, &m.profile->totals);
	free(text);
	unmake(&m);
}
END_TEST

START_TEST(call_sites_in_one_function_are_one_node_without_a_line)
{
	struct prof *b = prof_new("p", 1);
	hs_stack top = prof_call(b, prof_root, "main", "a.c", 1, "p");
	prof_site(b, prof_call(b, top, "f", "a.c", 10, "p"),
		  (struct hs_site){.bytes = 5});
	prof_site(b, prof_call(b, top, "f", "a.c", 20, "p"),
		  (struct hs_site){.bytes = 7});
	struct made m = make(prof_seal(b));
	ck_assert_uint_eq(m.tree->n, 3);
	ck_assert_uint_eq(m.tree->nodes[1].line, 1);
	ck_assert_uint_eq(m.tree->nodes[2].line, 0);
	ck_assert_uint_eq(m.tree->figures[m.tree->nodes[2].figures].v[HS_FIGURE_BYTES],
			  12);
	unmake(&m);
}
END_TEST

START_TEST(functions_of_one_name_in_two_modules_are_two)
{
	struct prof *b = prof_new("p", 1);
	prof_site(b, prof_call(b, prof_root, "f", "a.c", 1, "/x/liba.so"),
		  (struct hs_site){.bytes = 5});
	prof_site(b, prof_call(b, prof_root, "f", "a.c", 1, "/x/libb.so"),
		  (struct hs_site){.bytes = 7});
	struct made m = make(prof_seal(b));
	ck_assert_uint_eq(m.tree->n, 3);
	ck_assert_str_eq(function_of(&m, 1)->module, "liba.so");
	ck_assert_str_eq(function_of(&m, 2)->module, "libb.so");
	unmake(&m);
}
END_TEST

START_TEST(an_inlined_call_is_a_node_below_the_function_it_is_in)
{
	struct prof *b = prof_new("p", 1);
	hs_stack s = prof_call_inlined(b, prof_root, "outer", "inner", "a.c", 3, "p");
	prof_site(b, s, (struct hs_site){.bytes = 9});
	struct made m = make(prof_seal(b));
	char *text = names(&m);
	ck_assert_str_eq(text, "outer inner");
	ck_assert_uint_eq(m.tree->of_stack[s.i], 2);
	ck_assert_uint_eq(m.tree->nodes[1].figures, 0);
	free(text);
	unmake(&m);
}
END_TEST

START_TEST(what_has_no_name_is_called_by_its_place)
{
	struct prof *b = prof_new("p", 1);
	hs_stack s = prof_call_unnamed(b, prof_root, "/usr/lib/libz.so.1", 0x1a2b);
	prof_site(b, s, (struct hs_site){.bytes = 9});
	struct made m = make(prof_seal(b));
	ck_assert_str_eq(function_of(&m, 1)->name, "libz.so.1+0x1a2b");
	ck_assert(!function_of(&m, 1)->named);
	unmake(&m);
}
END_TEST

START_TEST(paths_keep_a_folder_and_a_name)
{
	struct prof *b = prof_new("p", 1);
	prof_site(
		b,
		prof_call(b, prof_root, "f", "/home/someone/src/net/a.c", 1, "/opt/x/p"),
		(struct hs_site){.bytes = 5});
	struct made m = make(prof_seal(b));
	ck_assert_str_eq(function_of(&m, 1)->file, "net/a.c");
	ck_assert_str_eq(function_of(&m, 1)->module, "p");
	unmake(&m);
}
END_TEST

START_TEST(stacks_that_allocate_nothing_are_left_out)
{
	struct prof *b = prof_new("p", 1);
	hs_stack s = prof_call(b, prof_root, "main", "a.c", 1, "p");
	prof_call(b, s, "idle", "a.c", 2, "p");
	prof_site(b, s, (struct hs_site){.bytes = 5});
	struct made m = make(prof_seal(b));
	ck_assert_uint_eq(m.tree->n, 2);
	unmake(&m);
}
END_TEST

START_TEST(a_profile_without_sites_is_a_root)
{
	struct made m = make(prof_seal(prof_new("p", 1)));
	ck_assert_uint_eq(m.tree->n, 1);
	hs_calltree_fold(m.tree, 0, NULL, 0);
	ck_assert_uint_eq(m.tree->n, 1);
	unmake(&m);
}
END_TEST

START_TEST(folding_keeps_every_sum_and_says_how_much_went)
{
	struct made m = make(invented_tree(20000));
	uint32_t before = m.tree->n;
	for (uint32_t limit = 5000; limit; limit /= 10) {
		hs_calltree_fold(m.tree, limit, NULL, 0);
		uint32_t marks = 0;
		for (uint32_t i = 0; i < m.tree->n; i++)
			marks += m.tree->nodes[i].function == HS_FUNCTION_FOLDED;
		ck_assert_uint_eq(marks, m.tree->n_marks);
		ck_assert_uint_le(m.tree->n - marks, limit + 1);
		ck_assert_uint_eq(m.tree->n - marks + m.tree->n_folded, before);
		check_sums(m.tree, &m.profile->totals);
		check_preorder(m.tree);
	}
	for (uint32_t i = 0; i < m.tree->n_stacks; i++)
		ck_assert_uint_lt(m.tree->of_stack[i], m.tree->n);
	unmake(&m);
}
END_TEST

START_TEST(folding_keeps_the_largest_and_the_precious)
{
	struct prof *b = prof_new("p", 1);
	hs_stack small = prof_call(b, prof_root, "small", "a.c", 1, "p");
	hs_stack tiny = prof_call(b, small, "tiny", "a.c", 2, "p");
	prof_site(b, prof_call(b, prof_root, "large", "a.c", 3, "p"),
		  (struct hs_site){.bytes = 1000});
	prof_site(b, prof_call(b, prof_root, "middle", "a.c", 4, "p"),
		  (struct hs_site){.bytes = 100});
	prof_site(b, tiny, (struct hs_site){.bytes = 1});
	struct made m = make(prof_seal(b));
	uint32_t precious = m.tree->of_stack[tiny.i];
	hs_calltree_fold(m.tree, 2, &precious, 1);
	char *text = names(&m);
	ck_assert_str_eq(text, "(folded) large small tiny");
	ck_assert_uint_eq(m.tree->nodes[1].line, 1); /* middle */
	ck_assert_str_eq(function_of(&m, m.tree->of_stack[tiny.i])->name, "tiny");
	free(text);
	unmake(&m);
}
END_TEST

HS_SUITE("calltree", nodes_are_in_preorder_and_siblings_by_name,
	 call_sites_in_one_function_are_one_node_without_a_line,
	 functions_of_one_name_in_two_modules_are_two,
	 an_inlined_call_is_a_node_below_the_function_it_is_in,
	 what_has_no_name_is_called_by_its_place, paths_keep_a_folder_and_a_name,
	 stacks_that_allocate_nothing_are_left_out, a_profile_without_sites_is_a_root,
	 folding_keeps_every_sum_and_says_how_much_went,
	 folding_keeps_the_largest_and_the_precious)
