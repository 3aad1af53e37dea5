/* SPDX-License-Identifier: MIT */

/* The little that must be known of an executable before it is started. */
#ifndef HS_ELF_H
#define HS_ELF_H

#include "src/base.h"

struct hs_elf {
	bool machine_fits;   /* 64 bit, and for this processor */
	const char *machine; /* a name of it for messages */
	char *interpreter;   /* the dynamic loader; NULL: statically linked */
	bool sanitizer;      /* AddressSanitizer's is among the libraries it needs */
};

HS_MUST_USE struct hs_error *hs_elf_read(const char *path, struct hs_elf *ret);
void hs_elf_deinit(struct hs_elf *elf);

#endif /* HS_ELF_H */
