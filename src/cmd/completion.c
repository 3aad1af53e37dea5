/* SPDX-License-Identifier: MIT */

/* Three shells, one table. */
#include "src/cmd/completion.h"

#include <string.h>

#include "formats/format.h"
#include "src/cmd/command.h"
#include "src/out.h"

#define for_each_command(c) for (const struct hs_command *const *c = hs_commands; *c; c++)
#define for_each_option(o, command) \
	for (const struct hs_option *o = (command)->options; o && o->id; o++)

/* What an option's argument is, by the word that stands for it in --help. */
static bool is_dir(const struct hs_option *o)
{
	return o->argument && !strcmp(o->argument, "DIR");
}

static bool is_file(const struct hs_option *o)
{
	return o->argument && !strcmp(o->argument, "FILE");
}

/* The words that an option accepts, or NULL; malloc'ed. */
static char *values_of(const struct hs_option *o)
{
	struct hs_out out;
	if (o->values)
		return hs_xstrdup(o->values);
	if (!o->argument || strcmp(o->argument, "FORMAT") != 0)
		return NULL;
	hs_out_init(&out, -1);
	for (const struct hs_format *const *f = hs_formats; *f; f++)
		if ((*f)->write)
			hs_printf(&out, "%s%s", out.n ? " " : "", (*f)->name);
	return hs_out_take(&out, NULL);
}

/* S with a backslash before each character of SPECIAL; ' as '\'' or its like. */
static void put_escaped(struct hs_out *out, const char *s, const char *special,
			const char *quote)
{
	for (; *s; s++) {
		if (*s == '\'')
			hs_puts(out, quote);
		else if (strchr(special, *s))
			hs_printf(out, "\\%c", *s);
		else
			hs_putc(out, *s);
	}
}

/* ---- bash ---- */

static void put_command_names(struct hs_out *out)
{
	const char *separator = "";
	for_each_command(c)
	{
		hs_printf(out, "%s%s", separator, (*c)->name);
		separator = " ";
	}
}

static void put_bash_argument(struct hs_out *out, const struct hs_option *o)
{
	char *values HS_CLEANUP(hs_freep) = values_of(o);
	hs_puts(out, "\t\t");
	if (o->letter)
		hs_printf(out, "-%c | ", o->letter);
	hs_printf(out, "--%s) ", o->name);
	if (values)
		hs_printf(out, "how=(-W '%s')", values);
	else
		hs_puts(out, is_dir(o)    ? "how=(-d)"
			     : is_file(o) ? "how=(-f)"
					  : "how=(-W '')");
	hs_puts(out, " ;;\n");
}

static void put_bash_command(struct hs_out *out, const struct hs_command *c)
{
	hs_printf(out, "\t1:%s)\n\t\toptions='", c->name);
	for_each_option(o, c) hs_printf(out, "--%s ", o->name);
	hs_puts(out, "--help'\n");
	if (c->takes_command) {
		hs_puts(out, "\t\thow=(-W '");
		put_command_names(out);
		hs_puts(out, "')\n");
	} else if (c->runs_program) {
		hs_puts(out, "\t\thow=(-c -f)\n");
	}
	hs_puts(out, "\t\tcase $before in\n");
	for_each_option(o, c) if (o->argument) put_bash_argument(out, o);
	hs_puts(out, "\t\t*) [[ $word != -* ]] || how=(-W \"$options\") "
		     ";;\n\t\tesac\n\t\t;;\n");
}

static void put_bash(struct hs_out *out)
{
	hs_puts(out, "# heapsnap(1) completion for bash; made by: heapsnap help "
		     "--completion=bash\n"
		     "_heapsnap()\n{\n"
		     "\tlocal word=${COMP_WORDS[COMP_CWORD]} options how=(-f)\n"
		     "\tlocal before=${COMP_WORDS[COMP_CWORD - 1]}\n"
		     "\t# bash makes three words of --name=value.\n"
		     "\tif [[ $before == = ]]; then\n"
		     "\t\tbefore=${COMP_WORDS[COMP_CWORD - 2]}\n"
		     "\telif [[ $word == = ]]; then\n"
		     "\t\tword=\n"
		     "\tfi\n"
		     "\tcase $((COMP_CWORD > 1)):${COMP_WORDS[1]} in\n"
		     "\t0:*) how=(-W '");
	put_command_names(out);
	hs_puts(out, " --help --version') ;;\n");
	for_each_command(c) put_bash_command(out, *c);
	hs_puts(out, "\tesac\n"
		     "\tmapfile -t COMPREPLY < <(compgen \"${how[@]}\" -- \"$word\")\n"
		     "}\n"
		     "complete -o filenames -F _heapsnap heapsnap\n");
}

/* ---- zsh ---- */

static void put_zsh_option(struct hs_out *out, const struct hs_option *o)
{
	char *values HS_CLEANUP(hs_freep) = values_of(o);
	const char *sign = o->argument ? "=" : "";
	hs_puts(out, " \\\n\t\t\t");
	if (o->letter)
		hs_printf(out, "{-%c%s,--%s%s}", o->letter, o->argument ? "+" : "",
			  o->name, sign);
	else
		hs_printf(out, "--%s%s", o->name, sign);
	hs_puts(out, "'[");
	put_escaped(out, o->summary, "[]:\\", "'\\''");
	hs_puts(out, "]");
	if (values)
		hs_printf(out, ":%s:(%s)", o->argument, values);
	else if (o->argument)
		hs_printf(out, ":%s:%s", o->argument,
			  is_dir(o)    ? "_files -/"
			  : is_file(o) ? "_files"
				       : "");
	hs_puts(out, "'");
}

static void put_zsh(struct hs_out *out)
{
	hs_puts(out, "#compdef heapsnap\n"
		     "# heapsnap(1) completion for zsh; made by: heapsnap help "
		     "--completion=zsh\n"
		     "_heapsnap()\n{\n\tlocal -a commands=(");
	for_each_command(c)
	{
		hs_printf(out, "\n\t\t'%s:", (*c)->name);
		put_escaped(out, (*c)->summary, ":\\", "'\\''");
		hs_puts(out, "'");
	}
	hs_puts(out, "\n\t)\n\tif ((CURRENT == 2)); then\n"
		     "\t\t_describe command commands\n"
		     "\t\t_values option --help --version\n\t\treturn\n\tfi\n"
		     "\tshift words\n\t((CURRENT--))\n\tcase $words[1] in\n");
	for_each_command(c)
	{
		hs_printf(out, "\t%s)\n\t\t_arguments -s", (*c)->name);
		for_each_option(o, *c) put_zsh_option(out, o);
		hs_puts(out, " \\\n\t\t\t--help'[show the help]'");
		hs_puts(out, (*c)->takes_command  ? " \\\n\t\t\t'*:command:("
			     : (*c)->runs_program ? " \\\n\t\t\t'*::program:_normal'"
						  : " \\\n\t\t\t'*:path:_files'");
		if ((*c)->takes_command) {
			put_command_names(out);
			hs_puts(out, ")'");
		}
		hs_puts(out, "\n\t\t;;\n");
	}
	hs_puts(out, "\tesac\n}\n_heapsnap \"$@\"\n");
}

/* ---- fish ---- */

static void put_fish_option(struct hs_out *out, const struct hs_command *c,
			    const struct hs_option *o)
{
	char *values HS_CLEANUP(hs_freep) = values_of(o);
	hs_printf(out, "complete -c heapsnap -n '__fish_seen_subcommand_from %s' -l %s",
		  c->name, o->name);
	if (o->letter)
		hs_printf(out, " -s %c", o->letter);
	if (values)
		hs_printf(out, " -x -a '%s'", values);
	else if (o->argument)
		hs_puts(out, is_dir(o)    ? " -x -a '(__fish_complete_directories)'"
			     : is_file(o) ? " -r -F"
					  : " -x");
	hs_puts(out, " -d '");
	put_escaped(out, o->summary, "\\", "\\'");
	hs_puts(out, "'\n");
}

static void put_fish(struct hs_out *out)
{
	hs_puts(out, "# heapsnap(1) completion for fish; made by: heapsnap help "
		     "--completion=fish\n");
	for_each_command(c)
	{
		hs_printf(out,
			  "complete -c heapsnap -n __fish_use_subcommand -f -a %s -d '",
			  (*c)->name);
		put_escaped(out, (*c)->summary, "\\", "\\'");
		hs_puts(out, "'\n");
		for_each_option(o, *c) put_fish_option(out, *c, o);
		if (!(*c)->takes_command)
			continue;
		hs_printf(out,
			  "complete -c heapsnap -n '__fish_seen_subcommand_from %s' -f "
			  "-a '",
			  (*c)->name);
		put_command_names(out);
		hs_puts(out, "'\n");
	}
	hs_puts(out,
		"complete -c heapsnap -n __fish_use_subcommand -l help -d 'show the "
		"help'\n"
		"complete -c heapsnap -n __fish_use_subcommand -l version -d 'show the "
		"version'\n");
}

bool hs_put_completion(struct hs_out *out, const char *shell)
{
	if (!strcmp(shell, "bash"))
		put_bash(out);
	else if (!strcmp(shell, "zsh"))
		put_zsh(out);
	else if (!strcmp(shell, "fish"))
		put_fish(out);
	else
		return false;
	return true;
}
