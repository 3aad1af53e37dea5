/* SPDX-License-Identifier: MIT */

/*
 * A target: one capture that grows, and the process that writes it.  The file
 * is not trusted: it may be damaged, hostile, or cut by others at any moment.
 */
#ifndef RC_TARGET_H
#define RC_TARGET_H

#include <sys/types.h>

#include "src/array.h"
#include "src/hash.h"
#include "src/recorder/round.h"
#include "src/recorder/store.h"
#include "src/wire.h"

enum rc_target_state {
	RC_ALIVE,   /* its process lives */
	RC_ENDING,  /* it ended; `run` will tell how */
	RC_DEAD,    /* it ended; the capture waits to be rewritten */
	RC_WRITING, /* a child of ours rewrites it */
};

/* How a process ended, as far as it is known. */
struct rc_end {
	bool known;
	enum hs_wire_how how;
	int32_t code;
	uint64_t stamp, time_ns; /* 0, 0: not known */
};

struct rc_chunk_ref {
	uint64_t page;
	uint32_t pages;
};

/* A thread's log, and the name its thread had when it was looked at. */
struct rc_stream {
	uint32_t stream;
	pid_t tid;
	char name[16];
};

struct rc_target {
	uint64_t id; /* of the recorder; never reused */
	enum rc_target_state state;
	char *name; /* file in the directory */
	dev_t device;
	ino_t inode;
	int fd;
	int pid_fd;                    /* -1: the process is looked at with kill() */
	struct hs_wire_header *header; /* mapped; see rc_target_guarded() */
	char *map;                     /* the file from its start, or NULL */
	uint64_t map_size;
	struct rc_store store;
	struct rc_round round;
	bool scanning, copying; /* a scan is made; no chunk may be given back */

	/* What does not change, copied when the capture was opened. */
	pid_t pid, ppid;
	uint64_t pid_ns, start_ticks, start_ns;
	uint8_t clock;

	/* Chunks that were met, newest last; see chunks.c. */
	HS_ARRAY(struct rc_chunk_ref) chunks;
	uint64_t newest_chunk;
	uint64_t retry_ns; /* a write failed: not before this time again */
	bool troubled;     /* that was told */

	/* Snapshots; see watch.c. */
	uint64_t n_snapshots, interval_ns, next_snapshot_ns;
	HS_ARRAY(struct rc_stream) streams;
	struct hs_map stream_index; /* stream -> index in streams */
	size_t next_stream;

	struct rc_end end;
	uint64_t give_up_ns; /* RC_ENDING: until then */
	uint64_t peer;       /* whose run it belongs to, or 0 */
};

enum rc_open {
	RC_OPEN_OK,
	RC_OPEN_LATER, /* its process is just writing the header */
	RC_OPEN_NEVER, /* no capture, of another version, or final */
};

/* Open NAME in DIR_FD for recording. */
enum rc_open rc_target_open(int dir_fd, const char *name, struct rc_target **ret);
void rc_target_free(struct rc_target *t); /* accepts NULL */

/*
 * Call FN, which may look at the target's mapped memory.  Returns false if
 * the file got shorter under it (SIGBUS); then the target is to be dropped.
 * Calls do not nest.
 */
HS_MUST_USE bool rc_target_guarded(struct rc_target *t,
				   void (*fn)(struct rc_target *t, void *arg), void *arg);

/* The PAGES pages from PAGE on, mapped, or NULL where the file has no such. */
void *rc_target_at(struct rc_target *t, uint64_t page, uint64_t pages);

/* This moment in the target's clock. */
uint64_t rc_target_stamp(struct rc_target *t);

/* This moment in nanoseconds: since the epoch; and of a clock that never jumps. */
uint64_t rc_now_ns(void);
uint64_t rc_clock_ns(void);

#endif /* RC_TARGET_H */
