/* SPDX-License-Identifier: MIT */

/*
 * Suppressions that a program has in itself: the text that its function
 *
 *      const char *__lsan_default_suppressions(void);
 *
 * returns, by which LeakSanitizer asks for them.  The function is not called: its
 * program may be long dead, or a core.  It is read, since all it does as a rule is
 * to return the address of a literal.
 */
#ifndef HS_EMBEDDED_H
#define HS_EMBEDDED_H

#include "src/base.h"

struct hs_profile;
struct hs_symbol_options;

/*
 * Sets *TEXT_RET to the suppressions of PROFILE's executable, malloc'ed, or to NULL
 * where it has none.  An error: it has, but they cannot be read.
 */
HS_MUST_USE struct hs_error *hs_embedded_suppressions(
	const struct hs_profile *profile, const struct hs_symbol_options *options,
	char **text_ret);

/*
 * The address of the literal that the SIZE bytes of x86-64 or aarch64 code (an
 * EM_* of elf.h) at ADDRESS return; 0 where they do anything else.
 */
uint64_t hs_returned_address(unsigned machine, const uint8_t *code, size_t size,
			     uint64_t address);

#endif /* HS_EMBEDDED_H */
