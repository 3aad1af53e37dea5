/* SPDX-License-Identifier: MIT */

/*
 * A capture as the tracker writes it, made by a test: by the specification
 * and not by the tracker's code.  Knows the truth of what it wrote.
 */
#ifndef HS_FAKECAPTURE_H
#define HS_FAKECAPTURE_H

#include <sys/types.h>

#include "src/base.h"
#include "src/wire.h"

struct fake;

struct fake_truth {
	uint64_t allocs, frees, bytes, live_blocks, live_bytes;
};

/*
 * Create PATH for the process PID with LIVE state; chunks have PAGES pages.
 * Fails the test where the file cannot be made.
 */
struct fake *fake_new(const char *path, pid_t pid, uint32_t pages);
void fake_free(struct fake *f); /* the file stays */

struct hs_wire_header *fake_header(struct fake *f);

/* Stream IDs count from 1; each is made when it is used for the first time. */
void fake_malloc(struct fake *f, uint32_t stream, uint64_t addr, uint32_t size);
void fake_dealloc(struct fake *f, uint32_t stream, uint64_t addr);

/* N events: blocks live and die at random; the same for a SEED. */
void fake_work(struct fake *f, uint32_t stream, unsigned n, unsigned seed);

/* The chunk to which STREAM appends. */
struct hs_wire_chunk *fake_open_chunk(struct fake *f, uint32_t stream);

const struct fake_truth *fake_truth(const struct fake *f);

/* Chunks in the file, and how many of them are in STATE. */
unsigned fake_chunks(const struct fake *f, uint32_t state);

/* Field 22 of /proc/PID/stat. */
uint64_t fake_start_ticks(pid_t pid);

#endif /* HS_FAKECAPTURE_H */
