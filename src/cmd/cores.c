/* SPDX-License-Identifier: MIT */

/* Finding cores: among the inputs, and by core(5)'s core_pattern. */
#include "src/cmd/cores.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/cmd/images.h"
#include "src/cmd/inputs.h"
#include "src/cmd/output.h"
#include "src/corepeek.h"
#include "src/file.h"
#include "src/image.h"
#include "src/out.h"
#include "src/source.h"

/* Those that core_pattern may pipe cores to, and where they put that of a pid. */
static const struct {
	const char *program, *before, *after;
} keepers[] = {
	{"systemd-coredump", "/var/lib/systemd/coredump/core.*.", ".*"},
	{"apport", "/var/lib/apport/coredump/core.*.", ".*"},
	{"abrt-hook-ccpp", "/var/spool/abrt/ccpp-*-", "/coredump"},
};

/* Seconds of work: what tells whose a packed core is lies near its end. */
#define MAX_UNPACKED ((uint64_t)4 << 30)
#define MAX_TRIES    64u

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

static char *find_keeper(const char *command, uint32_t pid)
{
	for (size_t i = 0; i < HS_COUNT(keepers); i++)
		if (strstr(command, keepers[i].program))
			return hs_xasprintf("%s%u%s", keepers[i].before, pid,
					    keepers[i].after);
	return NULL;
}

/* The pattern for glob(3) of the cores of process PID, or NULL; malloc'ed. */
static char *find_pattern(uint32_t pid)
{
	char pattern[256];
	if (!read_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) ||
	    !pattern[0])
		return NULL;
	if (pattern[0] == '|')
		return find_keeper(pattern, pid);
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

/* A packed one may be of any size: a look at it stores nothing. */
static bool fits_packed(struct hs_source *source, const struct hs_profile *p)
{
	uint8_t bytes[16];
	char random[HS_AT_RANDOM_SIZE];
	if (!hs_core_peek(hs_source_cursor(source), p->process.pid, MAX_UNPACKED, bytes))
		return false;
	hs_random_text(bytes, random);
	return !strcmp(random, hs_string(p, p->process.at_random));
}

/* Others are mapped, and hardly read. */
static bool fits_plain(const char *path, const struct hs_profile *p)
{
	const struct hs_format *core = hs_format_by_name("core");
	struct hs_file file;
	struct hs_image *image = NULL;
	struct hs_error *err = hs_file_open(path, 1, &file);
	if (!err && core->probe(file.data, file.size) != HS_MATCH_NO)
		err = core->image(&file, &image);
	if (!err)
		hs_file_close(&file);
	hs_error_free(err);
	bool fits = image && is_of(image, p);
	hs_image_free(image);
	return fits;
}

static bool fits(const char *path, const struct hs_profile *p)
{
	struct hs_source *source;
	struct hs_error *err = hs_source_open(path, &source);
	if (err) {
		hs_error_free(err);
		return false;
	}
	bool packed = hs_source_packed(source);
	bool fits = packed && fits_packed(source, p);
	hs_source_close(source);
	return packed ? fits : fits_plain(path, p);
}

/* The newest first: of hundreds in one folder only some are looked at. */
static int compare_ages(const void *pa, const void *pb)
{
	struct stat a, b;
	const char *x = *(char *const *)pa, *y = *(char *const *)pb;
	if (stat(x, &a) != 0 || stat(y, &b) != 0)
		return strcmp(x, y);
	if (a.st_mtim.tv_sec != b.st_mtim.tv_sec)
		return a.st_mtim.tv_sec < b.st_mtim.tv_sec ? 1 : -1;
	if (a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		return a.st_mtim.tv_nsec < b.st_mtim.tv_nsec ? 1 : -1;
	return strcmp(x, y);
}

/* The first core that PATTERN leads to and that is P's, or NULL; malloc'ed. */
static char *search(const char *pattern, const struct hs_profile *p)
{
	glob_t found = {0};
	char *path = NULL;
	if (glob(pattern, 0, NULL, &found) == 0) {
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv),
		      compare_ages);
		for (size_t i = 0; i < found.gl_pathc && i < MAX_TRIES && !path; i++)
			if (fits(found.gl_pathv[i], p))
				path = hs_xstrdup(found.gl_pathv[i]);
	}
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
