/* SPDX-License-Identifier: MIT */

/* Whole reads and writes at an offset. */
#include "src/recorder/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/wire.h"

long rc_writes_until_exit = -1;

#define PARTS 8

/* Ends the process if its time has come; SIZE is what may be written before. */
static void end_for_test(int fd, const struct iovec *first, uint64_t offset)
{
	if (rc_writes_until_exit < 0 || rc_writes_until_exit-- > 0)
		return;
	if (offset % 2 == 0)
		(void)!pwrite(fd, first->iov_base, first->iov_len / 2, (off_t)offset);
	_exit(99);
}

void rc_step(void)
{
	if (rc_writes_until_exit >= 0 && rc_writes_until_exit-- == 0)
		_exit(99);
}

/* Drop the first DONE bytes of PARTS; returns how many parts are left. */
static int advance(struct iovec **parts, int n, size_t done)
{
	while (n && done >= (*parts)->iov_len) {
		done -= (*parts)->iov_len;
		(*parts)++;
		n--;
	}
	if (n) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + done;
		(*parts)->iov_len -= done;
	}
	return n;
}

int rc_write_parts(int fd, const struct iovec *given, int n, uint64_t offset)
{
	struct iovec copy[PARTS], *parts = copy;
	assert(n > 0 && n <= PARTS);
	memcpy(copy, given, sizeof(copy[0]) * (size_t)n);
	end_for_test(fd, parts, offset);
	n = advance(&parts, n, 0);
	while (n) {
		ssize_t done = pwritev(fd, parts, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? errno : EIO;
		offset += (uint64_t)done;
		n = advance(&parts, n, (size_t)done);
	}
	return 0;
}

int rc_write(int fd, const void *data, size_t size, uint64_t offset)
{
	/* iovec has no const form; pwritev() only reads. */
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	return rc_write_parts(fd, &part, 1, offset);
}

void rc_punch(int fd, uint64_t page, uint64_t pages)
{
	if (!pages)
		return;
	rc_step();
	(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)(page * HS_WIRE_PAGE), (off_t)(pages * HS_WIRE_PAGE));
}

ssize_t rc_read(int fd, void *data, size_t size, uint64_t offset)
{
	size_t n = 0;
	while (n < size) {
		ssize_t got = pread(fd, (char *)data + n, size - n, (off_t)(offset + n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

char *rc_slurp(int dir_fd, const char *path, size_t limit, size_t *size_ret)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *text = NULL;
	size_t n = 0, room = 0;
	ssize_t got;
	do {
		if (room - n < 4096) {
			room = room ? 2 * room : 8192;
			text = hs_xrealloc(text, room + 1);
		}
		/* A file of /proc is read in order; a mapping list cannot seek. */
		got = read(fd, text + n, HS_MIN(room, limit) - n);
		n += got > 0 ? (size_t)got : 0;
	} while (n < limit && (got > 0 || (got < 0 && errno == EINTR)));
	close(fd);
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[n] = 0;
	if (size_ret)
		*size_ret = n;
	return text;
}
