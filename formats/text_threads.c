/* SPDX-License-Identifier: MIT */

/*
 * The text report on a core or a live process: why it died, and where its
 * threads were.  Threads that were in the same place are told of together.
 */
#include "formats/text_parts.h"
#include "src/names.h"
#include "src/threadgroups.h"

#define INNER_FRAMES 40u /* of a longer stack, unless --details */
#define OUTER_FRAMES 10u
#define MAX_TIDS     8u /* of one group, unless --details */

static void put_fault(const struct hs_text *t)
{
	const struct hs_crash *c = &t->p->process.crash;
	char name[HS_SIGNAL_SIZE];
	hs_signal_name(t->p->process.signal, name);
	hs_text_label(t, "died");
	hs_text_paint(t, HS_TEXT_BOLD HS_TEXT_RED);
	hs_puts(t->out, name);
	hs_text_unpaint(t);
	if (c->has_address)
		hs_printf(t->out, " at 0x%llx", (unsigned long long)c->address);
	if (c->code.i) {
		hs_puts(t->out, ": ");
		hs_put_plain(t->out, hs_string(t->p, c->meaning));
		hs_printf(t->out, " (%s)", hs_string(t->p, c->code));
	}
	if (c->thread.i)
		hs_printf(t->out, "; thread %u", t->p->threads[c->thread.i].tid);
	hs_putc(t->out, '\n');
}

void hs_text_crash(const struct hs_text *t)
{
	const struct hs_crash *c = &t->p->process.crash;
	if (t->p->has & HS_HAS_CRASH)
		put_fault(t);
	if (c->message.i) {
		hs_text_label(t, "message");
		hs_put_plain(t->out, hs_string(t->p, c->message));
		hs_putc(t->out, '\n');
	}
	hs_text_label(t, "threads");
	hs_printf(t->out, "%u", t->p->n_threads - 1);
	if (t->p->process.end == HS_END_RUNNING)
		hs_puts(t->out, "; the process goes on running");
	hs_puts(t->out, t->p->process.complete ? "\n" : "; the core is incomplete\n");
}

static void put_tid(const struct hs_text *t, const struct hs_thread_info *thread)
{
	hs_printf(t->out, " %u", thread->tid);
	if (!thread->name.i)
		return;
	hs_puts(t->out, " (");
	hs_put_plain(t->out, hs_string(t->p, thread->name));
	hs_putc(t->out, ')');
}

static void put_group(const struct hs_text *t, const struct hs_thread_row *rows, size_t n)
{
	size_t shown = t->report->details ? n : HS_MIN(n, MAX_TIDS);
	hs_putc(t->out, '\n');
	hs_text_paint(t, HS_TEXT_BOLD);
	if (n == 1)
		hs_puts(t->out, "thread");
	else
		hs_printf(t->out, "%zu threads in one place:", n);
	for (size_t i = 0; i < shown; i++) {
		hs_puts(t->out, i ? "," : "");
		put_tid(t, &t->p->threads[rows[i].thread]);
	}
	hs_puts(t->out, shown < n ? ", ..." : "");
	if ((t->p->has & HS_HAS_CRASH) && rows[0].thread == t->p->process.crash.thread.i)
		hs_puts(t->out, n == 1 ? ", which died" : "; the first one died");
	hs_text_unpaint(t);
	hs_putc(t->out, '\n');
}

static void put_stack(const struct hs_text *t, hs_stack stack)
{
	size_t n = hs_stack_frames(t->p, stack, NULL, 0);
	hs_frame *frames = hs_xcalloc(n, sizeof(*frames));
	hs_stack_frames(t->p, stack, frames, n);
	for (size_t i = 0; i < n; i++) {
		if (i == INNER_FRAMES && n > INNER_FRAMES + OUTER_FRAMES &&
		    !t->report->details) {
			hs_printf(t->out, "    ... %zu more frames (--details) ...\n",
				  n - INNER_FRAMES - OUTER_FRAMES);
			i = n - OUTER_FRAMES;
		}
		hs_text_frame(t, ' ', i, &t->p->frames[frames[i].i]);
	}
	free(frames);
}

void hs_text_threads(const struct hs_text *t)
{
	size_t n;
	struct hs_thread_row *rows = hs_group_threads(t->p, &n);
	for (size_t i = 0, size; i < n; i += size) {
		size = hs_thread_group_size(&rows[i], n - i);
		put_group(t, &rows[i], size);
		put_stack(t, t->p->threads[rows[i].thread].stack);
	}
	free(rows);
}
