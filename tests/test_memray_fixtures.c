/* SPDX-License-Identifier: MIT */

/*
 * Captures of five releases of memray against what memray itself said of them:
 * totals, and every row (stack, count, bytes) of its peak, leaks and temporary
 * allocations.  They are no part of the sources: they lie beside them, in
 * ../shared/fixtures/memray, or in the folder that HEAPSNAP_MEMRAY_FIXTURES
 * names.  Where HEAPSNAP_MEMRAY_SYSROOT has the interpreters of the recording at
 * their recorded paths, native frames are compared as well; else those of Python.
 */
#include "formats/format.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/array.h"
#include "src/build.h"
#include "src/file.h"
#include "src/hash.h"
#include "src/out.h"
#include "src/profile.h"
#include "src/pymerge.h"
#include "src/source.h"
#include "src/symbols.h"

struct row {
	char *stack; /* innermost first: "function;file;line|..." */
	uint64_t blocks, bytes;
};

struct rows {
	struct row *at;
	size_t n, room;
};

static unsigned n_tests, n_failed;
static const char *sysroot; /* NULL: no native frames */

static void result(bool ok, const char *capture, const char *what, const char *why)
{
	n_tests++;
	n_failed += !ok;
	printf("%sok %u - %s: %s\n", ok ? "" : "not ", n_tests, capture, what);
	if (!ok)
		printf("# %s\n", why);
}

/* -- Rows --------------------------------------------------------------------------- */

static int by_stack(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->stack, ((const struct row *)b)->stack);
}

/* Sort, and add up equal stacks: which thread and allocator is not compared. */
static void settle(struct rows *r)
{
	size_t n = 0;
	if (r->n)
		qsort(r->at, r->n, sizeof(*r->at), by_stack);
	for (size_t i = 0; i < r->n; i++) {
		struct row row = r->at[i];
		if (n && !strcmp(r->at[n - 1].stack, row.stack)) {
			r->at[n - 1].blocks += row.blocks;
			r->at[n - 1].bytes += row.bytes;
			free(row.stack);
		} else {
			r->at[n++] = row;
		}
	}
	r->n = n;
}

static void free_rows(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->at[i].stack);
	hs_array_free(r);
}

/* Is the source file of "function;file;line" one of Python's? */
static bool is_python(const char *frame, size_t n)
{
	const char *end = memrchr(frame, ';', n);
	if (!end || end == frame)
		return false;
	const char *file = memrchr(frame, ';', (size_t)(end - frame));
	size_t length = file ? (size_t)(end - file) - 1 : 0;
	return (length > 3 && !memcmp(end - 3, ".py", 3)) ||
	       (length > 7 && !memcmp(file + 1, "<frozen", 7)) ||
	       (length == 8 && !memcmp(file + 1, "<string>", 8));
}

/*
 * STACK without native frames, or with no more than their functions: heapsnap
 * knows lines where memray knows none, and names from a PLT.
 */
static char *normal(const char *stack)
{
	char *text = hs_xcalloc(strlen(stack) + 2, 1), *to = text;
	for (size_t n; *stack; stack += n + (stack[n] == '|')) {
		n = strcspn(stack, "|");
		bool native = !is_python(stack, n);
		if (native && !sysroot)
			continue;
		if (to > text)
			*to++ = '|';
		size_t shown = native ? strcspn(stack, ";") : n;
		memcpy(to, stack, shown);
		to += shown;
	}
	return text;
}

static void add_row(struct rows *rows, const char *stack, bool native, uint64_t blocks,
		    uint64_t bytes)
{
	char *key = native ? normal(stack) : hs_xstrdup(stack);
	hs_array_push(rows, ((struct row){key, blocks, bytes}));
}

/* memray's: allocator, count, bytes, thread, stack; tabs between them. */
static bool read_expected(const char *path, bool native, struct rows *rows)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	hs_error_free(err);
	if (err)
		return false;
	const char *pos = (const char *)file.data, *end = pos + file.size;
	while (pos < end) {
		const char *line_end = memchr(pos, '\n', (size_t)(end - pos));
		size_t n = (size_t)((line_end ? line_end : end) - pos);
		char *line HS_CLEANUP(hs_freep) = strndup(pos, n);
		char *rest = line;
		strsep(&rest, "\t");
		const char *blocks = strsep(&rest, "\t"), *bytes = strsep(&rest, "\t");
		strsep(&rest, "\t");
		if (bytes)
			add_row(rows, rest ? rest : "", native,
				strtoull(blocks, NULL, 10), strtoull(bytes, NULL, 10));
		pos += n + 1;
	}
	settle(rows);
	hs_file_close(&file);
	return true;
}

/* -- Profiles ------------------------------------------------------------------------ */

enum view { PEAK, LEAKED, TEMPORARY };

static char *stack_text(const struct hs_profile *p, hs_stack stack)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	for (; stack.i; stack = p->stacks[stack.i].parent)
		for (hs_frame f = p->stacks[stack.i].frame; f.i;
		     f = p->frames[f.i].caller) {
			const struct hs_frame_info *info = &p->frames[f.i];
			const char *function = hs_string(p, info->function);
			const char *file = hs_string(p, info->file);
			hs_printf(&out, "%s%s;%s;%u", out.n ? "|" : "",
				  *function ? function : "<unknown>",
				  *file ? file : "<unknown>", info->line);
		}
	return hs_out_take(&out, NULL);
}

static struct rows rows_of(const struct hs_profile *p, enum view view, bool native)
{
	struct rows rows = {0};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		uint64_t blocks = view == PEAK     ? s->peak_blocks
				  : view == LEAKED ? s->live_blocks
						   : s->temporaries;
		uint64_t bytes = view == PEAK     ? s->peak_bytes
				 : view == LEAKED ? s->live_bytes
						  : s->temporary_bytes;
		char *text HS_CLEANUP(hs_freep) = stack_text(p, s->stack);
		if (blocks || bytes)
			add_row(&rows, text, native, blocks, bytes);
	}
	settle(&rows);
	return rows;
}

/* NULL if the rows are the same, else the first that is not. */
static char *difference(const struct rows *got, const struct rows *wanted,
			bool without_blocks)
{
	size_t i = 0, k = 0;
	while (i < got->n || k < wanted->n) {
		int c = i == got->n      ? 1
			: k == wanted->n ? -1
					 : strcmp(got->at[i].stack, wanted->at[k].stack);
		const struct row none = {0};
		const struct row *g = c <= 0 ? &got->at[i] : &none;
		const struct row *w = c >= 0 ? &wanted->at[k] : &none;
		bool same = g->bytes == w->bytes &&
			    (without_blocks || g->blocks == w->blocks);
		if (!same)
			return hs_xasprintf(
				"%llu bytes in %llu, by memray %llu in %llu: %.300s",
				(unsigned long long)g->bytes,
				(unsigned long long)g->blocks,
				(unsigned long long)w->bytes,
				(unsigned long long)w->blocks,
				g->stack ? g->stack : w->stack);
		i += c <= 0;
		k += c >= 0;
	}
	return NULL;
}

/* -- memray's JSON --------------------------------------------------------------------
 */

/* The number after "KEY": in TEXT. */
static bool find_number(const char *text, const char *key, uint64_t *ret)
{
	char *quoted HS_CLEANUP(hs_freep) = hs_xasprintf("\"%s\": ", key);
	const char *at = text ? strstr(text, quoted) : NULL;
	if (at)
		*ret = strtoull(at + strlen(quoted), NULL, 10);
	return at != NULL;
}

static char *read_text(const char *folder, const char *name)
{
	char *path HS_CLEANUP(hs_freep) = hs_xasprintf("%s/%s", folder, name);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	hs_error_free(err);
	if (err)
		return NULL;
	char *text = strndup((const char *)file.data, file.size);
	hs_file_close(&file);
	return text;
}

static void check_number(const char *capture, const char *text, const char *key,
			 uint64_t got)
{
	uint64_t wanted;
	if (!find_number(text, key, &wanted))
		return;
	char *why HS_CLEANUP(hs_freep) =
		hs_xasprintf("%llu, by memray %llu", (unsigned long long)got,
			     (unsigned long long)wanted);
	result(got == wanted, capture, key, why);
}

/* The newest of memray's samples of the resident set, its second number. */
static void check_rss(const char *capture, const char *text, const struct hs_profile *p)
{
	const char *list = text ? strstr(text, "\"last_snapshots\"") : NULL;
	const char *last = list ? strrchr(list, '[') : NULL;
	unsigned long long ms, rss;
	if (!last || sscanf(last, "[ %llu , %llu", &ms, &rss) != 2 || !p->n_snapshots)
		return;
	const struct hs_snapshot *s = &p->snapshots[p->n_snapshots - 1];
	result(s->rss_bytes == rss && s->time_ns / 1000000 == ms, capture,
	       "the last sample of the resident set", "another one");
}

/* -- Captures -------------------------------------------------------------------------
 */

static struct hs_profile *read_capture(const char *path)
{
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	struct hs_builder *b = hs_build_new();
	if (!err)
		err = hs_format_by_name("memray")->read(hs_source_cursor(source), b);
	if (err)
		printf("# %s\n", hs_error_message(err));
	hs_source_close(source);
	if (err) {
		hs_error_free(err);
		hs_build_free(b);
		return NULL;
	}
	struct hs_profile *p = hs_build_seal(b);
	const char *const sysroots[] = {sysroot, NULL};
	const struct hs_symbol_options options = {.sysroots = sysroots};
	if (sysroot)
		hs_symbolize(p, &options);
	hs_merge_python(p);
	return p;
}

static void check_view(const struct hs_profile *p, const char *capture,
		       const char *expected, enum view view, bool native, bool aggregated)
{
	static const char *const files[] = {"hwm", "leaks", "temporary1"};
	char *path HS_CLEANUP(hs_freep) =
		hs_xasprintf("%s/split-threads-%s.tsv.gz", expected, files[view]);
	struct rows wanted = {0};
	if (!read_expected(path, native, &wanted))
		return;
	struct rows got = rows_of(p, view, native);
	/*
	 * memray reads aggregated files wrong where one stack has several
	 * allocators: it adds 1 for each of them, not its blocks.  Captures of the
	 * same programs that are not aggregated have the blocks that heapsnap says.
	 */
	char *why HS_CLEANUP(hs_freep) = difference(&got, &wanted, aggregated);
	result(!why, capture, files[view], why ? why : "");
	free_rows(&got);
	free_rows(&wanted);
}

static void check_profile(const struct hs_profile *p, const char *capture,
			  const char *expected)
{
	char *metadata HS_CLEANUP(hs_freep) = read_text(expected, "metadata.json");
	char *stats HS_CLEANUP(hs_freep) = read_text(expected, "stats.json");
	bool native = strstr(capture, "native"),
	     aggregated = strstr(capture, "aggregate");
	check_number(capture, metadata, "pid", p->process.pid);
	check_number(capture, metadata, "peak_memory", p->totals.peak_bytes);
	check_rss(capture, metadata, p);
	if (!aggregated) {
		check_number(capture, stats, "total_num_allocations", p->totals.allocs);
		check_number(capture, stats, "total_bytes_allocated", p->totals.bytes);
	}
	for (enum view view = PEAK; view <= TEMPORARY; view++)
		if (view != TEMPORARY || !aggregated)
			check_view(p, capture, expected, view, native, aggregated);
}

/* "x.v9-native.bin.7068" -> "x.v9-native.7068", and without .gz */
static char *stem_of(const char *name)
{
	const char *bin = strstr(name, ".bin");
	char *stem = hs_xasprintf("%.*s%s", (int)(bin - name), name, bin + 4);
	char *gz = strstr(stem, ".gz");
	if (gz)
		*gz = '\0';
	return stem;
}

static void check_capture(const char *folder, const char *name)
{
	char *path HS_CLEANUP(hs_freep) = hs_xasprintf("%s/captures/%s", folder, name);
	char *stem HS_CLEANUP(hs_freep) = stem_of(name);
	char *expected HS_CLEANUP(hs_freep) =
		hs_xasprintf("%s/expected/%s", folder, stem);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	bool empty = !err && !file.size;
	if (!err)
		hs_file_close(&file);
	hs_error_free(err);
	if (empty)
		return;
	struct hs_profile *p = read_capture(path);
	result(p, name, "is read", "refused");
	if (p)
		check_profile(p, name, expected);
	hs_profile_free(p);
}

static int is_capture(const struct dirent *entry)
{
	return strstr(entry->d_name, ".bin") != NULL;
}

int main(void)
{
	const char *top = getenv("top_srcdir");
	const char *named = getenv("HEAPSNAP_MEMRAY_FIXTURES");
	char *folder HS_CLEANUP(hs_freep) =
		named ? hs_xstrdup(named)
		      : hs_xasprintf("%s/../shared/fixtures/memray", top ? top : ".");
	char *captures HS_CLEANUP(hs_freep) = hs_xasprintf("%s/captures", folder);
	struct dirent **entries;
	sysroot = getenv("HEAPSNAP_MEMRAY_SYSROOT");
	int n = scandir(captures, &entries, is_capture, alphasort);
	if (n <= 0) {
		printf("1..0 # SKIP no captures of memray in %s\n", captures);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		check_capture(folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	printf("1..%u\n", n_tests);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
