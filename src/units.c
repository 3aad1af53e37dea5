/* SPDX-License-Identifier: MIT */

/* Reading sizes and times. */
#include "src/units.h"

#include <string.h>
#include <strings.h>

/* Digits, at most three after a point: the value in thousandths. */
static const char *read_number(const char *p, uint64_t *thousandths)
{
	uint64_t v = 0;
	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return NULL;
	if (__builtin_mul_overflow(v, 1000, &v))
		return NULL;
	if (*p == '.') {
		p++;
		for (uint64_t weight = 100; *p >= '0' && *p <= '9'; p++, weight /= 10)
			v += weight * (uint64_t)(*p - '0');
	}
	*thousandths = v;
	return p;
}

bool hs_parse_size(const char *text, uint64_t *bytes_ret)
{
	static const char *const units[] = {"", "k", "m", "g", "t"};
	static const char *const tails[] = {"", "b", "ib"};
	uint64_t v;
	const char *unit = read_number(text, &v);
	if (!unit || (strchr(text, '.') && !*unit))
		return false;
	for (size_t u = 0; u < HS_COUNT(units); u++)
		for (size_t t = 0; t < HS_COUNT(tails); t++) {
			char word[4] = "";
			strcat(strcat(word, units[u]), tails[t]);
			if (strcasecmp(unit, word) != 0 || (u == 0 && t == 2))
				continue;
			if (v / 1000 > UINT64_MAX >> (10 * u))
				return false;
			/* First the whole part: it may have all 64 bits. */
			*bytes_ret = ((v / 1000) << (10 * u)) +
				     (((v % 1000) << (10 * u)) / 1000);
			return true;
		}
	return false;
}

bool hs_parse_time(const char *text, uint64_t *ns_ret)
{
	static const struct {
		const char *name;
		uint64_t us; /* in a thousandth of it */
	} units[] = {{"ms", 1},    {"s", 1000},    {"", 1000},
		     {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	uint64_t v;
	const char *unit = read_number(text, &v);
	for (size_t i = 0; unit && i < HS_COUNT(units); i++)
		if (!strcmp(unit, units[i].name))
			return !__builtin_mul_overflow(v, units[i].us * 1000, ns_ret);
	return false;
}
