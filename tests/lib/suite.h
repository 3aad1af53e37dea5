/* SPDX-License-Identifier: MIT */

/*
 * A test program on `check` that prints TAP:
 *
 *      START_TEST(an_empty_array_has_no_items) { ... } END_TEST
 *      HS_SUITE("array", an_empty_array_has_no_items, ...)
 */
#ifndef HS_SUITE_H
#define HS_SUITE_H

#include <check.h>
#include <stdlib.h>

#define HS_SUITE(title, ...)                                                    \
	int main(void)                                                          \
	{                                                                       \
		const TTest *const tests[] = {__VA_ARGS__};                     \
		Suite *suite = suite_create(title);                             \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) { \
			TCase *c = tcase_create(tests[i]->name);                \
			tcase_set_timeout(c, 600);                              \
			_tcase_add_test(c, tests[i], 0, 0, 0, 1);               \
			suite_add_tcase(suite, c);                              \
		}                                                               \
		SRunner *runner = srunner_create(suite);                        \
		srunner_set_tap(runner, "-");                                   \
		srunner_run_all(runner, CK_SILENT);                             \
		int failed = srunner_ntests_failed(runner);                     \
		srunner_free(runner);                                           \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                    \
	}

#endif /* HS_SUITE_H */
