/* SPDX-License-Identifier: MIT */

/*
 * Rewriting a capture.  The new file is made under a name of its own in the
 * same directory and renamed over the old one when it is whole.  The order of
 * its records: what the process is, its log or what became of it, its end.
 */
#include "src/recorder/finalize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/capture.h"
#include "src/cursor.h"
#include "src/recorder/rewrite.h"
#include "src/recorder/target.h"

/* The file as it is, mapped. */
struct original {
	int fd;
	struct stat st;
	void *data;
};

static void close_original(struct original *o)
{
	if (o->data)
		munmap(o->data, (size_t)o->st.st_size);
	if (o->fd >= 0)
		close(o->fd);
}

static struct hs_error *open_original(int dir_fd, const char *name, ino_t inode,
				      struct original *o)
{
	o->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (o->fd < 0 || fstat(o->fd, &o->st))
		return hs_error("cannot open it: %s", strerror(errno));
	if (o->st.st_ino != inode || o->st.st_size <= 0)
		return hs_error("it was replaced or cut by somebody else");
	void *p = mmap(NULL, (size_t)o->st.st_size, PROT_READ, MAP_PRIVATE, o->fd, 0);
	if (p == MAP_FAILED)
		return hs_error("cannot map it: %s", strerror(errno));
	o->data = p;
	return NULL;
}

/* A name which rc_targets_scan() knows as left over; returns a descriptor. */
static int create(int dir_fd, const char *name, const struct stat *like,
		  char temporary[256])
{
	for (unsigned i = 0; i < 100; i++) {
		snprintf(temporary, 256, ".%.220s.%x%02x", name, (unsigned)getpid(), i);
		int fd = openat(dir_fd, temporary,
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			/* Root may record another user's process. */
			if (geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid))
				errno = 0;
			fchmod(fd, like->st_mode & 0666);
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* Put the new file in the old one's place, unless that is another by now. */
static struct hs_error *replace(int dir_fd, const char *temporary, const char *name,
				ino_t inode)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_ino != inode)
		return hs_error("it was removed or replaced by somebody else");
	if (renameat(dir_fd, temporary, dir_fd, name))
		return hs_error("cannot rename the new file: %s", strerror(errno));
	return NULL;
}

bool rc_is_damaged(const struct hs_capture *c)
{
	const struct hs_capture_loss *l = &c->loss;
	return l->cut || l->damaged_records || l->damaged_pieces || l->missing_pieces ||
	       l->unknown_events;
}

static struct hs_error *rewrite(int dir_fd, const char *name, struct hs_capture *c,
				const struct original *o, const struct rc_end *end)
{
	char temporary[256];
	int fd = create(dir_fd, name, &o->st, temporary);
	if (fd < 0)
		return hs_error("cannot create a file beside it: %s", strerror(errno));
	struct hs_error *err = rc_rewrite(fd, c, end);
	if (!err && rc_is_damaged(c))
		err = hs_error("it is damaged");
	if (close(fd) && !err)
		err = hs_error("cannot write: %s", strerror(errno));
	if (!err)
		err = replace(dir_fd, temporary, name, o->st.st_ino);
	if (err)
		unlinkat(dir_fd, temporary, 0);
	return err;
}

struct hs_error *rc_finalize(int dir_fd, const char *name, ino_t inode,
			     const struct rc_end *end)
{
	struct original o = {.fd = -1};
	struct hs_capture *c = NULL;
	struct hs_error *err = open_original(dir_fd, name, inode, &o);
	if (err) {
		close_original(&o);
		return hs_error_in(err, "%s is lost", name);
	}
	struct hs_cursor in = hs_cursor(o.data, (size_t)o.st.st_size, NULL);
	err = hs_capture_open(&in, &c);
	if (!err)
		err = rewrite(dir_fd, name, c, &o, end);
	hs_capture_free(c);
	close_original(&o);
	return hs_error_in(err, "%s stays as it grew, and can be read", name);
}
