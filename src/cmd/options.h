/* SPDX-License-Identifier: MIT */

/*
 * Reading a command line by the command's option table:
 *
 *      struct hs_options o = hs_options(self, argc, argv);
 *      for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;)
 *              switch (id) {
 *              case OPT_OUTPUT: output = o.value; break;
 *              case HS_OPTION_OPERAND: add_path(o.value); break;
 *              }
 *      if (o.stop)
 *              return o.status;
 *
 * Options may follow operands; `--` ends them; --name=value and --name value
 * are the same, and so are -ovalue and -o value; short options bundle.
 * --help is understood everywhere.
 */
#ifndef HS_OPTIONS_H
#define HS_OPTIONS_H

#include <sys/types.h>

#include "src/cmd/command.h"

enum {
	HS_OPTION_END = 0,      /* all read, or `stop` is set */
	HS_OPTION_OPERAND = -1, /* value is one */
};

struct hs_options {
	const struct hs_command *command;
	int argc;
	char **argv;
	int next;           /* index of the argument to read next */
	const char *bundle; /* rest of "-abc", or NULL */
	bool only_operands; /* after `--` */
	const char *value;  /* the option's argument, or the operand */
	bool stop;          /* help was shown, or the line is wrong and this was said */
	int status;         /* to return if stop */
};

struct hs_options hs_options(const struct hs_command *command, int argc, char **argv);
int hs_options_next(struct hs_options *o);

/*
 * Say that the command line is wrong, and where help is.  Sets stop and
 * status; returns HS_OPTION_END.
 */
int hs_options_wrong(struct hs_options *o, const char *format, ...) HS_PRINTF(2, 3);

/* WORD as the number of a process; 0 if it is none. */
pid_t hs_parse_pid(const char *word);

/* Of the names AT(I), I < N, the one nearest to WORD, or NULL if none is near. */
const char *hs_nearest(const char *word, const char *(*at)(const void *context, size_t i),
		       const void *context, size_t n);

/* auto, always or never. */
enum hs_color_choice { HS_COLOR_AUTO, HS_COLOR_ALWAYS, HS_COLOR_NEVER };

/* False if WORD is none of the three. */
bool hs_parse_color(const char *word, enum hs_color_choice *ret);

/* Shall FD be coloured?  NO_COLOR is stronger than any option. */
bool hs_want_color(enum hs_color_choice choice, int fd);

#endif /* HS_OPTIONS_H */
