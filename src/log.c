/* SPDX-License-Identifier: MIT */

/* Messages on stderr. */
#include "src/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "src/out.h"

static enum hs_log_level lowest = HS_LOG_NOTE;
static bool in_color;
static void (*hook)(void);

void hs_log_set_level(enum hs_log_level level)
{
	lowest = level;
}

void hs_log_set_color(bool color)
{
	in_color = color;
}

void hs_log_set_hook(void (*before)(void))
{
	hook = before;
}

static void HS_PRINTF(2, 0) say(enum hs_log_level level, const char *format, va_list ap)
{
	static const char *const labels[] = {"", "warning: ", ""};
	static const char *const colors[] = {"", "\033[33m", "\033[31m"};

	if (level < lowest)
		return;
	if (hook)
		hook();
	char *message = NULL;
	if (vasprintf(&message, format, ap) < 0)
		return;
	struct hs_out out;
	hs_out_init(&out, STDERR_FILENO);
	hs_puts(&out, in_color ? colors[level] : "");
	hs_printf(&out, "heapsnap: %s", labels[level]);
	hs_puts(&out, in_color && level > HS_LOG_NOTE ? "\033[0m" : "");
	hs_put_plain(&out, message);
	hs_putc(&out, '\n');
	/* There is nowhere left to tell that stderr cannot be written. */
	hs_error_free(hs_out_finish(&out, "stderr"));
	free(message);
}

void hs_log_error(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say(HS_LOG_ERROR, format, ap);
	va_end(ap);
}

void hs_log_warning(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say(HS_LOG_WARNING, format, ap);
	va_end(ap);
}

void hs_log_note(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say(HS_LOG_NOTE, format, ap);
	va_end(ap);
}
