/* SPDX-License-Identifier: MIT */

/*
 * Sections of the report page on a core: why the process died, its heap as the
 * allocator's own structures tell it, where the threads were.
 */
#include "formats/html_parts.h"
#include "src/graph.h"
#include "src/threadgroups.h"
#include "src/walked.h"

#define MAX_ARENAS     64u
#define MAX_CORRUPTION 50u
#define MAX_GROUPS     100u
#define MAX_TIDS       8u

static void put_whose(struct hs_html_page *page, const struct hs_profile *p)
{
	if (page->n_processes < 2)
		return;
	hs_puts(page->out, " <span class=\"soft\">");
	hs_html_put_text(page->out, hs_string(p, p->process.id));
	hs_puts(page->out, "</span>");
}

static void put_title(struct hs_html_page *page, const struct hs_profile *p,
		      const char *title)
{
	hs_printf(page->out, "<h2>%s", title);
	put_whose(page, p);
	hs_puts(page->out, "</h2>\n");
}

static void put_crash(struct hs_html_page *page, const struct hs_profile *p)
{
	const struct hs_crash *c = &p->process.crash;
	struct hs_out *out = page->out;
	char name[HS_SIGNAL_SIZE];
	hs_signal_name(p->process.signal, name);
	hs_puts(out, "<section class=\"crash\">\n");
	put_title(page, p, "Why it died");
	hs_printf(out, "<p><span class=\"badge high\">%s</span>", name);
	if (c->has_address)
		hs_printf(out, " at <code>0x%llx</code>", (unsigned long long)c->address);
	if (c->code.i) {
		hs_puts(out, ": ");
		hs_html_put_text(out, hs_string(p, c->meaning));
		hs_puts(out, " <span class=\"soft\">");
		hs_html_put_text(out, hs_string(p, c->code));
		hs_puts(out, "</span>");
	}
	if (c->thread.i)
		hs_printf(out, " in thread %u", p->threads[c->thread.i].tid);
	hs_puts(out, "</p>\n");
	if (c->message.i) {
		hs_puts(out, "<p><code>");
		hs_html_put_text(out, hs_string(p, c->message));
		hs_puts(out, "</code></p>\n");
	}
	hs_puts(out, "</section>\n");
}

static void put_cells(struct hs_out *out, uint64_t blocks, uint64_t bytes)
{
	hs_printf(out, "<td data-blocks=\"%llu\">", (unsigned long long)blocks);
	hs_html_put_count(out, blocks);
	hs_printf(out, "</td><td data-bytes=\"%llu\">", (unsigned long long)bytes);
	hs_put_size(out, bytes);
	hs_puts(out, "</td>");
}

static void put_row(struct hs_out *out, const char *name, const char *what,
		    uint64_t blocks, uint64_t bytes)
{
	hs_printf(out, "<tr data-hs-heap=\"%s\"><th scope=\"row\">%s</th>", name, what);
	put_cells(out, blocks, bytes);
	hs_puts(out, "</tr>\n");
}

/* Blocks by what still leads to them: a walk without a graph does not know. */
static void put_reach(struct hs_out *out, const struct hs_graph *g)
{
	static const struct {
		enum hs_reach reach;
		const char *name, *what;
	} rows[] = {
		{HS_REACH_REACHABLE, "reachable",
		 "<span class=\"sub\">still held</span>"},
		{HS_REACH_WEAK, "weak",
		 "<span class=\"sub\">held by a pointer past their end only</span>"},
		{HS_REACH_DIRECT, "direct", "<span class=\"sub\">lost</span>"},
		{HS_REACH_INDIRECT, "indirect",
		 "<span class=\"sub\">held by lost blocks only</span>"},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		put_row(out, rows[i].name, rows[i].what, g->counts[rows[i].reach].blocks,
			g->counts[rows[i].reach].bytes);
}

static void put_arenas(struct hs_out *out, const struct hs_walked *w)
{
	size_t shown = HS_MIN(w->arenas.n, (size_t)MAX_ARENAS);
	hs_puts(out, "<div class=\"wide\"><table class=\"arenas\">\n<caption>Arenas"
		     "</caption>\n<thead><tr><th "
		     "scope=\"col\">Arena</th><th scope=\"col\">Blocks in use</th>"
		     "<th scope=\"col\">In use</th><th scope=\"col\">Blocks free</th>"
		     "<th scope=\"col\">Free</th><th scope=\"col\">In caches</th>"
		     "<th scope=\"col\">At its end</th>"
		     "<th scope=\"col\">From the system</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < shown; i++) {
		const struct hs_walked_arena *a = &w->arenas.at[i];
		hs_printf(out, "<tr><th scope=\"row\"><code>0x%llx</code>%s%s</th>",
			  (unsigned long long)a->addr, a->main ? " main" : "",
			  a->damaged ? " <span class=\"badge high\">damaged</span>" : "");
		put_cells(out, a->used.blocks, a->used.bytes);
		put_cells(out, a->free.blocks, a->free.bytes);
		const uint64_t rest[] = {a->cached.bytes, a->top_bytes, a->system_bytes};
		for (size_t k = 0; k < HS_COUNT(rest); k++) {
			hs_puts(out, "<td>");
			hs_put_size(out, rest[k]);
			hs_puts(out, "</td>");
		}
		hs_puts(out, "</tr>\n");
	}
	hs_puts(out, "</tbody></table></div>\n");
	if (shown < w->arenas.n)
		hs_printf(out, "<p class=\"none\">%zu more arenas.</p>\n",
			  w->arenas.n - shown);
}

static void put_corruption(struct hs_out *out, const struct hs_walked *w)
{
	size_t shown = HS_MIN(w->corruption.n, (size_t)MAX_CORRUPTION);
	if (!w->corruption.n)
		return;
	hs_printf(out,
		  "<h3>Corruption in %zu %s</h3>\n<ul class=\"corruption\" "
		  "data-hs=\"corruption\">\n",
		  w->corruption.n, w->corruption.n == 1 ? "place" : "places");
	for (size_t i = 0; i < shown; i++) {
		const struct hs_corruption *c = &w->corruption.at[i];
		hs_printf(out,
			  "<li><span class=\"badge high\">%s</span> "
			  "<code>0x%llx</code> ",
			  hs_corruption_name(c->kind), (unsigned long long)c->address);
		hs_html_put_text(out, c->detail);
		hs_puts(out, "</li>\n");
	}
	hs_puts(out, "</ul>\n");
	if (shown < w->corruption.n)
		hs_printf(out, "<p class=\"none\">%zu more.</p>\n",
			  w->corruption.n - shown);
}

static void put_heap(struct hs_html_page *page, const struct hs_target *target)
{
	const struct hs_walked *w = target->walked;
	struct hs_out *out = page->out;
	hs_puts(out, "<section class=\"heap\" data-hs=\"heap\">\n");
	put_title(page, target->profile, "Heap");
	hs_puts(out, "<p class=\"soft\">");
	hs_html_put_text(out, w->allocator);
	hs_puts(out, ", by its own structures</p>\n");
	put_corruption(out, w);
	hs_puts(out, "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">State"
		     "</th><th scope=\"col\">Blocks</th><th scope=\"col\">Bytes</th>"
		     "</tr></thead>\n<tbody>\n");
	put_row(out, "used", "In use", w->used.blocks, w->used.bytes);
	if (target->graph)
		put_reach(out, target->graph);
	put_row(out, "mapped", "<span class=\"sub\">with a mapping of their own</span>",
		w->mapped.blocks, w->mapped.bytes);
	put_row(out, "free", "Free", w->free.blocks, w->free.bytes);
	put_row(out, "cached", "In caches", w->cached.blocks, w->cached.bytes);
	hs_puts(out, "</tbody></table></div>\n");
	put_arenas(out, w);
	hs_puts(out, "</section>\n");
}

static void put_tids(struct hs_html_page *page, const struct hs_profile *p,
		     const struct hs_thread_row *rows, size_t n)
{
	struct hs_out *out = page->out;
	size_t shown = HS_MIN(n, (size_t)MAX_TIDS);
	if (n == 1)
		hs_puts(out, "Thread");
	else
		hs_printf(out, "%zu threads in one place:", n);
	for (size_t i = 0; i < shown; i++) {
		const struct hs_thread_info *thread = &p->threads[rows[i].thread];
		hs_printf(out, "%s %u", i ? "," : "", thread->tid);
		if (thread->name.i) {
			hs_puts(out, " (");
			hs_html_put_text(out, hs_string(p, thread->name));
			hs_putc(out, ')');
		}
	}
	hs_puts(out, shown < n ? ", \xe2\x80\xa6" : "");
	if ((p->has & HS_HAS_CRASH) && rows[0].thread == p->process.crash.thread.i)
		hs_puts(out, n == 1 ? ", which died" : "; the first one died");
}

static void put_thread_stack(struct hs_html_page *page, const struct hs_profile *p,
			     hs_stack stack)
{
	size_t n = hs_stack_frames(p, stack, NULL, 0);
	hs_frame *frames HS_CLEANUP(hs_freep) = hs_xcalloc(n + 1, sizeof(*frames));
	hs_stack_frames(p, stack, frames, n);
	hs_puts(page->out, "<ol class=\"stack\">\n");
	for (size_t i = 0; i < HS_MIN(n, (size_t)HS_HTML_MAX_FRAMES); i++) {
		hs_puts(page->out, "<li>");
		hs_html_put_frame(page, p, frames[i]);
		hs_puts(page->out, "</li>\n");
	}
	hs_puts(page->out, "</ol>");
	if (n > HS_HTML_MAX_FRAMES)
		hs_printf(page->out, "<p>and %zu more callers</p>",
			  n - HS_HTML_MAX_FRAMES);
	if (!n)
		hs_puts(page->out,
			"<p class=\"none\">Its stack could not be read.</p>\n");
}

static void put_threads(struct hs_html_page *page, const struct hs_profile *p)
{
	size_t n, groups = 0, left = 0;
	struct hs_thread_row *rows = hs_group_threads(p, &n);
	hs_puts(page->out, "<section class=\"threads\" data-hs=\"threads\">\n");
	put_title(page, p, "Threads");
	for (size_t i = 0, size; i < n; i += size) {
		size = hs_thread_group_size(&rows[i], n - i);
		if (groups++ >= MAX_GROUPS) {
			left += size;
			continue;
		}
		hs_puts(page->out,
			groups == 1 ? "<details open><summary>" : "<details><summary>");
		put_tids(page, p, &rows[i], size);
		hs_puts(page->out, "</summary>\n");
		put_thread_stack(page, p, p->threads[rows[i].thread].stack);
		hs_puts(page->out, "</details>\n");
	}
	if (left)
		hs_printf(page->out, "<p class=\"none\">%zu more threads.</p>\n", left);
	hs_puts(page->out, "</section>\n");
	free(rows);
}

void hs_html_put_core(struct hs_html_page *page, const struct hs_target *target)
{
	const struct hs_profile *p = target->profile;
	if (p && p->has & HS_HAS_CRASH)
		put_crash(page, p);
	if (p && target->walked)
		put_heap(page, target);
	if (p && p->has & HS_HAS_STACKS && p->n_threads > 1)
		put_threads(page, p);
}
