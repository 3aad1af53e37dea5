/* SPDX-License-Identifier: MIT */

/*
 * Tables of functions and modules that pass allocations on.  Patterns are of
 * names as hs_function_base() leaves them; a '*' at the end is all there is.
 */
#include <string.h>

#include "src/names.h"

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
	"libheapsnap*", "libheaptrack*", "libjemalloc*", "libtcmalloc*", "libmimalloc*",
	"libhoard*",    "libsnmalloc*",  "libdmalloc*",  "libefence*",   NULL,
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

bool hs_is_python_source(const char *file)
{
	size_t n = strlen(file);
	return (n > 3 && !strcmp(file + n - 3, ".py")) || /* "<string>", "<stdin>" */
	       (file[0] == '<' && n > 2 && file[n - 1] == '>');
}

bool hs_is_python_library(const char *file)
{
	if (!strncmp(file, "<frozen ", strlen("<frozen ")))
		return true;
	const char *lib = strstr(file, "/lib/python");
	if (!lib || strstr(lib, "/site-packages/") || strstr(lib, "/dist-packages/"))
		return false;
	lib += strlen("/lib/python");
	lib += strspn(lib, "0123456789.t");
	return *lib == '/' && lib[-1] != 'n';
}

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
