/* SPDX-License-Identifier: MIT */

/*
 * For the tests of names: compile the victims places.* in a folder of the
 * test's own, ask them where their calls return to, and compare what those
 * addresses are called with what the source says.
 */
#ifndef HS_PLACES_H
#define HS_PLACES_H

#include "src/base.h"

struct hs_frame_info;
struct hs_profile;
struct hs_symbol_options;

extern const struct hs_symbol_options no_options;
extern char folder[4096]; /* of this test */

void shell(const char *format, ...) HS_PRINTF(1, 2); /* must succeed */
const char *environment(const char *name, const char *otherwise);

/* An own folder for each test; compile() enters it by itself. */
void enter_folder(void);

/* A file in the test's folder; the same pointer for the same name. */
const char *in_folder(const char *name);

/* The victim NAME in the source tree; good until the next call. */
const char *source(const char *name);

/* Compile places.c with FLAGS to the file NAME in the folder. */
void compile(const char *name, const char *flags);

struct mark {
	char name[64];
	uint64_t address;
};

/* What the victim in the folder says of itself. */
size_t run(const char *name, struct mark marks[16]);

/* The number of the line of FILE that says "@MARK". */
uint32_t line_of(const char *file, const char *mark);

/* By readelf, not by our own code; good until the next call. */
char *build_id(const char *path);

/* One module at PATH with the return addresses MARKS; frame i + 1 is marks[i]. */
struct hs_profile *profile_of(const char *path, const char *id, uint64_t start_ns,
			      const struct mark *marks, size_t n);

/* What the marks of the file NAME in the folder are called under OPTIONS. */
struct hs_profile *symbolized(const char *name, const struct mark *marks, size_t n,
			      const struct hs_symbol_options *options);

/* The index of the one called MARK, which must be there; and its frame. */
size_t find_mark(const struct mark *marks, const char *mark);
const struct hs_frame_info *frame_of(const struct hs_profile *p, const struct mark *marks,
				     const char *mark);

/* One function that is expected, and the mark of its line in the source. */
struct expected {
	const char *function, *mark;
};

/* Frame F and its callers are those expected, the innermost first. */
void assert_chain(const struct hs_profile *p, const struct hs_frame_info *f,
		  const char *file, const struct expected *expected, size_t n);

#define CHAIN(p, marks, mark, file, ...)                              \
	assert_chain(p, frame_of(p, marks, mark), file,               \
		     (const struct expected[]){__VA_ARGS__},          \
		     sizeof((const struct expected[]){__VA_ARGS__}) / \
			     sizeof(struct expected))

/* All that DWARF tells of places.c. */
void assert_all_of_c(const struct hs_profile *p, const struct mark *marks);

/* What a symbol table tells of it. */
void assert_functions_of_c(const struct hs_profile *p, const struct mark *marks);

/* No frame has a name; the first of N_WARNINGS has PART in it. */
void assert_unnamed(const struct hs_profile *p, size_t n_warnings, const char *part);

#endif /* HS_PLACES_H */
