/* SPDX-License-Identifier: MIT */

/* Reading /proc/PID, and asking pidfds. */
#include "src/recorder/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/recorder/io.h"

bool rc_process_proc_is_ours(void)
{
	static int known = -1;
	char text[16] = "";
	if (known < 0)
		known = readlink("/proc/self", text, sizeof(text) - 1) > 0 &&
			strtol(text, NULL, 10) == getpid();
	return known;
}

static char *slurp_of(pid_t pid, const char *file)
{
	char path[96];
	if (!rc_process_proc_is_ours())
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return rc_slurp(AT_FDCWD, path, 1u << 16, NULL);
}

/* See proc(5): fields count from 1, the second is a name in parentheses. */
enum {
	FIELD_STATE = 3,
	FIELD_PPID = 4,
	FIELD_THREADS = 20,
	FIELD_START = 22,
	FIELD_EXIT = 52
};

static void parse_stat(const char *p, struct rc_process *ret)
{
	for (int field = FIELD_STATE; *p; field++) {
		while (*p == ' ')
			p++;
		if (field == FIELD_STATE)
			ret->state = *p;
		else if (field == FIELD_PPID)
			ret->ppid = (pid_t)strtol(p, NULL, 10);
		else if (field == FIELD_THREADS)
			ret->threads = (uint32_t)strtoul(p, NULL, 10);
		else if (field == FIELD_START)
			ret->start_ticks = strtoull(p, NULL, 10);
		else if (field == FIELD_EXIT)
			ret->wait_status = (int)strtol(p, NULL, 10);
		p += strcspn(p, " ");
	}
}

bool rc_process_look(pid_t pid, struct rc_process *ret)
{
	HS_CLEANUP(hs_freep) char *text = slurp_of(pid, "stat");
	if (!text)
		return false;
	/* The name may hold anything, parentheses as well: its end is the last. */
	const char *p = strrchr(text, ')');
	if (!p)
		return false;
	*ret = (struct rc_process){0};
	parse_stat(p + 1, ret);
	return ret->start_ticks != 0;
}

bool rc_process_ended(const struct rc_process *p)
{
	return p->state == 'X' || (p->state == 'Z' && p->threads <= 1);
}

bool rc_process_memory(pid_t pid, struct rc_memory *ret)
{
	*ret = (struct rc_memory){0};
	HS_CLEANUP(hs_freep) char *text = slurp_of(pid, "status");
	if (!text)
		return false;
	const struct {
		const char *name;
		uint64_t *value;
	} lines[] = {{"\nVmRSS:", &ret->rss},
		     {"\nRssAnon:", &ret->anon},
		     {"\nRssFile:", &ret->file},
		     {"\nRssShmem:", &ret->shmem}};
	for (size_t i = 0; i < HS_COUNT(lines); i++) {
		const char *p = strstr(text, lines[i].name);
		if (p)
			*lines[i].value =
				strtoull(p + strlen(lines[i].name), NULL, 10) * 1024;
	}
	return ret->rss != 0;
}

bool rc_process_thread_name(pid_t pid, pid_t tid, char name[16])
{
	char path[64];
	snprintf(path, sizeof(path), "task/%d/comm", (int)tid);
	HS_CLEANUP(hs_freep) char *text = slurp_of(pid, path);
	if (!text)
		return false;
	size_t n = strcspn(text, "\n");
	n = HS_MIN(n, 15u);
	memcpy(name, text, n);
	name[n] = 0;
	return true;
}

uint64_t rc_process_own_pid_ns(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
}

int rc_process_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/*
 * linux/pidfd.h since 6.13; PIDFD_INFO_EXIT since 6.15 gives the status of a
 * process that was reaped by its parent already.
 */
struct pidfd_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_GET_INFO  _IOWR(0xff, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (UINT64_C(1) << 3)
_Static_assert(sizeof(struct pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");

static bool ask_pid_fd(int pid_fd, int *ret)
{
	struct pidfd_info info = {.mask = PIDFD_INFO_EXIT};
	if (pid_fd < 0 || ioctl(pid_fd, PIDFD_GET_INFO, &info) ||
	    !(info.mask & PIDFD_INFO_EXIT))
		return false;
	*ret = info.exit_code;
	return true;
}

bool rc_process_wait_status(int pid_fd, pid_t pid, uint64_t start_ticks, int *ret)
{
	struct rc_process p;
	if (rc_process_look(pid, &p) && p.start_ticks == start_ticks && p.state == 'Z' &&
	    rc_process_ended(&p)) {
		/*
		 * Field 52 is 0 for those who may not trace the process, and
		 * that is a real status as well: only root can be sure of it.
		 */
		if (p.wait_status || geteuid() == 0) {
			*ret = p.wait_status;
			return true;
		}
		struct stat st;
		char path[32];
		snprintf(path, sizeof(path), "/proc/%d", (int)pid);
		if (!stat(path, &st) && st.st_uid == geteuid()) {
			*ret = 0;
			return true;
		}
	}
	return ask_pid_fd(pid_fd, ret);
}
