/* SPDX-License-Identifier: MIT */

/*
 * How well are trends told?  Judges generated series and prints how often each pattern
 * was taken for which, and the two rates that matter.
 *
 *      bench_trend [SERIES OF EACH PATTERN [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/lib/series.h"

int main(int argc, char **argv)
{
	unsigned each = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	struct series_matrix m;
	clock_t start = clock();
	series_judge(&m, each, 0.02, seed * 0x9e3779b97f4a7c15 | 1);
	double took = (double)(clock() - start) / CLOCKS_PER_SEC;
	printf("%-12s", "truth \\ said");
	for (unsigned k = 0; k <= HS_PATTERN_UNKNOWN; k++)
		printf(" %11s", hs_pattern_name((enum hs_pattern)k));
	putchar('\n');
	for (unsigned i = 0; i < HS_PATTERN_UNKNOWN; i++) {
		printf("%-12s", hs_pattern_name((enum hs_pattern)i));
		for (unsigned k = 0; k <= HS_PATTERN_UNKNOWN; k++)
			printf(" %11u", m.count[i][k]);
		putchar('\n');
	}
	printf("%u series in %.2f s of CPU\n", each * HS_PATTERN_UNKNOWN, took);
	printf("look-alikes called leaks: %u of %u, %.2f %% (bound: 0.5 %%)\n", m.accused,
	       m.look_alikes, 100.0 * m.accused / m.look_alikes);
	printf("steady leaks missed: %u of %u, %.2f %% (bound: 1 %%)\n", m.missed,
	       m.leaks, 100.0 * m.missed / m.leaks);
	return m.accused * 200 >= m.look_alikes || m.missed * 100 >= m.leaks;
}
