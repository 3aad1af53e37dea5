/* SPDX-License-Identifier: MIT */

/*
 * Demangling: libiberty behind bounds.  A mangled name is input from a file
 * that nobody vouches for, and a few hundred bytes of it can stand for
 * gigabytes of text.
 */
#include "src/symbols.h"

#include <setjmp.h>
#include <string.h>

#include "config.h"
#ifdef HAVE_LIBIBERTY_DEMANGLE_H
#include <libiberty/demangle.h>
#else
#include <demangle.h>
#endif

#define MAX_NAME ((size_t)8 << 10)
#define MAX_TEXT ((size_t)64 << 10)

/*
 * Not DMGL_VERBOSE: hashes of Rust's crates and the expansion of std::string
 * tell a reader nothing.
 */
#define OPTIONS (DMGL_PARAMS | DMGL_ANSI)

/*
 * libiberty's limit on recursion counts the characters of a C++ name: it
 * refuses each that is longer than 1024, and templates easily are.  Our own
 * limit on the length serves as well: the worst of 8 KiB take 1.5 MiB of stack
 * (nested function types, libiberty 2.40).  Its printer, and its demangler for
 * Rust, count real levels.
 */
#define CXX_OPTIONS (OPTIONS | DMGL_NO_RECURSE_LIMIT)

struct text {
	char *buf;
	size_t n;
	jmp_buf too_long;
};

/*
 * The callback interfaces of libiberty keep their state on the stack (they
 * are meant for signal handlers), so leaving them by a jump loses nothing;
 * there is no other way to make them stop.
 */
static void collect(const char *s, size_t n, void *opaque)
{
	struct text *t = opaque;
	if (n > MAX_TEXT - t->n)
		longjmp(t->too_long, 1);
	memcpy(t->buf + t->n, s, n);
	t->n += n;
}

static bool demangle_into(const char *name, struct text *t)
{
	if (setjmp(t->too_long))
		return false;
	t->n = 0;
	/* Rust's older names are well-formed C++ names, so Rust comes first. */
	if (rust_demangle_callback(name, OPTIONS, collect, t))
		return true;
	t->n = 0;
	return cplus_demangle_v3_callback(name, CXX_OPTIONS, collect, t);
}

static char *demangle_itanium_or_rust(const char *name)
{
	struct text t = {.buf = hs_xmalloc(MAX_TEXT + 1)};
	char *ret = NULL;
	if (demangle_into(name, &t)) {
		t.buf[t.n] = '\0';
		ret = hs_xstrdup(t.buf);
	}
	free(t.buf);
	return ret;
}

/*
 * D's demangler has no callback.  Its text grows with the back references
 * (`Q`): k of them make it at most 3^(k/3) times as long.
 */
static char *demangle_d(const char *name)
{
	size_t references = 0;
	for (const char *p = name; *p; p++)
		references += *p == 'Q';
	if (references > 24)
		return NULL;
	char *text = dlang_demangle(name, OPTIONS);
	if (text && strlen(text) > MAX_TEXT) {
		free(text);
		return NULL;
	}
	return text;
}

char *hs_demangle(const char *name)
{
	char *text = NULL;
	if (name[0] != '_' || strnlen(name, MAX_NAME + 1) > MAX_NAME)
		return hs_xstrdup(name);
	if (name[1] == 'Z' || name[1] == 'R')
		text = demangle_itanium_or_rust(name);
	else if (name[1] == 'D')
		text = demangle_d(name);
	return text ? text : hs_xstrdup(name);
}
