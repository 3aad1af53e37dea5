/* SPDX-License-Identifier: MIT */

/* Finding cores: among the inputs, and by core(5)'s core_pattern. */
#include "src/cmd/cores.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/cmd/images.h"
#include "src/cmd/inputs.h"
#include "src/cmd/output.h"
#include "src/cursor.h"
#include "src/file.h"
#include "src/image.h"
#include "src/out.h"
#include "src/source.h"

#define SYSTEMD "/var/lib/systemd/coredump/core.*."

/* A packed core must be unpacked to be sure: not a large one without being asked. */
#define MAX_PACKED ((uint64_t)64 << 20)
#define MAX_TRIES  64u

/* -- Where a core may lie
 * ---------------------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *in = fopen(path, "re");
	bool good = in && fgets(line, (int)size, in);
	if (in)
		fclose(in);
	if (good)
		line[strcspn(line, "\n")] = '\0';
	return good;
}

/* PATTERN as one for glob(3): the pid is known, other specifiers are not. */
static void expand(struct hs_out *out, const char *pattern, uint32_t pid)
{
	bool has_pid = false;
	for (const char *p = pattern; *p; p++) {
		if (*p == '%' && p[1]) {
			p++;
			has_pid |= *p == 'p';
			if (*p == 'p')
				hs_printf(out, "%u", pid);
			else
				hs_putc(out, *p == '%' ? '%' : '*');
		} else {
			if (strchr("*?[\\", *p))
				hs_putc(out, '\\');
			hs_putc(out, *p);
		}
	}
	char uses[8] = "";
	if (!has_pid && read_line("/proc/sys/kernel/core_uses_pid", uses, sizeof(uses)) &&
	    uses[0] == '1')
		hs_printf(out, ".%u", pid);
}

/* The pattern for glob(3) of the cores of process PID, or NULL; malloc'ed. */
static char *find_pattern(uint32_t pid)
{
	char pattern[256];
	if (!read_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) ||
	    !pattern[0])
		return NULL;
	if (pattern[0] == '|')
		return strstr(pattern, "systemd-coredump")
			       ? hs_xasprintf(SYSTEMD "%u.*", pid)
			       : NULL;
	struct hs_out out;
	hs_out_init(&out, -1);
	expand(&out, pattern, pid);
	return hs_out_take(&out, NULL);
}

/* -- Whose it is
 * --------------------------------------------------------------------------- */

static bool is_of(const struct hs_image *image, const struct hs_profile *p)
{
	char random[HS_AT_RANDOM_SIZE];
	return hs_image_at_random(image, random) && image->pid == p->process.pid &&
	       !strcmp(random, hs_string(p, p->process.at_random));
}

static struct hs_error *open_core(const char *path, struct hs_image **ret)
{
	struct hs_source *source;
	struct hs_file file;
	enum hs_match match;
	struct hs_error *err = hs_source_open(path, &source);
	if (err)
		return err;
	const struct hs_cursor *head = hs_source_cursor(source);
	const struct hs_format *format =
		hs_format_guess(head->pos, hs_cur_left(head), path, &match);
	bool packed = hs_source_packed(source);
	hs_source_close(source);
	if (!format || !format->image)
		return hs_error("%s is no core", path);
	err = hs_file_open(path, packed ? MAX_PACKED : 0, &file);
	if (err)
		return err;
	err = format->image(&file, ret);
	hs_file_close(&file);
	return err;
}

static bool fits(const char *path, const struct hs_profile *p)
{
	struct hs_image *image = NULL;
	hs_error_free(open_core(path, &image));
	bool fits = image && is_of(image, p);
	hs_image_free(image);
	return fits;
}

/* The first core that PATTERN leads to and that is P's, or NULL; malloc'ed. */
static char *search(const char *pattern, const struct hs_profile *p)
{
	glob_t found = {0};
	char *path = NULL;
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && i < MAX_TRIES && !path; i++)
			if (fits(found.gl_pathv[i], p))
				path = hs_xstrdup(found.gl_pathv[i]);
	globfree(&found);
	return path;
}

/* A relative pattern counts from the process's folder: ours, or its capture's? */
static char *search_folders(const char *pattern, const struct hs_input *capture)
{
	if (pattern[0] == '/')
		return search(pattern, capture->profile);
	char *path = search(pattern, capture->profile);
	if (path)
		return path;
	char *folder = hs_path_dir(capture->path);
	char *below = hs_path_join(folder, pattern);
	path = search(below, capture->profile);
	free(folder);
	free(below);
	return path;
}

/* -- Tying
 * ----------------------------------------------------------------------------------- */

static void tie(struct hs_input *capture, struct hs_input *core)
{
	struct hs_profile *p = capture->profile, *of_core = core->profile;
	p->process.core = hs_profile_add_string(p, core->path);
	of_core->process.capture = hs_profile_add_string(of_core, capture->id);
	hs_profile_name_threads(of_core, p);
}

static bool tie_input(struct hs_inputs *in, struct hs_input *capture)
{
	for (size_t i = 0; i < in->list.n; i++) {
		struct hs_input *core = &in->list.at[i];
		if (core->image && is_of(core->image, capture->profile)) {
			tie(capture, core);
			return true;
		}
	}
	return false;
}

static void find_elsewhere(struct hs_input *capture)
{
	struct hs_profile *p = capture->profile;
	char *pattern = find_pattern(p->process.pid);
	char *path = pattern ? search_folders(pattern, capture) : NULL;
	if (path)
		p->process.core = hs_profile_add_string(p, path);
	free(path);
	free(pattern);
}

void hs_cores_link(struct hs_inputs *in)
{
	for (size_t i = 0; i < in->list.n; i++) {
		struct hs_input *capture = &in->list.at[i];
		const struct hs_process_info *process = &capture->profile->process;
		if (capture->image || !process->at_random.i)
			continue;
		if (!tie_input(in, capture) && process->end == HS_END_SIGNAL)
			find_elsewhere(capture);
	}
}
