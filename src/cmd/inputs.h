/* SPDX-License-Identifier: MIT */

/*
 * Inputs: which files paths stand for, and the profiles read from them.  What
 * cannot be read becomes an error in the list; the others stay good.
 */
#ifndef HS_INPUTS_H
#define HS_INPUTS_H

#include <sys/types.h>

#include "src/array.h"
#include "src/profile.h"

struct hs_image;
struct hs_imagefiles;
struct hs_symbol_options;

struct hs_input {
	char *path;
	char *id; /* of the process; unique among the inputs */
	dev_t dev;
	ino_t ino;
	struct hs_profile *profile; /* not yet symbolized */
	struct hs_image *image;     /* of a core or a process; or NULL */
	struct hs_imagefiles *files;
	struct hs_symbol_options *symbols; /* of a live process: where its files are */
};

struct hs_inputs {
	const struct hs_symbol_options *symbols; /* where files of modules lie */
	HS_ARRAY(struct hs_input) list;          /* those that could be read */
	HS_ARRAY(struct hs_error *) errors;
};

/*
 * Read PATH: a file, or a directory, which stands for every capture and
 * foreign profile in it, in the order of their names.  A file is read once,
 * however often it is named.  A number that is no file is a living process.
 */
void hs_inputs_add(struct hs_inputs *in, const char *path);

/* Say what was left out.  An error where nothing could be read at all. */
HS_MUST_USE struct hs_error *hs_inputs_settle(struct hs_inputs *in);

void hs_inputs_deinit(struct hs_inputs *in);

/* "dir/myserver.4242.hsnap" -> "dir/myserver.4242"; malloc'ed. */
char *hs_capture_stem(const char *path);

#endif /* HS_INPUTS_H */
