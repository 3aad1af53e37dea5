/* SPDX-License-Identifier: MIT */

/* Function names taken apart, and the tables of those that pass allocations on. */
#include "src/names.h"

#include <string.h>

/* A '*' at the end stands for anything. */
static bool fits(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);
	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, name, n - 1);
	return !strcmp(pattern, name);
}

static bool fits_any(const char *const *patterns, const char *name)
{
	for (; *patterns; patterns++)
		if ((*patterns)[0] == name[0] && fits(*patterns, name))
			return true;
	return false;
}

/* Modules of which no function is ever a culprit. */
static const char *const runtime_modules[] = {
	"libc.so*",      "libc-2.*",      "libc.musl*",   "ld-linux*",
	"ld-2.*",        "ld-musl*",      "ld.so*",       "libpthread.so*",
	"libpthread-2*", "libdl.so*",     "librt.so*",    "libstdc++.so*",
	"libc++.so*",    "libc++abi.so*", "libgcc_s.so*", "libsupc++*",
	"linux-vdso*",   "[vdso]",        NULL,
};

/* Allocators as modules of their own, and this program's tracker. */
static const char *const allocator_modules[] = {
	"libheapsnap*", "libjemalloc*", "libtcmalloc*", "libmimalloc*", "libhoard*",
	"libsnmalloc*", "libdmalloc*",  "libefence*",   NULL,
};

/* Functions which hand out memory in somebody else's name. */
static const char *const allocators[] = {
	/* C library, and its internal names */
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"memalign",
	"aligned_alloc",
	"posix_memalign",
	"valloc",
	"pvalloc",
	"strdup",
	"strndup",
	"wcsdup",
	"asprintf",
	"vasprintf",
	"getline",
	"getdelim",
	"open_memstream",
	"__libc_malloc",
	"__libc_calloc",
	"__libc_realloc",
	"__libc_memalign",
	"__strdup",
	"__strndup",
	"__asprintf*",
	"__vasprintf*",
	"__getdelim",
	"_IO_getdelim",
	"_IO_vasprintf",
	/* C++ */
	"operator new",
	"operator new[]",
	"_Znwm*",
	"_Znam*",
	/* wrappers that half of all programs have */
	"xmalloc*",
	"xcalloc*",
	"xrealloc*",
	"xstrdup*",
	"xstrndup*",
	"xzalloc*",
	"xmemdup*",
	"xasprintf*",
	"xvasprintf*",
	"xreallocarray*",
	"xnmalloc*",
	"x2realloc*",
	"x2nrealloc*",
	"xpalloc*",
	"xmemalign*",
	"do_xmalloc*",
	"safe_malloc*",
	"safe_calloc*",
	"safe_realloc*",
	"safe_strdup*",
	"emalloc*",
	"erealloc*",
	"ecalloc*",
	"estrdup*",
	"checked_malloc*",
	"must_malloc*",
	"_obstack_*",
	"rpl_malloc*",
	"rpl_realloc*",
	"rpl_calloc*",
	"ggc_alloc*",
	"ggc_internal_*",
	"ggc_realloc*",
	/* GLib */
	"g_malloc*",
	"g_realloc*",
	"g_try_malloc*",
	"g_try_realloc*",
	"g_slice_*",
	"g_strdup*",
	"g_strndup*",
	"g_memdup*",
	"g_strconcat",
	"g_aligned_alloc*",
	"g_array_maybe_expand",
	"g_string_maybe_expand",
	"g_ptr_array_maybe_expand",
	/* Python: raw, mem and object layers, and the arenas below them */
	"PyMem_*",
	"_PyMem_*",
	"PyObject_Malloc",
	"PyObject_Calloc",
	"PyObject_Realloc",
	"_PyObject_Malloc",
	"_PyObject_Calloc",
	"_PyObject_Realloc",
	"_PyObject_Arena*",
	"_PyObject_New*",
	"PyObject_New*",
	"_PyObject_GC_*",
	"PyObject_GC_New*",
	"PyType_GenericAlloc",
	"_PyType_AllocNoTrack",
	"PyType_GenericNew",
	"gc_alloc",
	"pymalloc_*",
	/* Rust */
	"__rust_*",
	"__rdl_*",
	"__rg_*",
	"alloc::alloc::*",
	"alloc::raw_vec::*",
	"<alloc::alloc::*",
	"<alloc::raw_vec::*",
	/* further libraries and languages */
	"sqlite3_malloc*",
	"sqlite3_realloc*",
	"sqlite3Malloc*",
	"sqlite3Realloc*",
	"sqlite3MemMalloc",
	"sqlite3MemRealloc",
	"sqlite3DbMalloc*",
	"sqlite3DbRealloc*",
	"sqlite3DbStr*",
	"sqlite3DbSpan*",
	"dbMallocRawFinish",
	"dbReallocFinish",
	"mallocWithAlarm",
	"pcache1Alloc",
	"CRYPTO_malloc*",
	"CRYPTO_zalloc*",
	"CRYPTO_realloc*",
	"CRYPTO_strdup*",
	"CRYPTO_memdup*",
	"apr_palloc*",
	"apr_pcalloc*",
	"talloc_*",
	"_talloc_*",
	"lzma_alloc*",
	"ZSTD_customMalloc*",
	"av_malloc*",
	"av_realloc*",
	"av_calloc*",
	"av_strdup*",
	"av_buffer_alloc*",
	"xmlMalloc*",
	"xmlStrdup*",
	"xmlStrndup*",
	"Perl_safesys*",
	"ruby_xmalloc*",
	"ruby_xrealloc*",
	"ruby_xcalloc*",
	"objspace_xmalloc*",
	"objspace_xrealloc*",
	"je_*",
	"tc_malloc*",
	"tc_new*",
	"mi_malloc*",
	"mi_new*",
	"mi_heap_malloc*",
	"strbuf_grow",
	"strbuf_init",
	NULL,
};

/*
 * Python's own: its arenas, and the growth of its lists, dicts, sets and
 * strings; names that other programs use, too (3.11: Objects/).
 */
static const char *const python_runtime[] = {
	"new_arena",
	"arena_map_*",
	"allocate_from_new_pool",
	"allocate_from_new_arena",
	"list_resize",
	"list_preallocate_exact",
	"PyList_*",
	"_PyList_*",
	"new_keys_object",
	"new_dict*",
	"dictresize",
	"insertion_resize",
	"insert_to_emptydict",
	"insertdict",
	"new_values",
	"PyDict_*",
	"_PyDict_*",
	"set_table_resize",
	"PyUnicode_New",
	"PyUnicode_From*",
	"_PyUnicode_From*",
	"PyUnicode_Decode*",
	"unicode_decode_utf8",
	"unicode_resize",
	"resize_compact",
	"_PyUnicode_New",
	"PyBytes_From*",
	"_PyBytes_From*",
	"_PyBytes_Resize",
	"tuple_alloc",
	"PyTuple_*",
	"_PyTuple_*",
	NULL,
};

/* Containers and language runtimes, inlined or instantiated in the program. */
static const char *const runtime[] = {
	/* C and C++ */
	"std::*",
	"__gnu_cxx::*",
	"__cxxabiv1::*",
	"__cxa_*",
	"_start",
	"__libc_start_*",
	"__libc_csu_init",
	"_init",
	"__do_global_ctors_aux",
	"boost::container::*",
	"boost::unordered::detail::*",
	"absl::container_internal::*",
	"tsl::detail_*",
	"eastl::*",
	"QArrayData::*",
	"QListData::*",
	"QHashData::*",
	"QMapDataBase::*",
	/* Rust; not "core::*", which C++ programs use, too */
	"<std::*",
	"<alloc::*",
	"<core::*",
	"<hashbrown::*",
	"hashbrown::*",
	"alloc::vec::*",
	"alloc::string::*",
	"alloc::boxed::*",
	"alloc::collections::*",
	"alloc::rc::*",
	"alloc::sync::*",
	"alloc::fmt::*",
	"alloc::slice::*",
	"alloc::str::*",
	"alloc::borrow::*",
	"alloc::ffi::*",
	"core::ops::*",
	"core::iter::*",
	"core::ptr::*",
	"core::option::*",
	"core::result::*",
	"core::slice::*",
	"core::str::*",
	"core::fmt::*",
	"core::clone::*",
	"core::convert::*",
	"core::alloc::*",
	"core::mem::*",
	NULL,
};

/*
 * Parts of glibc that keep a block in a place of their own until the process
 * ends, and never hand it to the caller (2.36: libio/filedoalloc.c, locale/,
 * intl/, iconv/gconv_conf.c, elf/dl-*.c, time/tzset.c, stdlib/cxa_atexit.c,
 * stdlib/setenv.c, nss/, nptl/allocatestack.c, whose cache of stacks keeps
 * the TLS vector of a thread that was joined).  Exported names stand beside
 * internal ones, since a stripped libc has no others.
 */
static const char *const keepers[] = {
	"_IO_file_doallocate",
	"_IO_wfile_doallocate",
	"setlocale",
	"_nl_*",
	"gettext",
	"dcgettext",
	"dgettext",
	"ngettext",
	"dcngettext",
	"textdomain",
	"bindtextdomain",
	"set_binding_values",
	"__gconv_load_*",
	"__gconv_find_shlib",
	"__gconv_get_*",
	"__gconv_read_conf",
	"_dl_new_object",
	"_dl_init*",
	"_dl_map_object*",
	"_dl_open*",
	"dl_open_*",
	"dl_main",
	"_dl_start*",
	"_dl_sysdep_start",
	"_dl_load_cache_lookup",
	"_dl_check_map_versions",
	"_dl_relocate_object*",
	"_dl_allocate_tls*",
	"allocate_dtv",
	"pthread_create*",
	"tzset",
	"tzset_internal",
	"__tz*",
	"tzfile_*",
	"localtime*",
	"mktime",
	"strftime*",
	"atexit",
	"__cxa_atexit",
	"__cxa_at_*",
	"on_exit",
	"__new_exitfn",
	"setenv",
	"putenv",
	"__add_to_environ",
	"getpwnam",
	"getpwuid",
	"getgrnam",
	"getgrgid",
	"syslog",
	"__nss_*",
	NULL,
};

/* The loader's own start-up: below a stack that begins here is no program yet. */
bool hs_is_loader(const char *module)
{
	return fits("ld-linux*", module) || fits("ld-2.*", module) ||
	       fits("ld-musl*", module);
}

enum hs_role hs_role_of(const char *module, const char *function)
{
	if (fits_any(allocator_modules, module) || fits_any(allocators, function))
		return HS_ROLE_ALLOCATOR;
	/* "[stack was cut here]" and its like: remarks, not functions. */
	if (function[0] == '[')
		return HS_ROLE_RUNTIME;
	bool in_runtime = fits_any(runtime_modules, module);
	if (in_runtime && fits_any(keepers, function))
		return HS_ROLE_KEEPER;
	bool in_python = fits("python*", module) || fits("libpython*", module);
	if (in_python && fits_any(python_runtime, function))
		return HS_ROLE_RUNTIME;
	return in_runtime || fits_any(runtime, function) ? HS_ROLE_RUNTIME : HS_ROLE_CODE;
}

const char *hs_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* What hs_function_base() is in the middle of. */
struct name {
	const char *pos;
	char *out;
	size_t n;
	unsigned braces;  /* open '{' */
	bool angle;       /* inside a leading '<', or that of "<lambda" */
	bool is_operator; /* after the word `operator`: spaces belong to the name */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80);
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void copy(struct name *p, size_t n)
{
	memmove(p->out + p->n, p->pos, n);
	p->n += n;
	p->pos += n;
}

static bool ends_with(const struct name *p, const char *s)
{
	size_t n = strlen(s);
	return p->n >= n && !memcmp(p->out + p->n - n, s, n);
}

/*
 * The end of the bracket that opens at S: behind its partner, or the end of
 * the string.  Round brackets inside angular ones shield their '>'.
 */
static const char *skip_bracket(const char *s)
{
	unsigned angular = 0, round = 0;
	for (char before = 0; *s; before = *s++) {
		if (*s == '(')
			round++;
		else if (*s == ')' && round)
			round--;
		else if (*s == '<' && !round)
			angular++;
		else if (*s == '>' && !round && angular && before != '-')
			angular--;
		if (!round && !angular)
			return s + 1;
	}
	return s;
}

/* "operator" and its symbol, so that "operator<" opens no template. */
static void read_operator(struct name *p)
{
	static const char *const symbols[] = {
		"()", "[]", "<=>", "<<=", ">>=", "->*", "<<",
		">>", "<=", ">=",  "->",  "<",   ">"};
	copy(p, strlen("operator"));
	p->is_operator = true;
	for (size_t i = 0; i < HS_COUNT(symbols); i++)
		if (starts(p->pos, symbols[i])) {
			copy(p, strlen(symbols[i]));
			return;
		}
}

/* '(' at P: false if it closes the name. */
static bool read_round(struct name *p)
{
	static const char anonymous[] = "(anonymous namespace)";
	if (starts(p->pos, anonymous)) {
		copy(p, sizeof(anonymous) - 1);
		return true;
	}
	/* Go: main.(*T).f */
	if (p->n == 0 || p->out[p->n - 1] == '.') {
		copy(p, 1);
		return true;
	}
	p->pos = skip_bracket(p->pos);
	if (starts(p->pos, " const::"))
		p->pos += strlen(" const");
	/* A local entity follows its function; elsewhere parameters are the end. */
	return p->braces || p->angle || ends_with(p, "decltype") ||
	       starts(p->pos, "::") || starts(p->pos, ")");
}

static void read_angle(struct name *p)
{
	bool names_itself =
		p->n == 0 || starts(p->pos, "<lambda") || starts(p->pos, "<unnamed");
	if (names_itself && !p->angle) {
		p->angle = true;
		copy(p, 1);
		return;
	}
	p->pos = skip_bracket(p->pos);
	/* Rust writes f::<T>. */
	if (ends_with(p, "::") && !starts(p->pos, "::"))
		p->n -= 2;
	else if (ends_with(p, "::"))
		p->pos += 2;
}

/* Does a compiler's suffix begin at this dot? */
static bool is_suffix(const char *s)
{
	static const char *const words[] = {".constprop", ".isra", ".part",    ".cold",
					    ".lto_priv",  ".llvm", ".resolved"};
	for (size_t i = 0; i < HS_COUNT(words); i++)
		if (starts(s, words[i]))
			return true;
	return s[1] >= '0' && s[1] <= '9';
}

/* One step; false at the end of the name. */
static bool step(struct name *p)
{
	char c = *p->pos;
	bool inside = p->braces || p->angle;
	if (!c || c == '@' || starts(p->pos, " [clone"))
		return false;
	if (c == 'o' && starts(p->pos, "operator") && !is_word(p->pos[8]) &&
	    (p->n == 0 || !is_word(p->out[p->n - 1]))) {
		read_operator(p);
	} else if (c == '(') {
		return read_round(p);
	} else if (c == '<') {
		read_angle(p);
	} else if (starts(p->pos, "[abi:")) {
		p->pos += strcspn(p->pos, "]") + (strchr(p->pos, ']') != NULL);
	} else if (c == ' ' && !inside && !p->is_operator) {
		p->n = 0; /* that was a type, or "virtual thunk to" */
		p->pos++;
	} else if (c == '.' && p->n && !inside && is_suffix(p->pos)) {
		return false;
	} else {
		p->braces += c == '{';
		p->braces -= c == '}' && p->braces;
		p->angle = p->angle && c != '>';
		copy(p, 1);
	}
	return true;
}

char *hs_function_base(const char *name)
{
	if (name[0] == '[') /* a remark */
		return hs_xstrdup(name);
	struct name p = {.pos = name, .out = hs_xmalloc(strlen(name) + 1)};
	while (step(&p))
		;
	if (!p.n) {
		free(p.out);
		return hs_xstrdup(name);
	}
	while (p.n > 1 && p.out[p.n - 1] == ' ')
		p.n--;
	p.out[p.n] = '\0';
	return p.out;
}
