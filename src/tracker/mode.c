/* SPDX-License-Identifier: MIT */

/* Modes of recording, and the slow halves of sampling. */
#include "src/tracker/mode.h"

#include "src/tracker/capture.h"
#include "src/tracker/dice.h"

unsigned tr_mode = TR_MODE_UNKNOWN;
uint64_t tr_sample_mean;
bool tr_free_stacks;

void tr_mode_start(void)
{
	if (tr_sample_mean && !tr_sampled_start())
		tr_sample_mean = 0;
}

void tr_mode_set(bool recording)
{
	unsigned mode = TR_MODE_UNKNOWN;
	if (recording)
		mode = (tr_sample_mean ? TR_MODE_SAMPLED : 0) |
		       (tr_free_stacks ? TR_MODE_FREES_BY : 0);
	__atomic_store_n(&tr_mode, mode, __ATOMIC_RELAXED);
}

void tr_sample_begin(struct tr_stream *s, uint64_t seed)
{
	static struct hs_wire_counters nowhere;
	if (!s->counters)
		s->counters = tr_capture_counters();
	if (!s->counters) {
		s->counters = &nowhere; /* a full disk: totals will be too low */
		tr_count_lost();
	}
	s->dice = seed;
	s->left = (int64_t)tr_dice_way(&s->dice, tr_sample_mean);
}

/* A stream that was born in this very call still has all of its way before it. */
bool tr_sample_hits(struct tr_stream *s, size_t size)
{
	if (s->left >= 0 && tr_sample_passes(size))
		return false;
	s->left = (int64_t)tr_dice_way(&s->dice, tr_sample_mean);
	tr_sample_count(s, size);
	return true;
}

void tr_sample_missed(void)
{
	struct tr_stream *s = tr_tls.stream;
	if (s && s->counters && s->left < 0)
		s->left = (int64_t)tr_dice_way(&s->dice, tr_sample_mean);
}

bool tr_sample_ends(struct tr_stream *s, const void *p)
{
	struct hs_wire_counters *c = s->counters;
	if (c)
		c->frees++;
	return tr_sampled_take(p);
}

void tr_sample_keeps(struct tr_stream *s, const void *p, bool told)
{
	struct hs_wire_counters *c = s->counters;
	if (c)
		c->frees--;
	if (told)
		tr_sampled_add(p);
}
