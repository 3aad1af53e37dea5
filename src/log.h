/* SPDX-License-Identifier: MIT */

/*
 * Messages of the program, for people, on stderr: "heapsnap: ...".  Called by
 * src/cmd and by nobody below it: a library part returns an error instead.
 */
#ifndef HS_LOG_H
#define HS_LOG_H

#include "src/base.h"

struct hs_error;

/* Nothing below LEVEL is shown. */
enum hs_log_level { HS_LOG_NOTE, HS_LOG_WARNING, HS_LOG_ERROR };

void hs_log_set_level(enum hs_log_level level);
void hs_log_set_color(bool color);

/* Called before each message; clears what progress left on the line. */
void hs_log_set_hook(void (*before)(void));

/*
 * Each is one line and one write.  Controls and other hostile characters of
 * the arguments are made harmless.
 */
void hs_log_error(const char *format, ...) HS_PRINTF(1, 2);
void hs_log_warning(const char *format, ...) HS_PRINTF(1, 2);
void hs_log_note(const char *format, ...) HS_PRINTF(1, 2);

#endif /* HS_LOG_H */
