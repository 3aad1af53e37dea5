/* SPDX-License-Identifier: MIT */

/* Help: of the program, of each command, all derived from the tables. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/format.h"
#include "src/cmd/command.h"
#include "src/cmd/completion.h"
#include "src/cmd/options.h"
#include "src/log.h"
#include "src/out.h"

#define WIDTH  80
#define COLUMN 26 /* where summaries begin */

/* LEFT, then TEXT at the column, on the next line where LEFT is too long. */
static void put_row(struct hs_out *out, const char *left, const char *text)
{
	size_t n = strlen(left) + 2;
	hs_printf(out, "  %s", left);
	if (n + 2 > COLUMN) {
		hs_putc(out, '\n');
		n = 0;
	}
	hs_printf(out, "%*s%s\n", (int)(COLUMN - n), "", text);
}

static void put_formats(struct hs_out *out)
{
	static const char *const titles[] = {"Reads", "Writes"};
	for (int w = 0; w < 2; w++) {
		size_t column = strlen(titles[w]);
		const char *separator = "  ";
		hs_puts(out, titles[w]);
		for (const struct hs_format *const *f = hs_formats; *f; f++) {
			if (w ? !(*f)->write : !(*f)->probe)
				continue;
			size_t n = strlen((*f)->name) + 2;
			if (column + n >= WIDTH) {
				separator = ",\n       ";
				column = 6;
			}
			hs_printf(out, "%s%s", separator, (*f)->name);
			column += n;
			separator = ", ";
		}
		hs_putc(out, '\n');
	}
}

static int finish(struct hs_out *out)
{
	struct hs_error *err = hs_out_finish(out, "the help to stdout");
	if (!err)
		return HS_OK;
	hs_log_error("%s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}

int hs_help_program(void)
{
	struct hs_out out;
	hs_out_init(&out, STDOUT_FILENO);
	hs_puts(&out,
		"Usage: heapsnap COMMAND [OPTION...] [ARG...]\n\n"
		"heapsnap records the heap of a Linux program and tells where its memory "
		"went:\n"
		"every allocation with its call stack, by preloading a small library.\n\n"
		"Commands\n");
	for (const struct hs_command *const *c = hs_commands; *c; c++)
		put_row(&out, (*c)->name, (*c)->summary);
	hs_puts(&out, "\nOptions\n");
	put_row(&out, "-h, --help", "this help; after a command, its help");
	put_row(&out, "-V, --version", "the version");
	hs_puts(&out, "\nPATH is a capture, or a directory: all captures in it. Captures "
		      "read well while\n"
		      "they grow and after any kind of death. Messages and progress go "
		      "to stderr.\n\n");
	put_formats(&out);
	hs_puts(&out, "\nExit status\n"
		      "  0 done; 1 what was asked for failed; 2 wrong usage. `heapsnap "
		      "run` ends as\n"
		      "  its program does (128+N after signal N).\n\n"
		      "Examples\n"
		      "  heapsnap run -o out/ -- ./myserver --port 8080\n"
		      "  heapsnap analyze out/\n"
		      "  heapsnap analyze --json - out/ | python3 -m json.tool\n");
	return finish(&out);
}

static void put_option(struct hs_out *out, const struct hs_option *o)
{
	char *left =
		hs_xasprintf("%s%c%s--%s%s%s", o->letter ? "-" : "  ",
			     o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name,
			     o->argument ? " " : "", o->argument ? o->argument : "");
	put_row(out, left, o->summary);
	free(left);
}

int hs_help_command(const struct hs_command *command)
{
	struct hs_out out;
	hs_out_init(&out, STDOUT_FILENO);
	hs_printf(&out, "Usage: heapsnap %s %s\n\n%c%s.\n\nOptions\n", command->name,
		  command->synopsis, toupper((unsigned char)command->summary[0]),
		  command->summary + 1);
	for (const struct hs_option *o = command->options; o && o->id; o++)
		put_option(&out, o);
	put_row(&out, "-h, --help", "this help");
	hs_printf(&out, "\n%s", command->help);
	return finish(&out);
}

enum { OPT_COMPLETION = 1 };

static const struct hs_option options[] = {
	{.id = OPT_COMPLETION,
	 .name = "completion",
	 .argument = "SHELL",
	 .summary = "write completions for bash, zsh or fish",
	 .values = "bash zsh fish"},
	{0},
};

static int show_completion(struct hs_options *o, const char *shell)
{
	struct hs_out out;
	hs_out_init(&out, STDOUT_FILENO);
	if (hs_put_completion(&out, shell))
		return finish(&out);
	hs_error_free(hs_out_finish(&out, "nothing"));
	hs_options_wrong(o, "no completions for '%s', only for bash, zsh and fish",
			 shell);
	return o->status;
}

static int help_run(const struct hs_command *self, int argc, char **argv)
{
	const struct hs_command *about = NULL;
	const char *shell = NULL;
	struct hs_options o = hs_options(self, argc, argv);
	for (int id; (id = hs_options_next(&o)) != HS_OPTION_END;) {
		if (id == OPT_COMPLETION)
			shell = o.value;
		else if (about)
			hs_options_wrong(&o, "one command at a time");
		else if (!(about = hs_command_by_name(o.value)))
			return hs_command_unknown(o.value);
	}
	if (o.stop)
		return o.status;
	if (shell)
		return show_completion(&o, shell);
	return about ? hs_help_command(about) : hs_help_program();
}

const struct hs_command hs_command_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "show the help of a command",
	.options = options,
	.help = "Examples\n"
		"  heapsnap help\n"
		"  heapsnap help analyze\n"
		"  heapsnap help --completion=bash\n",
	.takes_command = true,
	.run = help_run,
};
