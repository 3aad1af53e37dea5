/* SPDX-License-Identifier: MIT */

/*
 * Roots: where the pointers of a program begin.  What is found in an image:
 * registers, stacks from the stack pointer up, thread-local storage, writable
 * data of modules, and other private memory that the program mapped itself.
 */
#ifndef HS_ROOTS_H
#define HS_ROOTS_H

#include "src/array.h"

struct hs_heap;
struct hs_image;

enum hs_root_kind {
	HS_ROOT_STATIC, /* owner: index of the module */
	HS_ROOT_TLS,    /* owner: index of the thread */
	HS_ROOT_STACK,
	HS_ROOT_REGISTER,
	HS_ROOT_MAPPED, /* memory of no known use; no owner */
};

/* Memory [start, end), or a register: then start is its value, end its number. */
struct hs_root {
	uint64_t start, end;
	enum hs_root_kind kind;
	uint32_t owner;
};

struct hs_roots {
	HS_ARRAY(struct hs_root) at;    /* by kind, then by address */
	HS_ARRAY(const char *) missing; /* sentences: what could not be found */
};

/* Memory that never counts: the tracker's. */
struct hs_root_hole {
	uint64_t start, end;
};

struct hs_root_options {
	const struct hs_root_hole *holes;
	size_t n_holes;
	/*
	 * The heap has blocks that are not known: what lies between the known ones
	 * may hold them, too.
	 */
	bool gaps;
};

/* HEAP tells memory of the allocator from other memory. */
void hs_roots_find(const struct hs_image *image, const struct hs_heap *heap,
		   const struct hs_root_options *options, struct hs_roots *ret);
void hs_roots_deinit(struct hs_roots *r);

#endif /* HS_ROOTS_H */
