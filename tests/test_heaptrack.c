/* SPDX-License-Identifier: MIT */

/*
 * heaptrack's recordings: against heaptrack_print's own figures, stack by stack,
 * for those that heaptrack made, and against arithmetic for those made by hand.
 */
#include "formats/format.h"

#include <stdio.h>
#include <string.h>

#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/names.h"
#include "src/out.h"
#include "tests/lib/suite.h"

#define SAMPLES "tests/files/heaptrack"

static struct hs_profile *read_bytes(const void *data, size_t size, bool cut)
{
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(data, size, "test");
	in.truncated = cut;
	struct hs_error *err = hs_format_by_name("heaptrack")->read(&in, b);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return hs_build_seal(b);
}

static struct hs_profile *read_text(const char *text)
{
	return read_bytes(text, strlen(text), false);
}

static struct hs_file open_sample(const char *name)
{
	const char *top = getenv("top_srcdir");
	char *path = hs_xasprintf("%s/" SAMPLES "/%s", top ? top : ".", name);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	free(path);
	return file;
}

static struct hs_profile *read_sample(const char *name)
{
	struct hs_file file = open_sample(name);
	struct hs_profile *p = read_bytes(file.data, file.size, file.truncated);
	hs_file_close(&file);
	return p;
}

/* ---- stacks as heaptrack_print -F writes them ---- */

enum cost { ALLOCATIONS, TEMPORARY, LEAKED, PEAK };
static const char *const costs[] = {"allocations", "temporary", "leaked", "peak"};

static uint64_t cost_of(const struct hs_site *s, enum cost cost)
{
	return cost == ALLOCATIONS ? s->allocs
	       : cost == TEMPORARY ? s->temporaries
	       : cost == LEAKED    ? s->live_bytes
				   : s->peak_bytes;
}

struct row {
	char *stack;
	uint64_t value;
};

struct rows {
	HS_ARRAY(struct row) list;
};

static int by_stack(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->stack, ((const struct row *)b)->stack);
}

/* heaptrack writes inlined calls innermost first, within an order of outermost first. */
static void put_stack(struct hs_out *out, const struct hs_profile *p, hs_stack stack)
{
	if (!stack.i)
		return;
	put_stack(out, p, p->stacks[stack.i].parent);
	for (hs_frame f = p->stacks[stack.i].frame; f.i; f = p->frames[f.i].caller) {
		const struct hs_frame_info *info = &p->frames[f.i];
		if (info->function.i)
			hs_puts(out, hs_string(p, info->function));
		else
			hs_printf(out, "0x%llx", (unsigned long long)info->offset);
		if (info->file.i)
			hs_printf(out, " (%s)", hs_base_name(hs_string(p, info->file)));
		hs_putc(out, ';');
	}
}

/* The same stack is summed up; what costs nothing is left out. */
static char *as_text(struct rows *rows)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	if (rows->list.n)
		qsort(rows->list.at, rows->list.n, sizeof(*rows->list.at), by_stack);
	for (size_t i = 0; i < rows->list.n; i++) {
		uint64_t value = rows->list.at[i].value;
		const char *stack = rows->list.at[i].stack;
		while (i + 1 < rows->list.n && !strcmp(rows->list.at[i + 1].stack, stack))
			value += rows->list.at[++i].value;
		if (value)
			hs_printf(&out, "%s %llu\n", stack, (unsigned long long)value);
	}
	for (size_t i = 0; i < rows->list.n; i++)
		free(rows->list.at[i].stack);
	hs_array_free(&rows->list);
	return hs_out_take(&out, NULL);
}

static char *rows_of(const struct hs_profile *p, enum cost cost)
{
	struct rows rows = {0};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		struct hs_out out;
		hs_out_init(&out, -1);
		put_stack(&out, p, p->sites[i].stack);
		hs_array_push(&rows.list,
			      ((struct row){.stack = hs_out_take(&out, NULL),
					    .value = cost_of(&p->sites[i], cost)}));
	}
	return as_text(&rows);
}

static char *rows_expected(const char *name, enum cost cost)
{
	char *file_name = hs_xasprintf("%s.folded-%s.txt", name, costs[cost]);
	struct hs_file file = open_sample(file_name);
	struct rows rows = {0};
	const char *at = (const char *)file.data, *end = at + file.size;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		const char *space = memrchr(at, ' ', (size_t)(line_end - at));
		char *stack = hs_xasprintf("%.*s", (int)(space - at), at);
		hs_array_push(&rows.list,
			      ((struct row){stack, strtoull(space + 1, NULL, 10)}));
		at = line_end + 1;
	}
	hs_file_close(&file);
	free(file_name);
	return as_text(&rows);
}

static void compare(const char *name, enum cost cost)
{
	char *file_name = hs_xasprintf("good-%s.zst", name);
	struct hs_profile *p = read_sample(file_name);
	char *expected = rows_expected(name, cost), *got = rows_of(p, cost);
	size_t same = 0;
	while (got[same] && got[same] == expected[same])
		same++;
	ck_assert_msg(got[same] == expected[same], "%s, %s: '%.200s' instead of '%.200s'",
		      name, costs[cost], got + same, expected + same);
	ck_assert(p->process.complete);
	free(expected);
	free(got);
	free(file_name);
	hs_profile_free(p);
}

START_TEST(each_stack_has_what_heaptrack_print_says)
{
	static const char *const names[] = {"tiny", "tiny-1.4.0", "phase", "space"};
	for (size_t i = 0; i < HS_COUNT(names); i++)
		for (enum cost cost = ALLOCATIONS; cost <= PEAK; cost++)
			compare(names[i], cost);
	/* heaptrack_print shortens the names of templates here. */
	struct hs_profile *p = read_sample("good-dl.zst");
	ck_assert_uint_eq(p->totals.allocs, 171);
	ck_assert_uint_eq(p->totals.temporaries, 77);
	ck_assert_uint_eq(p->totals.peak_bytes, 89636);
	hs_profile_free(p);
}
END_TEST

/* What heaptrack's interpreter counted, and the same in each packing. */
START_TEST(raw_and_interpreted_recordings_tell_the_same)
{
	static const char *const names[] = {"good-tiny.zst", "good-tiny.gz",
					    "good-tiny.raw.zst", "good-tiny.raw.gz",
					    "good-tiny-1.4.0.zst"};
	for (size_t i = 0; i < HS_COUNT(names); i++) {
		struct hs_profile *p = read_sample(names[i]);
		ck_assert_uint_eq(p->totals.allocs, 125);
		ck_assert_uint_eq(p->totals.temporaries, 112);
		ck_assert_uint_eq(p->totals.live_blocks, 10);
		ck_assert_uint_eq(p->totals.live_bytes, 71105);
		ck_assert_uint_eq(p->totals.peak_bytes, 143809);
		ck_assert_uint_eq(p->n_snapshots, 1);
		ck_assert(p->process.complete);
		ck_assert_uint_eq(!!(p->has & HS_HAS_LIVE_BLOCKS),
				  strstr(names[i], "raw") != NULL);
		hs_profile_free(p);
	}
	struct hs_profile *p = read_sample("good-phase.raw.zst");
	ck_assert_uint_eq(p->totals.allocs, 1104);
	ck_assert_uint_eq(p->totals.peak_bytes, 1587724);
	ck_assert_uint_eq(p->totals.live_bytes, 20040);
	hs_profile_free(p);
}
END_TEST

START_TEST(resident_memory_and_time_are_told)
{
	struct hs_profile *p = read_sample("good-phase.zst");
	uint64_t rss = 0;
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		rss = HS_MAX(rss, p->snapshots[i].rss_bytes);
	ck_assert_uint_eq(rss, 5373952); /* heaptrack_print: 5.37M */
	ck_assert_uint_eq(p->process.end_ns, 93000000);
	ck_assert_uint_eq(p->process.start_ns, 0);
	ck_assert(p->has & HS_HAS_TIME);
	ck_assert_uint_gt(p->n_snapshots, 5);
	for (uint32_t i = 0; i < p->n_snapshots; i++)
		ck_assert_uint_le(p->snapshots[i].peak_bytes, p->totals.peak_bytes);
	hs_profile_free(p);
}
END_TEST

static uint64_t live_in(const struct hs_profile *p, const char *module)
{
	uint64_t blocks = 0;
	for (uint32_t i = 0; i < p->n_sites; i++) {
		hs_frame frame = p->stacks[p->sites[i].stack.i].frame;
		const struct hs_module_info *m = &p->modules[p->frames[frame.i].module.i];
		if (!strcmp(hs_base_name(hs_string(p, m->path)), module))
			blocks += p->sites[i].live_blocks;
	}
	return blocks;
}

/* Each use keeps 25 blocks: plug.so's twice, plug2.so's once, at one address. */
START_TEST(a_library_that_came_to_the_address_of_another_is_itself)
{
	struct hs_profile *p = read_sample("good-dl.raw.zst");
	ck_assert_uint_eq(live_in(p, "plug2.so"), 25);
	ck_assert_uint_eq(live_in(p, "plug.so"), 50);
	hs_profile_free(p);
}
END_TEST

START_TEST(inlined_calls_are_frames_of_their_own)
{
	struct hs_profile *p = read_sample("good-inlined.zst");
	bool found = false;
	ck_assert_uint_eq(p->totals.allocs, 3163);
	ck_assert_uint_eq(p->totals.temporaries, 519);
	ck_assert_uint_eq(p->totals.peak_bytes, 178862);
	for (uint32_t i = 1; i < p->n_frames; i++) {
		const struct hs_frame_info *f = &p->frames[i];
		ck_assert_uint_eq(f->inlined, f->caller.i != 0);
		found |= f->inlined && strstr(hs_string(p, f->function), "app::make") &&
			 strstr(hs_string(p, p->frames[f->caller.i].function),
				"app::fill");
	}
	ck_assert(found);
	hs_profile_free(p);
}
END_TEST

START_TEST(a_file_that_was_cut_is_read_up_to_its_last_whole_line)
{
	struct hs_profile *p = read_sample("good-inlined-cut.gz");
	/* What zcat and grep find in it. */
	ck_assert_uint_eq(p->totals.allocs, 2999);
	ck_assert_uint_eq(p->totals.frees, 1455);
	ck_assert(!p->process.complete);
	hs_profile_free(p);

	p = read_text("v 10650 3\ns 1 x\nt 0 0\na 574 1\na 57 1\n+ 0\n+ 1");
	ck_assert_uint_eq(p->totals.allocs, 1);
	ck_assert_uint_eq(p->totals.live_bytes, 0x574);
	ck_assert(!p->process.complete);
	hs_profile_free(p);
}
END_TEST

/* ---- by hand ---- */

START_TEST(a_temporary_is_freed_with_nothing_between)
{
	static const char raw[] = "v 10650 3\nx 2 /p\nt 10 0\n"
				  "+ 1 1 a0\n- a0\n"                 /* one */
				  "+ 1 1 a0\n+ 2 1 b0\n- a0\n- b0\n" /* none */
				  "+ 1 1 a0\n- ffff\n- a0\n"         /* none */
				  "c 1\n";
	struct hs_profile *p = read_text(raw);
	ck_assert_uint_eq(p->totals.temporaries, 1);
	ck_assert_uint_eq(p->totals.unmatched_frees, 1);
	ck_assert_uint_eq(p->totals.live_blocks, 0);
	hs_profile_free(p);

	/* Interpreted, kinds are compared, and what nothing precedes is of kind 0. */
	p = read_text("v 10650 3\ns 1 x\nt 0 0\na 1 1\na 2 1\n"
		      "+ 0\n+ 1\n- 1\n- 0\n+ 1\n+ 1\n- 1\n- 1\n");
	ck_assert_uint_eq(p->totals.temporaries, 3);
	hs_profile_free(p);
}
END_TEST

START_TEST(old_formats_are_read)
{
	struct hs_profile *p = read_sample("good-format-0.txt");
	ck_assert_uint_eq(p->totals.allocs, 3);
	ck_assert_uint_eq(p->totals.bytes, 100 + 50 + 10);
	ck_assert_uint_eq(p->totals.peak_bytes, 150);
	ck_assert_uint_eq(p->totals.live_bytes, 10);
	ck_assert_uint_eq(p->totals.unmatched_frees, 1);
	char *rows = rows_of(p, ALLOCATIONS);
	/* operator new is its caller's */
	ck_assert_str_eq(rows, "main (old file.c);work (old file.c); 3\n");
	ck_assert_uint_eq(p->sites[0].kind, HS_ALLOC_MALLOC);
	ck_assert_uint_eq(p->sites[1].kind, HS_ALLOC_NEW);
	free(rows);
	hs_profile_free(p);

	p = read_sample("good-format-1.txt");
	ck_assert_uint_eq(p->totals.allocs, 3);
	ck_assert_uint_eq(p->totals.temporaries, 2);
	ck_assert_uint_eq(p->totals.live_bytes, 32);
	ck_assert_uint_eq(p->totals.peak_bytes, 64);
	ck_assert(p->process.complete);
	hs_profile_free(p);
}
END_TEST

/* Before 1.3 the addresses were return addresses. */
START_TEST(addresses_lie_in_the_modules_of_their_time)
{
	struct hs_profile *p = read_sample("good-format-2.raw");
	const struct hs_frame_info *inner = &p->frames[p->stacks[2].frame.i];
	const struct hs_frame_info *outer = &p->frames[p->stacks[1].frame.i];
	ck_assert_str_eq(hs_string(p, p->modules[inner->module.i].path),
			 "/opt/a lib/libx.so");
	ck_assert_uint_eq(inner->offset, 0x123);
	ck_assert_str_eq(hs_string(p, p->modules[outer->module.i].path),
			 "/opt/two words/old");
	ck_assert_uint_eq(outer->offset, 0x2010);
	ck_assert_uint_eq(p->process.n_argv, 2);
	ck_assert_str_eq(hs_string(p, p->process.argv[0]), "/opt/two words/old");
	ck_assert_str_eq(hs_string(p, p->process.argv[1]), "--flag");
	hs_profile_free(p);

	p = read_text("v 10300 3\nx 2 /p\nm 1 -\nm 1 x 1000 0 1000\nt 1fff 0\n"
		      "+ 8 1 a0\nc 1\n");
	ck_assert_uint_eq(p->frames[p->stacks[1].frame.i].module.i, 1);
	ck_assert_uint_eq(p->frames[p->stacks[1].frame.i].offset, 0x1000);
	hs_profile_free(p);
}
END_TEST

START_TEST(strings_may_hold_the_end_of_a_line)
{
	struct hs_profile *p = read_text("v 10650 3\ns 3 a\nb\ns 1 c\n# strings: 2\n"
					 "# ips: 0\n");
	ck_assert(p->process.complete);
	ck_assert_uint_eq(p->n_warnings, 0);
	hs_profile_free(p);
}
END_TEST

START_TEST(attaching_forgets_what_came_before)
{
	struct hs_profile *p = read_text("v 10650 3\ns 1 x\nt 0 0\na 8 1\n+ 0\n+ 0\nA\n"
					 "+ 0\n- 0\n- 0\n# ips: 0\n");
	ck_assert_uint_eq(p->totals.allocs, 1);
	ck_assert_uint_eq(p->totals.live_blocks, 0);
	ck_assert_uint_eq(p->totals.peak_bytes, 8);
	ck_assert_uint_eq(p->totals.unmatched_frees, 1);
	ck_assert_uint_eq(p->n_warnings, 1);
	hs_profile_free(p);
}
END_TEST

START_TEST(lines_without_sense_are_told_and_left_out)
{
	struct hs_profile *p = read_text("v 10650 3\ns 1 x\nt 0 0\na 8 1\n+ 0\n+ 7\n"
					 "+ 11111111111111111\nzz\n+\n# ips: 0\n");
	ck_assert_uint_eq(p->totals.allocs, 1);
	ck_assert(!p->process.complete);
	ck_assert_uint_eq(p->n_warnings, 1);
	ck_assert_ptr_nonnull(strstr(p->warnings[0], "4 lines"));
	hs_profile_free(p);
}
END_TEST

START_TEST(a_newer_format_is_refused_by_its_number)
{
	static const char text[] = "v 10a00 4\n";
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(text, strlen(text), "new.zst");
	struct hs_error *err = hs_format_by_name("heaptrack")->read(&in, b);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), "version 4"));
	ck_assert_ptr_nonnull(strstr(hs_error_message(err), "0 to 3"));
	hs_error_free(err);
	hs_build_free(b);
}
END_TEST

HS_SUITE("heaptrack", each_stack_has_what_heaptrack_print_says,
	 raw_and_interpreted_recordings_tell_the_same, resident_memory_and_time_are_told,
	 a_library_that_came_to_the_address_of_another_is_itself,
	 inlined_calls_are_frames_of_their_own,
	 a_file_that_was_cut_is_read_up_to_its_last_whole_line,
	 a_temporary_is_freed_with_nothing_between, old_formats_are_read,
	 addresses_lie_in_the_modules_of_their_time, strings_may_hold_the_end_of_a_line,
	 attaching_forgets_what_came_before, lines_without_sense_are_told_and_left_out,
	 a_newer_format_is_refused_by_its_number)
