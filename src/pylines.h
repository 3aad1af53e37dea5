/* SPDX-License-Identifier: MIT */

/*
 * Which line of a Python function an instruction belongs to, by the line table
 * of its code object: co_lnotab up to CPython 3.9, co_linetable of 3.10, and
 * that of 3.11 and later.
 */
#ifndef HS_PYLINES_H
#define HS_PYLINES_H

#include "src/base.h"

struct hs_python_lines {
	uint32_t version; /* PY_VERSION_HEX */
	uint32_t first;   /* co_firstlineno */
	const uint8_t *table;
	size_t n;
};

/*
 * The line of the instruction at OFFSET, which counts as f_lasti does: bytes, in
 * 3.10 units of two.  0: not known.  Where the table says that an instruction
 * has no line, it is that of the one before.
 */
uint32_t hs_python_line(const struct hs_python_lines *lines, int64_t offset);

#endif /* HS_PYLINES_H */
