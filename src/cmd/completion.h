/* SPDX-License-Identifier: MIT */

/* Completions for shells, generated from the tables of commands and options. */
#ifndef HS_COMPLETION_H
#define HS_COMPLETION_H

#include "src/base.h"

struct hs_out;

/* False if SHELL is none of bash, zsh and fish; then nothing is written. */
bool hs_put_completion(struct hs_out *out, const char *shell);

#endif /* HS_COMPLETION_H */
