/* SPDX-License-Identifier: MIT */

/* Unpacking to disk, page by page. */
#include "src/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "src/file.h"
#include "src/source.h"

#define PAGE ((size_t)4096)

struct spool {
	int fd;
	const char *folder;
	uint64_t size;    /* bytes so far, zeros included */
	uint64_t written; /* bytes that are on disk */
	uint64_t limit;   /* for those */
};

struct hs_error *hs_spool_file(const char *folder, int *fd_ret)
{
	*fd_ret = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd_ret >= 0)
		return NULL;
	/* Not every file system can do that. */
	HS_CLEANUP(hs_freep) char *path = hs_xasprintf("%s/heapsnap.XXXXXX", folder);
	*fd_ret = mkostemp(path, O_CLOEXEC);
	if (*fd_ret < 0)
		return hs_error("cannot make a file in %s: %s", folder, strerror(errno));
	unlink(path);
	return NULL;
}

static struct hs_error *open_unnamed(struct spool *s)
{
	struct hs_error *err = hs_spool_file(s->folder, &s->fd);
	if (!err)
		return NULL;
	hs_error_free(err);
	return hs_error("cannot unpack into %s: %s; TMPDIR names another folder",
			s->folder, strerror(errno));
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static struct hs_error *write_page(struct spool *s, const uint8_t *page, size_t n)
{
	if (is_zero(page, n)) {
		s->size += n;
		return NULL;
	}
	s->written += n;
	if (s->written > s->limit)
		return hs_error("unpacks to more than half of what is free in %s; "
				"TMPDIR names another folder",
				s->folder);
	while (n) {
		ssize_t done = pwrite(s->fd, page, n, (off_t)s->size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return hs_error("cannot unpack into %s: %s; TMPDIR names another "
					"folder",
					s->folder, strerror(errno));
		page += done;
		n -= (size_t)done;
		s->size += (uint64_t)done;
	}
	return NULL;
}

static struct hs_error *copy(struct spool *s, struct hs_cursor *in)
{
	while (hs_cur_want(in, PAGE) || hs_cur_left(in)) {
		size_t n = HS_MIN(hs_cur_left(in), PAGE);
		struct hs_error *err = write_page(s, hs_cur_bytes(in, n), n);
		if (err)
			return err;
	}
	return NULL;
}

static struct hs_error *map(const struct spool *s, struct hs_file *ret)
{
	size_t size = (size_t)s->size;
	*ret = (struct hs_file){.data = (const uint8_t *)""};
	if (!size)
		return NULL;
	/* Zeros at the end were not written. */
	void *at = ftruncate(s->fd, (off_t)s->size) == 0
			   ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, s->fd, 0)
			   : MAP_FAILED;
	if (at == MAP_FAILED)
		return hs_error("cannot map what was unpacked into %s (%zu bytes): %s",
				s->folder, size, strerror(errno));
	*ret = (struct hs_file){.data = at, .size = size, .map = at, .map_size = size};
	hs_file_keep_sparse(ret, s->fd);
	return NULL;
}

struct hs_error *hs_spool(struct hs_source *source, const char *folder,
			  struct hs_file *ret)
{
	struct statvfs room;
	struct spool s = {.fd = -1, .folder = folder, .limit = UINT64_MAX};
	struct hs_error *err = open_unnamed(&s);
	if (err)
		return err;
	if (fstatvfs(s.fd, &room) == 0)
		s.limit = (uint64_t)room.f_bavail * room.f_frsize / 2;
	err = copy(&s, hs_source_cursor(source));
	if (!err)
		err = map(&s, ret);
	close(s.fd);
	if (!err)
		ret->truncated = hs_source_truncated(source);
	return err;
}
