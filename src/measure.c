/* SPDX-License-Identifier: MIT */

/* Measures: which figure of a site is meant, and whether it is known. */
#include "src/measure.h"

#include <string.h>

static const char *const names[HS_MEASURES] = {
	[HS_MEASURE_PEAK] = "peak",           [HS_MEASURE_LEAKED] = "leaked",
	[HS_MEASURE_ALLOCATED] = "allocated", [HS_MEASURE_ALLOCATIONS] = "allocations",
	[HS_MEASURE_TEMPORARY] = "temporary",
};

const char *hs_measure_name(enum hs_measure measure)
{
	return names[measure];
}

bool hs_measure_by_name(const char *name, enum hs_measure *ret)
{
	for (size_t i = 0; i < HS_COUNT(names); i++)
		if (!strcmp(names[i], name)) {
			*ret = (enum hs_measure)i;
			return true;
		}
	return false;
}

const char *hs_measure_phrase(enum hs_measure measure)
{
	static const char *const phrases[HS_MEASURES] = {
		[HS_MEASURE_PEAK] = "bytes live at the peak",
		[HS_MEASURE_LEAKED] = "bytes live at the end",
		[HS_MEASURE_ALLOCATED] = "bytes allocated",
		[HS_MEASURE_ALLOCATIONS] = "allocations",
		[HS_MEASURE_TEMPORARY] = "temporary allocations",
	};
	return phrases[measure];
}

bool hs_measure_counts(enum hs_measure measure)
{
	return measure == HS_MEASURE_ALLOCATIONS || measure == HS_MEASURE_TEMPORARY;
}

bool hs_measure_known(const struct hs_profile *profile, enum hs_measure measure)
{
	static const enum hs_has bits[HS_MEASURES] = {
		[HS_MEASURE_PEAK] = HS_HAS_PEAK,
		[HS_MEASURE_LEAKED] = HS_HAS_LIVE,
		[HS_MEASURE_ALLOCATED] = HS_HAS_TOTALS,
		[HS_MEASURE_ALLOCATIONS] = HS_HAS_TOTALS,
		[HS_MEASURE_TEMPORARY] = HS_HAS_TEMPORARIES,
	};
	if (measure == HS_MEASURE_ALLOCATIONS)
		return hs_has_counts(profile, bits[measure]);
	return profile->has & bits[measure];
}

struct hs_amount hs_measure_amount(const struct hs_site *s, enum hs_measure measure)
{
	switch (measure) {
	case HS_MEASURE_PEAK:
		return (struct hs_amount){s->peak_blocks, s->peak_bytes};
	case HS_MEASURE_LEAKED:
		return (struct hs_amount){s->live_blocks, s->live_bytes};
	case HS_MEASURE_TEMPORARY:
		return (struct hs_amount){s->temporaries, s->temporary_bytes};
	case HS_MEASURE_ALLOCATED:
	case HS_MEASURE_ALLOCATIONS:
	case HS_MEASURES:
		break;
	}
	return (struct hs_amount){s->allocs, s->bytes};
}

uint64_t hs_measure_value(const struct hs_site *site, enum hs_measure measure)
{
	struct hs_amount amount = hs_measure_amount(site, measure);
	return hs_measure_counts(measure) ? amount.blocks : amount.bytes;
}
