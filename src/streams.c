/* SPDX-License-Identifier: MIT */

/*
 * The merge: a binary heap of streams by their next event.  The first stream
 * runs on without looking at the heap until it passes the second, so a single
 * stream is decoded in one go.
 */
#include "src/streams.h"

#include "src/array.h"
#include "src/cursor.h"
#include "src/events.h"

#define BATCH ((size_t)1024)

struct stream {
	const struct hs_capture_piece *piece, *end; /* the open one; behind the last */
	struct hs_events events;
	struct hs_capture_event next; /* decoded ahead */
	const uint8_t *rest;          /* of the piece, beyond the horizon; or NULL */
	struct hs_path path;
};

struct hs_streams {
	HS_ARRAY(struct stream) streams; /* by number */
	uint32_t *heap;                  /* indices; streams[heap[0]] is next */
	size_t n_heap;

	struct hs_streams_input in;
	size_t next_snapshot;
	struct hs_capture_event batch[BATCH + 1];
};

static void begin_piece(struct stream *s)
{
	const struct hs_capture_piece *p = s->piece;
	s->events = (struct hs_events){
		.pos = p->events.at,
		.end = p->events.at + p->events.n,
		.stamp = HS_MAX(p->base_stamp, s->events.stamp),
		.thread = p->thread,
	};
	s->path.n = 0;
}

static void read_record(struct hs_streams *all, struct stream *s, bool again)
{
	struct hs_events *e = &s->events;
	struct hs_cursor in = hs_cursor(e->pos, (size_t)(e->end - e->pos), NULL);
	all->in.record(all->in.context, &s->path, &in, again);
	e->pos = in.pos;
	if (hs_cur_failed(&in)) {
		all->in.loss->damaged_pieces++;
		e->pos = e->end;
	}
}

/*
 * Go to the first event of the piece that was not folded yet.  The encoding
 * goes from event to event, and so do the records' paths: decode what was.
 */
static void skip_folded(struct hs_streams *all, struct stream *s)
{
	const uint8_t *target = s->piece->events.at + s->piece->folded;
	struct hs_capture_event passed[2];
	enum hs_events_stop stop = HS_EVENTS_FULL;
	while (s->events.pos < target &&
	       (stop == HS_EVENTS_FULL || stop == HS_EVENTS_RECORD)) {
		size_t n;
		stop = hs_events_decode(&s->events, UINT64_MAX, passed, 1, &n);
		if (stop == HS_EVENTS_RECORD)
			read_record(all, s, true);
	}
	if (s->events.pos != target) {
		all->in.loss->damaged_pieces++;
		s->events.pos = s->events.end;
	}
}

static void open_piece(struct hs_streams *all, struct stream *s)
{
	begin_piece(s);
	if (s->piece->folded)
		skip_folded(all, s);
}

/*
 * Decode up to MAX events of S into OUT, over its records and pieces.  Returns
 * whether one that is later than LIMIT follows, which is then in S->next.
 */
static bool run(struct hs_streams *all, struct stream *s, uint64_t limit,
		struct hs_capture_event *out, size_t max, size_t *n_ret)
{
	size_t n = 0;
	for (;;) {
		size_t some;
		enum hs_events_stop stop =
			hs_events_decode(&s->events, limit, out + n, max - n, &some);
		n += some;
		*n_ret = n;
		switch (stop) {
		case HS_EVENTS_FULL:
			return false;
		case HS_EVENTS_LATER:
			s->next = out[n];
			return true;
		case HS_EVENTS_RECORD:
			read_record(all, s, false);
			break;
		case HS_EVENTS_DAMAGED:
			all->in.loss->damaged_pieces++;
			__attribute__((__fallthrough__));
		case HS_EVENTS_END:
			all->in.loss->unknown_events += s->events.unknown;
			if (++s->piece == s->end)
				return false;
			open_piece(all, s);
			break;
		}
	}
}

/* Decode the next event of S ahead; false where none is up to the horizon. */
static bool look_ahead(struct hs_streams *all, struct stream *s)
{
	struct hs_capture_event two[2];
	size_t n = 0;
	if (s->piece != s->end && run(all, s, all->in.horizon, two, 1, &n))
		s->rest = s->events.later;
	if (n)
		s->next = two[0];
	return n;
}

static bool before(const struct hs_streams *all, uint32_t a, uint32_t b)
{
	uint64_t x = all->streams.at[a].next.stamp, y = all->streams.at[b].next.stamp;
	return x < y || (x == y && a < b);
}

/* Restore the heap's order below place I. */
static void sift_down(struct hs_streams *all, size_t i)
{
	uint32_t *heap = all->heap, moving = heap[i];
	for (size_t child; (child = 2 * i + 1) < all->n_heap; i = child) {
		if (child + 1 < all->n_heap && before(all, heap[child + 1], heap[child]))
			child++;
		if (!before(all, heap[child], moving))
			break;
		heap[i] = heap[child];
	}
	heap[i] = moving;
}

struct hs_streams *hs_streams_new(const struct hs_streams_input *input)
{
	struct hs_streams *all = hs_xcalloc(1, sizeof(*all));
	const struct hs_capture_piece *pieces = input->pieces;
	all->in = *input;
	for (size_t i = 0; i < input->n_pieces;) {
		struct stream *s = hs_array_add(&all->streams);
		s->piece = &pieces[i];
		while (i < input->n_pieces && pieces[i].stream == s->piece->stream)
			i++;
		s->end = &pieces[i];
	}
	while (all->next_snapshot < input->n_snapshots &&
	       input->snapshots[all->next_snapshot].stamp <= input->folded)
		all->next_snapshot++;
	all->heap = hs_xmalloc(all->streams.n * sizeof(*all->heap));
	for (uint32_t i = 0; i < all->streams.n; i++) {
		open_piece(all, &all->streams.at[i]);
		if (look_ahead(all, &all->streams.at[i]))
			all->heap[all->n_heap++] = i;
	}
	for (size_t i = all->n_heap; i-- > 0;)
		sift_down(all, i);
	return all;
}

void hs_streams_free(struct hs_streams *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->streams.n; i++)
		free(all->streams.at[i].path.nodes);
	hs_array_free(&all->streams);
	free(all->heap);
	free(all);
}

static bool emit_snapshot(struct hs_streams *all, uint64_t before_stamp, bool last,
			  size_t n)
{
	size_t i = all->next_snapshot;
	if (i == all->in.n_snapshots)
		return false;
	uint64_t stamp = all->in.snapshots[i].stamp;
	if ((!last && stamp >= before_stamp) || stamp > all->in.horizon)
		return false;
	all->batch[n] = (struct hs_capture_event){
		.stamp = stamp, .stack = (uint32_t)i, .kind = HS_CAPTURE_SNAPSHOT};
	all->next_snapshot++;
	return true;
}

/* The last stamp up to which the first stream may run on alone. */
static uint64_t limit_of_first(const struct hs_streams *all)
{
	uint64_t limit = all->in.horizon;
	uint32_t first = all->heap[0];
	for (size_t i = 1; i < HS_MIN(all->n_heap, (size_t)3); i++) {
		uint64_t stamp = all->streams.at[all->heap[i]].next.stamp;
		/* It comes before the first one, so its stamp is not 0. */
		limit = HS_MIN(limit, first < all->heap[i] ? stamp : stamp - 1);
	}
	if (all->next_snapshot < all->in.n_snapshots)
		limit = HS_MIN(limit, all->in.snapshots[all->next_snapshot].stamp);
	return limit;
}

/* The first stream's events into the batch from N on; returns their number. */
static size_t run_first(struct hs_streams *all, size_t n)
{
	struct stream *s = &all->streams.at[all->heap[0]];
	struct hs_capture_event *out = &all->batch[n];
	size_t some;
	*out = s->next;
	bool more = run(all, s, limit_of_first(all), out + 1, BATCH - n - 1, &some);
	if (more && s->next.stamp > all->in.horizon) {
		s->rest = s->events.later;
		more = false;
	} else if (!more) {
		more = look_ahead(all, s);
	}
	if (!more)
		all->heap[0] = all->heap[--all->n_heap];
	sift_down(all, 0);
	return some + 1;
}

size_t hs_streams_next(struct hs_streams *all, const struct hs_capture_event **ret)
{
	size_t n = 0;
	while (n < BATCH) {
		uint64_t next =
			all->n_heap ? all->streams.at[all->heap[0]].next.stamp : 0;
		if (emit_snapshot(all, next, !all->n_heap, n))
			n++;
		else if (all->n_heap)
			n += run_first(all, n);
		else
			break;
	}
	*ret = all->batch;
	return n;
}

bool hs_streams_position(const struct hs_streams *all, size_t i,
			 struct hs_capture_position *ret)
{
	if (i >= all->streams.n)
		return false;
	const struct stream *s = &all->streams.at[i];
	const struct hs_capture_piece *p = s->piece == s->end ? s->end - 1 : s->piece;
	*ret = (struct hs_capture_position){.stream = p->stream, .sequence = p->sequence};
	ret->bytes = s->rest ? (uint64_t)(s->rest - p->events.at) : p->events.n;
	return true;
}
