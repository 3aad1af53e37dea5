/* SPDX-License-Identifier: MIT */

/* Starting the recorder and talking to it. */
#include "src/cmd/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/cmd/progress.h"

/* The recorder answers at once, unless the machine is very busy. */
#define START_TIMEOUT_MS 60000
#define NOTED_TIMEOUT_MS 30000

/* A recorder that is about to end gives way to a new one: try again. */
#define ATTEMPTS    100
#define ATTEMPT_GAP (20 * 1000000L)

static void lose(struct hs_recording *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int is_capture(const struct dirent *e)
{
	const char *ending = strrchr(e->d_name, '.');
	return *e->d_name != '.' && ending && !strcmp(ending, ".hsnap");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool was_before(const struct hs_recording *r, char *name)
{
	return r->before.n && bsearch(&name, r->before.at, r->before.n, sizeof(name),
				      compare_names) != NULL;
}

static void list_before(struct hs_recording *r)
{
	struct dirent **list;
	int n = scandir(r->dir, &list, is_capture, NULL);
	for (int i = 0; i < n; i++) {
		hs_array_push(&r->before, hs_xstrdup(list[i]->d_name));
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	if (r->before.n)
		qsort(r->before.at, r->before.n, sizeof(*r->before.at), compare_names);
}

static bool is_named(const struct hs_recording *r, const char *name)
{
	for (size_t i = 0; i < r->names.n; i++)
		if (!strcmp(r->names.at[i], name))
			return true;
	return false;
}

static void add_new(struct hs_recording *r)
{
	struct dirent **list;
	int n = scandir(r->dir, &list, is_capture, alphasort);
	for (int i = 0; i < n; i++) {
		char *name = list[i]->d_name;
		if (!was_before(r, name) && !is_named(r, name))
			hs_array_push(&r->names, hs_xstrdup(name));
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void tell(struct hs_recording *r, const struct rc_message *m)
{
	if (r->fd < 0)
		return;
	ssize_t n;
	do
		n = send(r->fd, m, sizeof(*m), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*m))
		lose(r);
}

/* The next message within TIMEOUT_MS (-1: for ever). */
static bool hear(int fd, int timeout_ms, struct rc_message *m)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n <= 0 || recv(fd, m, sizeof(*m), MSG_DONTWAIT) != (ssize_t)sizeof(*m))
		return false;
	m->name[sizeof(m->name) - 1] = 0;
	m->text[sizeof(m->text) - 1] = 0;
	return true;
}

/* In the child: become the recorder.  It is a program of ours, not a target. */
static _Noreturn void become_recorder(const char *path, int fd, const char *dir,
				      uint64_t interval_ns, uint64_t max_disk)
{
	char control[16], interval[24], bound[24];
	snprintf(control, sizeof(control), "%d", fd);
	snprintf(interval, sizeof(interval), "%llu", (unsigned long long)interval_ns);
	snprintf(bound, sizeof(bound), "%llu", (unsigned long long)max_disk);
	unsetenv("LD_PRELOAD");
	fcntl(fd, F_SETFD, 0);
	/* Once more: so it is nobody's child and nobody's zombie. */
	if (fork() == 0)
		execl(path, path, control, dir, interval, bound, (char *)NULL);
	_exit(0);
}

static int spawn(const char *path, const char *dir, uint64_t interval_ns,
		 uint64_t max_disk)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		become_recorder(path, fds[1], dir, interval_ns, max_disk);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fds[0];
}

/* Is it ours or root's?  Anyone else's could tell us anything. */
static bool is_trusted(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) &&
	       (who.uid == geteuid() || who.uid == 0);
}

/* The recorder that has locked DIR; see open_socket() in its loop.c. */
static int find_running(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" RC_SOCKET_NAME,
		 dir_fd);
	int failed = dir_fd < 0 || fd < 0 ||
		     connect(fd, (struct sockaddr *)&a, sizeof(a)) || !is_trusted(fd);
	if (dir_fd >= 0)
		close(dir_fd);
	if (failed && fd >= 0)
		close(fd);
	return failed ? -1 : fd;
}

/* Is there a READY on FD?  Else it is closed, and ERR_RET may say why. */
static bool is_ready(int fd, struct hs_error **err_ret)
{
	struct rc_message m;
	bool heard = fd >= 0 && hear(fd, START_TIMEOUT_MS, &m);
	if (heard && m.kind == RC_READY)
		return true;
	if (heard && m.kind == RC_FAILED)
		*err_ret = hs_error("cannot record: the recorder %s", m.text);
	if (!heard && !*err_ret)
		*err_ret = hs_error("cannot record: the recorder did not start");
	if (heard && m.kind == RC_BUSY) {
		hs_error_free(*err_ret);
		*err_ret = NULL;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

struct hs_error *hs_recording_start(const char *recorder, const char *dir,
				    uint64_t interval_ns, uint64_t max_disk,
				    struct hs_recording *ret)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct hs_error *err = NULL, *ignored = NULL;
		int fd = spawn(recorder, dir, interval_ns, max_disk);
		bool ready = is_ready(fd, &err);
		if (err)
			return err;
		if (!ready) {
			fd = find_running(dir);
			ready = fd >= 0 && is_ready(fd, &ignored);
			hs_error_free(ignored);
		}
		if (ready) {
			*ret = (struct hs_recording){.fd = fd, .dir = hs_xstrdup(dir)};
			list_before(ret);
			return NULL;
		}
		nanosleep(&(struct timespec){.tv_nsec = ATTEMPT_GAP}, NULL);
	}
	return hs_error("cannot record: another recorder has locked '%s' and does not "
			"answer, or is another user's; choose another directory with -o",
			dir);
}

void hs_recording_main(struct hs_recording *r, int pid)
{
	const struct rc_message m = {.kind = RC_MAIN, .pid = (uint32_t)pid};
	tell(r, &m);
}

static void take(struct hs_recording *r, const struct rc_message *m)
{
	switch (m->kind) {
	case RC_NOTED:
		r->noted = true;
		break;
	case RC_FINALIZED:
		hs_array_push(&r->names, hs_xstrdup(m->name));
		if (*m->text)
			hs_array_push(&r->troubles, hs_xstrdup(m->text));
		break;
	case RC_TROUBLE:
		hs_array_push(&r->troubles, hs_xasprintf("%s: %s", m->name, m->text));
		break;
	case RC_BYE:
		r->bye = true;
		r->living = m->count;
		break;
	default:
		break;
	}
}

void hs_recording_receive(struct hs_recording *r)
{
	struct rc_message m;
	if (r->fd < 0)
		return;
	if (hear(r->fd, 0, &m))
		take(r, &m);
	else
		lose(r);
}

/* Listen until *FLAG; false if the recorder is gone or silent for TIMEOUT_MS. */
static void listen_until(struct hs_recording *r, const bool *flag, int timeout_ms)
{
	while (!*flag && r->fd >= 0) {
		struct rc_message m;
		if (hear(r->fd, timeout_ms, &m))
			take(r, &m);
		else
			lose(r);
	}
}

void hs_recording_ended(struct hs_recording *r, int pid, uint32_t how, int code)
{
	const struct rc_message m = {
		.kind = RC_ENDED, .pid = (uint32_t)pid, .how = how, .code = code};
	tell(r, &m);
	listen_until(r, &r->noted, NOTED_TIMEOUT_MS);
}

void hs_recording_finish(struct hs_recording *r)
{
	const struct rc_message m = {.kind = RC_CLOSE};
	tell(r, &m);
	hs_progress_task("rewriting the captures");
	while (!r->bye && r->fd >= 0) {
		struct pollfd p = {.fd = r->fd, .events = POLLIN};
		if (poll(&p, 1, 250) > 0)
			hs_recording_receive(r);
		hs_progress(NULL, 0, 0);
	}
	hs_progress_clear();
	if (r->fd < 0)
		add_new(r);
}

void hs_recording_deinit(struct hs_recording *r)
{
	lose(r);
	free(r->dir);
	for (size_t i = 0; i < r->before.n; i++)
		free(r->before.at[i]);
	hs_array_free(&r->before);
	for (size_t i = 0; i < r->names.n; i++)
		free(r->names.at[i]);
	for (size_t i = 0; i < r->troubles.n; i++)
		free(r->troubles.at[i]);
	hs_array_free(&r->names);
	hs_array_free(&r->troubles);
}
