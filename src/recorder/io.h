/* SPDX-License-Identifier: MIT */

/*
 * Reading and writing at places of a file, whole or not at all.  Every write
 * of the recorder goes through here, so that tests can end it at each of them.
 */
#ifndef RC_IO_H
#define RC_IO_H

#include <sys/types.h>
#include <sys/uio.h>

#include "src/base.h"

/* Write SIZE bytes at OFFSET.  Returns 0 or an errno; a part may be written. */
int rc_write(int fd, const void *data, size_t size, uint64_t offset);

/* The same for N <= 8 parts. */
int rc_write_parts(int fd, const struct iovec *parts, int n, uint64_t offset);

/* Read up to SIZE bytes at OFFSET; less at the end of the file.  -1: errno. */
ssize_t rc_read(int fd, void *data, size_t size, uint64_t offset);

/*
 * All of a small file whose size is not known before (/proc), NUL-terminated,
 * cut at LIMIT bytes.  NULL if it cannot be read.  The caller frees.
 */
char *rc_slurp(int dir_fd, const char *path, size_t limit, size_t *size_ret);

/* Give the room of pages back to the disk, where it can take it; they read as zeros. */
void rc_punch(int fd, uint64_t page, uint64_t pages);

/* Something happens now after which others see another file; counts as a write. */
void rc_step(void);

/*
 * For tests: the process ends (_exit(99)) when it has made this many more
 * writes; the last one may be cut in its middle.  Negative:
 * never.
 */
extern long rc_writes_until_exit;

#endif /* RC_IO_H */
