/* SPDX-License-Identifier: MIT */

/* The heap of a core: how much is in use, what is lost, what is broken. */
#include "formats/text_parts.h"
#include "src/graph.h"
#include "src/walked.h"

#define MAX_ARENAS     8u
#define MAX_LEAKS      8u
#define MAX_CORRUPTION 10u

static void put_count(const struct hs_text *t, const struct hs_walked_count *c,
		      const char *what)
{
	hs_text_count(t, c->blocks, "block", "blocks");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, c->bytes);
	hs_printf(t->out, " %s", what);
}

static void put_totals(const struct hs_text *t, const struct hs_walked *w)
{
	hs_text_label(t, "heap");
	hs_printf(t->out, "%s, ", w->allocator);
	hs_text_count(t, w->arenas.n, "arena", "arenas");
	hs_puts(t->out, ": ");
	put_count(t, &w->used, "in use; ");
	put_count(t, &w->free, "free; ");
	put_count(t, &w->cached, "in caches\n");
}

static void put_arenas(const struct hs_text *t, const struct hs_walked *w)
{
	size_t shown = t->report->details ? w->arenas.n : HS_MIN(w->arenas.n, MAX_ARENAS);
	for (size_t i = 0; i < shown && w->arenas.n > 1; i++) {
		const struct hs_walked_arena *a = &w->arenas.at[i];
		hs_printf(t->out, "  0x%llx%s  ", (unsigned long long)a->addr,
			  a->main ? " main" : "     ");
		put_count(t, &a->used, "in use; ");
		put_count(t, &a->free, "free, of that ");
		hs_put_size(t->out, a->top_bytes);
		hs_printf(t->out, " at its end%s\n", a->damaged ? "; damaged" : "");
	}
	if (shown < w->arenas.n && w->arenas.n > 1)
		hs_printf(t->out, "  %zu more arenas (--details)\n", w->arenas.n - shown);
}

static void put_corruption(const struct hs_text *t, const struct hs_walked *w)
{
	size_t shown = t->report->details ? w->corruption.n
					  : HS_MIN(w->corruption.n, MAX_CORRUPTION);
	if (!w->corruption.n)
		return;
	hs_text_label(t, "corruption");
	hs_text_count(t, w->corruption.n, "place\n", "places\n");
	for (size_t i = 0; i < shown; i++) {
		const struct hs_corruption *c = &w->corruption.at[i];
		hs_text_paint(t, HS_TEXT_BOLD HS_TEXT_RED);
		hs_printf(t->out, "  %s", hs_corruption_name(c->kind));
		hs_text_unpaint(t);
		hs_printf(t->out, "  0x%llx  ", (unsigned long long)c->address);
		hs_put_plain(t->out, c->detail);
		hs_putc(t->out, '\n');
	}
	if (shown < w->corruption.n)
		hs_printf(t->out, "  %zu more (--details)\n", w->corruption.n - shown);
}

static void put_lost(const struct hs_text *t, const struct hs_graph *g)
{
	size_t n, listed = 0, all = 0;
	const struct hs_finding *f = hs_findings_get(t->report->findings, &n);
	const struct hs_reach_count *direct = &g->counts[HS_REACH_DIRECT];
	const struct hs_reach_count *indirect = &g->counts[HS_REACH_INDIRECT];
	hs_text_label(t, "lost");
	hs_text_count(t, direct->blocks, "block", "blocks");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, direct->bytes);
	hs_puts(t->out, "; only through these ");
	hs_text_count(t, indirect->blocks, "block", "blocks");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, indirect->bytes);
	hs_putc(t->out, '\n');
	for (const struct hs_finding *end = f + n; f < end; f++) {
		if (f->profile != t->p || f->type != HS_FINDING_LEAK || f->stack.i)
			continue;
		all++;
		if (!t->report->details && listed == MAX_LEAKS)
			continue;
		listed++;
		hs_printf(t->out, "  %s  %s  ", f->id, hs_leak_kind_name(f->kind));
		hs_text_count(t, f->blocks, "block", "blocks");
		hs_puts(t->out, ", ");
		hs_put_size(t->out, f->bytes);
		const char *separator = ": ";
		for (const char *const *e = f->evidence; e && *e; e++) {
			hs_puts(t->out, separator);
			hs_put_plain(t->out, *e);
			separator = "; ";
		}
		hs_putc(t->out, '\n');
	}
	if (listed < all)
		hs_printf(t->out, "  %zu more (--details)\n", all - listed);
}

void hs_text_heap(const struct hs_text *t)
{
	const struct hs_target *target = t->report->targets;
	size_t i = 0;
	while (i < t->report->n_targets && target[i].profile != t->p)
		i++;
	if (i == t->report->n_targets || !target[i].walked)
		return;
	hs_putc(t->out, '\n');
	put_totals(t, target[i].walked);
	put_arenas(t, target[i].walked);
	put_corruption(t, target[i].walked);
	if (target[i].graph)
		put_lost(t, target[i].graph);
}
