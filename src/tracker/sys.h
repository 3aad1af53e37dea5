/* SPDX-License-Identifier: MIT */

/*
 * The tracker's only door to the operating system, and its own small libc.
 *
 * Raw system calls: they set no errno, are no cancellation points, and cannot
 * be interposed by the program.  All return -errno on failure, as the kernel
 * does.  The string functions do what their libc namesakes do.
 */
#ifndef TR_SYS_H
#define TR_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/wire.h"

#include "src/counter.h"
#include "src/tracker/arch.h"

#define TR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define TR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TR_HIDDEN      __attribute__((visibility("hidden")))
#define TR_EXPORT      __attribute__((visibility("default")))

/* Open PATH (close-on-exec is added).  -EINTR is retried. */
long sys_open(const char *path, int flags, int mode);
void sys_close(int fd);
long sys_read(int fd, void *buf, size_t size);
long sys_readlink(const char *path, char *buf, size_t size);
long sys_mkdir(const char *path, int mode);
long sys_unlink(const char *path);

/* Device and inode of an open file. */
bool sys_identity(int fd, uint64_t *dev_ret, uint64_t *ino_ret);

/* Inode of what PATH leads to, or 0. */
uint64_t sys_inode(const char *path);

/*
 * Give FD's bytes [start, end) blocks of their own on disk, so that touching
 * a shared mapping of them can never raise SIGBUS; grows the file.  Where the
 * file system cannot preallocate, zeros are written.  Checks RLIMIT_FSIZE
 * first: the kernel would answer with SIGXFSZ.
 */
long sys_allocate(int fd, uint64_t start, uint64_t end);

/* Shared, writable mapping of a file's bytes, or NULL. */
void *sys_map_file(int fd, uint64_t offset, size_t size);

/*
 * Private zeroed memory, or NULL.  WIPE: a forked child finds it zeroed
 * (MADV_WIPEONFORK, Linux 4.14); *WIPED_RET says whether that holds.
 */
void *sys_map_memory(size_t size, bool wipe, bool *wiped_ret);

/* All of that memory. */
extern TR_HIDDEN struct hs_wire_own tr_own;

/* That memory is touched all over: larger pages save the processor work. */
void sys_prefer_huge_pages(void *p, size_t size);

uint32_t sys_getpid(void);
uint32_t sys_getppid(void);
uint32_t sys_gettid(void);

/* Has thread TID of process PID ended? */
bool sys_thread_gone(uint32_t pid, uint32_t tid);

/* Name of the calling thread, and of the process's first; 16 bytes with its NUL. */
void sys_thread_name(char name[16]);
void sys_process_name(char name[16]);

/*
 * Hold back all signals but those that the thread raises itself by a fault, so
 * that no handler runs, jumps out or forks, and no cancellation comes, until
 * they are let in again.  Returns what sys_signals_restore needs.
 */
uint64_t sys_signals_block(void);
void sys_signals_restore(uint64_t mask);

/* The calling thread's alternate signal stack: is it on it, does it hold ADDR? */
void sys_alternate_stack(uintptr_t addr, bool *on_ret, bool *holds_ret);

/*
 * Processes, for spawn.c.  A silent child sends no SIGCHLD and is seen only by
 * a wait that asks for such (__WALL).
 */
long sys_fork_silently(void);
void sys_reap_silent(long pid);
bool sys_is_given_orphans(void);
void sys_chdir(const char *path);

/* Unmap all but this library, the thread's own data and the end of its stack. */
void sys_forget_memory(void);

void sys_execve(const char *path, char *const *argv, char *const *env);
_Noreturn void sys_exit(int code);
void sys_new_session(void);
/* Close all descriptors but FD (-1: none), which becomes AT. */
void sys_close_all_but(int fd, int at);

void sys_unblock_signals(void);
bool sys_is_executable(const char *path);

/* Try to lock FD (flock) until it is closed, here and in whoever inherits it. */
bool sys_lock(int fd);

/*
 * For scan.c.  Connect to the socket at PATH: a descriptor, or -errno.  Who listens
 * there, by its number in our namespace, or 0.  Let it, and what it forks, look at us
 * where Yama asks for that (PR_SET_PTRACER).  Does a seccomp filter bind us?
 */
long sys_connect(const char *path);
uint32_t sys_peer(int fd);
void sys_allow_ptrace(uint32_t pid);
bool sys_is_confined(void);
void sys_sleep_ms(unsigned ms);
bool sys_send_byte(int fd);
void sys_wait_readable(int fd, uint64_t ms); /* or closed; MS at most */

uint64_t sys_realtime_ns(void);
void sys_random(void *buf, size_t size);
long sys_uname(void *utsname);
long sys_getcwd(char *buf, size_t size);

/*
 * Does the counter (counter.h) run at one rate in all states, and may it be read
 * (PR_SET_TSC)?
 */
bool sys_counter_is_usable(void);

/*
 * A lock that is held for moments, with signals blocked, and never waited for
 * without end.  False: the calling thread holds it already (the handler of a fault
 * interrupted it), or its holder has not come back for ten seconds (its thread was
 * ended inside); then nobody waits for it again.  All zero is a free one.
 */
struct tr_lock {
	uint32_t state;  /* a futex; see sys.c */
	bool abandoned;  /* waited for in vain */
	uintptr_t owner; /* thread pointer, or 0 */
};
bool tr_lock_acquire(struct tr_lock *lock);
void tr_lock_release(struct tr_lock *lock);

/* Append S to the string that ends at *POS, never past END - 1; keeps the NUL. */
void tr_append(char **pos, const char *end, const char *s);
void tr_append_number(char **pos, const char *end, uint64_t v);
const char *tr_base_name(const char *path);
bool tr_parse_size(const char *s, uint64_t *ret);

#endif /* TR_SYS_H */
