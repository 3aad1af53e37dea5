/* SPDX-License-Identifier: MIT */

/* The bar. */
#include "src/cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "src/out.h"

#define FIRST_NS  1000000000u /* shorter work shows nothing */
#define REDRAW_NS 100000000u
#define BAR_WIDTH 30u

static bool enabled, drawn;
static char task[48];
static uint64_t begun_ns, drawn_ns;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void hs_progress_enable(bool on)
{
	enabled = on && isatty(STDERR_FILENO);
	begun_ns = now_ns();
}

void hs_progress_task(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (vsnprintf(task, sizeof(task), format, ap) < 0)
		task[0] = '\0';
	va_end(ap);
	hs_progress(NULL, 0, 0);
}

static void draw(size_t done, size_t total)
{
	struct hs_out out;
	hs_out_init(&out, STDERR_FILENO);
	hs_puts(&out, "\r\033[K");
	if (total) {
		unsigned full = (unsigned)((double)done / (double)total * BAR_WIDTH);
		hs_putc(&out, '[');
		for (unsigned i = 0; i < BAR_WIDTH; i++)
			hs_putc(&out, i < full ? '#' : ' ');
		hs_printf(&out, "] %3u %% ",
			  (unsigned)((double)done / (double)total * 100));
	}
	hs_put_plain(&out, task);
	hs_error_free(hs_out_finish(&out, "stderr"));
	drawn = true;
}

void hs_progress(void *context HS_UNUSED, size_t done, size_t total)
{
	if (!enabled)
		return;
	uint64_t now = now_ns();
	if (now - begun_ns < FIRST_NS || now - drawn_ns < REDRAW_NS)
		return;
	drawn_ns = now;
	draw(HS_MIN(done, total), total);
}

void hs_progress_clear(void)
{
	if (!drawn)
		return;
	struct hs_out out;
	hs_out_init(&out, STDERR_FILENO);
	hs_puts(&out, "\r\033[K");
	hs_error_free(hs_out_finish(&out, "stderr"));
	drawn = false;
}
