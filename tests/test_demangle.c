/* SPDX-License-Identifier: MIT */

/*
 * Demangling.  The pairs come from the examples of the Itanium C++ ABI, of
 * Rust RFC 2603 and of D's ABI page, and from c++filt.
 */
#include "src/out.h"
#include "src/symbols.h"

#include <string.h>

#include "tests/lib/suite.h"

static const struct pair {
	const char *mangled, *text;
} pairs[] = {
	/* C++ */
	{"_Z1fv", "f()"},
	{"_Znwm", "operator new(unsigned long)"},
	{"_Z3fooIiEvT_", "void foo<int>(int)"},
	{"_ZN9__gnu_cxx13new_allocatorIiE8allocateEmPKv",
	 "__gnu_cxx::new_allocator<int>::allocate(unsigned long, void const*)"},
	{"_ZNSs6appendEPKc", "std::string::append(char const*)"},
	{"_ZN12_GLOBAL__N_14workEi", "(anonymous namespace)::work(int)"},
	{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"},
	{"_ZN3FooC1Ev", "Foo::Foo()"},
	{"_ZThn8_N3Foo3barEv", "non-virtual thunk to Foo::bar()"},
	/* What GCC appends stays to be seen. */
	{"_Z3barv.constprop.0", "bar() [clone .constprop.0]"},
	{"_Z3barv.cold", "bar() [clone .cold]"},
	{"foo.isra.0", "foo.isra.0"},
	{"foo.part.3", "foo.part.3"},
	/* Rust: the hash at the end is not part of the name. */
	{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
	 "core::fmt::Write::write_fmt"},
	{"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
	 "3bar17h930b740aa94f1d3aE",
	 "<Test + 'static as foo::Bar<Test>>::bar"},
	{"_RNvC6_123foo3bar", "123foo::bar"},
	{"_RINvNtC3std3mem8align_ofjdE", "std::mem::align_of::<usize, f64>"},
	{"_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate",
	 "<std::path::PathBuf>::new"},
	/* D */
	{"_Dmain", "D main"},
	{"_D3std5stdio7writelnFZv", "std.stdio.writeln()"},
	{"_D8demangle4testFLC6ObjectLDFLiZiZi",
	 "demangle.test(lazy Object, lazy int(lazy int) delegate)"},
	/* None of them */
	{"", ""},
	{"_", "_"},
	{"_Z", "_Z"},
	{"_R", "_R"},
	{"_D", "_D"},
	{"_Dfoo", "_Dfoo"},
	{"_Zonk", "_Zonk"},
	{"malloc", "malloc"},
	{"_start", "_start"},
	{"main<int>", "main<int>"},
	{"\xff\xfe<script>", "\xff\xfe<script>"},
};

START_TEST(known_names_demangle_as_documented)
{
	for (size_t i = 0; i < HS_COUNT(pairs); i++) {
		char *text = hs_demangle(pairs[i].mangled);
		ck_assert_str_eq(text, pairs[i].text);
		free(text);
	}
}
END_TEST

/* PREFIX, then UNIT N times, then SUFFIX. */
static char *repeated(const char *prefix, const char *unit, size_t n, const char *suffix)
{
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_puts(&out, prefix);
	for (size_t i = 0; i < n; i++)
		hs_puts(&out, unit);
	hs_puts(&out, suffix);
	return hs_out_take(&out, NULL);
}

static void assert_unchanged(char *name)
{
	char *text = hs_demangle(name);
	ck_assert_str_eq(text, name);
	free(text);
	free(name);
}

START_TEST(names_that_explode_stay_as_they_are)
{
	/* Each parameter is a pair of the one before: 2^60 of them. */
	struct hs_out out;
	hs_out_init(&out, -1);
	hs_puts(&out, "_Z1f1AIiiE");
	const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (size_t i = 0; i < 36; i++)
		hs_printf(&out, "S_IS%c_S%c_E", digits[i], digits[i]);
	assert_unchanged(hs_out_take(&out, NULL));

	/* The same with D: tuples of two references to the one before. */
	assert_unchanged(repeated("_D3fooFB2iiB2QgQi", "B2QiQk", 60, "Zv"));
}
END_TEST

START_TEST(names_that_nest_without_end_neither_crash_nor_hang)
{
	for (size_t n = 1000; n <= 1000000; n *= 10) {
		assert_unchanged(repeated("_Z1f", "1AI", n, "i"));
		assert_unchanged(repeated("_RINvC1a1f", "INvC1a1f", n, "j"));
		assert_unchanged(repeated("_D1fF", "DF", n, "Zv"));
	}
	/* Just within the limit on length; each nests in a way of its own. */
	static const char *const units[] = {"P",    "FP",  "A_",  "1AI",
					    "N1AI", "M1A", "DpT_"};
	for (size_t i = 0; i < HS_COUNT(units); i++) {
		size_t n = 8100 / strlen(units[i]);
		char *name = repeated("_Z1f", units[i], n, "i");
		char *text = hs_demangle(name);
		ck_assert_uint_le(strlen(text), HS_MAX(strlen(name), (size_t)64 << 10));
		free(text);
		free(name);
	}
}
END_TEST

START_TEST(a_name_of_eight_kibibytes_is_the_longest)
{
	char *name = repeated("_Z8185", "x", 8185, "v");
	ck_assert_uint_eq(strlen(name), 8192);
	char *text = hs_demangle(name);
	ck_assert_uint_eq(strlen(text), 8185 + 2);
	free(text);
	free(name);
	assert_unchanged(repeated("_Z8186", "x", 8186, "v"));
}
END_TEST

/* Every known name, cut anywhere and with every byte changed. */
START_TEST(damaged_names_do_no_harm)
{
	for (size_t i = 0; i < HS_COUNT(pairs); i++) {
		char *name = hs_xstrdup(pairs[i].mangled);
		for (size_t at = strlen(name); at-- > 0;) {
			for (int flip = 1; flip < 256; flip <<= 1) {
				name[at] = (char)(name[at] ^ flip);
				free(hs_demangle(name));
				name[at] = (char)(name[at] ^ flip);
			}
			name[at] = '\0';
			free(hs_demangle(name));
			name[at] = pairs[i].mangled[at];
		}
		free(name);
	}
}
END_TEST

HS_SUITE("demangle", known_names_demangle_as_documented,
	 names_that_explode_stay_as_they_are,
	 names_that_nest_without_end_neither_crash_nor_hang,
	 a_name_of_eight_kibibytes_is_the_longest, damaged_names_do_no_harm)
