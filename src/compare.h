/* SPDX-License-Identifier: MIT */

/*
 * Two sides, stack by stack: stacks are the same where their frames are, by module base
 * names and function names without parameters and template arguments.  Addresses, lines
 * and inlining do not matter, so that builds, machines and tools compare.  Where one
 * side knows no modules, functions alone count.
 */
#ifndef HS_COMPARE_H
#define HS_COMPARE_H

#include "src/measure.h"
#include "src/profile.h"

enum hs_side { HS_SIDE_A, HS_SIDE_B, HS_SIDES };

/* What is to be compared of one profile. */
struct hs_compared {
	const struct hs_profile *profile;
	enum hs_side side;
	bool at_time;     /* live at the last mark up to time_ns; else by the measure */
	uint64_t time_ns; /* as in the profile's marks */
};

struct hs_difference {
	struct hs_amount side[HS_SIDES];
	uint32_t node;
};

struct hs_compare;

struct hs_compare *hs_compare(const struct hs_compared *what, size_t n,
			      enum hs_measure measure);
void hs_compare_free(struct hs_compare *c); /* accepts NULL */

/* All stacks of either side, the largest difference of MEASURE first. */
const struct hs_difference *hs_compare_all(const struct hs_compare *c, size_t *n_ret);

/* What all of a side amounts to. */
struct hs_amount hs_compare_total(const struct hs_compare *c, enum hs_side side);

/* A frame of a difference: 0 is innermost. */
struct hs_compare_frame {
	const char *module; /* not terminated; empty if unknown or not compared */
	int module_length;
	const char *function;
};

/* Fills at most ROOM; returns how many there are. */
size_t hs_compare_stack(const struct hs_compare *c, const struct hs_difference *d,
			struct hs_compare_frame *ret, size_t room);

#endif /* HS_COMPARE_H */
