/* SPDX-License-Identifier: MIT */

/*
 * The recorder's whole state, and what its parts do to it:
 *
 *      loop.c      waits, and calls the others in turn
 *      targets.c   captures appear, grow, end
 *      rounds.c    children of ours replace their logs by checkpoints
 *      scans.c     children of ours look at the memory of programs that end
 *      writers.c   children of ours rewrite captures of ended processes
 *      peers.c     the runs that started us or found us
 */
#ifndef RC_RECORDER_H
#define RC_RECORDER_H

#include "src/array.h"
#include "src/recorder/protocol.h"
#include "src/recorder/target.h"

struct rc_options {
	int control_fd; /* -1: started by a tracked program, no run waits for us */
	const char *dir;
	int dir_fd;           /* DIR, locked for us; or -1 */
	uint64_t interval_ns; /* between snapshots */
	uint64_t scan_ns;     /* that a scan may take; 0: none is made */
	uint64_t max_disk;    /* bytes of one capture; 0: no bound */
	bool reports;         /* of captures that no run waits for: write HTML and text */
};

struct rc_peer {
	uint64_t id;
	int fd;
	pid_t run, main; /* the run itself; its program, or 0 */
	bool closing;    /* wants a BYE when its captures are done */
	bool gone;
	HS_ARRAY(struct rc_message) queue; /* what the socket did not take yet */
};

struct rc_writer {
	uint64_t target; /* id */
	pid_t pid;
	int pipe_fd; /* gives a sentence where it failed; its end is the child's */
};

/* Somebody wants to know what is still held in a process. */
struct rc_scan {
	uint64_t id;
	int asker_fd; /* the process itself, which waits; or -1 */
	pid_t asker;
	uint64_t target; /* id, or 0: it has not said anything yet */
	bool ready;      /* to be started */
	pid_t child;     /* at work, or 0 */
	int said_fd, result_fd;
};

/* A file which may become a capture soon. */
struct rc_pending {
	char *name;
	uint64_t until_ns;
};

/* What an epoll event belongs to: the kind in the top byte, an id below. */
enum rc_source {
	RC_INOTIFY = 1,
	RC_LISTEN,
	RC_PEER,
	RC_TARGET,
	RC_ROUND,
	RC_WRITER,
	RC_SCAN_LISTEN,
	RC_SCAN,
	RC_SCANNER,
};

struct rc_recorder {
	struct rc_options options;
	int dir_fd, epoll_fd, inotify_fd, listen_fd, scan_fd;
	uint64_t pid_ns;   /* ours */
	uint64_t start_ns; /* our own start; since the epoch */
	uint64_t last_id;
	HS_ARRAY(struct rc_target *) targets;
	HS_ARRAY(struct rc_peer) peers;
	HS_ARRAY(struct rc_writer) writers;
	HS_ARRAY(struct rc_scan) scans;
	HS_ARRAY(struct rc_pending) pending;
	HS_ARRAY(ino_t) hopeless; /* could not be rewritten: not to be tried again */
	uint64_t drain_period_ns, next_drain_ns, next_look_ns;
	bool rescan; /* inotify lost events */
};

/* loop.c: record until nothing is left to do.  Returns an exit status. */
int rc_record(const struct rc_options *options);
void rc_poll_add(struct rc_recorder *rc, int fd, enum rc_source source, uint64_t id,
		 uint32_t events);
/*
 * Before FD is closed (-1: there is none): a child that was forked meanwhile has it,
 * too, and epoll would go on telling of it, and wake us again and again.
 */
void rc_poll_remove(struct rc_recorder *rc, int fd);

/* targets.c */
void rc_targets_scan(struct rc_recorder *rc, bool clean_up);
void rc_targets_consider(struct rc_recorder *rc, const char *name);
void rc_targets_notice(struct rc_recorder *rc); /* read inotify, retry pending */
void rc_targets_ended(struct rc_recorder *rc, uint64_t id); /* its pidfd says so */
/* A run tells how PID ended. */
void rc_targets_tell_end(struct rc_recorder *rc, pid_t pid, enum hs_wire_how how,
			 int32_t code);
void rc_targets_work(struct rc_recorder *rc, uint64_t now); /* drain, snapshots */
uint64_t rc_targets_next(const struct rc_recorder *rc);     /* when to call it again */
struct rc_target *rc_targets_find(struct rc_recorder *rc, uint64_t id);
void rc_targets_drop(struct rc_recorder *rc, struct rc_target *t);

/* Tell T's run, once, what went wrong. */
void rc_targets_complain(struct rc_recorder *rc, struct rc_target *t, const char *why);
/* The file got shorter under it; see rc_target_guarded(). */
void rc_targets_lose(struct rc_recorder *rc, struct rc_target *t);

/* rounds.c */
void rc_rounds_start(struct rc_recorder *rc, uint64_t now); /* as many as may run */
void rc_rounds_hear(struct rc_recorder *rc, uint64_t id);

/* reporter.c: start `heapsnap analyze` on NAME, wait for it; in a child of ours */
void rc_report(int dir_fd, const char *name);

/* writers.c */
void rc_writers_start(struct rc_recorder *rc); /* as many as may run */
void rc_writers_finish(struct rc_recorder *rc, uint64_t id);

/* scans.c */
void rc_scans_accept(struct rc_recorder *rc);
void rc_scans_receive(struct rc_recorder *rc, uint64_t id);
void rc_scans_start(struct rc_recorder *rc); /* those that wait for it */
void rc_scans_hear(struct rc_recorder *rc, uint64_t id);

/* peers.c */
struct rc_peer *rc_peers_add(struct rc_recorder *rc, int fd);
void rc_peers_accept(struct rc_recorder *rc);
void rc_peers_receive(struct rc_recorder *rc, uint64_t id, uint32_t events);
/* To the peer whose id this is, if it is still there. */
void rc_peers_tell(struct rc_recorder *rc, uint64_t id, const struct rc_message *m);
/* Whose run started T's process; 0 if that is not known. */
uint64_t rc_peers_of(const struct rc_recorder *rc, const struct rc_target *t);
bool rc_peers_present(const struct rc_recorder *rc, uint64_t id); /* still there? */
bool rc_peers_await(const struct rc_recorder *rc, pid_t pid); /* will one tell its end? */
void rc_peers_settle(struct rc_recorder *rc); /* say BYE, forget who is gone */

#endif /* RC_RECORDER_H */
