/* SPDX-License-Identifier: MIT */

/* System calls without libc, and the few string functions we need. */
#include "src/tracker/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYS0(n)          tr_system_call(n, 0, 0, 0, 0, 0, 0)
#define SYS1(n, a)       tr_system_call(n, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(n, a, b)    tr_system_call(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(n, a, b, c) tr_system_call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(n, a, b, c, d) \
	tr_system_call(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

long sys_open(const char *path, int flags, int mode)
{
	long fd;
	do {
		fd = SYS4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
	} while (fd == -EINTR);
	return fd;
}

void sys_close(int fd)
{
	SYS1(SYS_close, fd);
}

long sys_read(int fd, void *buf, size_t size)
{
	long r;
	do {
		r = SYS3(SYS_read, fd, buf, size);
	} while (r == -EINTR);
	return r;
}

long sys_readlink(const char *path, char *buf, size_t size)
{
	long r = SYS4(SYS_readlinkat, AT_FDCWD, path, buf, size - 1);
	buf[r > 0 ? r : 0] = '\0';
	return r;
}

long sys_mkdir(const char *path, int mode)
{
	return SYS3(SYS_mkdirat, AT_FDCWD, path, mode);
}

long sys_unlink(const char *path)
{
	return SYS3(SYS_unlinkat, AT_FDCWD, path, 0);
}

bool sys_identity(int fd, uint64_t *dev_ret, uint64_t *ino_ret)
{
	struct stat st; /* glibc's layout is the kernel's on these architectures */
	if (SYS2(SYS_fstat, fd, &st) < 0)
		return false;
	*dev_ret = st.st_dev;
	*ino_ret = st.st_ino;
	return true;
}

uint64_t sys_inode(const char *path)
{
	struct stat st;
	return SYS4(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static long write_zeros(int fd, uint64_t start, uint64_t end)
{
	static const char zeros[4096];
	while (start < end) {
		size_t n = end - start < sizeof(zeros) ? end - start : sizeof(zeros);
		long r = SYS4(SYS_pwrite64, fd, zeros, n, start);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r ? r : -ENOSPC;
		start += (uint64_t)r;
	}
	return 0;
}

long sys_allocate(int fd, uint64_t start, uint64_t end)
{
	struct rlimit limit;
	if (SYS4(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 &&
	    end > limit.rlim_cur)
		return -EFBIG;
	long r;
	do {
		r = SYS4(SYS_fallocate, fd, 0, start, end - start);
	} while (r == -EINTR);
	return r == -EOPNOTSUPP || r == -ENOSYS ? write_zeros(fd, start, end) : r;
}

static void *map(size_t size, int flags, int fd, uint64_t offset)
{
	long r = tr_system_call(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, flags,
				fd, (long)offset);
	return r < 0 && r > -4096 ? NULL : (void *)r;
}

void *sys_map_file(int fd, uint64_t offset, size_t size)
{
	return map(size, MAP_SHARED, fd, offset);
}

struct hs_wire_own tr_own;

void *sys_map_memory(size_t size, bool wipe, bool *wiped_ret)
{
	void *p = map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t i =
		p ? __atomic_fetch_add(&tr_own.n, 1, __ATOMIC_RELAXED) : HS_WIRE_OWN_MAX;
	if (i < HS_WIRE_OWN_MAX) {
		tr_own.at[i].start = (uint64_t)(uintptr_t)p;
		tr_own.at[i].size = size;
	}
	if (wipe)
		*wiped_ret = p && SYS3(SYS_madvise, p, size, MADV_WIPEONFORK) == 0;
	return p;
}

void sys_prefer_huge_pages(void *p, size_t size)
{
	SYS3(SYS_madvise, p, size, MADV_HUGEPAGE);
}

uint32_t sys_getpid(void)
{
	return (uint32_t)SYS0(SYS_getpid);
}

uint32_t sys_getppid(void)
{
	return (uint32_t)SYS0(SYS_getppid);
}

uint32_t sys_gettid(void)
{
	return (uint32_t)SYS0(SYS_gettid);
}

bool sys_thread_gone(uint32_t pid, uint32_t tid)
{
	return SYS3(SYS_tgkill, pid, tid, 0) == -ESRCH;
}

void sys_thread_name(char name[16])
{
	memset(name, 0, 16);
	SYS2(SYS_prctl, PR_GET_NAME, name);
}

void sys_process_name(char name[16])
{
	if (sys_gettid() == sys_getpid()) {
		sys_thread_name(name);
		return;
	}
	long fd = sys_open("/proc/self/comm", O_RDONLY, 0);
	long n = fd < 0 ? 0 : sys_read((int)fd, name, 15);
	if (fd >= 0)
		sys_close((int)fd);
	n = n < 0 ? 0 : n;
	name[n] = '\0';
	if (n && name[n - 1] == '\n')
		name[n - 1] = '\0';
}

#define SIGNAL(n) (1ull << ((n)-1))

uint64_t sys_signals_block(void)
{
	/*
	 * A blocked fault kills, even where there is a handler; SIGSYS is how some
	 * sandboxes emulate system calls.  SIGCANCEL and SIGSETXID of glibc, which
	 * its own sigprocmask would let through, are held back too.
	 */
	uint64_t set = ~(SIGNAL(SIGSEGV) | SIGNAL(SIGBUS) | SIGNAL(SIGILL) |
			 SIGNAL(SIGFPE) | SIGNAL(SIGTRAP) | SIGNAL(SIGSYS));
	uint64_t old = 0;
	SYS4(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, sizeof(old));
	return old;
}

void sys_signals_restore(uint64_t mask)
{
	SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

void sys_alternate_stack(uintptr_t addr, bool *on_ret, bool *holds_ret)
{
	stack_t ss;
	bool have = SYS2(SYS_sigaltstack, NULL, &ss) == 0;
	*on_ret = have && (ss.ss_flags & SS_ONSTACK);
	*holds_ret = have && !(ss.ss_flags & SS_DISABLE) &&
		     addr - (uintptr_t)ss.ss_sp < ss.ss_size;
}

long sys_fork_silently(void)
{
	/* Flags 0: a copy of the process, and no signal at its end. */
	return SYS0(SYS_clone);
}

void sys_reap_silent(long pid)
{
	while (SYS4(SYS_wait4, pid, NULL, __WALL, NULL) == -EINTR)
		;
}

bool sys_is_given_orphans(void)
{
	int is_reaper = 0;
	SYS2(SYS_prctl, PR_GET_CHILD_SUBREAPER, &is_reaper);
	return is_reaper || sys_getpid() == 1;
}

void sys_chdir(const char *path)
{
	SYS1(SYS_chdir, path);
}

#define KEPT_AROUND ((uintptr_t)64 << 10) /* the kernel writes to rseq's area there */
#define PAGE        ((uintptr_t)64 << 10) /* as large as pages get */

/* To the end of what a process may have: kernels give it different sizes. */
static void unmap_from(uintptr_t from)
{
	unsigned bits = TR_ADDRESS_BITS;
	while (bits > 30 && SYS2(SYS_munmap, from, ((uintptr_t)1 << bits) - PAGE - from))
		bits--;
}

void sys_forget_memory(void)
{
	extern const char __ehdr_start[] TR_HIDDEN, _end[] TR_HIDDEN;
	uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
	uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
	uintptr_t starts[] = {(uintptr_t)__ehdr_start, thread - KEPT_AROUND,
			      stack - KEPT_AROUND};
	uintptr_t ends[] = {(uintptr_t)_end, thread + KEPT_AROUND, stack + KEPT_AROUND};
	uintptr_t from = 0;
	while (from != UINTPTR_MAX) {
		/* What is kept and comes next, with all that begins before FROM. */
		uintptr_t to = UINTPTR_MAX, next = UINTPTR_MAX;
		for (unsigned i = 0; i < 3; i++) {
			if (ends[i] >= from && starts[i] < to) {
				to = starts[i];
				next = ends[i];
			}
		}
		if (to == UINTPTR_MAX)
			unmap_from(from);
		else if ((to & ~(PAGE - 1)) > from)
			SYS2(SYS_munmap, from, (to & ~(PAGE - 1)) - from);
		from = next == UINTPTR_MAX ? next : (next + PAGE - 1) & ~(PAGE - 1);
	}
}

void sys_execve(const char *path, char *const *argv, char *const *env)
{
	SYS3(SYS_execve, path, argv, env);
}

void sys_exit(int code)
{
	for (;;)
		SYS1(SYS_exit_group, code);
}

void sys_new_session(void)
{
	SYS0(SYS_setsid);
}

static void close_from(int first)
{
	if (SYS3(SYS_close_range, first, ~0u, 0) == 0)
		return;
	struct rlimit limit = {.rlim_cur = 65536};
	SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	for (unsigned long fd = (unsigned)first; fd < limit.rlim_cur && fd < 1u << 20;
	     fd++)
		SYS1(SYS_close, fd);
}

void sys_close_all_but(int fd, int at)
{
	if (fd < 0) {
		close_from(0);
		return;
	}
	/* dup3 refuses to do nothing, and what it makes is open for the next program. */
	if (fd == at)
		SYS3(SYS_fcntl, fd, F_SETFD, 0);
	else
		SYS3(SYS_dup3, fd, at, 0);
	for (int i = 0; i < at; i++)
		SYS1(SYS_close, i);
	close_from(at + 1);
}

void sys_unblock_signals(void)
{
	uint64_t none = 0;
	SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

bool sys_is_executable(const char *path)
{
	return SYS3(SYS_faccessat, AT_FDCWD, path, X_OK) == 0;
}

bool sys_lock(int fd)
{
	return SYS2(SYS_flock, fd, LOCK_EX | LOCK_NB) == 0;
}

uint64_t sys_realtime_ns(void)
{
	struct timespec t = {0};
	SYS2(SYS_clock_gettime, CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sys_random(void *buf, size_t size)
{
	/* GRND_NONBLOCK: an unseeded pool must not stop the program. */
	if (SYS3(SYS_getrandom, buf, size, 1) == (long)size)
		return;
	uint64_t v = sys_realtime_ns() ^ (uint64_t)(uintptr_t)buf;
	for (size_t i = 0; i < size;
	     i++, v = v * 6364136223846793005u + 1442695040888963407u)
		((uint8_t *)buf)[i] = (uint8_t)(v >> 56);
}

long sys_uname(void *utsname)
{
	return SYS1(SYS_uname, utsname);
}

long sys_getcwd(char *buf, size_t size)
{
	/* "(unreachable)/..." is what the kernel says of a place outside of a chroot. */
	long r = SYS2(SYS_getcwd, buf, size);
	return r > 0 && *buf != '/' ? -ENOENT : r;
}

bool sys_counter_is_usable(void)
{
	int how = PR_TSC_ENABLE;
	SYS2(SYS_prctl, PR_GET_TSC, &how);
	return how == PR_TSC_ENABLE && tr_counter_is_usable();
}

#define SPINS       100u                /* before the kernel is asked to wait */
#define ROUND_NS    (100 * 1000 * 1000) /* one wait */
#define MOST_ROUNDS 100u /* whoever is gone for so long does not come back */

enum { FREE, HELD, AWAITED };

/* Returns false if nobody unlocked in the meantime. */
static bool wait_for_holder(struct tr_lock *lock)
{
	const struct timespec round = {.tv_nsec = ROUND_NS};
	long r = SYS4(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, AWAITED, &round);
	if (r != 0 && r != -EAGAIN && r != -EINTR && r != -ETIMEDOUT)
		SYS2(SYS_nanosleep, &round, NULL); /* a sandbox without futexes */
	return r == 0 || r == -EAGAIN;
}

/*
 * Rounds are counted, not the time: a process that was stopped has waited one.
 * A holder that lost its processor on a busy machine is not in time for spinning,
 * nor for so many sched_yield().
 */
static bool take_awaited(struct tr_lock *lock)
{
	for (unsigned rounds = 0; rounds < MOST_ROUNDS;) {
		if (__atomic_exchange_n(&lock->state, AWAITED, __ATOMIC_ACQUIRE) == FREE)
			return true;
		if (__atomic_load_n(&lock->abandoned, __ATOMIC_RELAXED))
			return false;
		rounds += !wait_for_holder(lock);
	}
	__atomic_store_n(&lock->abandoned, true, __ATOMIC_RELAXED);
	return false;
}

bool tr_lock_acquire(struct tr_lock *lock)
{
	uintptr_t self = (uintptr_t)__builtin_thread_pointer();
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self)
		return false;
	for (unsigned i = 0; i < SPINS; i++) {
		uint32_t state = FREE;
		if (__atomic_compare_exchange_n(&lock->state, &state, HELD, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			goto taken;
		tr_pause();
	}
	if (!take_awaited(lock))
		return false;
taken:
	__atomic_store_n(&lock->owner, self, __ATOMIC_RELAXED);
	return true;
}

void tr_lock_release(struct tr_lock *lock)
{
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->abandoned, false, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&lock->state, FREE, __ATOMIC_RELEASE) == AWAITED)
		SYS3(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}

void tr_append(char **pos, const char *end, const char *s)
{
	char *p = *pos;
	while (*s && p < end - 1)
		*p++ = *s++;
	*p = '\0';
	*pos = p;
}

void tr_append_number(char **pos, const char *end, uint64_t v)
{
	char digits[21];
	char *p = digits + sizeof(digits) - 1;
	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	tr_append(pos, end, p);
}

const char *tr_base_name(const char *path)
{
	const char *base = path;
	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1] && p[1] != '/')
			base = p + 1;
	return base;
}

/* 512k, 1MiB, 2GB: powers of 1024 whatever the ending says, as in the man page. */
bool tr_parse_size(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	static const char units[] = "kmgt";
	for (unsigned u = 0; u < 4; u++) {
		if ((*s | 0x20) != units[u])
			continue;
		for (unsigned i = 0; i <= u; i++)
			if (__builtin_mul_overflow(v, 1024, &v))
				return false;
		s++;
		break;
	}
	if (*s == 'i')
		s++;
	if (*s == 'B' || *s == 'b')
		s++;
	*ret = v;
	return *s == '\0';
}

/* -- Asking the recorder, for scan.c ------------------------------------------------ */

long sys_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, n);
	long fd = SYS3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0);
	if (fd < 0)
		return fd;
	long r = SYS3(SYS_connect, fd, &a, sizeof(a));
	if (r == 0)
		return fd;
	sys_close((int)fd);
	return r;
}

uint32_t sys_peer(int fd)
{
	struct ucred who;
	uint32_t size = sizeof(who);
	return tr_system_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&who,
			      (long)&size, 0) < 0
		       ? 0
		       : (uint32_t)who.pid;
}

void sys_allow_ptrace(uint32_t pid)
{
	SYS2(SYS_prctl, PR_SET_PTRACER, pid);
}

bool sys_is_confined(void)
{
	return SYS1(SYS_prctl, PR_GET_SECCOMP) > 0;
}

bool sys_send_byte(int fd)
{
	return tr_system_call(SYS_sendto, fd, (long)"", 1, MSG_NOSIGNAL | MSG_DONTWAIT, 0,
			      0) == 1;
}

void sys_sleep_ms(unsigned ms)
{
	struct timespec t = {0, (long)ms * 1000000};
	SYS2(SYS_nanosleep, &t, NULL);
}

static uint64_t clock_ms(void)
{
	struct timespec t;
	SYS2(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sys_wait_readable(int fd, uint64_t ms)
{
	uint64_t now = clock_ms(), end = now + ms;
	for (; now < end; now = clock_ms()) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct timespec t = {(time_t)((end - now) / 1000),
				     (long)((end - now) % 1000 * 1000000)};
		long r = SYS4(SYS_ppoll, &p, 1, &t, NULL);
		if (r != -EINTR)
			return;
	}
}
