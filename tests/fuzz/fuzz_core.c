/* SPDX-License-Identifier: MIT */

/*
 * Any bytes as a core: tell whose it is, open it, read about in it, walk its stacks, seal
 * the profile.  No file of this machine is opened: what lies below the only sysroot is
 * none, and a foreign file counts by its build-id alone.
 */
#include <string.h>

#include "formats/format.h"
#include "src/build.h"
#include "src/corepeek.h"
#include "src/crash.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/image.h"
#include "src/imagefiles.h"
#include "src/profile.h"
#include "src/symbols.h"
#include "src/unwind.h"
#include "tests/fuzz/fuzz.h"

static void read_about(const struct hs_image *image)
{
	uint8_t buffer[256];
	for (size_t i = 0; i < image->mappings.n; i++) {
		const struct hs_mapping *m = &image->mappings.at[i];
		if (m->start >= m->end || hs_image_read(image, m->start, buffer,
							sizeof(buffer)) > sizeof(buffer))
			abort();
		hs_image_read(image, m->end - 1, buffer, sizeof(buffer));
		hs_image_read(image, m->start + m->n_bytes, buffer, sizeof(buffer));
		struct hs_image_extent e;
		if (hs_image_next_data(image, m->start, m->end, &e) &&
		    (e.start >= e.end || e.start < m->start || e.end > m->end))
			abort();
	}
	for (size_t i = 0; i < image->modules.n; i++)
		if (!hs_image_module(image, image->modules.at[i].start))
			abort();
}

static void walk(struct hs_image *image)
{
	static const char *const sysroots[] = {"/dev/null", NULL};
	const struct hs_symbol_options options = {.sysroots = sysroots};
	struct hs_imagefiles *files = hs_imagefiles_new(image, &options);
	struct hs_builder *b = hs_build_new();
	hs_unwind(image, files, b);
	hs_crash_tell(image, files, b);
	hs_profile_free(hs_build_seal(b));
	hs_image_free(image);
	hs_imagefiles_free(files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hs_format *format = hs_format_by_name("core");
	struct hs_cursor in = hs_cursor(data, size, "core");
	uint8_t random[16];
	hs_core_peek(&in, 4242, UINT64_MAX, random);
	if (format->probe(data, size) == HS_MATCH_NO)
		return 0;
	struct hs_image *image;
	struct hs_file file = {.data = hs_xmalloc(size), .size = size};
	file.heap = memcpy((void *)(uintptr_t)file.data, data, size);
	struct hs_error *err = format->image(&file, &image);
	if (!err) {
		read_about(image);
		walk(image);
	}
	hs_error_free(err);
	hs_file_close(&file);
	return 0;
}
