/* SPDX-License-Identifier: MIT */

/* Reading samples of foreign formats in tests. */
#include "tests/lib/readprofile.h"

#include <check.h>
#include <string.h>

#include "formats/format.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/findings.h"
#include "src/out.h"

struct hs_profile *read_profile(const char *format, const void *data, size_t size)
{
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(data, size, "test");
	struct hs_error *err = hs_format_by_name(format)->read(&in, b);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	return hs_build_seal(b);
}

struct hs_profile *read_sample(const char *format, const char *name)
{
	const char *top = getenv("top_srcdir");
	char *path = hs_xasprintf("%s/tests/files/%s/%s", top ? top : ".", format, name);
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_msg(!err, "%s", err ? hs_error_message(err) : "");
	struct hs_profile *p = read_profile(format, file.data, file.size);
	hs_file_close(&file);
	free(path);
	return p;
}

char *stack_text(const struct hs_profile *p, hs_stack stack)
{
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_stack_frames(p, stack, frames, n);
	for (size_t i = n; i-- > 0;)
		hs_printf(&out, "%s%s", hs_string(p, p->frames[frames[i].i].function),
			  i ? ";" : "");
	free(frames);
	return hs_out_take(&out, NULL);
}

struct hs_site site_of_stack(const struct hs_profile *p, const char *stack)
{
	struct hs_site sum = {0};
	for (uint32_t i = 0; i < p->n_sites; i++) {
		const struct hs_site *s = &p->sites[i];
		char *text = stack_text(p, s->stack);
		if (!strcmp(text, stack)) {
			sum.allocs += s->allocs;
			sum.frees += s->frees;
			sum.bytes += s->bytes;
			sum.live_blocks += s->live_blocks;
			sum.live_bytes += s->live_bytes;
			sum.peak_blocks += s->peak_blocks;
			sum.peak_bytes += s->peak_bytes;
		}
		free(text);
	}
	return sum;
}

uint64_t bytes_of_stack(const struct hs_profile *p, const char *stack)
{
	return site_of_stack(p, stack).peak_bytes;
}
