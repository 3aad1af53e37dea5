/* SPDX-License-Identifier: MIT */

/* Lists of files and folders that the user names. */
#include "src/cmd/symbolfiles.h"

#include <errno.h>
#include <sys/stat.h>

#include "src/debuginfod.h"
#include "src/log.h"

static void warn_of_unusable(const char *option, const char *const *paths,
			     bool wants_folder)
{
	for (; *paths; paths++) {
		struct stat st;
		if (stat(*paths, &st) < 0)
			hs_log_warning("%s %s is ignored: %s", option, *paths,
				       strerror(errno));
		else if (S_ISDIR(st.st_mode) != wants_folder)
			hs_log_warning("%s %s is ignored: it is %s directory", option,
				       *paths, wants_folder ? "no" : "a");
	}
}

void hs_symbolfiles_finish(struct hs_symbolfiles *f)
{
	hs_array_push(&f->exes, NULL);
	hs_array_push(&f->sysroots, NULL);
	hs_array_push(&f->debug_dirs, NULL);
	warn_of_unusable("--exe", f->exes.at, false);
	warn_of_unusable("--sysroot", f->sysroots.at, true);
	warn_of_unusable("--debug-dir", f->debug_dirs.at, true);
}

struct hs_error *hs_symbolfiles_connect(const struct hs_symbolfiles *f)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	if (!f->debuginfod)
		return NULL;
	if (!urls || !*urls)
		return hs_error("--debuginfod: which server? DEBUGINFOD_URLS names none; "
				"for Debian it is https://debuginfod.debian.net");
	return hs_debuginfod_begin();
}

void hs_symbolfiles_deinit(struct hs_symbolfiles *f)
{
	hs_array_free(&f->exes);
	hs_array_free(&f->sysroots);
	hs_array_free(&f->debug_dirs);
}
