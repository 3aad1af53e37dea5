/* SPDX-License-Identifier: MIT */

/* Function names taken apart; who passes allocations on. */
#include "src/names.h"

#include "tests/lib/suite.h"

static void expect(const char *name, const char *base)
{
	char *got = hs_function_base(name);
	ck_assert_str_eq(got, base);
	free(got);
}

START_TEST(return_types_parameters_and_template_arguments_go)
{
	expect("main", "main");
	expect("void std::vector<int, A<B> >::push_back(int const&)",
	       "std::vector::push_back");
	expect("std::_Rb_tree_iterator<X> std::_Rb_tree<int, Y>::insert<int>(int)",
	       "std::_Rb_tree::insert");
	expect("unsigned long f<int>(void (*)(int))", "f");
	expect("S<(a>b)>::f()", "S::f");
	expect("decltype(auto) foo<int>(int)", "foo");
	expect("X<int>::~X()", "X::~X");
	expect("f[abi:cxx11](int)", "f");
	expect("non-virtual thunk to A::f()", "A::f");
}
END_TEST

START_TEST(operators_keep_their_symbols)
{
	expect("operator new(unsigned long)", "operator new");
	expect("operator new[](unsigned long)", "operator new[]");
	expect("bool operator< <int>(A<int> const&, A<int>)", "operator<");
	expect("std::ostream& std::operator<< <char>(std::ostream&, char)",
	       "std::operator<<");
	expect("A::operator()(int) const", "A::operator()");
	expect("A<int>::operator->() const", "A::operator->");
	expect("A::operator bool() const", "A::operator bool");
	expect("cooperator<int>(int)", "cooperator");
}
END_TEST

START_TEST(local_and_nameless_things_keep_their_place)
{
	expect("(anonymous namespace)::f(char)::{lambda(int)#1}::operator()(int) const",
	       "(anonymous namespace)::f::{lambda#1}::operator()");
	expect("main()::<lambda(int)>", "main::<lambda>");
	expect("f() const::{lambda()#1}::operator()() const",
	       "f::{lambda#1}::operator()");
}
END_TEST

START_TEST(other_languages_and_suffixes_of_compilers)
{
	expect("<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop",
	       "<alloc::vec::Vec as core::ops::drop::Drop>::drop");
	expect("Vec::<T>::push", "Vec::push");
	expect("foo::bar::<i32>", "foo::bar");
	expect("main.(*T).foo", "main.(*T).foo");
	expect("malloc@plt", "malloc");
	expect("f.constprop.0", "f");
	expect("g(int) [clone .cold]", "g");
	expect("[stack was cut here]", "[stack was cut here]");
}
END_TEST

START_TEST(hostile_names_end)
{
	expect("", "");
	expect("<", "<");
	expect("a<<<<<<(", "a");
	expect("((((", "(");
	expect("{{{", "{{{");
	char *deep = hs_xmalloc(1000001);
	for (size_t i = 0; i < 1000000; i++)
		deep[i] = "a<({"[i % 4];
	deep[1000000] = '\0';
	free(hs_function_base(deep));
	free(deep);
}
END_TEST

START_TEST(allocators_runtime_and_code_are_told_apart)
{
	ck_assert_int_eq(hs_role_of("app", "xmalloc"), HS_ROLE_ALLOCATOR);
	ck_assert_int_eq(hs_role_of("app", "PyObject_Malloc"), HS_ROLE_ALLOCATOR);
	ck_assert_int_eq(hs_role_of("libheapsnap.so", ""), HS_ROLE_ALLOCATOR);
	ck_assert_int_eq(hs_role_of("app", "std::vector::push_back"), HS_ROLE_RUNTIME);
	ck_assert_int_eq(hs_role_of("libc.so.6", "qsort"), HS_ROLE_RUNTIME);
	ck_assert_int_eq(hs_role_of("libc.so.6", "_IO_file_doallocate"), HS_ROLE_KEEPER);
	ck_assert_int_eq(hs_role_of("app", "setlocale"), HS_ROLE_CODE);
	ck_assert_int_eq(hs_role_of("app", "parse_line"), HS_ROLE_CODE);
	ck_assert_int_eq(hs_role_of("app", "core::Engine::run"), HS_ROLE_CODE);
	ck_assert_int_eq(hs_role_of("libcrypto.so.3", ""), HS_ROLE_CODE);
	ck_assert_int_eq(hs_role_of("", ""), HS_ROLE_CODE);
	ck_assert_int_eq(hs_role_of("", "[stack was cut here]"), HS_ROLE_RUNTIME);
	ck_assert_int_eq(hs_role_of("python3.11", "list_resize"), HS_ROLE_RUNTIME);
	ck_assert_int_eq(hs_role_of("app", "list_resize"), HS_ROLE_CODE);
}
END_TEST

START_TEST(pythons_own_library_is_told_from_what_was_installed_into_it)
{
	ck_assert(hs_is_python_source("app.py") && hs_is_python_source("<string>"));
	ck_assert(!hs_is_python_source("app.c") && !hs_is_python_source(".py"));
	ck_assert(!hs_is_python_source("") && !hs_is_python_source("<>"));
	ck_assert(hs_is_python_library("<frozen importlib._bootstrap>"));
	ck_assert(hs_is_python_library("/usr/lib/python3.11/threading.py"));
	ck_assert(hs_is_python_library("/opt/py/lib/python3.13t/json/decoder.py"));
	ck_assert(!hs_is_python_library("/usr/lib/python3/dist-packages/yaml/reader.py"));
	ck_assert(!hs_is_python_library("/opt/lib/python3.9/site-packages/a/b.py"));
	ck_assert(!hs_is_python_library("/home/alice/lib/pythonic/app.py"));
	ck_assert(!hs_is_python_library("app.py"));
	ck_assert(!hs_is_python_library("<string>"));
}
END_TEST

HS_SUITE("names", pythons_own_library_is_told_from_what_was_installed_into_it,
	 return_types_parameters_and_template_arguments_go, operators_keep_their_symbols,
	 local_and_nameless_things_keep_their_place,
	 other_languages_and_suffixes_of_compilers, hostile_names_end,
	 allocators_runtime_and_code_are_told_apart)
