/* SPDX-License-Identifier: MIT */

/* From an image to a profile: identity, stacks, crash. */
#include "src/cmd/images.h"

#include <elf.h>

#include "src/array.h"
#include "src/build.h"
#include "src/crash.h"
#include "src/image.h"
#include "src/symbols.h"
#include "src/unwind.h"

void hs_random_text(const uint8_t bytes[16], char ret[HS_AT_RANDOM_SIZE])
{
	for (size_t i = 0; i < 16; i++) {
		ret[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	ret[HS_AT_RANDOM_SIZE - 1] = '\0';
}

bool hs_image_at_random(const struct hs_image *image, char ret[HS_AT_RANDOM_SIZE])
{
	uint8_t bytes[(HS_AT_RANDOM_SIZE - 1) / 2];
	uint64_t at = hs_image_auxv(image, AT_RANDOM);
	if (!at || !hs_image_read_all(image, at, bytes, sizeof(bytes)))
		return false;
	hs_random_text(bytes, ret);
	return true;
}

static void tell_process(const struct hs_image *image, struct hs_builder *b)
{
	struct hs_process_info *process = hs_build_process(b);
	process->name = hs_build_cstring(b, image->name);
	process->pid = image->pid;
	process->ppid = image->ppid;
	process->complete = image->complete;
	process->end = image->live ? HS_END_RUNNING : HS_END_UNKNOWN;
	if (image->pid)
		hs_build_has(b, HS_HAS_PID);
	for (size_t i = 0; i < image->modules.n; i++)
		if (image->modules.at[i].executable) {
			const struct hs_image_module *m = &image->modules.at[i];
			process->exe = hs_build_cstring(b, m->path);
			process->build_id = hs_build_cstring(b, m->build_id);
		}
	for (size_t i = 0; i < image->warnings.n; i++)
		hs_build_warn(b, "%s", image->warnings.at[i]);
}

struct hs_profile *hs_image_profile(struct hs_image *image, struct hs_imagefiles *files,
				    const char *id, const char *source)
{
	struct hs_builder *b = hs_build_new();
	struct hs_process_info *process = hs_build_process(b);
	tell_process(image, b);
	process->id = hs_build_cstring(b, id);
	process->source = hs_build_cstring(b, source);
	if (!process->name.i)
		process->name = process->id;
	hs_unwind(image, files, b);
	hs_crash_tell(image, files, b);
	return hs_build_seal(b);
}

/* The options come first: a pointer to them is one to all of it. */
struct live_options {
	struct hs_symbol_options options;
	char *root, *exe;
	const char *sysroots[2];
	HS_ARRAY(const char *) exes;
};

struct hs_symbol_options *hs_live_options_new(const struct hs_symbol_options *given,
					      pid_t pid)
{
	struct live_options *o = hs_xcalloc(1, sizeof(*o));
	o->options = *given;
	o->root = hs_xasprintf("/proc/%d/root", pid);
	o->exe = hs_xasprintf("/proc/%d/exe", pid);
	o->sysroots[0] = o->root;
	if (!given->sysroots || !given->sysroots[0])
		o->options.sysroots = o->sysroots;
	for (const char *const *e = given->exes; e && *e; e++)
		hs_array_push(&o->exes, *e);
	hs_array_push(&o->exes, o->exe);
	hs_array_push(&o->exes, NULL);
	o->options.exes = o->exes.at;
	return &o->options;
}

void hs_live_options_free(struct hs_symbol_options *options)
{
	struct live_options *o = (struct live_options *)options;
	if (!o)
		return;
	hs_array_free(&o->exes);
	free(o->root);
	free(o->exe);
	free(o);
}
