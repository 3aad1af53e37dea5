/* SPDX-License-Identifier: MIT */

/*
 * A capture, opened: what doc/capture-format.md specifies, as tables and as
 * one sequence of events in their true order.  Knows the bytes and nothing of
 * profiles; formats/heapsnap.c and the recorder's finalization use it.
 *
 *      hs_capture_open()     header, records, where the pieces of the log lie
 *      hs_capture_next()     events of all streams, merged; until it gives 0
 *      then                  modules, threads and stacks are complete
 *
 * A file that was cut off or damaged yields what can be read; `loss` counts
 * what is missing.  Memory is bounded by the bytes of the file.
 */
#ifndef HS_CAPTURE_H
#define HS_CAPTURE_H

#include "src/base.h"
#include "src/wire.h"

struct hs_cursor;

/* Bytes in the file; not terminated.  `at` may be NULL when n is 0. */
struct hs_capture_text {
	const uint8_t *at;
	size_t n;
};

/*
 * One event.  The size of a free, delete or release means nothing, nor does its
 * stack without HS_WIRE_FREES_BY, nor any of these of a RETAIN or FORK.  An allocation's
 * stack may not be defined yet: resolve ids after the last event.
 */
struct hs_capture_event {
	uint64_t addr, size;
	uint64_t stamp;  /* never decreases */
	uint32_t stack;  /* raw id, 0 for none; of a snapshot: its index */
	uint32_t thread; /* index into `threads` */
	uint32_t kind;   /* enum hs_wire_kind, or HS_CAPTURE_SNAPSHOT */
};
#define HS_CAPTURE_SNAPSHOT 16u

/* A thread: all streams with one tid, so a signal handler's belong to it. */
struct hs_capture_thread {
	uint32_t tid;
	struct hs_capture_text name;
};

struct hs_capture_module {
	uint32_t epoch;
	uint64_t start, end, bias;
	uint64_t reach; /* in the end: greatest `end` of the modules up to this one */
	struct hs_capture_text build_id, path; /* build_id: raw bytes */
};

/*
 * Frames of stacks as a tree: node 0 is the root, parents come first.  Nodes
 * are not unique: two may have the same parent and address.
 */
struct hs_capture_node {
	uint32_t parent, epoch;
	uint64_t pc; /* return address */
};

struct hs_capture_stack {
	uint32_t id, node; /* node: its innermost frame */
	uint32_t flags;    /* HS_WIRE_STACK_* */
};

struct hs_capture_snapshot {
	uint64_t stamp, time_ns, rss, anon, file, shmem;
};

/* What one call did to the address space; see enum hs_wire_mapping. */
struct hs_capture_mapping {
	uint64_t stamp, order; /* order: of those with one stamp, as they were read */
	uint64_t address, length;
	uint32_t op, stack; /* stack: raw id */
};

/* A stamp whose time is known. */
struct hs_capture_moment {
	uint64_t stamp, time_ns;
};

/* A stretch of one stream's log: a PIECE or a chunk. */
struct hs_capture_piece {
	uint32_t stream, sequence, tid;
	uint32_t thread; /* index into `threads` */
	uint64_t base_stamp;
	struct hs_capture_text events;
	uint64_t folded; /* so many of its bytes, from the first on, are in the checkpoint
			  */
};

/* A place in a stream's log: so many bytes of the events of one of its chunks. */
struct hs_capture_position {
	uint32_t stream, sequence;
	uint64_t bytes;
};

/* What matters of a thread's last calls before a checkpoint; see fold.h. */
struct hs_capture_last {
	uint32_t thread; /* index into `threads` */
	uint32_t flags;  /* HS_WIRE_LAST_* */
	uint64_t last;   /* address of its last allocation */
	/* HS_WIRE_LAST_RELEASED: the block. */
	uint64_t addr, size, born;
	uint32_t stack, kind, owner; /* owner: index into `threads` */
};

/*
 * A record that is kept as it is: SEGMENT, LIVE_SET, PEAK, WEIGHTS, FREE_STACKS, FORKS,
 * MAPPED, MAPS.
 */
struct hs_capture_record {
	uint64_t tag;
	struct hs_capture_text payload;
};

struct hs_capture_loss {
	bool cut;                 /* the file ends before its last section does */
	uint32_t damaged_records; /* sections whose records break off */
	uint32_t damaged_pieces;  /* their events after the damage are lost */
	uint64_t missing_pieces;  /* gaps in the streams' sequences */
	uint64_t unknown_events;  /* of kinds that this reader does not know */
};

struct hs_capture {
	struct hs_wire_header header; /* a copy; fields beyond the file's own are 0 */
	struct hs_capture_text name, exe, argv, version, system;

	uint64_t own_memory; /* address of a struct hs_wire_own in the process, or 0 */
	uint64_t fork_stamp; /* of the FORK in the parent's capture, or 0 */

	/*
	 * Bytes from one sampled allocation to the next, on average; 0: all were
	 * recorded.  And what the process did in all, if has_counts.
	 */
	uint64_t sample_mean;
	bool has_counts;
	struct hs_wire_counters counts;

	bool ended;       /* an ENDED record is there */
	uint32_t end_how; /* enum hs_wire_how */
	int64_t end_code;
	uint64_t end_stamp, end_ns;

	/*
	 * A checkpoint: `records` tell the state up to folded_stamp, and the log goes
	 * on from there.  Allocations at live addresses were met, `overlaps` times.
	 */
	bool folded;
	uint64_t folded_stamp, overlaps;
	const struct hs_capture_last *lasts;
	/* Up to where the log was folded; in the end: up to where events were given out.
	 */
	const struct hs_capture_position *positions;

	const struct hs_capture_thread *threads;
	const struct hs_capture_module *modules; /* in the end: sorted, no duplicates */
	const struct hs_capture_node *nodes;
	const struct hs_capture_stack *stacks; /* in the end: by id, no duplicates */
	const struct hs_capture_snapshot *snapshots; /* by stamp */
	const struct hs_capture_piece *pieces; /* by (stream, sequence), no duplicates */
	const struct hs_capture_record *records;   /* in file order */
	const struct hs_capture_mapping *mappings; /* in the end: by stamp */
	const struct hs_capture_moment *clock; /* both ascend; the first is the start */
	size_t n_threads, n_modules, n_nodes, n_stacks, n_snapshots, n_pieces, n_records,
		n_mappings, n_clock, n_positions, n_lasts;

	struct hs_capture_loss loss;
};

/* Is this the beginning of a capture, of whatever version? */
bool hs_capture_probe(const uint8_t *data, size_t size);

/*
 * Open the capture in IN, which must stay mapped.  The file may still be
 * growing: what was committed when it was opened is read; where its recorder has
 * replaced what was read meanwhile, IN->changed tells so, unless IN->as_is.
 * Fails otherwise only where the header cannot be read or is of a newer version.
 */
HS_MUST_USE struct hs_error *hs_capture_open(struct hs_cursor *in,
					     struct hs_capture **ret);
/*
 * As hs_capture_open(), for making a checkpoint of a capture that goes on to grow:
 * chunks are left out, and so are sections of later generations than
 * LAST_GENERATION and events and snapshots later than HORIZON, a stamp.
 */
HS_MUST_USE struct hs_error *hs_capture_open_until(struct hs_cursor *in,
						   uint32_t last_generation,
						   uint64_t horizon,
						   struct hs_capture **ret);
void hs_capture_free(struct hs_capture *c); /* accepts NULL */

/*
 * The next events in order (all streams merged by stamp, ties by the lower
 * stream; a snapshot comes after the events that have its stamp), at most a
 * few hundred at a time.  Returns their number, 0 after the last; *RET is good
 * until the next call.
 */
size_t hs_capture_next(struct hs_capture *c, const struct hs_capture_event **ret);

/* CLOCK_REALTIME of STAMP in ns, or 0 where it is not known. */
uint64_t hs_capture_time(const struct hs_capture *c, uint64_t stamp);

/* The stack with that raw id, or NULL.  After the last event. */
const struct hs_capture_stack *hs_capture_stack(const struct hs_capture *c, uint32_t id);

/* The module that covers return address PC in EPOCH, or NULL.  After the last event. */
const struct hs_capture_module *hs_capture_find_module(const struct hs_capture *c,
						       uint32_t epoch, uint64_t pc);

#endif /* HS_CAPTURE_H */
