/* SPDX-License-Identifier: MIT */

/*
 * Formats: everything that turns bytes into a model, or a model into bytes.
 *
 *      capture file --read--> struct hs_profile --.
 *                                                  >-- struct hs_report --write--> bytes
 *      core file ---image--> struct hs_image ----'
 *
 * One format is one file, formats/NAME.c, which defines one constant
 * `hs_format_NAME`.  A format fills in the operations it has and leaves the
 * others NULL: `text` only writes, `memray` only reads, `pprof` does both,
 * `core` only opens images.
 *
 * To add a format:
 *   1. write formats/NAME.c;
 *   2. add that path to HS_FORMATS in formats/Makefile.inc;
 *   3. put good-*, bad-* and unsupported-* samples in tests/files/NAME/.
 * Nothing else changes: the table, --help, the fuzz target and the sample
 * tests are all derived from step 2.
 *
 * A format may include src/ headers.  It may not include another format's
 * header, an analyzer's header, or stdio.h: bytes come in through struct
 * hs_cursor and leave through struct hs_out.
 */
#ifndef HS_FORMAT_H
#define HS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "src/base.h"

struct hs_builder;
struct hs_cursor;
struct hs_file;
struct hs_image;
struct hs_out;
struct hs_report;

/* How sure a probe is.  The highest answer wins; on a tie, the file name. */
enum hs_match {
	HS_MATCH_NO = 0,     /* not this format */
	HS_MATCH_MAYBE = 1,  /* plausible text, no magic (e.g. folded stacks) */
	HS_MATCH_LIKELY = 2, /* structure fits, or the file name says so */
	HS_MATCH_MAGIC = 3,  /* a magic number fits */
};

/* A probe sees at most this much of the file, already decompressed. */
#define HS_PROBE_SIZE 4096

struct hs_format {
	/* Word used on the command line: export --to NAME. */
	const char *name;

	/* One line for --help, without a final stop. */
	const char *summary;

	/* File name endings, NULL-terminated; a hint, never a decision. */
	const char *const *suffixes;

	/*
	 * Say whether DATA, SIZE > 0 bytes, may be the beginning of a file of this
	 * format.  Must not fail, allocate or log.  Required if read or image is set.
	 */
	enum hs_match (*probe)(const uint8_t *data, size_t size);

	/*
	 * Feed every event or folded figure in IN to BUILDER.  A file that was
	 * cut off or is damaged in its body is read as far as it goes: a
	 * success with process.complete false and a warning.  An error means
	 * that there is nothing to report: not even the header could be read.
	 */
	struct hs_error *(*read)(struct hs_cursor *in, struct hs_builder *builder);

	/*
	 * Read goes from the beginning to the end, once: IN may be a window
	 * that moves through a file of any size (src/cursor.h).
	 */
	bool streams;

	/*
	 * Open FILE as an address space.  On success the image owns FILE's
	 * bytes and *FILE is empty.  One that was cut off is a success, with
	 * `complete` false and warnings.
	 */
	struct hs_error *(*image)(struct hs_file *file, struct hs_image **ret);

	/*
	 * Before writing: an error where REPORT has nothing of what this format
	 * tells, or more than it can; NULL where that cannot be.
	 */
	struct hs_error *(*check)(const struct hs_report *report);

	/* Write looks at profiles alone, not at findings. */
	bool figures_alone;

	/* What is written depends on report->measure; else it tells all it can. */
	bool by_measure;

	/*
	 * Write REPORT.  Same report, same bytes: no clock, no locale, no
	 * pointer values, no hash order.  Write errors stick to OUT, so an
	 * implementation never checks them.
	 */
	void (*write)(const struct hs_report *report, struct hs_out *out);
};

/* All formats, in the order of formats/Makefile.inc; ends with NULL. */
extern const struct hs_format *const hs_formats[];

/* Return the format called NAME, or NULL. */
const struct hs_format *hs_format_by_name(const char *name);

/*
 * Return the readable format that fits DATA best.  Sets *MATCH_RET to its
 * confidence; returns NULL if none fits.  NAME (may be NULL) breaks ties.
 */
const struct hs_format *hs_format_guess(const uint8_t *data, size_t size,
					const char *name, enum hs_match *match_ret);

#endif /* HS_FORMAT_H */
