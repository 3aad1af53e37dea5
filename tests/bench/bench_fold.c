/* SPDX-License-Identifier: MIT */

/*
 * How fast is a log analyzed: events per second decoded, and decoded and
 * folded, from captures made in memory.  Prints one line for each; best of
 * three, since the machine may have other things to do.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/array.h"
#include "src/capture.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "tests/lib/capbuild.h"
#include "tests/lib/heapmodel.h"

#define AHEAD      ((size_t)12)
#define CHUNK_ROOM (60 << 10)

struct log {
	struct cap cap;
	struct cap_stream streams[4];
	uint64_t stamp, random;
	size_t n_events;
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void event(struct log *log, size_t stream, enum hs_wire_kind kind, uint32_t stack,
		  uint64_t size, uint64_t addr, bool stamped)
{
	struct cap_stream *s = &log->streams[stream];
	if (s->events.n > CHUNK_ROOM)
		cap_chunk(&log->cap, s, HS_WIRE_CHUNK_CLOSED);
	log->stamp += 50;
	cap_event(s, kind, stack, size, addr, stamped ? log->stamp : 0);
	log->n_events++;
}

static void begin(struct log *log)
{
	memset(log, 0, sizeof(*log));
	log->random = 88172645463325252;
	log->stamp = 1000;
	cap_init(&log->cap);
	for (uint32_t i = 0; i < HS_COUNT(log->streams); i++)
		cap_stream(&log->streams[i], i, 100 + i, 1000);
}

static uint8_t *finish(struct log *log, size_t *size)
{
	for (size_t i = 0; i < HS_COUNT(log->streams); i++)
		cap_chunk(&log->cap, &log->streams[i], HS_WIRE_CHUNK_CLOSED);
	return cap_finish(&log->cap, size);
}

/* One thread, one call: malloc and free in turn. */
static void tight_loop(struct log *log)
{
	for (size_t i = 0; i < 3000000; i++) {
		event(log, 0, HS_WIRE_MALLOC, 1, 48, 0x555555561000, false);
		event(log, 0, HS_WIRE_FREE, 0, 0, 0x555555561000, false);
	}
}

/* LIVE blocks of 5000 stacks are kept; then one goes and one comes, at random. */
static void churn(struct log *log, uint64_t live, size_t n_streams, bool stamped)
{
	for (uint64_t i = 0; i < live; i++)
		event(log, 0, HS_WIRE_MALLOC,
		      1 + (uint32_t)model_random(&log->random, 5000),
		      16 + model_random(&log->random, 500), 0x7f0000000000 + i * 64,
		      stamped);
	for (size_t i = 0; i < 1500000; i++) {
		uint64_t addr = 0x7f0000000000 + model_random(&log->random, live) * 64;
		size_t stream = model_random(&log->random, n_streams);
		event(log, stream, HS_WIRE_FREE, 0, 0, addr, stamped);
		event(log, stream, HS_WIRE_MALLOC,
		      1 + (uint32_t)model_random(&log->random, 5000),
		      16 + model_random(&log->random, 500), addr, stamped);
	}
}

static void fold_events(struct hs_fold *f, const struct hs_capture_event *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			hs_fold_prefetch(f, e[i + AHEAD].addr);
		if (e[i].kind == HS_WIRE_FREE)
			hs_fold_dealloc(f, e[i].addr, e[i].stamp);
		else
			hs_fold_alloc(f, e[i].thread, e[i].kind, e[i].stack, e[i].addr,
				      e[i].size, e[i].stamp);
	}
}

/* Seconds to read FILE, folded or not. */
static double pass(const uint8_t *file, size_t size, bool fold, uint64_t *live)
{
	struct hs_cursor in = hs_cursor(file, size, "bench");
	const struct hs_capture_event *e;
	struct hs_capture *c;
	double from = seconds();
	struct hs_error *err = hs_capture_open(&in, &c);
	if (err) {
		fprintf(stderr, "%s\n", hs_error_message(err));
		exit(1);
	}
	struct hs_fold *f = hs_fold_new();
	for (size_t n; (n = hs_capture_next(c, &e));)
		if (fold)
			fold_events(f, e, n);
	hs_fold_settle(f);
	*live = hs_fold_totals(f)->live_blocks;
	double took = seconds() - from;
	hs_fold_free(f);
	hs_capture_free(c);
	return took;
}

static void measure(const char *name, struct log *log)
{
	size_t size, n_events = log->n_events;
	uint8_t *file = finish(log, &size);
	for (int fold = 0; fold < 2; fold++) {
		double best = 1e9;
		uint64_t live = 0;
		for (int i = 0; i < 3; i++) {
			double took = pass(file, size, fold, &live);
			best = HS_MIN(best, took);
		}
		printf("%-28s %-17s %6.1f M events/s %6.1f ns/event %5.1f B/event"
		       "  (%zu events, %llu live)\n",
		       name, fold ? "decoded, folded:" : "decoded:",
		       (double)n_events / best / 1e6, best / (double)n_events * 1e9,
		       (double)size / (double)n_events, n_events,
		       (unsigned long long)live);
	}
	free(file);
}

int main(void)
{
	struct log log;
	begin(&log);
	tight_loop(&log);
	measure("malloc/free pairs", &log);
	begin(&log);
	churn(&log, 1000, 1, false);
	measure("1000 live, 1 stream", &log);
	begin(&log);
	churn(&log, 2000000, 1, false);
	measure("2 M live, 1 stream", &log);
	begin(&log);
	churn(&log, 2000000, 4, true);
	measure("2 M live, 4 streams", &log);
	return 0;
}
