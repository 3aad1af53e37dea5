/* SPDX-License-Identifier: MIT */

/*
 * Checkpoints: a log that is cut by them anywhere tells what a model of the heap
 * says of the whole.
 */
#include "src/folding.h"

#include "src/cursor.h"
#include "src/fold.h"
#include "src/mappings.h"
#include "src/recorder/rewrite.h"
#include "src/recorder/sections.h"
#include "src/segment.h"
#include "tests/lib/capbuild.h"
#include "tests/lib/heapmodel.h"
#include "tests/lib/suite.h"

#define EVENTS    600u
#define PER_CHUNK 37u /* events */
#define STEP      3u  /* stamps from event to event */
#define TIDS      100u

/* A program's whole run, and what is told of it at some moment. */
struct story {
	struct model_event events[EVENTS];
	struct model model;
	bool maps[EVENTS];      /* a MAPPING comes before the event */
	bool snapshots[EVENTS]; /* a SNAPSHOT comes after it */
	uint64_t n_maps;
	struct level {
		uint64_t live, low;
	} levels[EVENTS][MODEL_STACKS][MODEL_KINDS]; /* by snapshot */
};

static uint64_t stamp_of(size_t i)
{
	return (i + 1) * STEP;
}

static void note_levels(struct story *s, size_t snapshot)
{
	for (size_t i = 0; i < MODEL_STACKS; i++) {
		for (size_t k = 0; k < MODEL_KINDS; k++) {
			struct model_site *site = &s->model.sites[i][k];
			struct level *level = &s->levels[snapshot][i][k];
			level->live = site->live_bytes;
			level->low = model_take_low(site);
		}
	}
}

static void make_story(struct story *s, uint64_t *random)
{
	size_t n_snapshots = 0;
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < EVENTS; i++) {
		s->events[i] = model_make(&s->model, random, false);
		s->events[i].time = stamp_of(i);
		model_apply(&s->model, &s->events[i]);
		s->maps[i] = model_random(random, 10) == 0;
		s->snapshots[i] = model_random(random, 40) == 0;
		s->n_maps += s->maps[i];
		if (s->snapshots[i])
			note_levels(s, n_snapshots++);
	}
	model_settle(&s->model);
}

static enum hs_wire_kind wire_kind(const struct model_event *e)
{
	static const enum hs_wire_kind kinds[] = {[MODEL_FREE] = HS_WIRE_FREE,
						  [MODEL_RELEASE] = HS_WIRE_RELEASE,
						  [MODEL_RETAIN] = HS_WIRE_RETAIN};
	return e->what == MODEL_ALLOC ? HS_WIRE_MALLOC + e->kind : kinds[e->what];
}

static void tell_mapping(struct cap_stream *to, size_t i)
{
	struct hs_out payload;
	const uint64_t values[] = {HS_WIRE_MAP_MMAP, 4096 * (2 * i + 1), 4096, 3, 2, 1,
				   stamp_of(i) - 1};
	hs_out_init(&payload, -1);
	for (size_t k = 0; k < HS_COUNT(values); k++)
		hs_put_uleb(&payload, values[k]);
	cap_event_record(to, HS_WIRE_MAPPING, &payload);
	free(hs_out_take(&payload, NULL));
}

/* The log of thread T as far as its first N events: PIECEs in RECORDS, or chunks. */
static void tell_stream(struct cap *c, const struct story *s, uint32_t t, size_t n,
			struct hs_out *records)
{
	struct cap_stream stream;
	size_t told = 0;
	cap_stream(&stream, t + 1, TIDS + t, 0);
	for (size_t i = 0; i < EVENTS && told < n; i++) {
		const struct model_event *e = &s->events[i];
		if (e->thread != t)
			continue;
		if (s->maps[i])
			tell_mapping(&stream, i);
		cap_event(&stream, wire_kind(e), e->stack, e->size, e->addr, stamp_of(i));
		if (++told % PER_CHUNK && told < n)
			continue;
		if (records)
			cap_piece(records, &stream);
		else
			cap_chunk(c, &stream, HS_WIRE_CHUNK_CLOSED);
	}
	free(hs_out_take(&stream.events, NULL));
}

static size_t events_of(const struct story *s, uint32_t t, size_t until)
{
	size_t n = 0;
	for (size_t i = 0; i < until; i++)
		n += s->events[i].thread == t;
	return n;
}

static void tell_snapshots(const struct story *s, size_t from, size_t until,
			   struct hs_out *records)
{
	for (size_t i = from; i < until; i++) {
		const uint64_t stamp = stamp_of(i) + 1;
		const uint64_t values[] = {stamp, stamp * 1000, 1, 1, 1, 1};
		if (s->snapshots[i])
			cap_ulebs(records, HS_WIRE_SNAPSHOT, values, HS_COUNT(values));
	}
}

/* A section with a generation. */
static void put_section(struct cap *c, uint16_t tag, uint32_t generation,
			const struct hs_out *records)
{
	static const char zeros[HS_WIRE_PAGE];
	size_t bytes = sizeof(struct hs_wire_records) + records->n;
	size_t pages = (bytes + HS_WIRE_PAGE - 1) / HS_WIRE_PAGE;
	struct hs_wire_records head = {.section = {.magic = HS_WIRE_SECTION_MAGIC,
						   .tag = tag,
						   .header_size = sizeof(head),
						   .pages = (uint32_t)pages,
						   .length = (uint32_t)records->n},
				       .generation = generation,
				       .number = generation};
	hs_put(&c->pages, &head, sizeof(head));
	hs_put(&c->pages, records->buf, records->n);
	hs_put(&c->pages, zeros, pages * HS_WIRE_PAGE - bytes);
}

static struct hs_folding *fold(uint8_t *data, size_t size, bool until, uint64_t horizon,
			       uint32_t generation, struct hs_capture **c)
{
	struct hs_cursor in = hs_cursor(data, size, NULL);
	if (until)
		ck_assert_ptr_null(hs_capture_open_until(&in, generation, horizon, c));
	else
		ck_assert_ptr_null(hs_capture_open(&in, c));
	return until ? NULL : hs_folding_run(*c, true);
}

/* The records of a checkpoint of what DATA tells up to HORIZON. */
static void checkpoint(uint8_t *data, size_t size, uint32_t generation, uint64_t horizon,
		       struct hs_out *ret)
{
	struct hs_capture *c;
	struct rc_sections out;
	fold(data, size, true, horizon, generation - 1, &c);
	rc_sections_init(&out, -1);
	rc_put_checkpoint(&out, c, horizon);
	ck_assert_uint_eq(c->loss.damaged_pieces + c->loss.damaged_records, 0);
	ck_assert_uint_eq(c->loss.missing_pieces, 0);
	hs_out_init(ret, -1);
	hs_put(ret, out.pending.buf, out.pending.n);
	free(hs_out_take(&out.pending, NULL));
	hs_capture_free(c);
}

/*
 * The file after some checkpoints: each knows all events up to a moment, and
 * of each stream by chance some that came later.
 */
static uint8_t *cut_story(const struct story *s, uint64_t *random, unsigned checkpoints,
			  size_t *size)
{
	struct hs_out state = {0};
	size_t moment = 0, told = 0, seen[MODEL_THREADS] = {0};
	for (uint32_t g = 0;; g++) {
		bool last = g == checkpoints;
		struct cap c;
		struct hs_out records;
		cap_init(&c);
		hs_out_init(&records, -1);
		c.header.state = HS_WIRE_LIVE;
		c.header.generation = g;
		moment = last ? EVENTS : moment + model_random(random, EVENTS - moment);
		for (uint32_t t = 0; t < MODEL_THREADS; t++) {
			size_t n = events_of(s, t, moment);
			n += model_random(random, events_of(s, t, EVENTS) - n + 1);
			seen[t] = HS_MAX(seen[t], n); /* a log does not shrink */
			tell_stream(&c, s, t, seen[t], last ? NULL : &records);
		}
		size_t ahead = moment + model_random(random, EVENTS - moment + 1);
		tell_snapshots(s, told, last ? EVENTS : ahead, &records);
		told = HS_MAX(told, ahead);
		put_section(&c, HS_WIRE_RECORDS, g, &records);
		if (g)
			put_section(&c, HS_WIRE_CHECKPOINT, g, &state);
		/* What counts no more: an older checkpoint, one that was given up. */
		put_section(&c, HS_WIRE_CHECKPOINT, g + 7, &records);
		if (g)
			put_section(&c, HS_WIRE_RECORDS, g - 1, &records);
		free(hs_out_take(&records, NULL));
		free(hs_out_take(&state, NULL));
		uint8_t *data = cap_finish(&c, size);
		if (last)
			return data;
		checkpoint(data, *size, g + 1, stamp_of(moment) - 1, &state);
		free(data);
	}
}

static void assert_sites(const struct hs_folding *f, const struct model *m)
{
	size_t n;
	const struct hs_fold_site *sites = hs_fold_sites(f->fold, &n);
	const struct hs_spread *spreads = hs_fold_spreads(f->fold);
	struct model_site zero[MODEL_STACKS][MODEL_KINDS] = {0};
	for (size_t i = 0; i < n; i++) {
		const struct hs_fold_site *s = &sites[i];
		const uint32_t k = s->kind - HS_WIRE_MALLOC;
		const struct model_site *want = &m->sites[s->stack][k];
		ck_assert_uint_eq(s->allocs, want->allocs);
		ck_assert_uint_eq(s->frees, want->frees);
		ck_assert_uint_eq(s->bytes, want->bytes);
		ck_assert_uint_eq(s->temporaries, want->temporaries);
		ck_assert_uint_eq(s->live_blocks, want->live_blocks);
		ck_assert_uint_eq(s->live_bytes, want->live_bytes);
		ck_assert_uint_eq(s->peak_blocks, m->at_peak[s->stack][k].live_blocks);
		ck_assert_uint_eq(s->peak_bytes, m->at_peak[s->stack][k].live_bytes);
		ck_assert_mem_eq(&spreads[i], &want->spread, sizeof(want->spread));
		zero[s->stack][k].allocs = s->allocs;
	}
	for (size_t i = 0; i < MODEL_STACKS; i++)
		for (size_t k = 0; k < MODEL_KINDS; k++)
			ck_assert_uint_eq(zero[i][k].allocs, m->sites[i][k].allocs);
}

static void assert_live(const struct hs_folding *f, const struct model *m)
{
	size_t n;
	struct hs_fold_block *live = hs_fold_live(f->fold, &n);
	ck_assert_uint_eq(n, m->n_blocks);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (m->blocks[k].addr != live[i].addr)
			ck_assert_uint_lt(++k, m->n_blocks);
		ck_assert_uint_eq(live[i].size, m->blocks[k].size);
		ck_assert_uint_eq(live[i].born, m->blocks[k].born);
		ck_assert_uint_eq(f->capture->threads[live[i].thread].tid,
				  TIDS + m->blocks[k].thread);
	}
	free(live);
}

/*
 * A site that a segment does not name is as before.  A realloc that was under way at
 * a checkpoint may have made the lowest point lower than it was.
 */
static void assert_levels(const struct hs_segment *segment,
			  struct level now[MODEL_STACKS][MODEL_KINDS],
			  const struct level want[MODEL_STACKS][MODEL_KINDS], bool exact)
{
	ck_assert(segment->flags & HS_SEGMENT_LEVELS);
	for (size_t i = 0; i < MODEL_STACKS; i++)
		for (size_t k = 0; k < MODEL_KINDS; k++)
			now[i][k].low = now[i][k].live;
	for (size_t i = 0; i < segment->n_sites; i++) {
		const struct hs_segment_site *site = &segment->sites[i];
		struct level *level = &now[site->stack][site->kind - HS_WIRE_MALLOC];
		level->live = site->live_bytes;
		level->low = site->live_bytes - site->drop;
	}
	for (size_t i = 0; i < MODEL_STACKS; i++) {
		for (size_t k = 0; k < MODEL_KINDS; k++) {
			ck_assert_uint_eq(now[i][k].live, want[i][k].live);
			ck_assert_uint_le(now[i][k].low, want[i][k].low);
			if (exact)
				ck_assert_uint_eq(now[i][k].low, want[i][k].low);
		}
	}
}

/* Segments add up to the whole, and there is one for each snapshot. */
static void assert_segments(const struct hs_folding *f, const struct story *s, bool exact)
{
	struct level now[MODEL_STACKS][MODEL_KINDS] = {0};
	size_t snapshots = 0, wanted = 0;
	uint64_t allocs = 0, unmatched = 0, peak = 0;
	for (size_t i = 0; i < f->n_segments; i++) {
		struct hs_cursor in =
			hs_cursor(f->segments[i].at, f->segments[i].n, NULL);
		struct hs_segment segment;
		ck_assert_ptr_null(hs_segment_decode(&in, &segment));
		bool snapshot = segment.flags & HS_SEGMENT_SNAPSHOT;
		ck_assert(snapshot || i + 1 == f->n_segments);
		if (snapshot)
			assert_levels(&segment, now, s->levels[snapshots], exact);
		snapshots += snapshot;
		for (size_t k = 0; k < segment.n_sites; k++)
			allocs += segment.sites[k].allocs;
		unmatched += (uint64_t)segment.unmatched_frees;
		peak = HS_MAX(peak, segment.peak_bytes);
		free((void *)(uintptr_t)segment.sites);
	}
	for (size_t i = 0; i < EVENTS; i++)
		wanted += s->snapshots[i];
	ck_assert_uint_eq(snapshots, wanted);
	ck_assert_uint_eq(allocs, s->model.sum.allocs);
	ck_assert_uint_eq(unmatched, s->model.unmatched);
	ck_assert_uint_eq(peak, s->model.peak_bytes);
}

static void assert_story(const struct hs_folding *f, const struct story *s, bool exact)
{
	const struct hs_fold_totals *t = hs_fold_totals(f->fold);
	const struct model *m = &s->model;
	const struct hs_capture_loss *loss = &f->capture->loss;
	ck_assert_uint_eq(f->damaged + loss->damaged_records + loss->damaged_pieces, 0);
	ck_assert_uint_eq(loss->missing_pieces + loss->cut, 0);
	ck_assert_uint_eq(t->allocs, m->sum.allocs);
	ck_assert_uint_eq(t->frees, m->sum.frees);
	ck_assert_uint_eq(t->bytes, m->sum.bytes);
	ck_assert_uint_eq(t->temporaries, m->sum.temporaries);
	ck_assert_uint_eq(t->live_bytes, m->sum.live_bytes);
	ck_assert_uint_eq(t->peak_bytes, m->peak_bytes);
	ck_assert_uint_eq(t->peak_blocks, m->peak_blocks);
	ck_assert_uint_eq(t->peak_time, m->peak_time);
	ck_assert_uint_eq(t->unmatched_frees, m->unmatched);
	ck_assert_uint_eq(t->overlaps, m->overlaps);
	ck_assert_uint_eq(hs_mappings_totals(f->mappings)->calls, s->n_maps);
	ck_assert_uint_eq(hs_mappings_totals(f->mappings)->bytes, s->n_maps * 4096);
	assert_sites(f, m);
	assert_live(f, m);
	assert_segments(f, s, exact);
}

static void run(uint64_t seed, unsigned checkpoints)
{
	static struct story s;
	uint64_t random = seed;
	struct hs_capture *c;
	size_t size;
	make_story(&s, &random);
	uint8_t *data = cut_story(&s, &random, checkpoints, &size);
	struct hs_folding *f = fold(data, size, false, 0, 0, &c);
	assert_story(f, &s, checkpoints == 0);
	hs_folding_free(f);
	hs_capture_free(c);
	free(data);
}

START_TEST(a_log_tells_what_the_model_says)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run(seed, 0);
}
END_TEST

START_TEST(a_log_that_checkpoints_cut_tells_the_same)
{
	for (uint64_t seed = 1; seed <= 1000; seed++)
		run(seed, 1 + (unsigned)(seed % 4));
}
END_TEST

HS_SUITE("folding", a_log_tells_what_the_model_says,
	 a_log_that_checkpoints_cut_tells_the_same)
