/* SPDX-License-Identifier: MIT */

/*
 * What names say: which part of a function's name survives a rebuild, and
 * which functions and modules merely pass an allocation on.
 */
#ifndef HS_NAMES_H
#define HS_NAMES_H

#include "src/base.h"

/* In rising order of interest to somebody who looks for a culprit. */
enum hs_role {
	HS_ROLE_ALLOCATOR, /* malloc, operator new, xmalloc, strdup ... */
	HS_ROLE_RUNTIME,   /* libc, libstdc++, containers: never to blame itself */
	HS_ROLE_KEEPER, /* runtime that keeps its block until the process ends, by design
			 */
	HS_ROLE_CODE,   /* everything else */
};

/*
 * NAME without return type, parameters, template arguments and suffixes of
 * compilers (".constprop.0", " [clone .cold]", "@plt"); malloc'ed.
 *
 *      void std::vector<int>::push_back(int const&)   std::vector::push_back
 *      (anonymous namespace)::f(char)::{lambda(int)#1}::operator()(int) const
 *                         (anonymous namespace)::f::{lambda#1}::operator()
 *
 * Remarks in brackets, like "[stack was cut here]", stay as they are; they
 * have the role of runtime.
 */
char *hs_function_base(const char *name);

/* FUNCTION as hs_function_base() gives it; MODULE is a base name.  "" fits. */
enum hs_role hs_role_of(const char *module, const char *function);

/* Is FILE one in which Python functions are written? */
bool hs_is_python_source(const char *file);

/*
 * Is FILE, where a Python function is written, of Python's own library?  Not what
 * was installed into its site-packages.
 */
bool hs_is_python_library(const char *file);

/* Is MODULE (a base name) the dynamic loader? */
bool hs_is_loader(const char *module);

/* What follows the last slash. */
const char *hs_base_name(const char *path);

#endif /* HS_NAMES_H */
