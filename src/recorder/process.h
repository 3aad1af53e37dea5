/* SPDX-License-Identifier: MIT */

/* What /proc and pidfds tell about a process.  Knows nothing of captures. */
#ifndef RC_PROCESS_H
#define RC_PROCESS_H

#include <sys/types.h>

#include "src/base.h"

struct rc_process {
	char state; /* of its first thread; 'Z': ended */
	uint32_t threads;
	pid_t ppid;
	uint64_t start_ticks; /* since boot; tells reused pids apart */
	int wait_status;      /* of a zombie; 0 also where it may not be seen */
};

/* Bytes of memory; all zero where unknown. */
struct rc_memory {
	uint64_t rss, anon, file, shmem;
};

/*
 * Has it ended as a whole?  Its first thread may end before the others do
 * (pthread_exit in main): it is a zombie then, and the process lives.
 */
bool rc_process_ended(const struct rc_process *p);

/*
 * Is /proc that of our pid namespace?  In a new one where nobody mounted it, other
 * processes have our targets' numbers there: then nothing is read.
 */
bool rc_process_proc_is_ours(void);

/* False if there is no process PID. */
bool rc_process_look(pid_t pid, struct rc_process *ret);

/* False if it has no memory (any more), or may not be looked at. */
bool rc_process_memory(pid_t pid, struct rc_memory *ret);

/* The name of a thread, at most 15 bytes; false if there is none. */
bool rc_process_thread_name(pid_t pid, pid_t tid, char name[16]);

/* The inode that names our pid namespace, or 0. */
uint64_t rc_process_own_pid_ns(void);

/* A descriptor that becomes readable when PID ends, or -1. */
int rc_process_open(pid_t pid);

/* The wait status of a process that ended, if the system still knows it. */
bool rc_process_wait_status(int pid_fd, pid_t pid, uint64_t start_ticks, int *ret);

#endif /* RC_PROCESS_H */
