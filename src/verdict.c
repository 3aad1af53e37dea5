/* SPDX-License-Identifier: MIT */

/* Verdicts, by the table of doc/leaks.md. */
#include "src/verdict.h"

static struct hs_verdict excused(const struct hs_facts *f, enum hs_excuse excuse)
{
	return (struct hs_verdict){.kind = HS_LEAK_REACHABLE,
				   .confidence = HS_LOW,
				   .excuse = excuse,
				   .blocks = f->blocks,
				   .bytes = f->bytes};
}

/* Nobody points to it: the roots were all there, or the scan would not say so. */
static struct hs_verdict by_scan(const struct hs_facts *f)
{
	bool direct = f->unreachable_blocks > 0;
	return (struct hs_verdict){.kind = direct ? HS_LEAK_UNREACHABLE
						  : HS_LEAK_INDIRECT,
				   .confidence = f->lost ? HS_MEDIUM : HS_HIGH,
				   .blocks = f->unreachable_blocks + f->indirect_blocks,
				   .bytes = f->unreachable_bytes + f->indirect_bytes};
}

static bool is_ended(const struct hs_facts *f)
{
	return f->end == HS_END_EXIT || f->end == HS_END_EXEC;
}

static enum hs_confidence growth_confidence(const struct hs_facts *f)
{
	const struct hs_survival *s = &f->survival;
	bool by_age = s->undying || !s->dead; /* whatever came, stayed */
	if (f->trend.n < HS_TREND_ENOUGH)
		return HS_LOW;
	if (!f->trend.grows || !by_age || s->old_freed || f->lost || f->sampled ||
	    !f->found)
		return HS_MEDIUM;
	return HS_HIGH;
}

static struct hs_verdict growth(const struct hs_facts *f)
{
	return (struct hs_verdict){.kind = HS_LEAK_GROWTH,
				   .confidence = growth_confidence(f),
				   .blocks = f->blocks - f->in_flight_blocks,
				   .bytes = f->bytes - f->in_flight_bytes};
}

/*
 * A course that leaks do not take.  After an exit, what was never freed may still be
 * one of those that leak in their beginning.
 */
static bool is_cache(const struct hs_facts *f)
{
	enum hs_pattern p = f->trend.pattern;
	return f->trend.n >= HS_TREND_ENOUGH && f->allocs > 1 &&
	       (f->frees || f->end != HS_END_EXIT) &&
	       (p == HS_PATTERN_PLATEAU || p == HS_PATTERN_SAWTOOTH ||
		p == HS_PATTERN_LOGARITHMIC);
}

static struct hs_verdict never_freed(const struct hs_facts *f)
{
	bool sure = f->end == HS_END_EXIT && !f->lost && !f->sampled && f->found;
	return (struct hs_verdict){.kind = HS_LEAK_NEVER_FREED,
				   .confidence = sure ? HS_MEDIUM : HS_LOW,
				   .blocks = f->blocks - f->in_flight_blocks,
				   .bytes = f->bytes - f->in_flight_bytes};
}

struct hs_verdict hs_verdict_of(const struct hs_facts *f)
{
	bool grows = f->trend.grows || f->survival.undying;
	if (f->kept)
		return excused(f, HS_EXCUSE_KEPT);
	if (f->scanned && f->unreachable_blocks + f->indirect_blocks)
		return by_scan(f);
	if (!is_ended(f) && f->in_flight_blocks == f->blocks)
		return excused(f, HS_EXCUSE_IN_FLIGHT);
	if (grows && f->end != HS_END_EXEC)
		return growth(f);
	/* Nobody frees anything on the way to another program. */
	if (f->end == HS_END_EXEC)
		return excused(f, HS_EXCUSE_EXEC);
	if (f->scanned)
		return excused(f, HS_EXCUSE_HELD);
	if (is_cache(f))
		return excused(f, HS_EXCUSE_PATTERN);
	return never_freed(f);
}
