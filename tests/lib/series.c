/* SPDX-License-Identifier: MIT */

/* Series made up. */
#include "tests/lib/series.h"

#include <string.h>

#include "tests/lib/heapmodel.h"

#define SECOND 1000000000u

/*
 * Between two snapshots the churn is at so many levels, each as good as independent of
 * the one before: so many times half of what it may hold comes and goes.
 */
#define LEVELS 20u

/* 0 to 1 */
static double some(uint64_t *random)
{
	return (double)model_random(random, 1000001) / 1000000;
}

static double between(uint64_t *random, double low, double high)
{
	return low + (high - low) * some(random);
}

/* What a series is made of. */
struct plan {
	enum hs_pattern truth;
	size_t n;
	double base, churn, height;
	double rate;   /* of a leak, for each snapshot */
	double from;   /* where something happens, 0 to 1 */
	double period; /* of a sawtooth, 0 to 1 */
	double phase;
	double warm_up; /* of a logarithm, in snapshots */
};

static struct plan make_plan(enum hs_pattern truth, double leak, uint64_t *random)
{
	struct plan p = {.truth = truth};
	/* One in four has few snapshots. */
	p.n = model_random(random, 4) ? 20 + model_random(random, SERIES_POINTS - 20)
				      : 8 + model_random(random, 12);
	p.churn = between(random, 1000, 1000000);
	p.base = p.churn * between(random, 0, 5);
	p.height = p.churn * between(random, 0.5, 20);
	p.rate = leak * LEVELS * p.churn / 2 * between(random, 1, 10);
	p.phase = some(random);
	p.period = between(random, 0.05, 0.4);
	p.warm_up = (double)p.n / between(random, 10, 200);
	if (truth == HS_PATTERN_LATE)
		p.from = between(random, 0.4, 0.7);
	else if (truth == HS_PATTERN_BURST)
		p.from = between(random, 0.2, 0.8);
	else if (truth == HS_PATTERN_PLATEAU)
		p.from = between(random, 0.1, 0.6);
	else
		p.from = between(random, 0, 0.05);
	return p;
}

/* What stays, at snapshot I. */
static double level(const struct plan *p, size_t i)
{
	double at = (double)i / (double)(p->n - 1), sum = 0, whole = 0, tooth;
	switch (p->truth) {
	case HS_PATTERN_STEADY:
		return p->rate * (double)i;
	case HS_PATTERN_LATE:
		return at <= p->from ? 0 : p->rate * (at - p->from) * (double)(p->n - 1);
	case HS_PATTERN_BURST:
	case HS_PATTERN_ONE_OFF:
		return at > p->from ? p->height : 0;
	case HS_PATTERN_PLATEAU:
		return p->height * HS_MIN(at / p->from, 1.0);
	case HS_PATTERN_SAWTOOTH:
		tooth = at / p->period + p->phase;
		return p->height * (tooth - (double)(unsigned)tooth);
	case HS_PATTERN_UNKNOWN:
	case HS_PATTERN_LOGARITHMIC: /* a logarithm, without libm: the sum of 1/x */
		for (size_t k = 0; k < p->n; k++) {
			double step = 1 / (p->warm_up + (double)k);
			whole += step;
			sum += k < i ? step : 0;
		}
	}
	return p->height * sum / whole;
}

/* Churn at its lowest between two snapshots. */
static double lowest_churn(const struct plan *p, uint64_t *random)
{
	double low = 1;
	for (unsigned i = 0; i < LEVELS; i++)
		low = HS_MIN(low, some(random));
	return p->churn * low;
}

void series_make(struct series_made *s, enum hs_pattern truth, double leak,
		 uint64_t *random)
{
	struct plan p = make_plan(truth, leak, random);
	bool gaps = model_random(random, 3) == 0;
	memset(s, 0, sizeof(*s));
	s->truth = truth;
	for (size_t i = 0; i < p.n; i++) {
		double low = p.base + level(&p, i) + lowest_churn(&p, random);
		uint64_t jitter = model_random(random, SECOND / 10);
		if (gaps && p.n > 12 && model_random(random, 5) == 0)
			continue;
		s->points[s->n++] = (struct hs_trend_point){
			.time_ns = (i + 1) * SECOND + jitter, .low = (uint64_t)low};
	}
}

void series_judge(struct series_matrix *m, unsigned each, double leak, uint64_t seed)
{
	static struct series_made s;
	uint64_t random = seed;
	memset(m, 0, sizeof(*m));
	for (unsigned truth = 0; truth < HS_PATTERN_UNKNOWN; truth++) {
		for (unsigned i = 0; i < each; i++) {
			series_make(&s, (enum hs_pattern)truth, leak, &random);
			struct hs_trend t = hs_trend_judge(s.points, s.n);
			m->count[truth][t.pattern]++;
			bool steady = truth == HS_PATTERN_STEADY;
			bool is_leak = steady || truth == HS_PATTERN_LATE;
			m->leaks += steady;
			m->missed += steady && !t.grows;
			m->look_alikes += !is_leak;
			m->accused += !is_leak && t.grows;
		}
	}
}
