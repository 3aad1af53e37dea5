/* SPDX-License-Identifier: MIT */

/*
 * A heap as simple as can be, to check clever ones against: a list of live
 * blocks, searched from end to end; at each new peak everything is copied.
 * Also makes random streams of events in which odd things happen often.
 */
#ifndef HS_HEAPMODEL_H
#define HS_HEAPMODEL_H

#include "src/base.h"
#include "src/spread.h"

#define MODEL_STACKS  6
#define MODEL_KINDS   3
#define MODEL_THREADS 4
#define MODEL_BLOCKS  512

struct model_site {
	uint64_t allocs, frees, bytes, temporaries, live_blocks, live_bytes;
	uint64_t low; /* lowest live_bytes since model_take_low() */
	struct hs_spread spread;
};

struct model_block {
	uint64_t addr, size, born;
	uint32_t stack, kind, thread;
	bool lives;
};

struct model_thread {
	bool has_last, in_flight, unknown, was_last;
	uint64_t last; /* number of its last allocation, counted over all threads */
	struct model_block released;
	uint64_t released_number;
};

struct model {
	struct model_block blocks[MODEL_BLOCKS]; /* those that live, in no order */
	uint64_t numbers[MODEL_BLOCKS];          /* of the allocations that made them */
	size_t n_blocks;
	struct model_site sites[MODEL_STACKS][MODEL_KINDS];
	struct model_site at_peak[MODEL_STACKS][MODEL_KINDS];
	struct model_site sum;
	struct model_thread threads[MODEL_THREADS];
	uint64_t peak_bytes, peak_blocks, peak_time, water, now, number;
	uint64_t unmatched, overlaps;
};

enum model_what { MODEL_ALLOC, MODEL_FREE, MODEL_RELEASE, MODEL_RETAIN };

struct model_event {
	enum model_what what;
	uint32_t thread, kind, stack;
	uint64_t addr, size, time;
};

/* xorshift: the same everywhere, so that a failure can be repeated. */
uint64_t model_random(uint64_t *state, uint64_t below);

/*
 * A random event that may follow on what M has seen.  With TIDY, only what a
 * sound program does: no free of unknown blocks, none allocated twice.
 */
struct model_event model_make(const struct model *m, uint64_t *random, bool tidy);

void model_apply(struct model *m, const struct model_event *e);

/* Reallocs in flight keep their blocks. */
void model_settle(struct model *m);

/* The highest live bytes since the last call. */
uint64_t model_take_water(struct model *m);

/* The lowest of a site, likewise; a realloc under way takes nothing away. */
uint64_t model_take_low(struct model_site *site);

#endif /* HS_HEAPMODEL_H */
