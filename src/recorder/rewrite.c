/* SPDX-License-Identifier: MIT */

/*
 * A capture's contents, from the form in which they grew to the form in which
 * they stay, or into a checkpoint from which they go on.  The log is either kept,
 * piece by piece, or folded: a SEGMENT between two snapshots, the blocks alive at
 * the end, the highest point.
 */
#include "src/recorder/rewrite.h"

#include <string.h>

#include "src/array.h"
#include "src/capture.h"
#include "src/fold.h"
#include "src/folding.h"
#include "src/mapped.h"
#include "src/recorder/io.h"
#include "src/recorder/sections.h"
#include "src/recorder/target.h"
#include "src/segment.h"
#include "src/sitefacts.h"

/* Some 10 bytes each. */
#define LIVE_ROWS   16384u
#define SPREAD_ROWS 4096u /* some 25 bytes each */

struct rewriting {
	struct hs_capture *c;
	struct rc_sections *out;
	struct hs_out record; /* the payload that is being made */
};

static void put_text(struct hs_out *out, struct hs_capture_text text)
{
	hs_put_uleb(out, text.n);
	if (text.n)
		hs_put(out, text.at, text.n);
}

static void put_record(struct rewriting *w, uint32_t tag)
{
	rc_sections_put(w->out, tag, w->record.buf, w->record.n, NULL, 0);
	w->record.n = 0;
}

static void put_numbers(struct hs_out *out, const uint64_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_put_uleb(out, values[i]);
}

/*
 * In records of moderate size: the pages of a checkpoint are those that others
 * have left, and seldom are many in a row.
 */
static void put_live_sets(struct rewriting *w, const struct hs_folding *f)
{
	size_t n;
	const struct hs_fold_block *live = hs_fold_lay_out(f->fold, &n);
	size_t done = 0;
	do {
		size_t some = HS_MIN(n - done, (size_t)LIVE_ROWS);
		hs_live_set_encode(f->fold, live + done, some, w->c->threads, &w->record);
		put_record(w, HS_WIRE_LIVE_SET);
		done += some;
	} while (done < n);
}

/* In several records, as the live set is. */
static void put_spreads(struct rewriting *w, const struct hs_folding *f)
{
	size_t n, done = 0;
	(void)hs_fold_sites(f->fold, &n);
	if (!f->has_spreads)
		return;
	do {
		size_t some = HS_MIN(n - done, (size_t)SPREAD_ROWS);
		hs_spreads_encode(f->fold, done, some, &w->record);
		put_record(w, HS_WIRE_SPREADS);
		done += some;
	} while (done < n);
}

/* What the process did, what it holds, what it held at its highest point. */
static void put_state(struct rewriting *w, const struct hs_folding *f)
{
	for (size_t i = 0; i < f->n_segments; i++)
		rc_sections_put(w->out, HS_WIRE_SEGMENT, f->segments[i].at,
				f->segments[i].n, NULL, 0);
	put_live_sets(w, f);
	hs_peak_encode(f->fold, &w->record);
	put_record(w, HS_WIRE_PEAK);
	if (w->c->sample_mean) {
		hs_weights_encode(f->fold, &w->record);
		put_record(w, HS_WIRE_WEIGHTS);
	}
	if (w->c->header.flags & HS_WIRE_FREES_BY) {
		hs_frees_encode(f->fold, &w->record);
		put_record(w, HS_WIRE_FREE_STACKS);
	}
	put_spreads(w, f);
}

static void put_mapped(struct rewriting *w, const struct hs_folding *f)
{
	if (!f->has_mappings)
		return;
	hs_mapped_encode(f->mappings, &w->record);
	put_record(w, HS_WIRE_MAPPED);
}

static void put_forks(struct rewriting *w, const struct hs_folding *f)
{
	if (!f->forks.list.n)
		return;
	hs_forks_encode(&f->forks, &w->record);
	put_record(w, HS_WIRE_FORKS);
}

static void put_piece(struct rewriting *w, const struct hs_capture_piece *p)
{
	const uint64_t head[] = {p->stream, p->sequence, p->tid, p->base_stamp};
	put_numbers(&w->record, head, HS_COUNT(head));
	rc_sections_put(w->out, HS_WIRE_PIECE, w->record.buf, w->record.n, p->events.at,
			p->events.n);
	w->record.n = 0;
}

static void put_log(struct rewriting *w)
{
	for (size_t i = 0; i < w->c->n_pieces; i++)
		put_piece(w, &w->c->pieces[i]);
}
/* A stack's return addresses, outermost first. */
struct path {
	uint64_t *at;
	size_t n, room;
};

static void path_of(const struct hs_capture *c, uint32_t node, struct path *ret)
{
	ret->n = 0;
	for (; node; node = c->nodes[node].parent)
		hs_array_push(ret, c->nodes[node].pc);
	for (size_t i = 0; i < ret->n / 2; i++) {
		uint64_t pc = ret->at[i];
		ret->at[i] = ret->at[ret->n - 1 - i];
		ret->at[ret->n - 1 - i] = pc;
	}
}

static size_t common(const struct path *a, const struct path *b)
{
	size_t n = 0;
	while (n < a->n && n < b->n && a->at[n] == b->at[n])
		n++;
	return n;
}

static void put_stacks(struct rewriting *w)
{
	const struct hs_capture *c = w->c;
	struct path before = {0}, now = {0};
	uint32_t epoch = 0;
	for (size_t i = 0; i < c->n_stacks; i++) {
		const struct hs_capture_stack *s = &c->stacks[i];
		path_of(c, s->node, &now);
		/* Five numbers and the frames, each at its longest. */
		bool first = rc_sections_reserve(w->out, 10 * (5 + now.n));
		bool alone = first || c->nodes[s->node].epoch != epoch;
		size_t shared = alone ? 0 : common(&before, &now);
		epoch = c->nodes[s->node].epoch;
		const uint64_t head[] = {s->id, epoch, s->flags, shared, now.n - shared};
		put_numbers(&w->record, head, HS_COUNT(head));
		for (size_t k = shared; k < now.n; k++) {
			int64_t d = (int64_t)(now.at[k] - (k ? now.at[k - 1] : 0));
			hs_put_uleb(&w->record, ((uint64_t)d << 1) ^ (uint64_t)(d >> 63));
		}
		put_record(w, HS_WIRE_STACK);
		struct path spare = before;
		before = now;
		now = spare;
	}
	hs_array_free(&before);
	hs_array_free(&now);
}

static void put_modules(struct rewriting *w)
{
	for (size_t i = 0; i < w->c->n_modules; i++) {
		const struct hs_capture_module *m = &w->c->modules[i];
		const uint64_t head[] = {m->epoch, m->start, m->end, m->bias};
		put_numbers(&w->record, head, HS_COUNT(head));
		put_text(&w->record, m->build_id);
		put_text(&w->record, m->path);
		put_record(w, HS_WIRE_MODULE);
	}
}

/* Of a kept log, streams are known by their numbers; else there are none. */
static uint32_t stream_of(const struct hs_capture *c, size_t thread)
{
	for (size_t i = 0; i < c->n_pieces; i++)
		if (c->pieces[i].thread == thread)
			return c->pieces[i].stream;
	return (uint32_t)thread + 1;
}

static void put_threads(struct rewriting *w)
{
	for (size_t i = 0; i < w->c->n_threads; i++) {
		const struct hs_capture_thread *t = &w->c->threads[i];
		const uint64_t head[] = {stream_of(w->c, i), t->tid, 0};
		put_numbers(&w->record, head, HS_COUNT(head));
		put_text(&w->record, t->name);
		put_record(w, HS_WIRE_THREAD);
	}
}

static void put_snapshots(struct rewriting *w)
{
	for (size_t i = 0; i < w->c->n_snapshots; i++) {
		const struct hs_capture_snapshot *s = &w->c->snapshots[i];
		const uint64_t values[] = {s->stamp, s->time_ns, s->rss,
					   s->anon,  s->file,    s->shmem};
		put_numbers(&w->record, values, HS_COUNT(values));
		put_record(w, HS_WIRE_SNAPSHOT);
	}
}

/* The last look at the mappings tells most. */
static void put_maps(struct rewriting *w)
{
	for (size_t i = w->c->n_records; i-- > 0;) {
		const struct hs_capture_record *r = &w->c->records[i];
		if (r->tag != HS_WIRE_MAPS)
			continue;
		rc_sections_put(w->out, HS_WIRE_MAPS, r->payload.at, r->payload.n, NULL,
				0);
		return;
	}
}

/* The latest scan: it and what follows it. */
static void put_scan(struct rewriting *w)
{
	size_t i = w->c->n_records;
	while (i > 0 && w->c->records[i - 1].tag != HS_WIRE_SCAN)
		i--;
	for (size_t k = i ? i - 1 : w->c->n_records; k < w->c->n_records; k++) {
		const struct hs_capture_record *r = &w->c->records[k];
		if (r->tag == HS_WIRE_SCAN || r->tag == HS_WIRE_SCAN_BLOCKS)
			rc_sections_put(w->out, (uint32_t)r->tag, r->payload.at,
					r->payload.n, NULL, 0);
	}
}

static void put_end(struct rewriting *w, const struct rc_end *end)
{
	const struct hs_capture *c = w->c;
	if (!end->known && !c->ended)
		return;
	int64_t code = end->known ? end->code : c->end_code;
	const uint64_t values[] = {end->known ? end->how : c->end_how,
				   ((uint64_t)code << 1) ^ (uint64_t)(code >> 63),
				   end->known ? end->stamp : c->end_stamp,
				   end->known ? end->time_ns : c->end_ns};
	put_numbers(&w->record, values, HS_COUNT(values));
	put_record(w, HS_WIRE_ENDED);
}

/* Identity goes to the header PAGE, if any, while there is room, else to a section. */
static void put_identity(struct rewriting *w, struct hs_out *page)
{
	const struct hs_capture *c = w->c;
	const struct {
		uint32_t tag;
		struct hs_capture_text text;
	} texts[] = {{HS_WIRE_NAME, c->name},
		     {HS_WIRE_VERSION_OF, c->version},
		     {HS_WIRE_SYSTEM, c->system},
		     {HS_WIRE_EXE, c->exe},
		     {HS_WIRE_ARGV, c->argv}};
	for (size_t i = 0; i < HS_COUNT(texts); i++) {
		if (!texts[i].text.n)
			continue;
		/* Tag and length take 3 bytes, the end of records 1. */
		if (!page || page->n + texts[i].text.n + 4 > HS_WIRE_PAGE) {
			rc_sections_put(w->out, texts[i].tag, texts[i].text.at,
					texts[i].text.n, NULL, 0);
			continue;
		}
		hs_put_uleb(page, texts[i].tag);
		put_text(page, texts[i].text);
	}
	if (c->fork_stamp) {
		put_numbers(&w->record, &c->fork_stamp, 1);
		put_record(w, HS_WIRE_FORKED_AT);
	}
	if (c->sample_mean) {
		put_numbers(&w->record, &c->sample_mean, 1);
		put_record(w, HS_WIRE_SAMPLED);
	}
}

/* The counters stay where they are as long as the process lives. */
static void put_counts(struct rewriting *w)
{
	const struct hs_wire_counters *n = &w->c->counts;
	const uint64_t values[] = {n->allocations, n->bytes, n->frees};
	if (!w->c->has_counts)
		return;
	put_numbers(&w->record, values, HS_COUNT(values));
	put_record(w, HS_WIRE_COUNTS);
}

static struct hs_error *put_header(int fd, const struct hs_capture *c, uint64_t end_page,
				   const struct hs_out *records)
{
	struct hs_wire_header header = c->header;
	char page[HS_WIRE_PAGE] = {0};
	header.header_size = sizeof(header);
	header.state = HS_WIRE_FINAL;
	header.generation = 0; /* nothing is left that would not count */
	header.end_page = end_page;
	header.newest_chunk = 0;
	header.recorder_pid = 0;
	memcpy(page, &header, sizeof(header));
	memcpy(page + sizeof(header), records->buf + sizeof(header),
	       records->n - sizeof(header));
	int err = rc_write(fd, page, sizeof(page), 0);
	return err ? hs_error("cannot write the new file: %s", strerror(err)) : NULL;
}

/* What goes into a final capture and into a checkpoint alike. */
static void put_rest(struct rewriting *w)
{
	put_modules(w);
	put_threads(w);
	put_snapshots(w);
	put_maps(w);
	put_scan(w);
}

static void put_folded(struct rewriting *w, const struct hs_folding *f)
{
	put_state(w, f);
	put_mapped(w, f);
	put_forks(w, f);
	put_stacks(w);
}

static void put_all(struct rewriting *w, struct hs_out *page, const struct rc_end *end)
{
	put_identity(w, page);
	if (w->c->header.flags & HS_WIRE_KEEP_LOG) {
		const struct hs_capture_event *events;
		while (hs_capture_next(w->c, &events))
			;   /* the tables become complete */
		put_log(w); /* with its stacks */
	} else {
		struct hs_folding *f = hs_folding_run(w->c, true);
		put_folded(w, f);
		hs_folding_free(f);
	}
	put_rest(w);
	put_counts(w);
	put_end(w, end);
}

struct hs_error *rc_rewrite(int fd, struct hs_capture *c, const struct rc_end *end)
{
	struct rc_sections out;
	struct rewriting w = {.c = c, .out = &out};
	struct hs_out page;
	hs_out_init(&w.record, -1);
	hs_out_init(&page, -1);
	hs_put(&page, &c->header, sizeof(c->header)); /* room for it */
	rc_sections_init(&out, fd);
	put_all(&w, &page, end);
	struct hs_error *err = rc_sections_finish(&out);
	if (!err)
		err = put_header(fd, c, out.page, &page);
	free(hs_out_take(&page, NULL));
	free(hs_out_take(&w.record, NULL));
	return err;
}

/* Is all of P in the checkpoint? */
static bool is_folded(const struct hs_capture *c, const struct hs_capture_piece *p)
{
	for (size_t i = 0; i < c->n_positions; i++) {
		const struct hs_capture_position *at = &c->positions[i];
		if (at->stream == p->stream)
			return p->sequence < at->sequence ||
			       (p->sequence == at->sequence && p->events.n <= at->bytes);
	}
	return false;
}

void rc_put_checkpoint(struct rc_sections *out, struct hs_capture *c, uint64_t horizon)
{
	struct rewriting w = {.c = c, .out = out};
	struct hs_folding *f = hs_folding_run(c, false);
	hs_out_init(&w.record, -1);
	put_identity(&w, NULL);
	hs_folded_encode(f, horizon, &w.record);
	put_record(&w, HS_WIRE_FOLDED);
	put_folded(&w, f);
	put_rest(&w);
	for (size_t i = 0; i < c->n_pieces; i++)
		if (!is_folded(c, &c->pieces[i]))
			put_piece(&w, &c->pieces[i]);
	hs_folding_free(f);
	free(hs_out_take(&w.record, NULL));
}
