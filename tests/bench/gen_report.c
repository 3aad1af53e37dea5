/* SPDX-License-Identifier: MIT */

/*
 * Write a report of an invented program to standard output.
 *
 *      gen_report server         a server that leaks, with a time line and a worker
 *      gen_report nodes N        a tree of about N nodes, for measurements
 *      gen_report series         a leak, and what it held from second to second
 *      gen_report hostile        names that want to be markup, script or layout
 *      gen_report known          the small tree that tests/viewer adds up by hand
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/invented.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct hs_profile *profiles[2] = {NULL};
	size_t n = 1;
	if (!strcmp(what, "server")) {
		profiles[0] = invented_server();
		profiles[n++] = invented_worker();
	} else if (!strcmp(what, "nodes") && argc > 2) {
		profiles[0] = invented_tree((unsigned)strtoul(argv[2], NULL, 10));
	} else if (!strcmp(what, "series")) {
		profiles[0] = invented_series();
	} else if (!strcmp(what, "hostile")) {
		profiles[0] = invented_hostile();
	} else if (!strcmp(what, "known")) {
		profiles[0] = invented_known();
	} else {
		fprintf(stderr,
			"usage: gen_report server|series|hostile|known|nodes N\n");
		return 2;
	}
	struct hs_out out;
	hs_out_init(&out, STDOUT_FILENO);
	invented_report(profiles, n, what, &out);
	struct hs_error *err = hs_out_finish(&out, "the report");
	if (err)
		fprintf(stderr, "gen_report: %s\n", hs_error_message(err));
	for (size_t i = 0; i < n; i++)
		hs_profile_free(profiles[i]);
	hs_error_free(err);
	return err ? 1 : 0;
}
