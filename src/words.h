/* SPDX-License-Identifier: MIT */

/*
 * Reading memory of an image word by word, many at a time, for those who look for
 * pointers in gigabytes of it.  Skips what cannot be read, and counts it.
 */
#ifndef HS_WORDS_H
#define HS_WORDS_H

#include <pthread.h>
#include <string.h>

#include "src/base.h"

struct hs_image;

struct hs_words {
	const struct hs_image *image;
	pthread_mutex_t *lock; /* of the image's list of pages: it serves one at a time */
	uint64_t unread;       /* bytes that could not be read */

	/* The rest is words.c's: what was read last. */
	uint64_t start, end;
	const uint8_t *bytes;
	uint8_t *buffer;
	uint64_t data_end; /* of the pages that are in memory */
};

void hs_words_init(struct hs_words *w, const struct hs_image *image,
		   pthread_mutex_t *lock);
void hs_words_deinit(struct hs_words *w);

/*
 * Whole words from *ADDR up to END at most, at *RET, good until the next call.
 * *ADDR, which is a multiple of eight, moves behind them.  Returns their number; 0:
 * there are no more.  Up to AHEAD will be asked for soon.
 */
size_t hs_words_next(struct hs_words *w, uint64_t *addr, uint64_t end, uint64_t ahead,
		     const uint8_t **ret);

static inline uint64_t hs_word_at(const uint8_t *words, size_t i)
{
	uint64_t word;
	memcpy(&word, words + 8 * i, sizeof(word));
	return word;
}

#endif /* HS_WORDS_H */
