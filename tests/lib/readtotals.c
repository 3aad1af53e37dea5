/* SPDX-License-Identifier: MIT */

/* From a capture's path to its totals, by the way that all captures go. */
#include "tests/lib/readtotals.h"

#include <check.h>

#include "formats/format.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/profile.h"

struct hs_profile *read_profile(const char *path)
{
	struct hs_file file;
	struct hs_error *err = hs_file_open(path, 0, &file);
	ck_assert_ptr_null(err);
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(file.data, file.size, path);
	err = hs_format_by_name("heapsnap")->read(&in, b);
	ck_assert_ptr_null(err);
	struct hs_profile *p = hs_build_seal(b);
	hs_file_close(&file);
	return p;
}

struct fake_truth read_totals(const char *path)
{
	struct hs_profile *p = read_profile(path);
	const struct hs_totals *t = &p->totals;
	const struct fake_truth ret = {.allocs = t->allocs,
				       .frees = t->frees,
				       .bytes = t->bytes,
				       .live_blocks = t->live_blocks,
				       .live_bytes = t->live_bytes};
	ck_assert(p->process.complete);
	hs_profile_free(p);
	return ret;
}
