/* SPDX-License-Identifier: MIT */

/*
 * A window of memory: that of a core as it is mapped, that of a living process
 * copied.  Of long ranges only those pages are read that are in memory.
 */
#include "src/words.h"

#include "src/image.h"

#define WINDOW ((size_t)256 << 10)
#define LONG   ((uint64_t)1 << 20) /* so long that asking for its pages pays */
#define PAGE   ((uint64_t)4096)

void hs_words_init(struct hs_words *w, const struct hs_image *image,
		   pthread_mutex_t *lock)
{
	*w = (struct hs_words){.image = image, .lock = lock};
	w->buffer = hs_xmalloc(WINDOW);
}

void hs_words_deinit(struct hs_words *w)
{
	free(w->buffer);
}

static bool fill(struct hs_words *w, uint64_t addr, uint64_t end)
{
	uint64_t n;
	w->bytes = hs_image_bytes(w->image, addr, &n);
	if (!w->bytes) {
		size_t size = (size_t)HS_MIN(end - addr, (uint64_t)WINDOW);
		n = hs_image_read(w->image, addr, w->buffer, size);
		w->bytes = w->buffer;
	}
	w->start = addr;
	w->end = addr + (n & ~(uint64_t)7);
	return n >= 8;
}

/* Skip pages that nobody touched; false: there are no others up to END. */
static bool skip_untouched(struct hs_words *w, uint64_t *addr, uint64_t end)
{
	struct hs_image_extent data = {end, end};
	uint64_t from = *addr, n;
	if (from < w->data_end || end - from < LONG)
		return true;
	pthread_mutex_lock(w->lock);
	bool found = hs_image_next_data(w->image, from, end, &data);
	pthread_mutex_unlock(w->lock);
	*addr = HS_MAX(from, data.start & ~(uint64_t)7);
	w->data_end = data.end;
	/* Holes in a core's file are zeros; what the core lacks is not known. */
	if (!w->image->live && *addr > from && !hs_image_bytes(w->image, from, &n))
		w->unread += *addr - from;
	return found;
}

size_t hs_words_next(struct hs_words *w, uint64_t *addr, uint64_t end, uint64_t ahead,
		     const uint8_t **ret)
{
	while (*addr < end && end - *addr >= 8) {
		if (*addr >= w->start && *addr < w->end) {
			size_t n = (size_t)(HS_MIN(end, w->end) - *addr) / 8;
			*ret = w->bytes + (*addr - w->start);
			*addr += n * 8;
			return n;
		}
		w->data_end = HS_MIN(w->data_end, end);
		if (!skip_untouched(w, addr, end))
			continue;
		uint64_t to = w->data_end > *addr ? w->data_end : HS_MAX(end, ahead);
		if (fill(w, *addr, to))
			continue;
		uint64_t next = (*addr | (PAGE - 1)) + 1;
		w->unread += HS_MIN(next, end) - *addr;
		*addr = next;
	}
	return 0;
}
