/* SPDX-License-Identifier: MIT */

/*
 * Any bytes, read as the program reads a file: guess the format, read, seal.
 * Sealing checks every invariant of a profile.
 */
#include "formats/format.h"
#include "src/build.h"
#include "src/cursor.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum hs_match match;
	const struct hs_format *format = hs_format_guess(data, size, NULL, &match);
	if (!format || !format->read)
		return 0;
	struct hs_builder *b = hs_build_new();
	struct hs_cursor in = hs_cursor(data, size, "fuzz");
	hs_error_free(format->read(&in, b));
	hs_profile_free(hs_build_seal(b));
	return 0;
}
