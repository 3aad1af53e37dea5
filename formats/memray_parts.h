/* SPDX-License-Identifier: MIT */

/*
 * The parts of the memray reader.  memray.c reads the header and decides,
 * memray_stream.c and memray_aggregate.c read the two kinds of bodies,
 * memray_frames.c and memray_native.c keep what Python and native stacks are
 * made of, memray_fold.c makes figures of allocations as memray counts them.
 */
#ifndef HS_MEMRAY_PARTS_H
#define HS_MEMRAY_PARTS_H

#include "src/array.h"
#include "src/build.h"
#include "src/cursor.h"
#include "src/fold.h"
#include "src/hash.h"
#include "src/mappings.h"

enum {
	MEMRAY_OLDEST = 9,
	MEMRAY_NEWEST = 13,
	MEMRAY_AGGREGATED = 10, /* since this version there are aggregated files */
	MEMRAY_CODE = 12,       /* ... frames refer to code objects */
};

/* Records that both kinds of bodies have, or both kinds of streams. */
enum memray_tag {
	MEMRAY_NATIVE_NODE = 5,
	MEMRAY_MAPS = 6,
	MEMRAY_IMAGE = 7,
	MEMRAY_SEGMENT = 8,
	MEMRAY_THREAD_NAME = 10,
	MEMRAY_SWITCH = 12,
	MEMRAY_CODE_OBJECT = 14,
};

struct memray_header {
	uint32_t version;
	uint32_t python; /* PY_VERSION_HEX, 0: not told (before version 12) */
	bool native, aggregated, traces_python;
	uint64_t n_records; /* as written at the end, else 0 */
	uint64_t start_ms, end_ms;
	hs_str command;
	uint32_t pid;
	uint64_t main_tid, skipped;
	uint8_t allocator; /* Python's */
};

/* -- Frames -------------------------------------------------------------------- */

struct memray_code {
	hs_str function, file;
	uint32_t first_line;
	size_t table, n_table; /* in `tables` */
};

struct memray_frames {
	HS_ARRAY(struct memray_code) codes;
	HS_ARRAY(uint8_t) tables; /* line tables, one behind the other */
	struct hs_map code_of;    /* id -> index */
	struct hs_map frame_of;   /* (code, offset, entry) or id -> hs_frame */
	uint64_t first_line;      /* the running value */
};

/* -- Native stacks --------------------------------------------------------------- */

struct memray_node {
	uint64_t ip;
	uint32_t parent; /* 0: none */
};

struct memray_segment {
	uint64_t start, end; /* addresses */
	uint32_t image;
};

struct memray_image {
	hs_module module;
	hs_str path;
	uint64_t bias, shape;
};

/* The maps between two changes of them. */
struct memray_generation {
	size_t first, n; /* in `segments`, sorted by address when all is read */
};

struct memray_native {
	HS_ARRAY(struct memray_node) nodes; /* [0]: none */
	HS_ARRAY(struct memray_segment) segments;
	HS_ARRAY(struct memray_image) images;
	HS_ARRAY(struct memray_generation) generations; /* [0]: none */
	struct hs_map image_of;                         /* (path, bias, shape) -> index */
	struct hs_map stack_of; /* (node, generation) -> hs_stack */
	uint64_t ip, id;        /* running values */
	bool settled;
};

/* A stack of both: what an allocation of a native capture is booked under. */
struct memray_pair {
	hs_stack python;
	uint32_t node, generation;
	bool skip; /* it is the main thread's: the outermost frames are memray's */
};

/* -- Threads ----------------------------------------------------------------------- */

struct memray_recent {
	uint64_t addr, size;
	uint32_t site; /* of the fold; UINT32_MAX: none */
};

struct memray_thread {
	uint64_t tid;
	hs_thread id; /* 0 until it allocates */
	hs_str name;
	HS_ARRAY(hs_stack) pushed;      /* [i]: up to the i-th frame */
	struct memray_recent recent[2]; /* its last allocations, the last one first */
};

/* -- All ------------------------------------------------------------------------------
 */

struct memray_temporary {
	uint64_t n, bytes;
};

struct memray {
	struct hs_builder *b;
	struct hs_cursor *in;
	struct memray_header h;
	struct memray_frames frames;
	struct memray_native native;

	HS_ARRAY(struct memray_thread) threads;
	struct hs_map thread_of; /* tid -> index */
	uint32_t thread;         /* the current one */

	struct hs_fold *fold;
	struct hs_mappings *mappings;
	HS_ARRAY(struct memray_pair) pairs; /* [0]: none */
	struct hs_map pair_of;
	HS_ARRAY(struct memray_temporary) temporaries; /* by the fold's sites */

	uint64_t now_ns;
	uint64_t n_records; /* allocations and deallocations that were read */
	bool ended;         /* its trailer was met */
	bool damaged;       /* what follows the last good record is none */
};

/* memray_frames.c */
void memray_frames_deinit(struct memray_frames *f);
bool memray_read_code(struct memray *m); /* false: cut off or damaged */
hs_frame memray_code_frame(struct memray *m, uint64_t code, int64_t offset, bool entry);
hs_frame memray_line_frame(struct memray *m, hs_str function, hs_str file, int64_t line,
			   bool entry);
hs_str memray_string(struct memray *m); /* up to a NUL */

/* memray_native.c */
void memray_native_deinit(struct memray_native *n);
bool memray_read_node(struct memray *m);
bool memray_read_image(struct memray *m); /* and its segments */
void memray_new_generation(struct memray *m);
void memray_settle_native(struct memray *m);
hs_stack memray_native_stack(struct memray *m, uint32_t node, uint32_t generation);

/* memray_fold.c */
void memray_switch(struct memray *m, uint64_t tid);
hs_thread memray_thread_id(struct memray *m, uint32_t thread);
void memray_push(struct memray *m, hs_frame frame);
void memray_pop(struct memray *m, uint64_t n);
void memray_allocate(struct memray *m, enum hs_alloc_kind kind, uint64_t addr,
		     uint64_t size, uint32_t node);
void memray_deallocate(struct memray *m, uint64_t addr);
void memray_map(struct memray *m, uint64_t addr, uint64_t size, uint32_t node);
void memray_unmap(struct memray *m, uint64_t addr, uint64_t size);
hs_stack memray_pair_stack(struct memray *m, const struct memray_pair *pair);
void memray_add_figures(struct memray *m); /* into the builder */

/* memray_stream.c, memray_aggregate.c: as far as it goes. */
void memray_read_stream(struct memray *m);
enum hs_alloc_kind memray_kind(uint32_t version, uint8_t allocator);
void memray_read_aggregate(struct memray *m);

#endif /* HS_MEMRAY_PARTS_H */
