/* SPDX-License-Identifier: MIT */

/*
 * Any bytes, as the ELF file of a recorded module: name some addresses in it.
 * What comes out must be a valid profile, with chains and strings in bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/build.h"
#include "src/scopes.h"
#include "src/symbols.h"
#include "tests/fuzz/fuzz.h"

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_frames(const struct hs_profile *p)
{
	for (uint32_t i = 1; i < p->n_frames; i++) {
		unsigned depth = 1;
		for (uint32_t f = i; p->frames[f].caller.i; f = p->frames[f].caller.i)
			require(++depth <= HS_MAX_SCOPES);
	}
	for (uint32_t i = 0; i < p->n_strings; i++)
		require(strlen(p->strings[i]) <= 65536);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hs_symbol_options options;
	char path[64];
	int fd = memfd_create("elf", MFD_CLOEXEC);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct hs_builder *b = hs_build_new();
	struct hs_module_info info = {.path = hs_build_cstring(b, path)};
	hs_module module = hs_build_module(b, &info);
	/* Where the linker puts the code of the samples. */
	for (uint64_t address = 0x400140; address < 0x4001c0; address += 3)
		hs_build_location(b, module, address);
	struct hs_profile *p = hs_build_seal(b);
	hs_symbolize(p, &options);
	hs_profile_check(p);
	check_frames(p);
	hs_profile_free(p);
	close(fd);
	return 0;
}
