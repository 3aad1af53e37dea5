/* SPDX-License-Identifier: MIT */

/* Where glibc's versions keep what; a walk tries them, and asks no version. */
#include "analyzers/glibc.h"

const struct glibc_layout glibc_layouts[] = {
	/* 2.27 has have_fastchunks before the fastbins (commit e956075a5a20). */
	{"glibc 2.27 to 2.42", 0x10, 10, 0x70},
	{"glibc 2.26", 0x08, 10, 0x68},
	/* 2.43 has no fastbins. */
	{"glibc 2.43", 0, 0, 0x18},
	{NULL, 0, 0, 0},
};

const struct glibc_tcache_layout glibc_tcache_layouts[] = {
	/* 2.30 to 2.41: uint16_t counts[64]. */
	{0x288, 2, 64, false, 0x80},
	/* 2.26 to 2.29: char counts[64]. */
	{0x248, 1, 64, false, 0x40},
	/* 2.42: uint16_t num_slots[64 + 12], what is left of them; perhaps aligned. */
	{0x2f8, 2, 76, true, 0x98},
	{0x308, 2, 76, true, 0x98},
	{0, 0, 0, false, 0},
};
