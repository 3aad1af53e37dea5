/* SPDX-License-Identifier: MIT */

/*
 * Input files: mapped when plain, unpacked into memory when they begin with
 * the magic number of a compressor.  Knows nothing of what the bytes mean.
 */
#include "src/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/codec.h"

/* -- Unpacking -------------------------------------------------------------- */

struct unpacked {
	uint8_t *data;
	size_t n, room;
};

static void make_room(struct unpacked *u, uint64_t limit)
{
	const size_t first = (size_t)256 << 10;
	if (u->n < u->room)
		return;
	/* One byte more than allowed tells "just fits" from "too large". */
	u->room = (size_t)HS_MIN(u->room ? (uint64_t)u->room * 2 : first, limit + 1);
	u->data = hs_xrealloc(u->data, u->room);
}

/* Unpack frame after frame; returns whether the last one was complete. */
static bool unpack(struct hs_unpacker *unpacker, const uint8_t *in, size_t size,
		   uint64_t limit, struct unpacked *u)
{
	struct hs_flow flow = {.in = in, .in_end = in + size, .in_is_all = true};
	enum hs_unpacked step = HS_UNPACKED_MORE;
	while (u->n <= limit && step == HS_UNPACKED_MORE) {
		make_room(u, limit);
		flow.out = u->data + u->n;
		flow.out_end = u->data + u->room;
		step = hs_unpack(unpacker, &flow);
		u->n = (size_t)(flow.out - u->data);
	}
	return step != HS_UNPACKED_BAD;
}

static uint64_t default_limit(void)
{
	const uint64_t most = (uint64_t)64 << 30;
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	if (pages <= 0 || page_size <= 0)
		return most;
	return HS_MIN(most, (uint64_t)pages * (uint64_t)page_size / 2);
}

static struct hs_error *unpack_with(const struct hs_codec *codec, const uint8_t *data,
				    size_t size, uint64_t limit, struct hs_file *ret)
{
	struct hs_unpacker *unpacker = hs_unpacker_new(codec);
	const char *name = hs_codec_name(codec);
	if (!unpacker)
		return hs_error("cannot set up %s: out of memory", name);
	struct unpacked u = {0};
	limit = HS_MIN(limit ? limit : default_limit(), (uint64_t)SIZE_MAX / 4);
	bool complete = unpack(unpacker, data, size, limit, &u);
	hs_unpacker_free(unpacker);
	if (u.n > limit || (!u.n && !complete)) {
		free(u.data);
		return u.n > limit
			       ? hs_error("unpacks to more than %llu bytes; unpack it "
					  "with a tool for %s files and give the result",
					  (unsigned long long)limit, name)
			       : hs_error("damaged or cut off at its very beginning: "
					  "nothing can be unpacked from this %s file",
					  name);
	}
	*ret = (struct hs_file){.data = u.data, .heap = u.data, .size = u.n};
	ret->truncated = !complete;
	return NULL;
}

struct hs_error *hs_file_unpack(const void *data, size_t size, uint64_t max_unpacked,
				struct hs_file *ret)
{
	const struct hs_codec *codec = hs_codec_find(data, size);
	if (!codec)
		return hs_error("not packed with gzip, zstd, LZ4 or xz");
	return unpack_with(codec, data, size, max_unpacked, ret);
}

/* -- Files ------------------------------------------------------------------- */

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode)    ? "a directory"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

static struct hs_error *open_error(const char *path, int err)
{
	if (err == EACCES || err == EPERM)
		return hs_error("cannot open %s: %s; run as its owner, or as root", path,
				strerror(err));
	if (err == ENXIO) /* a socket; or a pipe nobody writes to */
		return hs_error("%s is not a regular file", path);
	return hs_error("cannot open %s: %s", path, strerror(err));
}

static struct hs_error *examine(const char *path, int fd, size_t *size_ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return hs_error("cannot examine %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return hs_error("%s is a directory; name a file in it", path);
	if (!S_ISREG(st.st_mode))
		return hs_error(
			"%s is %s, not a regular file; copy its bytes into a file "
			"and name that",
			path, kind_of(st.st_mode));
	*size_ret = (size_t)st.st_size;
	return NULL;
}

struct hs_error *hs_file_open_plain(const char *path, int *fd_ret, size_t *size_ret)
{
	/* O_NONBLOCK: a pipe without a writer must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return open_error(path, errno);
	struct hs_error *err = examine(path, fd, size_ret);
	if (err)
		close(fd);
	else
		*fd_ret = fd;
	return err;
}

static struct hs_error *map_file(const char *path, int fd, size_t size,
				 struct hs_file *ret)
{
	*ret = (struct hs_file){.data = (const uint8_t *)""};
	if (size == 0)
		return NULL;
	void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return hs_error("cannot map %s (%zu bytes): %s", path, size,
				strerror(errno));
	*ret = (struct hs_file){.data = map, .size = size, .map = map, .map_size = size};
	return NULL;
}

struct hs_error *hs_file_open(const char *path, uint64_t max_unpacked,
			      struct hs_file *ret)
{
	int fd;
	size_t size;
	struct hs_error *err = hs_file_open_plain(path, &fd, &size);
	if (err)
		return err;
	struct hs_file mapped;
	err = map_file(path, fd, size, &mapped);
	if (!err)
		hs_file_keep_sparse(&mapped, fd);
	close(fd);
	if (err)
		return err;
	const struct hs_codec *codec = hs_codec_find(mapped.data, mapped.size);
	if (!codec) {
		*ret = mapped;
		return NULL;
	}
	err = unpack_with(codec, mapped.data, mapped.size, max_unpacked, ret);
	hs_file_close(&mapped);
	return hs_error_in(err, "%s", path);
}

void hs_file_keep_sparse(struct hs_file *file, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_blocks >= (st.st_size + 511) / 512)
		return;
	file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	file->sparse = file->fd >= 0;
}

bool hs_file_next_data(const struct hs_file *file, uint64_t from, uint64_t to,
		       uint64_t *start_ret, uint64_t *end_ret)
{
	to = HS_MIN(to, (uint64_t)file->size);
	if (from >= to)
		return false;
	*start_ret = from;
	*end_ret = to;
	if (!file->sparse)
		return true;
	off_t data = lseek(file->fd, (off_t)from, SEEK_DATA);
	if (data < 0) /* ENXIO: nothing but a hole from there on */
		return errno != ENXIO;
	off_t hole = lseek(file->fd, data, SEEK_HOLE);
	*start_ret = (uint64_t)data;
	if (hole > data)
		*end_ret = HS_MIN(to, (uint64_t)hole);
	return *start_ret < *end_ret;
}

void hs_file_close(struct hs_file *file)
{
	if (file->map)
		munmap(file->map, file->map_size);
	free(file->heap);
	if (file->sparse)
		close(file->fd);
	*file = (struct hs_file){0};
}
