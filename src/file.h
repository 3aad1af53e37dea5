/* SPDX-License-Identifier: MIT */

/*
 * A whole input file as bytes.  gzip, zstd, LZ4 frames and xz are unwrapped
 * transparently; a plain file is mapped, so that its size costs address space
 * only.
 */
#ifndef HS_FILE_H
#define HS_FILE_H

#include "src/base.h"

struct hs_file {
	const uint8_t *data;
	size_t size;
	bool truncated; /* the compressed stream ended early; data is its prefix */
	void *map;      /* what to unmap, or NULL */
	size_t map_size;
	void *heap;  /* what to free, or NULL */
	bool sparse; /* has holes, and `fd` is open to tell where */
	int fd;
};

/*
 * Open PATH for reading.  Refuses directories and devices; an empty file is
 * a success with size 0.  A damaged compressed stream yields its good prefix
 * and sets truncated.  Unpacked data is bounded by MAX_UNPACKED bytes (0: a
 * default of 64 GiB or half of the memory, whichever is less).
 */
HS_MUST_USE struct hs_error *hs_file_open(const char *path, uint64_t max_unpacked,
					  struct hs_file *ret);

/* As hs_file_open(), yet only a descriptor of the file as it is. */
HS_MUST_USE struct hs_error *hs_file_open_plain(const char *path, int *fd_ret,
						size_t *size_ret);

/*
 * Unpack the SIZE bytes at DATA, which stay the caller's.  Bytes that are not
 * packed are an error; otherwise as above.
 */
HS_MUST_USE struct hs_error *hs_file_unpack(const void *data, size_t size,
					    uint64_t max_unpacked, struct hs_file *ret);
void hs_file_close(struct hs_file *file);

/*
 * The next part of [FROM, TO) of the file that is no hole; false if there is none.
 * Of a file that is not sparse, or does not tell, it is all.
 */
bool hs_file_next_data(const struct hs_file *file, uint64_t from, uint64_t to,
		       uint64_t *start_ret, uint64_t *end_ret);

/* Keep a copy of FD in FILE, which maps it, if it is worth while: if it has holes. */
void hs_file_keep_sparse(struct hs_file *file, int fd);

#endif /* HS_FILE_H */
