/* SPDX-License-Identifier: MIT */

/* What was hidden, rule by rule: what nobody sees is counted nevertheless. */
#include "formats/text_parts.h"
#include "src/names.h"
#include "src/suppress.h"

#define MAX_RULES 5u

static void put_rule(const struct hs_text *t, const struct hs_suppression *rule)
{
	hs_puts(t->out, rule->exceeded ? "  over " : "  ");
	if (rule->exceeded) {
		hs_put_size(t->out, rule->max_bytes);
		hs_puts(t->out, ", shown: ");
	}
	hs_text_count(t, rule->blocks, "block", "blocks");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, rule->bytes);
	hs_puts(t->out, rule->kind == HS_SUPPRESS_ID ? "  leak-id:" : "  leak:");
	hs_text_cut(t, rule->pattern, 60);
	hs_puts(t->out, "  (");
	hs_put_plain(t->out,
		     t->report->details ? rule->origin : hs_base_name(rule->origin));
	hs_printf(t->out, ":%u)\n", rule->line);
}

void hs_text_suppressed(const struct hs_text *t)
{
	if (!t->report->suppressions)
		return;
	size_t n;
	const struct hs_suppression *rules =
		hs_suppressions_get(t->report->suppressions, &n);
	uint64_t blocks = 0, bytes = 0, used = 0, exceeded = 0;
	for (size_t i = 0; i < n; i++) {
		used += rules[i].blocks || rules[i].bytes;
		exceeded += rules[i].exceeded;
		blocks += rules[i].exceeded ? 0 : rules[i].blocks;
		bytes += rules[i].exceeded ? 0 : rules[i].bytes;
	}
	hs_putc(t->out, '\n');
	hs_text_label(t, "suppressed");
	hs_text_count(t, blocks, "block", "blocks");
	hs_puts(t->out, ", ");
	hs_put_size(t->out, bytes);
	hs_puts(t->out, " by ");
	hs_text_count(t, used - exceeded, "rule", "rules");
	hs_printf(t->out, " of %zu\n", n);
	size_t listed = 0;
	for (size_t i = 0; i < n; i++)
		if ((rules[i].blocks || rules[i].bytes) &&
		    (t->report->details || listed++ < MAX_RULES))
			put_rule(t, &rules[i]);
	if (listed > MAX_RULES)
		hs_printf(t->out, "  %zu more rules (--details)\n", listed - MAX_RULES);
}
