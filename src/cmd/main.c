/* SPDX-License-Identifier: MIT */

/* heapsnap: which command is meant?  Knows nothing of what they do. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "src/cmd/command.h"
#include "src/cmd/options.h"
#include "src/cmd/progress.h"
#include "src/log.h"

const struct hs_command *hs_command_by_name(const char *name)
{
	for (const struct hs_command *const *c = hs_commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static const char *command_name(const void *context HS_UNUSED, size_t i)
{
	return hs_commands[i]->name;
}

int hs_command_unknown(const char *name)
{
	size_t n = 0;
	while (hs_commands[n])
		n++;
	const char *near = hs_nearest(name, command_name, NULL, n);
	if (near)
		hs_log_error("unknown command '%s'; did you mean '%s'?", name, near);
	else
		hs_log_error("unknown command '%s'; 'heapsnap --help' lists them", name);
	return HS_USAGE;
}

static int show_version(void)
{
	if (puts(PACKAGE_STRING) == EOF || fflush(stdout) == EOF) {
		hs_log_error("cannot write the version to stdout: %m");
		return HS_FAILED;
	}
	return HS_OK;
}

/*
 * Where stdout is closed, the next file that is opened would become stdout and
 * get the report.  Reading /dev/null in its place makes writing an error.
 */
static void guard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
			_exit(HS_FAILED);
}

int main(int argc, char **argv)
{
	hs_log_set_color(hs_want_color(HS_COLOR_AUTO, STDERR_FILENO));
	hs_log_set_hook(hs_progress_clear);
	if (argc < 2) {
		hs_log_error("which command? 'heapsnap --help' lists them");
		return HS_USAGE;
	}
	const char *word = argv[1];
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return hs_help_program();
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return show_version();
	if (word[0] == '-') {
		hs_log_error(
			"unknown option '%s' before a command; see 'heapsnap --help'",
			word);
		return HS_USAGE;
	}
	const struct hs_command *command = hs_command_by_name(word);
	if (!command)
		return hs_command_unknown(word);
	/* Another program shall see its descriptors as they are. */
	if (!command->runs_program)
		guard_descriptors();
	return command->run(command, argc - 1, argv + 1);
}
