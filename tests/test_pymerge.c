/* SPDX-License-Identifier: MIT */

/*
 * Native and Python stacks made one.  The interpreter's loop is called `eval` in
 * these tests; stacks are written outermost first.
 */
#include "src/pymerge.h"

#include <string.h>

#include "src/build.h"
#include "tests/lib/suite.h"

#define LOOP "_PyEval_EvalFrameDefault"

struct making {
	struct hs_builder *b;
	hs_module module;
};

static struct making make(void)
{
	struct making m = {.b = hs_build_new()};
	const struct hs_module_info info = {
		.path = hs_build_cstring(m.b, "libpython.so")};
	m.module = hs_build_module(m.b, &info);
	return m;
}

/* Words at TEXT as a stack; Python's begin with '>' if native code calls them. */
static hs_stack stack_of(const struct making *m, const char *text, bool python)
{
	hs_stack stack = {0};
	for (size_t n; *text; text += n + (text[n] == ' ')) {
		n = strcspn(text, " ");
		bool entry = *text == '>', loop = n == 4 && !strncmp(text, "eval", 4);
		const char *name = loop ? LOOP : text + entry;
		struct hs_frame_info f = {
			.function = hs_build_string(m->b, name,
						    loop ? strlen(LOOP) : n - entry),
			.module = python ? (hs_module){0} : m->module,
			.python_entry = entry,
		};
		stack = hs_build_stack(m->b, stack, hs_build_named_frame(m->b, &f));
	}
	return stack;
}

static hs_stack joined(const struct making *m, const char *native, const char *python,
		       uint32_t skipped)
{
	return hs_build_joined_stack(m->b, stack_of(m, native, false),
				     stack_of(m, python, true), skipped);
}

static void allocate(const struct making *m, hs_stack stack, uint64_t addr)
{
	hs_build_alloc(m->b, (hs_thread){0}, HS_ALLOC_MALLOC, stack, addr, 10, 1);
}

static char *text_of(const struct hs_profile *p, hs_stack stack)
{
	char *text = hs_xstrdup("");
	for (; stack.i; stack = p->stacks[stack.i].parent)
		for (hs_frame f = p->stacks[stack.i].frame; f.i;
		     f = p->frames[f.i].caller) {
			const char *name = hs_string(p, p->frames[f.i].function);
			char *more =
				hs_xasprintf("%s%s%s", strcmp(name, LOOP) ? name : "eval",
					     *text ? " " : "", text);
			free(text);
			text = more;
		}
	return text;
}

/* Merge one stack, and see what it has become. */
static void assert_merged(const char *native, const char *python, uint32_t skipped,
			  const char *wanted, uint32_t n_warnings)
{
	struct making m = make();
	allocate(&m, joined(&m, native, python, skipped), 0x1000);
	struct hs_profile *p = hs_build_seal(m.b);
	hs_merge_python(p);
	ck_assert_uint_eq(p->n_sites, 1);
	ck_assert_uint_eq(p->sites[0].live_bytes, 10);
	char *text HS_CLEANUP(hs_freep) = text_of(p, p->sites[0].stack);
	ck_assert_str_eq(text, wanted);
	ck_assert_uint_eq(p->n_warnings, n_warnings);
	hs_profile_free(p);
}

START_TEST(a_call_of_the_loop_is_replaced_by_the_frames_that_it_ran)
{
	assert_merged("main eval malloc", ">f", 0, "main f malloc", 0);
	assert_merged("main eval malloc", ">f g h", 0, "main f g h malloc", 0);
	assert_merged("main eval call eval malloc", ">f g >h", 0,
		      "main f g call h malloc", 0);
}
END_TEST

START_TEST(a_loop_that_has_no_frame_yet_stays)
{
	assert_merged("main eval call eval trace", ">f", 0, "main f call eval trace", 0);
}
END_TEST

START_TEST(without_python_frames_a_stack_is_native)
{
	assert_merged("main thread malloc", "", 0, "main thread malloc", 0);
}
END_TEST

START_TEST(without_the_loops_names_python_frames_are_all_there_is)
{
	assert_merged("main x malloc", ">f g", 0, "f g", 1);
	assert_merged("main eval malloc", ">f >g", 0, "f g", 1);
	assert_merged("main x malloc", ">run >f g", 1, "f g", 1);
}
END_TEST

START_TEST(what_is_outside_of_the_frames_kept_is_left_out)
{
	assert_merged("main eval call eval malloc", ">run tool >f g", 2, "f g malloc", 0);
	assert_merged("main eval malloc", ">run tool f", 2, "f malloc", 0);
}
END_TEST

START_TEST(places_that_become_one_are_counted_together)
{
	struct making m = make();
	/* The same, but for who called g: native code, or the loop itself. */
	allocate(&m, joined(&m, "x", ">f >g", 0), 0x1000);
	allocate(&m, joined(&m, "x", ">f g", 0), 0x2000);
	allocate(&m, stack_of(&m, "x", false), 0x3000);
	struct hs_profile *p = hs_build_seal(m.b);
	ck_assert_uint_eq(p->n_sites, 3);
	hs_merge_python(p);
	ck_assert_uint_eq(p->n_sites, 2);
	ck_assert_uint_eq(p->totals.live_bytes, 30);
	for (uint32_t i = 0; i < p->n_live; i++) {
		char *text HS_CLEANUP(hs_freep) =
			text_of(p, p->sites[p->live[i].site].stack);
		ck_assert_str_eq(text, p->live[i].addr == 0x3000 ? "x" : "f g");
	}
	hs_profile_free(p);
}
END_TEST

START_TEST(what_was_inlined_into_the_loop_stays)
{
	struct making m = make();
	struct hs_frame_info f = {.function = hs_build_cstring(m.b, LOOP),
				  .module = m.module};
	f.caller = hs_build_named_frame(m.b, &f);
	f.function = hs_build_cstring(m.b, "import_name");
	f.inlined = true;
	hs_stack native = hs_build_stack(m.b, stack_of(&m, "main", false),
					 hs_build_named_frame(m.b, &f));
	allocate(&m, hs_build_joined_stack(m.b, native, stack_of(&m, ">f", true), 0), 1);
	struct hs_profile *p = hs_build_seal(m.b);
	hs_merge_python(p);
	char *text HS_CLEANUP(hs_freep) = text_of(p, p->sites[0].stack);
	ck_assert_str_eq(text, "main f import_name");
	hs_profile_free(p);
}
END_TEST

HS_SUITE("pymerge", a_call_of_the_loop_is_replaced_by_the_frames_that_it_ran,
	 a_loop_that_has_no_frame_yet_stays, without_python_frames_a_stack_is_native,
	 without_the_loops_names_python_frames_are_all_there_is,
	 what_is_outside_of_the_frames_kept_is_left_out,
	 places_that_become_one_are_counted_together,
	 what_was_inlined_into_the_loop_stays)
