/* SPDX-License-Identifier: MIT */

/*
 * Commands: one word after `heapsnap`, one file src/cmd/NAME.c, one constant
 * `hs_command_NAME`, one line in src/cmd/Makefile.inc.  The table, --help,
 * `heapsnap help` and the completions are derived from that.
 */
#ifndef HS_COMMAND_H
#define HS_COMMAND_H

#include "src/base.h"

enum hs_status {
	HS_OK = 0,
	HS_FAILED = 1, /* what was asked for failed; a message says why */
	HS_USAGE = 2,
	HS_LIMIT = 3, /* a --fail-on-* limit was passed */
};

/* One option; a command's list ends with a zeroed one. */
struct hs_option {
	int id;               /* what hs_options_next() returns; above 0 */
	const char *name;     /* --name */
	char letter;          /* -l, or 0 */
	const char *argument; /* "FILE"; NULL if it takes none */
	const char *summary;  /* one line, without a final stop */
	const char *values;   /* the words it accepts, for completion; may be NULL */
};

struct hs_command {
	const char *name;
	const char *synopsis; /* what follows the name: "[OPTION...] PATH..." */
	const char *summary;  /* one line for --help, without a final stop */
	const char *help;     /* after the options; ends with examples */
	const struct hs_option *options; /* besides --help; may be NULL */

	/* The first operand ends the options: the rest is another program's. */
	bool runs_program;

	/* Operands are names of commands, not paths; for completion. */
	bool takes_command;

	/* ARGV[0] is the command's name.  Returns the exit status. */
	int (*run)(const struct hs_command *self, int argc, char **argv);
};

/* All commands, in the order of src/cmd/Makefile.inc; ends with NULL. */
extern const struct hs_command *const hs_commands[];

/* Return the command called NAME, or NULL. */
const struct hs_command *hs_command_by_name(const char *name);

/* Say ERR, which this frees, and return HS_FAILED; HS_OK if it is NULL. */
int hs_fail(struct hs_error *err);

/* "unknown command NAME", with what may have been meant.  Returns HS_USAGE. */
int hs_command_unknown(const char *name);

/* Write the help of the program, or of COMMAND, to stdout.  Returns a status. */
int hs_help_program(void);
int hs_help_command(const struct hs_command *command);

#endif /* HS_COMMAND_H */
