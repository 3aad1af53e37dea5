/* SPDX-License-Identifier: MIT */

/* Command lines: options by table, wrong words and their neighbours, colour. */
#include "src/cmd/options.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/log.h"

struct hs_options hs_options(const struct hs_command *command, int argc, char **argv)
{
	return (struct hs_options){
		.command = command, .argc = argc, .argv = argv, .next = 1};
}

int hs_options_wrong(struct hs_options *o, const char *format, ...)
{
	char *message = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		message = NULL;
	va_end(ap);
	hs_log_error("%s: %s; 'heapsnap help %s' lists the options", o->command->name,
		     message ? message : format, o->command->name);
	free(message);
	o->stop = true;
	o->status = HS_USAGE;
	return HS_OPTION_END;
}

static const char *option_name(const void *context, size_t i)
{
	const struct hs_option *options = context;
	return options[i].name;
}

static int unknown_long(struct hs_options *o, const char *word, size_t length)
{
	size_t n = 0;
	while (o->command->options && o->command->options[n].id)
		n++;
	char *name = hs_xasprintf("%.*s", (int)length, word);
	const char *near = hs_nearest(name, option_name, o->command->options, n);
	if (near)
		hs_options_wrong(o, "unknown option --%s (did you mean --%s?)", name,
				 near);
	else
		hs_options_wrong(o, "unknown option --%s", name);
	free(name);
	return HS_OPTION_END;
}

static int show_help(struct hs_options *o)
{
	o->stop = true;
	o->status = hs_help_command(o->command);
	return HS_OPTION_END;
}

/* The argument that follows, for an option written as SPELLING. */
static int take_argument(struct hs_options *o, const struct hs_option *option,
			 const char *dashes, const char *spelling)
{
	if (o->next >= o->argc)
		return hs_options_wrong(o, "option %s%s wants an argument (%s)", dashes,
					spelling, option->argument);
	o->value = o->argv[o->next++];
	return option->id;
}

static int read_long(struct hs_options *o, const char *word)
{
	size_t length = strcspn(word, "=");
	const char *value = word[length] ? word + length + 1 : NULL;
	const struct hs_option *p = o->command->options;
	while (p && p->id && (strlen(p->name) != length || memcmp(p->name, word, length)))
		p++;
	if (!p || !p->id) {
		if (!strcmp(word, "help"))
			return show_help(o);
		return unknown_long(o, word, length);
	}
	if (value && !p->argument)
		return hs_options_wrong(o, "option --%s takes no argument", p->name);
	if (!p->argument || value) {
		o->value = value;
		return p->id;
	}
	return take_argument(o, p, "--", p->name);
}

static int read_short(struct hs_options *o)
{
	char letter = *o->bundle++;
	const char *rest = *o->bundle ? o->bundle : NULL;
	char spelling[2] = {letter, 0};
	const struct hs_option *p = o->command->options;
	while (p && p->id && p->letter != letter)
		p++;
	o->bundle = rest;
	if (!p || !p->id) {
		if (letter == 'h')
			return show_help(o);
		return hs_options_wrong(o, "unknown option -%s", spelling);
	}
	if (!p->argument)
		return p->id;
	o->bundle = NULL;
	if (rest) {
		o->value = rest;
		return p->id;
	}
	return take_argument(o, p, "-", spelling);
}

int hs_options_next(struct hs_options *o)
{
	o->value = NULL;
	if (o->stop)
		return HS_OPTION_END;
	if (o->bundle)
		return read_short(o);
	if (o->next >= o->argc)
		return HS_OPTION_END;
	const char *arg = o->argv[o->next++];
	if (!o->only_operands && !strcmp(arg, "--")) {
		o->only_operands = true;
		return hs_options_next(o);
	}
	if (!o->only_operands && arg[0] == '-' && arg[1] == '-')
		return read_long(o, arg + 2);
	if (!o->only_operands && arg[0] == '-' && arg[1]) {
		o->bundle = arg + 1;
		return read_short(o);
	}
	if (o->command->runs_program)
		o->only_operands = true;
	o->value = arg;
	return HS_OPTION_OPERAND;
}

/* Levenshtein's distance; words that are too long for the table are far. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32];
	size_t na = strlen(a), nb = strlen(b);
	if (na >= HS_COUNT(row) || nb >= HS_COUNT(row))
		return UINT32_MAX;
	for (unsigned j = 0; j <= nb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = HS_MIN(change, HS_MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[nb];
}

const char *hs_nearest(const char *word, const char *(*at)(const void *context, size_t i),
		       const void *context, size_t n)
{
	const char *best = NULL;
	/* Half of the letters may be wrong, but no more than three. */
	unsigned best_distance = (unsigned)HS_MIN(strlen(word) / 2, 3u) + 1;
	for (size_t i = 0; i < n; i++) {
		const char *name = at(context, i);
		bool begins = strlen(word) >= 3 && !strncmp(name, word, strlen(word));
		unsigned d = begins ? 1 : distance(word, name);
		if (d < best_distance) {
			best_distance = d;
			best = name;
		}
	}
	return best;
}

bool hs_parse_color(const char *word, enum hs_color_choice *ret)
{
	static const char *const words[] = {"auto", "always", "never"};
	for (size_t i = 0; i < HS_COUNT(words); i++)
		if (!strcmp(word, words[i])) {
			*ret = (enum hs_color_choice)i;
			return true;
		}
	return false;
}

bool hs_want_color(enum hs_color_choice choice, int fd)
{
	/* https://no-color.org: set and not empty. */
	const char *no = getenv("NO_COLOR");
	if (choice == HS_COLOR_NEVER || (no && *no))
		return false;
	if (choice == HS_COLOR_ALWAYS)
		return true;
	const char *term = getenv("TERM");
	return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

pid_t hs_parse_pid(const char *word)
{
	char *end;
	errno = 0;
	long pid = strtol(word, &end, 10);
	bool good = !errno && word[0] >= '1' && word[0] <= '9' && !*end && pid <= INT_MAX;
	return good ? (pid_t)pid : 0;
}

int hs_fail(struct hs_error *err)
{
	if (!err)
		return HS_OK;
	hs_log_error("%s", hs_error_message(err));
	hs_error_free(err);
	return HS_FAILED;
}
